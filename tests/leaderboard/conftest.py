"""Made-up records: a plan of the tiny suite, an empty store, and what fills it."""

import numpy as np
import pytest

from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite
from benchmark.records.record import RunRecord
from benchmark.records.store import Store

CLASSES = ("NORM", "MI")


@pytest.fixture
def plan(tiny_suite):
    return make_plan(load_suite(str(tiny_suite)))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "records")


@pytest.fixture
def fill():
    """Store a record per cell with `value(cell)` as its metric (None: no record); `noise(cell)` adds resamples."""

    def put(plan, store, value=lambda cell: 0.8, noise=None, **more):
        for cell in plan.cells:
            number = value(cell)
            if number is None:
                continue
            record = RunRecord(cell.spec.key, cell.spec.to_json(), cell.question, "done", {"auroc_macro": number})
            record.intervals, record.primary = {"auroc_macro": (number - 0.05, number + 0.04)}, "auroc_macro"
            record.data_digest, record.synthetic, record.n = "d1", True, {"train": 9, "test": 30}
            record.per_class = {name: {"auroc": number, "positives": 5} for name in CLASSES}
            for name, given in more.items():
                setattr(record, name, given)
            resampled = None
            if noise is not None:
                record.resampling = {"resamples": 200, "seed": 0, "recordings": "r"}
                resampled = np.float32(number) + noise(cell)
            store.put(cell.spec, record, resampled=resampled)

    return put
