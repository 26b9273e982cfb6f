"""Damage records at random: every reader believes a record or none does, and nothing but a reason comes out.

    python tests/fuzz/records.py [INPUTS] [SEED]

A whole record is changed in bytes or in fields, with or without a digest of its own; then it is read by the store, by
the index, by the tables and by `--strict`. A finding is another exception, or two readers that disagree. Exit code 1
where there is one.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

from benchmark.records.index import read_entry
from benchmark.records.paths import RECORD
from benchmark.records.record import RunRecord, UnusableRecordError, record_text
from benchmark.records.spec import RunSpec
from benchmark.records.store import Store
from benchmark.records.table_fields import read_result

SPEC = RunSpec("m", 1, {"width": 224}, "t", 1, {"fraction": 0.1}, "d", 1, {}, "super")
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 7.5, 10**400, 1e308, float("nan"), float("inf"), "", "0.9", "\ud800", "x" * 9999, [],
    [1, 2], {}, {"auroc_macro": 0.5}, {"auroc_macro": [0.9, 0.1]}, {"a": {"b": {}}}, "done", "failed", "wat",
)  # fmt: skip


def whole_record() -> dict[str, Any]:
    fields: dict[str, Any] = {"metrics": {"auroc_macro": 0.5}, "intervals": {"auroc_macro": (0.4, 0.6)}}
    fields |= {"primary": "auroc_macro", "data_digest": "d1", "n": {"train": 9, "test": 30}, "seconds": 1.5}
    fields |= {"per_class": {"MI": {"auroc": 0.5}}, "code": {"method": "m1"}, "notes": ["a note"]}
    return RunRecord(SPEC.key, SPEC.to_json(), {"seed": 0}, "done", **fields).to_json()


def damaged(rng: random.Random) -> bytes:
    """A record of this or of older code, with fields changed, or with bytes changed, cut out or put in."""
    fields = whole_record()
    if rng.random() < 0.5:
        fields = {name: value for name, value in fields.items() if name not in ("code", "files")}
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        name = rng.choice([*fields, "newer_field", "sha256"])
        fields[name] = rng.choice(VALUES)
        if rng.random() < 0.2:
            del fields[rng.choice(list(fields))]
    content = json.dumps(fields).encode("utf-8", "replace")
    if rng.random() < 0.5:  # as this code ends a record: with the digest of what stands before
        body = content.rstrip(b"}").rstrip()
        content = body + b',\n"sha256": "' + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n'
    for _ in range(rng.choice((0, 0, 1, 5))):
        place = rng.randrange(len(content) + 1)
        content = rng.choice(
            (
                content[:place],
                content[:place] + rng.randbytes(rng.randrange(4)) + content[place + rng.randrange(4) :],
                content[:place] + content[place // 2 :],
            )
        )
    return content


def verdicts(store: Store) -> list[bool]:
    """Whether the store, the index and the tables believe the record."""
    try:
        whole = store.read(SPEC)
        believed = [whole is not None and whole.key == SPEC.key]
    except UnusableRecordError:
        believed = [False]
    entry, (in_tables, result) = read_entry(store.root, SPEC), read_result(store, SPEC)
    assert entry is not None and in_tables is not None
    believed += [entry.usable, in_tables.usable]
    assert (result is not None) == (in_tables.status == "done")
    return believed


def main(inputs: int = 10_000, seed: int = 0) -> int:
    rng, faults, believed = random.Random(seed), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        path = store.folder(SPEC) / RECORD
        path.parent.mkdir(parents=True)
        path.write_bytes(record_text(RunRecord(**whole_record())))
        assert verdicts(store) == [True] * 3
        for number in range(inputs):
            content = damaged(rng)
            path.write_bytes(content)
            try:
                output = verdicts(store)
                problem = "" if len(set(output)) == 1 else f"the readers disagree: {output}"
                believed += all(output)
            except Exception:
                problem = traceback.format_exc(limit=-2)
            if problem:
                faults += 1
                print(f"input {number}: {content[:300]!r}\n{problem}", flush=True)
    print(f"{inputs} inputs, {believed} of them whole, {faults} faults")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
