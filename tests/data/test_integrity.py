"""A store that was changed or damaged after its preparation is noticed before anything of it is used."""

import json

import numpy as np
import pytest

from benchmark.api import SignalSpec
from benchmark.cli import main
from benchmark.data.labels.groups import groups
from benchmark.data.store.integrity import CHECKSUMS, MANIFEST, SIGNALS
from benchmark.data.store.preparation import open_dataset, read_preparation_log
from benchmark.data.store.prepared import CALIBRATION, LABELS, METADATA, RECORDS, REPORT
from benchmark.engine.events import discard_event
from benchmark.engine.run import run_group
from benchmark.errors import DataError
from benchmark.planning.plan import group_cells, make_plan
from benchmark.planning.suites import load_suite
from benchmark.records.store import Store

CONFIG = {"patients": 120}
SPEC = SignalSpec(rate=100)
FIELDS = (
    *("format", "dataset", "version", "config", "rate", "synthetic", "marks", "recordings", "left_out", "splits"),
    *("missing_samples", "split_digest", "label_sets", "signal_bytes", "metadata_sha256", "digest", "parts", "seal"),
)
READERS = {  # what first looks into each file
    SIGNALS: lambda data: data.read(np.arange(3), SPEC),
    CHECKSUMS: lambda data: data.read(np.arange(3), SPEC),
    CALIBRATION: lambda data: data.read(np.arange(3), SPEC),
    RECORDS: lambda data: data.reports,
    METADATA: groups,
    LABELS: lambda data: data.label_set("groups"),
    REPORT: read_preparation_log,
}


@pytest.fixture
def store(prepared_home):
    return open_dataset("synthetic", CONFIG, prepared_home).path


def edit(store, change):
    manifest = json.loads((store / MANIFEST).read_text("utf-8"))
    change(manifest)
    (store / MANIFEST).write_text(json.dumps(manifest), "utf-8")


def other(value):
    """Something else of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value + 1
    return value + "x" if isinstance(value, str) else [*value, "x"] if isinstance(value, list) else {**value, "x": 1}


def test_the_fields_are_all_there_are(store):
    assert set(FIELDS) <= json.loads((store / MANIFEST).read_text("utf-8")).keys()


@pytest.mark.parametrize("field", FIELDS)
def test_an_edited_field_of_the_manifest_is_noticed_at_opening(store, prepared_home, field):
    text = (store / MANIFEST).read_text("utf-8")
    for change in (
        lambda manifest: manifest.update({field: other(manifest[field])}),
        lambda manifest: manifest.pop(field),
    ):
        edit(store, change)
        with pytest.raises(DataError, match="prepared by another version" if field == "format" else "was changed"):
            open_dataset("synthetic", CONFIG, prepared_home)
        (store / MANIFEST).write_text(text, "utf-8")


def test_neither_a_new_field_nor_a_missing_seal_passes(store, prepared_home):
    text = (store / MANIFEST).read_text("utf-8")
    for change in (
        lambda manifest: manifest.update(note="x"),
        lambda manifest: manifest.update(rate=float("nan")),
        lambda manifest: (manifest.pop("seal"), manifest.pop("parts")),
        lambda manifest: (manifest.pop("seal"), (store / CHECKSUMS).rename(store / "away")),
    ):
        edit(store, change)
        with pytest.raises(DataError, match=r"manifest\.json was changed or damaged"):
            open_dataset("synthetic", CONFIG, prepared_home)
        (store / MANIFEST).write_text(text, "utf-8")


@pytest.mark.parametrize("name", READERS)
def test_a_cut_or_missing_file_is_noticed_at_opening(store, prepared_home, name):
    content = (store / name).read_bytes()
    (store / name).write_bytes(content[:-1])
    with pytest.raises(DataError, match=rf"{name} was changed or damaged after the preparation: it has \d+ bytes"):
        open_dataset("synthetic", CONFIG, prepared_home)
    (store / name).unlink()
    with pytest.raises(DataError, match=rf"{name} was changed or damaged after the preparation: it is missing"):
        open_dataset("synthetic", CONFIG, prepared_home)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("damage", ["zeros", "one bit"])
def test_a_file_damaged_in_place_is_noticed_at_its_first_use(store, prepared_home, name, damage):
    content = bytearray((store / name).read_bytes())
    if damage == "zeros":
        content = bytearray(len(content))
    else:
        content[len(content) // 2 if name != SIGNALS else 30] ^= 4
    (store / name).write_bytes(content)
    data = open_dataset("synthetic", CONFIG, prepared_home)
    with pytest.raises(DataError, match=rf"{name} was changed or damaged after the preparation"):
        READERS[name](data)


def test_of_damaged_signals_the_recordings_are_named_and_the_others_can_be_read(store, prepared_home):
    samples = np.memmap(store / SIGNALS, "<i2", "r+").reshape(-1, 12, 1000)
    samples[40:42] = 0
    samples.flush()
    data = open_dataset("synthetic", CONFIG, prepared_home)
    names = ", ".join(data.record_ids[40:42])
    for _ in range(2):  # what was refused once is refused again
        with pytest.raises(DataError, match=f"the samples of {names} are not those that were prepared"):
            data.read(np.arange(30, 50), SPEC)
    assert data.read(np.arange(40), SPEC).any()


def test_no_cell_is_scored_on_damaged_signals(store, prepared_home, tiny_suite):
    (store / SIGNALS).write_bytes(bytes((store / SIGNALS).stat().st_size))
    plan = make_plan(load_suite(str(tiny_suite)), ["random_init"])
    assert run_group(group_cells(plan.cells)[0], prepared_home, "cpu", discard_event).keys() == {"failed"}
    record = Store(prepared_home.records).get(plan.cells[0].spec)
    assert "signals.i16 was changed or damaged" in record.error["message"] and not record.metrics


def test_the_check_names_files_and_recordings(store, prepared_home, capsys):
    name = open_dataset("synthetic", CONFIG, prepared_home).record_ids[7]
    samples = np.memmap(store / SIGNALS, "<i2", "r+").reshape(-1, 12, 1000)
    samples[7, 3, 5] += 1
    samples.flush()
    metadata = (store / METADATA).read_text("utf-8")
    (store / METADATA).write_text(metadata.replace("en\n", "de\n", 1), "utf-8")
    assert main(["data", "check", "synthetic", "--set", "patients=120"]) == 5
    out = capsys.readouterr().out
    assert "metadata.csv is not the file that was prepared" in out
    assert f"1 recordings in signals.i16 have other samples than were prepared: {name}" in out


def test_a_store_of_an_older_version_is_read_as_before(store, prepared_home, as_prepared_before, capsys):
    new = open_dataset("synthetic", CONFIG, prepared_home)
    expected, labels = new.read(np.arange(9), SPEC), new.label_set("groups").matrix
    as_prepared_before(store)
    old = open_dataset("synthetic", CONFIG, prepared_home)
    assert old.digest == new.digest and np.array_equal(old.read(np.arange(9), SPEC), expected)
    assert np.array_equal(old.label_set("groups").matrix, labels) and groups(old).keys() == groups(new).keys()
    assert main(["data", "check", "synthetic", "--set", "patients=120"]) == 0
    (store / SIGNALS).write_bytes((store / SIGNALS).read_bytes()[:-2])
    with pytest.raises(DataError, match=r"it has \d+ bytes"):
        open_dataset("synthetic", CONFIG, prepared_home)


@pytest.mark.parametrize("field, value", [("synthetic", False), ("dataset", "ptbxl"), ("config", {"patients": 12})])
def test_even_of_an_older_version_it_must_be_this_dataset(store, prepared_home, as_prepared_before, field, value):
    as_prepared_before(store, **{field: value})
    with pytest.raises(DataError, match=rf"manifest\.json was changed .*: {field} is .*, it must be"):
        open_dataset("synthetic", CONFIG, prepared_home)
