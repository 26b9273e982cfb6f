"""Checks of `--strict`: everything that readers of a table take for granted must hold for its records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from benchmark.canonical import dumps
from benchmark.data.store.completeness import warnings_among
from benchmark.planning.plan import Cell, Plan
from benchmark.planning.standing import DONE, FAILED, MISSING, OUTDATED, RECORDS_ALONE, AtHand, Standings, stand
from benchmark.records.files import Files, Place
from benchmark.records.paths import PREDICTIONS, RECORD
from benchmark.records.record import RunRecord, UnusableRecordError, parse_record
from benchmark.records.spec import RunSpec
from benchmark.records.store import Store, place_of
from benchmark.records.table_fields import Result, read_result

# fields that may differ between two answers to what a reader takes for one question
VERSIONS = ("method_version", "task_version", "dataset_version", "protocol", "task_inputs")
MOST_NAMES = 10  # cells named in a sentence


def audit(plan: Plan, store: Store, now: AtHand = RECORDS_ALONE) -> list[str]:
    """Return all faults of a plan's records as sentences; an empty list if their table can be trusted."""
    read = [(cell, *read_result(store, cell.spec)) for cell in plan.cells]
    standings = Standings(stand(cell, entry, now) for cell, entry, _ in read)
    return [
        *_not_finished(plan, standings),
        *_double_claims(plan, store),
        *_damaged(standings, store),
        *_mixed(standings),
        *_mixed_weights((cell.row, cell.member, result) for cell, _, result in read if result is not None),
        *_incomplete_data(result for _, _, result in read if result is not None),
    ]


def _not_finished(plan: Plan, standings: Standings) -> Iterator[str]:
    """Return a sentence per state and reason of the cells that are not done."""
    command = plan.command("run", *plan.part)
    yield from (f"{row} has no cells: {why}" for row, why in plan.untuned.items())
    states = [state for state in dict.fromkeys(standing.state for standing in standings.all) if state != DONE]
    remedy = {OUTDATED: f"{command} --again ROW", FAILED: f"{command} --retry-failed"}
    for state in states:
        for why, cells in standings.reasons(state).items():
            verdict = "have no finished record" if state == MISSING else f"are {state}"
            reason = f" ({why})" if why else ""
            yield f"{len(cells)} cells {verdict}{reason}: {_names(cells)}; {remedy.get(state, command)}"


def _double_claims(plan: Plan, store: Store) -> Iterator[str]:
    """Return questions of this plan that several folders answer, and records in the wrong folder."""
    questions = {_question(cell.spec.to_json()) for cell in plan.cells}
    claims: dict[str, list[str]] = {}
    for place in store.files.places():
        record = _record(store.files, place)
        if record is None or not record.done or (question := _question(record.spec)) not in questions:
            continue
        claims.setdefault(question, []).append("/".join(place))
        yield from _misplaced(place[2], record)
    for folders in claims.values():
        if len(folders) > 1:
            yield f"{' and '.join(folders)} claim one cell; remove the wrong one"


def _damaged(standings: Standings, store: Store) -> Iterator[str]:
    """Return finished records whose files were changed after they were written."""
    for cell in standings.finished_cells:
        place = place_of(cell.spec)
        record = _record(store.files, place)
        if record is None:
            continue
        expected = {**record.files, **({PREDICTIONS: record.predictions} if record.predictions else {})}
        for name, digest in expected.items():
            content = _content(store.files, place, name)
            is_collected = content is None and name not in record.files  # predictions stay where they were made
            if not is_collected and (content is None or hashlib.sha256(content).hexdigest() != digest):
                where = store.files.name_of(place)
                yield f"{cell.title}: {name} in {where} is not the one that its record was written with"


def _mixed(standings: Standings) -> Iterator[str]:
    """Return datasets with records from several preparations, and rows with numbers from several versions of code."""
    from benchmark.leaderboard.tables import mixed_code

    data: dict[str, set[str]] = {}
    for standing in standings.all:
        if standing.state in (DONE, OUTDATED) and standing.entry is not None:
            data.setdefault(standing.cell.spec.dataset, set()).add(str(standing.entry.data))
    for dataset, digests in sorted(data.items()):
        if len(digests) > 1:
            yield f"{dataset}: records from {len(digests)} preparations ({', '.join(sorted(digests))})"
    for place in mixed_code(standings):
        yield f"{place}: numbers in one row that different code made; run it --again"
    for place in mixed_code(standings, "weights"):
        yield f"{place}: numbers in one row with weights that different code trained; run it --again"


def _mixed_weights(results: Iterable[tuple[str, int | None, Result]]) -> Iterator[str]:
    from benchmark.leaderboard.machine_notes import mixed_weights

    for row in mixed_weights(results):
        yield f"{row}: numbers from several trainings of one recipe; run it --again"


def _incomplete_data(results: Iterable[Result]) -> Iterator[str]:
    """Return datasets that were prepared with clearly fewer recordings than they have."""
    for warning in sorted({note for result in results for note in warnings_among(result.notes)}):
        yield f"{warning}; get the missing files, remove the store and prepare it again"


def _question(spec: dict[str, Any]) -> str:
    return dumps({name: value for name, value in spec.items() if name not in VERSIONS})


def _misplaced(folder: str, record: RunRecord) -> Iterator[str]:
    try:
        key = RunSpec(**record.spec).key
    except TypeError:
        yield f"{folder}: its question has fields that this version does not know"
        return
    if not folder == record.key == key:
        yield f"{folder}: the record says {record.key}, its question has the key {key}; it was changed by hand"


def _record(files: Files, place: Place) -> RunRecord | None:
    try:
        content = files.read(place, RECORD)
        return None if content is None else parse_record(content)
    except UnusableRecordError:
        return None


def _content(files: Files, place: Place, name: str) -> bytes | None:
    try:
        return files.read(place, name)
    except UnusableRecordError:
        return None


def _names(cells: Iterable[Cell]) -> str:
    titles = [cell.title for cell in cells]
    more = f" and {len(titles) - MOST_NAMES} more" if len(titles) > MOST_NAMES else ""
    return "; ".join(titles[:MOST_NAMES]) + more
