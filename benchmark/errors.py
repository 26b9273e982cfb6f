"""Errors that a user can act on; each class carries the exit code of the command line."""

from __future__ import annotations

from collections.abc import Iterable

COMPLETE, USAGE, SOME_FAILED, INCOMPLETE, MISSING = 0, 2, 3, 4, 5
BRIEF = 60  # characters of a wrong value that a message repeats
INTERRUPTED = 130  # a shell's exit code after Ctrl-C


class BenchmarkError(Exception):
    """Base of all errors whose message is meant for the user; shown without a traceback."""

    exit_code = 1


class UsageError(BenchmarkError):
    """The command, a suite or a configuration is wrong (exit code 2)."""

    exit_code = USAGE


class LeftOut(UsageError, ValueError):  # noqa: N818 - it reads as what it says
    """A configuration of a method lacks the requested part: it has no text model, say."""


class MissingError(BenchmarkError):
    """Data, weights or a part of the environment is missing or unreadable (exit code 5)."""

    exit_code = MISSING


class DataError(MissingError):
    """A dataset's files have missing or wrong content; the message names file, field and remedy."""


class DiskError(MissingError):
    """A folder cannot be written to or read: a full disk, a missing right (exit code 5). It ends a run, not a cell."""


class RecordingError(DataError):
    """One recording cannot be read; the preparation counts it, names it and goes on."""

    def __init__(self, file: object, problem: str, remedy: str = "") -> None:
        self.file, self.problem, self.remedy = str(file), problem, remedy
        super().__init__(f"{file}: {problem}" + (f" ({remedy})" if remedy else ""))


class TestSetLockedError(BenchmarkError):
    """A task asked for data that only the scorer may see."""

    __test__ = False  # not a test, whatever pytest makes of the name


def brief(value: object) -> str:
    """Return a wrong value for a message: in one line, cut where it is long."""
    try:
        text = repr(value)
    except ValueError:  # a number of more digits than Python prints
        text = "a number of thousands of digits"
    return text if len(text) <= BRIEF else f"{text[: BRIEF - 3]}..."


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return ``" (did you mean 'merl'?)"``, or the list of known names when nothing is near."""
    choices = sorted(choices)
    import difflib  # takes a while, for an error that ends the command

    near = difflib.get_close_matches(name, choices, n=1)
    if near:
        return f" (did you mean {near[0]!r}?)"
    return f" (known: {', '.join(choices) or 'none'})"


def check_choice(where: str, field: str, value: str, choices: Iterable[str]) -> None:
    """Refuse a value that is none of `choices`."""
    choices = list(choices)
    if value not in choices:
        raise UsageError(f"{where}: {field} = {value!r} is unknown{did_you_mean(value, choices)}")


def no_label_set(dataset: str, name: str, label_sets: Iterable[str], targets: Iterable[str] = ()) -> str:
    """Return the sentence that a dataset lacks a label set or target, or has no label sets at all."""
    label_sets, targets = list(label_sets), list(targets)
    if not label_sets:
        numbers = f", its targets are {', '.join(targets)}" if targets else ""
        reports = "its reports serve pre-training and report generation"
        return f"{dataset} has no label sets, so no {name!r}: {reports}{numbers}"
    return f"{dataset} has no label set {name!r}{did_you_mean(name, [*label_sets, *targets])}"


def check_choices(where: str, **options: tuple[object, tuple[str, ...]]) -> None:
    """Raise one `UsageError` for all options, each as (value, legal values), whose value is not legal."""
    raise_all(
        [
            f"{name} is {value!r}{did_you_mean(str(value), choices)}; it must be {' or '.join(choices)}"
            for name, (value, choices) in options.items()
            if value not in choices
        ],
        f"the configuration of {where} is wrong:",
    )


def raise_all(problems: list[str], heading: str, kind: type[BenchmarkError] = UsageError) -> None:
    """Raise one error that lists every problem; do nothing if there is none."""
    if problems:
        lines = (f"  - {problem}".replace("\n", "\n    ") for problem in problems)
        raise kind("\n".join([heading, *lines]))
