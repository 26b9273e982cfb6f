"""The index of records: whatever happens to its cache, its entries equal the records on disk."""

import json

import pytest

from benchmark.paths import Home
from benchmark.records.index import read_index
from benchmark.records.paths import INDEX
from benchmark.records.record import RunRecord
from benchmark.records.spec import RunSpec
from benchmark.records.store import Store


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path)
    for seed in range(4):
        spec = RunSpec("m", 1, {}, "t", 1, {"seed": seed}, "d", 1, {}, "super")
        metrics = {"auroc_macro": 0.5 + seed / 10}
        Store(home.records).write(spec, RunRecord(spec.key, spec.to_json(), {}, "done", metrics, data_digest="x"))
    return home


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_index_is_made_anew(home, damage, caplog, seed):
    expected = read_index(home)
    assert len(expected) == 4
    kind = damage(home.root / INDEX, seed)
    assert read_index(home) == expected
    assert f"{home.root / INDEX} is damaged" in caplog.text or kind == "flip a bit"
    caplog.clear()
    assert read_index(home) == expected and not caplog.text


def test_an_index_of_older_code_is_made_anew_without_a_word(home, caplog):
    expected = read_index(home)
    content = json.loads((home.root / INDEX).read_text())
    (home.root / INDEX).write_text(json.dumps(content["entries"]))
    assert read_index(home) == expected and not caplog.text
    assert json.loads((home.root / INDEX).read_text())["crc32"] == content["crc32"]


def test_a_whole_index_spares_the_reading_of_records(home, monkeypatch):
    expected = read_index(home)
    monkeypatch.setattr("benchmark.records.index._read", lambda *_: pytest.fail("a record was read again"))
    assert read_index(home) == expected
