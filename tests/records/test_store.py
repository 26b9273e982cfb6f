"""The store: one move per cell, finished cells stay, failed ones give way, rubbish counts as absent."""

import multiprocessing
from dataclasses import asdict, replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from benchmark.records.record import RunRecord, UnusableRecordError
from benchmark.records.spec import RunSpec
from benchmark.records.store import PREDICTIONS, RECORD, Store

SPEC = RunSpec("m", 1, {"width": 224}, "t", 1, {"fraction": 0.1}, "d", 1, {}, "super")


def record(status="done", value=0.5, digest="x"):
    return RunRecord(SPEC.key, asdict(SPEC), {"fraction": 0.1}, status, {"auroc": value}, data_digest=digest)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_round_trip_with_predictions(store):
    store.write(SPEC, record(), {"logits": np.arange(6.0).reshape(2, 3)})
    result = store.get(SPEC)
    assert result.metrics == {"auroc": 0.5} and result.done and len(result.predictions) == 64
    arrays = load_file(store.folder(SPEC) / PREDICTIONS)
    assert np.array_equal(arrays["logits"], np.arange(6.0).reshape(2, 3))
    assert [r.key for r in store.records()] == [SPEC.key]


def test_a_finished_record_is_never_replaced_by_a_race(store):
    store.write(SPEC, record(value=0.5))
    store.write(SPEC, record(value=0.9))
    assert store.get(SPEC).metrics["auroc"] == 0.5


def test_failed_and_stale_records_give_way(store):
    store.write(SPEC, record("failed"))
    store.write(SPEC, record(value=0.7, digest="old"))
    assert store.get(SPEC).metrics["auroc"] == 0.7
    store.write(SPEC, record(value=0.8, digest="new"))
    assert store.get(SPEC).metrics["auroc"] == 0.8
    store.set_aside(SPEC)
    assert store.get(SPEC) is None


@pytest.mark.parametrize("rubbish", ["", "{", '{"key": 1}', "null"])
def test_what_cannot_be_read_is_not_there(store, rubbish):
    store.write(SPEC, record())
    (store.folder(SPEC) / RECORD).write_text(rubbish)
    assert store.get(SPEC) is None and not list(store.records())
    store.write(SPEC, record())
    assert store.get(SPEC).done


def test_leftovers_of_a_kill_are_not_records(store):
    store.write(SPEC, record())
    folder = store.folder(SPEC)
    half = folder.parent / f".{folder.name}.123-abcd"
    half.mkdir()
    (half / RECORD).write_text((folder / RECORD).read_text())
    assert len(list(store.records())) == 1


def test_nan_is_refused_rather_than_stored(store):
    with pytest.raises(ValueError):
        store.write(SPEC, record(value=float("nan")))
    assert store.get(SPEC) is None and not list(store.root.rglob("*.json"))


def _write(root, value):
    Store(root).write(SPEC, record(value=value), {"logits": np.full((50, 5), value)})


def test_writers_at_once_leave_one_consistent_record(store):
    import hashlib

    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write, args=(store.root, value)) for value in (0.1, 0.2, 0.3, 0.4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    result, predictions = store.get(SPEC), store.folder(SPEC) / PREDICTIONS
    assert result.predictions == hashlib.sha256(predictions.read_bytes()).hexdigest()
    assert load_file(predictions)["logits"][0, 0] == result.metrics["auroc"]


def test_keys_know_what_matters_and_nothing_else():
    same = RunSpec("m", 1, {"width": 224.0}, "t", 1, {"fraction": np.float64(0.1)}, "d", 1, {}, "super")
    assert same.key == SPEC.key
    changes = [
        {"method_version": 2},
        {"method_config": {"width": 225}},
        {"task_config": {"fraction": 0.2}},
        {"label_set": "sub"},
        {"limit": 10},
        {"weights": "abc"},
        {"protocol": "other"},
        {"pretraining": {"epochs": 1}},
    ]
    keys = {RunSpec(**{**asdict(SPEC), **change}).key for change in changes}
    assert len(keys) == len(changes) and SPEC.key not in keys


def test_cards_of_weights_beside_records_are_no_records(store):
    store.write(SPEC, record())
    card = store.root / "pretrained" / "m-0123" / "card.json"
    card.parent.mkdir(parents=True)
    card.write_text("{}")
    assert [r.key for r in store.records()] == [SPEC.key] and store.find(SPEC.key[:4]).done


def test_the_record_of_another_cell_in_a_folder_is_none_of_its_cell(store):
    """Tables refused it already; `verify`, which read it without its key, said that it agrees."""
    other = replace(SPEC, label_set="sub")
    store.write(SPEC, record())
    store.folder(SPEC).rename(store.folder(other))
    assert store.get(other) is None and list(store.records()) == []
    with pytest.raises(UnusableRecordError, match=f"it is the record of another cell, {SPEC.key}"):
        store.read(other)
    assert store.write(other, replace_key(record(), other.key)) is not None and store.get(other).done  # set aside


def replace_key(one, key):
    one.key = key
    return one
