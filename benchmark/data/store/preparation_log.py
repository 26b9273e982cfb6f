"""Log of a preparation, by recording: JSON lines while it runs, one JSON file in the store."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

MOST_NAMES = 10  # recordings named in a summary
REASONS = 8  # reasons named where nothing can be read


@dataclass
class PreparationLog:
    """Recordings `left_out` of the store for a problem, and `remarks` on oddities in recordings of the store."""

    left_out: list[dict[str, str]] = field(default_factory=list)
    remarks: list[dict[str, str]] = field(default_factory=list)

    @classmethod
    def from_json(cls, content: Mapping[str, list[dict[str, str]]]) -> PreparationLog:
        """Return the log in a file of `write_json`, where the remarks are called "noticed"."""
        return cls(content["left_out"], content["noticed"])

    def summary(self) -> list[str]:
        """Return a line per kind of oddity, then the recordings left out: equal problems counted, others by name."""
        kinds = Counter(remark["kind"] for remark in self.remarks)
        lines = [f"{count} recordings: {kind}" for kind, count in sorted(kinds.items())]
        if not self.left_out:
            return lines
        lines.append(f"{len(self.left_out)} recordings were left out:")
        reasons = commonest_reasons(self.left_out)
        lines += [f"  {reason.count} with the same problem: {reason}" for reason in reasons if reason.count > 1]
        single = [reason.first for reason in reasons if reason.count == 1]
        lines += [f"  {entry['record_id']}: {entry['problem']}" for entry in single[:MOST_NAMES]]
        hidden = len(self.left_out) - len(single[:MOST_NAMES])
        return [*lines, "  all of them by name in preparation.json"] if hidden else lines


@dataclass
class Reason:
    """A group of problems that differ only in file and numbers, with the first recording that has one."""

    first: dict[str, str]
    count: int = 0

    def __str__(self) -> str:
        """Return ``the header is missing (download it again), of .../40689238.hea first``, for example."""
        file, problem = _file_and_problem(self.first["problem"])
        return f"{problem}, of {file} first" if file and self.count > 1 else self.first["problem"]


def commonest_reasons(left_out: Iterable[dict[str, str]]) -> list[Reason]:
    """Group the recordings left out by reason, the commonest first."""
    reasons: dict[str, Reason] = {}
    for entry in left_out:
        kind = _NUMBERS.sub("0", _file_and_problem(entry["problem"])[1])
        reasons.setdefault(kind, Reason(entry)).count += 1
    return sorted(reasons.values(), key=lambda reason: -reason.count)


def list_reasons(left_out: Iterable[dict[str, str]]) -> list[str]:
    """Return a line per reason with its number of recordings, the commonest first; `REASONS` lines and one at most."""
    reasons = commonest_reasons(left_out)
    lines = [f"{reason.count} recording{'s' * (reason.count > 1)}: {reason}" for reason in reasons[:REASONS]]
    more = len(reasons) - len(lines)
    return lines + ([f"... and {more} more reason{'s' * (more > 1)}"] if more else [])


_FILE = re.compile(r"(?P<file>[^:]*[/\\][^:]*): (?P<problem>.*)", re.DOTALL)  # the form of a RecordingError's text
_NUMBERS = re.compile(r"\d+")


def _file_and_problem(text: str) -> tuple[str, str]:
    match = _FILE.fullmatch(text)
    return (match["file"], match["problem"]) if match else ("", text)


def read_lines(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="\n") as file:
        yield from map(json.loads, file)


def to_lines(entries: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries).encode()


def write_json(path: Path, left_out: Path, notices: Path) -> None:
    """Join two files of JSON lines into one JSON file, line by line, since they may be very long."""
    with path.open("w", encoding="utf-8") as file:
        file.write('{\n"left_out": [\n')
        file.writelines(_separated(left_out))
        file.write('],\n"noticed": [\n')
        file.writelines(_separated(notices))
        file.write("]\n}\n")


def _separated(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file):
            yield f"{',' if number else ''}{line}"
