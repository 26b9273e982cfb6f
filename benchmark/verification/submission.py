"""The check of a submission: records, predictions, and the description of the new rows, in one folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmark.api import PROTOCOL
from benchmark.canonical import digest
from benchmark.errors import BenchmarkError, MissingError
from benchmark.leaderboard.submissions import FILE, SubmittedRow, read_submission
from benchmark.paths import Home
from benchmark.planning.plan import Cell, Plan, make_plan
from benchmark.planning.plan_file import read_plan
from benchmark.planning.source_digest import cell_code, changed_parts
from benchmark.records.paths import SUFFIX
from benchmark.records.record import RunRecord
from benchmark.records.store import Store
from benchmark.registry import METHODS, TASKS
from benchmark.verification.recomputation import TOLERANCE
from benchmark.verification.suite_check import SuiteCheck, check_suite

PREDICTIONS_FOLDER = "predictions"
MOST_TITLES = 3  # names in a sentence
NO_LEAK_KNOWN = "say in the suite's `trained_on` or on the method's card what its weights have seen"


@dataclass
class SubmissionCheck:
    """All problems of a submission, each with its remedy, and facts that are no problem but must be read."""

    place: Path
    problems: list[str] = field(default_factory=list)
    facts: list[str] = field(default_factory=list)
    rows: list[SubmittedRow] = field(default_factory=list)


def check_submission(place: Path, home: Home) -> SubmissionCheck:
    """Check a folder, or one file of records with its neighbours.

    The folder has ``SUITE.parquet``, ``predictions/SUITE.parquet`` and ``submission.toml``. Raises `MissingError` where
    there are no records.
    """
    files = [place] if place.suffix == SUFFIX else sorted(place.glob(f"*{SUFFIX}"))
    if not files or not files[0].is_file():
        raise MissingError(
            f"{place} holds no records: `ecgarena collect SUITE --out {place}/SUITE{SUFFIX}` writes them"
        )
    result = SubmissionCheck(place)
    folder = files[0].parent
    _describe(result, folder / FILE)
    for file in files:
        try:
            _check_file(result, file, home)
        except BenchmarkError as error:
            result.problems.append(str(error))
    result.problems += _without_records(result, files)
    return result


def _without_records(result: SubmissionCheck, files: list[Path]) -> Iterator[str]:
    """Yield the described rows of suites whose records are not there, each suite once."""
    suites = {plan.suite.name for file in files if (plan := _plan_of(file)) is not None}
    for suite in dict.fromkeys(one.suite for one in result.rows if one.suite not in suites):
        yield f"{FILE} describes rows of {suite}, and no records of it are there; collect them, or correct the name"


def _plan_of(file: Path) -> Plan | None:
    with suppress(BenchmarkError):  # told already
        return read_plan(file)
    return None


def _describe(result: SubmissionCheck, path: Path) -> None:
    if not path.is_file():
        result.problems.append(f"{path} is missing: describe each row by suite, row, licence, paper and code")
        return
    try:
        result.rows = read_submission(path).rows
    except BenchmarkError as error:
        result.problems.append(str(error))
    for row in result.rows:
        if row.replicated or row.confirmed:
            result.facts.append(f"{row.row}: replicated and confirmed count only when the maintainers have set them")


def _check_file(result: SubmissionCheck, file: Path, home: Home) -> None:
    plan, store = read_plan(file), Store(file)
    if plan is None:
        result.problems.append(f"{file} has no plan: collect the records again with this version")
        return
    records = {cell.spec.key: record for cell in plan.cells if (record := store.get(cell.spec)) and record.done}
    result.problems += [*_incomplete(plan, records), *_other_questions(plan, records), *_other_metrics(plan, records)]
    _check_grid(result, plan)
    for row in dict.fromkeys(cell.row for cell in plan.cells):
        of_row = [records[cell.spec.key] for cell in plan.cells if cell.row == row and cell.spec.key in records]
        result.problems += [f"{row}: {problem}" for problem in _row_problems(of_row)]
        _check_leak(result, plan.suite.name, row, of_row)
    names = {one.row for one in result.rows if one.suite == plan.suite.name}
    unknown = names - {cell.row for cell in plan.cells}
    result.problems += [f"{FILE}: {plan.suite.name} has no row {name!r}; correct its name" for name in sorted(unknown)]
    if not names:
        result.problems.append(f"{FILE} describes no row of {plan.suite.name}; add a [[rows]] for the submitted one")
    _verify(result, plan, store, file, home)


def _incomplete(plan: Plan, records: dict[str, RunRecord]) -> Iterator[str]:
    missing = [cell.title for cell in plan.cells if cell.spec.key not in records]
    if missing:
        names = _some(missing)
        yield f"{len(missing)} of {len(plan.cells)} cells have no finished record: {names}; run them and collect again"
    if plan.limit is not None or plan.part:
        yield f"{plan.suite.name} was collected in part; collect the whole suite, without --limit, --methods or --tasks"


def _other_questions(plan: Plan, records: dict[str, RunRecord]) -> Iterator[str]:
    """Yield records whose key is not that of their own question: a table would show them as answers to another one."""
    titles = [cell.title for cell in plan.cells if (one := records.get(cell.spec.key)) and digest(one.spec) != one.key]
    if titles:
        yield f"{len(titles)} records answer another question than their key names: {_some(titles)}; run these again"


def _other_metrics(plan: Plan, records: dict[str, RunRecord]) -> Iterator[str]:
    """Yield records that call another metric the primary one than their task does, or turn its direction."""
    titles = []
    for cell in plan.cells:
        record = records.get(cell.spec.key)
        if record is not None and cell.spec.task in TASKS.names():
            task = TASKS.get(cell.spec.task)
            if (record.primary, record.higher_is_better) != (task.primary, task.higher_is_better):
                titles.append(cell.title)
    if titles:
        yield f"{len(titles)} records show another metric than their task's: {_some(titles)}; run these again"


def _check_grid(result: SubmissionCheck, plan: Plan) -> None:
    """Hold the cells of each row against those that the suite asks of it, apart from its weights' checksum.

    Where a method, task or dataset is not installed here, a fact says so.
    """
    rows = list(dict.fromkeys(cell.row for cell in plan.cells))
    try:
        whole = make_plan(plan.suite, rows)
    except BenchmarkError as error:
        reason = str(error).splitlines()[0]
        result.facts.append(f"{plan.suite.name}: its cells could not be held against its suite: {reason}")
        return
    expected = {_question(cell): cell.title for cell in whole.cells}
    actual = {_question(cell): cell.title for cell in plan.cells}
    absent = [title for question, title in expected.items() if question not in actual]
    added = [title for question, title in actual.items() if question not in expected]
    for titles, fault in ((absent, "are no part of the submission"), (added, "are not asked by it")):
        if titles:
            result.problems.append(
                f"{len(titles)} cells of the suite as this version lays it out {fault}: {_some(titles)}; run the whole "
                "suite with this version and collect it again"
            )


def _question(cell: Cell) -> tuple[str, str]:
    """Return the row and the key of a cell without its weights, whose files do not travel with a plan."""
    return cell.row, replace(cell.spec, weights=None, limit=None).key


def _row_problems(records: list[RunRecord]) -> Iterator[str]:
    """Yield what is wrong with the protocol, the code and the data of one row."""
    protocols = {record.spec["protocol"] for record in records} - {PROTOCOL, *_declared_protocols()}
    yield from (f"the protocol {name!r} is unknown here; use the version of ecgarena that has it" for name in protocols)
    if any(record.data_digest is None for record in records):
        yield "records do not say which data they were made from; run them again"
    if any("method" not in record.code for record in records):
        yield "records do not say which code made them; run them again"
    for part, deed in (("method", "made its numbers"), ("weights", "trained its weights")):
        digests = {record.code[part] for record in records if part in record.code}
        if len(digests) > 1:
            yield f"{len(digests)} versions of the method's code {deed}; make one row of one version: run --again"
    yield from dict.fromkeys(change for record in records for change in _changed_code(record))


def _declared_protocols() -> set[str]:
    return {TASKS.get(name).protocol for name in TASKS.names()}


def _changed_code(record: RunRecord) -> Iterator[str]:
    """Yield the parts of a record's code that differ from what is installed here; nothing for what is not installed."""
    method, task = record.spec["method"], record.spec["task"]
    if method in METHODS.names() and task in TASKS.names():
        for part in changed_parts(record.code, cell_code(method, task)):
            yield f"the code of its {part} is not the one installed here; install that version, or run --again"


def _check_leak(result: SubmissionCheck, suite: str, row: str, records: list[RunRecord]) -> None:
    states = {str(record.leak["state"]) if record.leak else "unknown" for record in records}
    if states:
        result.facts.append(f"{row}: leak verdict {', '.join(sorted(states))}")
    if "contaminated" in states:
        result.problems.append(f"{row}: its weights have seen test data; train them without it")
    claim = next((one.leak_known for one in result.rows if (one.suite, one.row) == (suite, row)), None)
    if claim and "unknown" in states:
        result.problems.append(f"{row}: {FILE} says leak_known, its records do not; {NO_LEAK_KNOWN}")
    if claim is False and "unknown" not in states and states:
        result.problems.append(f"{row}: its records know the leak; write leak_known = true in {FILE}")


def _verify(result: SubmissionCheck, plan: Plan, store: Store, file: Path, home: Home) -> None:
    predictions = file.parent / PREDICTIONS_FOLDER / file.name
    if not predictions.is_file():
        result.problems.append(f"{predictions} is missing; `ecgarena collect --predictions` writes it")
        return
    check = check_suite(plan, store, home, predictions, TOLERANCE)
    result.problems += _verification_problems(check)
    result.facts.append(f"{plan.suite.name}: {len(check.of('agrees'))} of {len(check.checks)} cells verify")


def _verification_problems(check: SuiteCheck) -> Iterator[str]:
    different = [one.title for one in check.of("differs")]
    if different:
        yield f"{len(different)} cells differ from their predictions: {_some(different)}; `ecgarena verify` says where"
    for reason in dict.fromkeys(one.problem for one in check.of("not verified")):
        titles = [one.title for one in check.of("not verified") if one.problem == reason]
        yield f"{len(titles)} cells are not verified: {reason}: {_some(titles)}"


def _some(titles: list[str]) -> str:
    more = f" and {len(titles) - MOST_TITLES} more" if len(titles) > MOST_TITLES else ""
    return "; ".join(titles[:MOST_TITLES]) + more
