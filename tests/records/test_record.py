"""A record is believed by every reader or by none; the reason names what is wrong with it."""

import json
import math

import numpy as np
import pytest

from benchmark.metrics.ranges import range_of
from benchmark.records.index import read_entry
from benchmark.records.paths import RECORD, RESAMPLED, SET_ASIDE
from benchmark.records.record import RunRecord, UnusableRecordError, parse_record, record_text, signed_text
from benchmark.records.spec import RunSpec
from benchmark.records.store import Store, gives_way
from benchmark.records.table_fields import read_resampled, read_result

SPEC = RunSpec("m", 1, {"width": 224}, "t", 1, {"fraction": 0.1}, "d", 1, {}, "super")


def record(status="done", value=0.5, digest="x", **more):
    fields = {"metrics": {"auroc_macro": value}, "data_digest": digest, "code": {"method": "m1", "task": "t1"}}
    return RunRecord(SPEC.key, SPEC.to_json(), {"seed": 0}, status, **{**fields, **more})


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def path(store):
    store.write(SPEC, record(intervals={"auroc_macro": (0.4, 0.6)}), resampled=np.full(100, 0.5, np.float32))
    return store.folder(SPEC) / RECORD


def verdicts(store):
    """Return the reason of each reader against the record; "" where one believes it."""
    try:
        whole = "" if store.read(SPEC) else "none"
    except UnusableRecordError as error:
        whole = str(error)
    entry, (tables, result) = read_entry(store.root, SPEC), read_result(store, SPEC)
    assert (result is None) == (tables.status != "done")
    return [whole, *("" if one.usable else one.message for one in (entry, tables))]


def test_a_record_reads_as_it_was_written(store, path):
    assert verdicts(store) == ["", "", ""]
    assert parse_record(path.read_bytes()).to_json() == store.get(SPEC).to_json()


@pytest.mark.parametrize(
    "name, value",
    [
        ("metrics", {"auroc_macro": 0.999}),
        ("metrics", {"auroc_macro": 7.5}),
        ("metrics", {"auroc_macro": float("nan")}),
        ("metrics", {"auroc_macro": float("inf")}),
        ("metrics", {"auroc_macro": "0.9"}),
        ("metrics", {"auroc_macro": None}),
        ("metrics", {"auroc_macro": 10**400}),
        ("status", "wat"),
        ("intervals", {"auroc_macro": [2, 1]}),
        ("zzz_new_field", 1),
        ("data_digest", "0" * 16),
        ("synthetic", True),
        ("notes", 5),
        ("per_class", [1, 2]),
        ("n", {"test": "many"}),
        ("primary", "nope"),
        ("seconds", "x"),
        ("cost", {"parameters": "x"}),
        ("leak", {"state": "clean", "reasons": "x"}),
        ("question", {"seed": [1, 2]}),
        ("analysis", {"reliability": 5}),
    ],
)
@pytest.mark.parametrize("in_place", [True, False], ids=["one line edited", "written anew"])
def test_a_change_by_hand_is_noticed_by_every_reader(store, path, name, value, in_place):
    content = json.loads(path.read_text())
    variant = {**content, name: value}
    if in_place:
        lines = [f"{json.dumps(key)}: {json.dumps(variant[key])}" for key in sorted(variant) if key != "sha256"]
        path.write_text("{\n" + ",\n".join(lines) + f',\n"sha256": "{content["sha256"]}"\n}}\n')
    else:
        path.write_text(json.dumps(variant))
    assert all(verdicts(store)), verdicts(store)


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"\xff\xfe\x00", b"[" * 200_000, b'{"key": 1}'])
def test_what_is_no_record_is_unusable_and_is_set_aside_by_the_next_one(store, path, content):
    path.write_bytes(content)
    assert all(verdicts(store))
    aside = store.write(SPEC, record(value=0.7))
    assert (aside / RECORD).read_bytes() == content and aside.is_relative_to(store.root / SET_ASIDE)
    assert store.get(SPEC).metrics == {"auroc_macro": 0.7} and len(list(store.records())) == 1


def test_a_folder_in_the_place_of_a_record_is_set_aside(store, path):
    path.unlink()
    path.mkdir()
    assert "cannot be read" in verdicts(store)[0]
    assert store.write(SPEC, record()) is not None and store.get(SPEC).done


def test_the_record_of_another_cell_is_noticed(store, path):
    other = RunSpec(**{**SPEC.to_json(), "label_set": "sub"})
    store.write(other, RunRecord(other.key, other.to_json(), {}, "done", {"auroc_macro": 0.9}, data_digest="x"))
    path.write_bytes((store.folder(other) / RECORD).read_bytes())
    assert all("another cell" in why for why in verdicts(store)[1:])


def test_records_of_older_code_are_held_to_ranges(store, path):
    def older(**changes):
        fields = {k: v for k, v in record().to_json().items() if k not in ("code", "files")}
        path.write_text(json.dumps({**fields, **changes}))
        return verdicts(store)

    assert older() == ["", "", ""]
    assert all("auroc_macro is 7.5, which lies outside of" in why for why in older(metrics={"auroc_macro": 7.5}))
    assert all("ends before it begins" in why for why in older(intervals={"auroc_macro": [0.6, 0.4]}))
    assert all("a newer version wrote it" in why for why in older(later=1))


def test_resamples_are_those_of_the_record(store, path):
    _, result = read_result(store, SPEC)
    assert len(read_resampled(store, SPEC, result.resampled_sha256)) == 100
    resampled = path.with_name(RESAMPLED)
    for content in (resampled.read_bytes()[:-3], resampled.read_bytes()[:-400], b"\0" * 400, b"\xff" * 400):
        resampled.write_bytes(content)
        with pytest.raises(UnusableRecordError, match="not the one that was written with it"):
            read_resampled(store, SPEC, result.resampled_sha256)


def test_a_failure_never_replaces_a_finished_record_of_the_same_data(store):
    store.write(SPEC, record(digest="abc"))
    for digest in (None, "abc"):
        store.write(SPEC, record("failed", digest=digest, metrics={}))
        assert store.get(SPEC).done
    store.write(SPEC, record("failed", digest="other", metrics={}))
    assert not store.get(SPEC).done, "the finished one was of data that is not there any more"


def test_finished_records_give_way_to_other_data_and_other_code_alone():
    old = record(digest="x")
    assert not gives_way(old, record(value=0.9, digest="x"))
    assert gives_way(old, record(digest="y")) and gives_way(old, record(code={"method": "m2", "task": "t1"}))


def test_half_a_character_in_a_message_is_stored(store):
    failures = record("failed", metrics={}, error={"kind": "ValueError", "message": "bad \ud800 text", "traceback": ""})
    store.write(SPEC, failures)
    assert store.get(SPEC).error["message"] == "bad ? text"


def test_the_text_ends_with_its_digest():
    text = record_text(record())
    assert text.splitlines()[-2].startswith(b'"sha256": "') and json.loads(text)["key"] == SPEC.key


@pytest.mark.parametrize(
    "metric, low, high",
    [("auroc_macro", 0, 1), ("bleu_4_new", 0, 1), ("cider", 0, 10), ("median_rank_report", 1, 1e9), ("own", -9e9, 9e9)],
)
def test_metrics_have_ranges(metric, low, high):
    least, most = range_of(metric)
    assert least <= low and high <= most and (metric == "own" or not least <= low - 1)


@pytest.mark.parametrize("value", [{}, [], "", None, 0, 0.0, False, (), {"b": [None, {}], "a": "é"}])
def test_a_field_is_written_as_json_writes_it(value):
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    assert f'"x": {text},\n' in signed_text({"x": value}).decode()


def test_a_field_that_is_no_number_is_refused():
    with pytest.raises(ValueError):
        signed_text({"x": {"y": math.nan}})
