"""What `--strict` refuses: missing cells, mixed protocols or data, and two records that claim one cell."""

from __future__ import annotations

from collections.abc import Iterable

from benchmark.planning.plan import Plan
from benchmark.records.record import RunRecord, RunSpec
from benchmark.records.store import RECORD, Store, read_record

# fields that may differ between two answers to what a reader takes for one question
VERSIONS = ("method_version", "task_version", "dataset_version", "protocol", "task_inputs")


def audit(plan: Plan, store: Store) -> list[str]:
    """All faults of a plan's records, as sentences; empty when a table of them can be trusted."""
    wanted = {cell.spec.key: cell for cell in plan.cells}
    claims: dict[str, list[str]] = {}
    problems: list[str] = []
    digests: dict[str, set[str]] = {}
    protocols: set[str] = set()
    done: set[str] = set()
    asked = {_question(cell.spec.to_json()) for cell in plan.cells}
    for path in sorted(store.root.glob(f"*/*/*/{RECORD}")):
        record = read_record(path.parent)
        if path.parent.name.startswith(".") or record is None or not record.done:
            continue
        question = _question(record.spec)
        if question not in asked:
            continue
        claims.setdefault(question, []).append(path.parent.relative_to(store.root).as_posix())
        problems += _misplaced(path.parent.name, record)
        if record.key in wanted:
            done.add(record.key)
            if record.spec["protocol"] != wanted[record.key].spec.protocol:
                protocols.add(f"{record.spec['protocol']} and {wanted[record.key].spec.protocol}")
            digests.setdefault(str(record.spec["dataset"]), set()).add(str(record.data_digest))
    problems += [
        f"{' and '.join(folders)} claim one cell; remove the wrong one"
        for folders in claims.values()
        if len(folders) > 1
    ]
    problems += _mixed(digests, protocols)
    missing = [wanted[key].title for key in wanted if key not in done]
    return problems + _missing(plan, missing)


def _question(spec: dict[str, object]) -> str:
    from benchmark.canonical import dumps

    return dumps({name: value for name, value in spec.items() if name not in VERSIONS})


def _misplaced(folder: str, record: RunRecord) -> list[str]:
    try:
        key = RunSpec(**record.spec).key
    except TypeError:
        return [f"{folder}: its question has fields that this version does not know"]
    if not folder == record.key == key:
        return [f"{folder}: the record says {record.key}, its question has the key {key}; it was changed by hand"]
    return []


def _mixed(digests: dict[str, set[str]], protocols: set[str]) -> Iterable[str]:
    for dataset, found in sorted(digests.items()):
        if len(found) > 1:
            yield f"{dataset}: records from {len(found)} preparations ({', '.join(sorted(found))})"
    if protocols:
        yield f"protocols are mixed: {'; '.join(sorted(protocols))}"


def _missing(plan: Plan, missing: list[str], shown: int = 10) -> list[str]:
    if not missing:
        return []
    more = f" and {len(missing) - shown} more" if len(missing) > shown else ""
    command = f"ecgarena run {plan.suite.name}"
    return [f"{len(missing)} cells have no finished record: {'; '.join(missing[:shown])}{more}; {command}"]
