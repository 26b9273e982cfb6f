"""Notes on data in records and tables: missing labels, classes without training data, warnings of other data."""

from dataclasses import replace

import pytest

from benchmark.data.store.preparation import open_dataset, prepare
from benchmark.datasets.synthetic import Synthetic
from benchmark.engine.events import discard_event
from benchmark.engine.run import run_group
from benchmark.leaderboard.markdown import markdown
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.plan import group_cells, make_plan
from benchmark.planning.suites import load_suite
from benchmark.records.store import Store
from benchmark.registry import DATASETS

INCOMPLETE = "INCOMPLETE DATA: synthetic was prepared with 70 of its 1,000 recordings"


def finish(home, suite, row, **changes):
    """Run the cells of a row; return their records and the table of them."""
    plan = make_plan(load_suite(str(suite), changes), [row], ["linear_probe"])
    for group in group_cells(plan.cells):
        assert run_group(group, home, "cpu", discard_event).keys() == {"done"}
    store = Store(home.records)
    return [store.get(cell.spec) for cell in plan.cells], markdown(Leaderboard(plan, store), [])


def test_classes_that_nothing_taught_are_named_and_stay_in_the_mean(prepared_home, tiny_suite):
    records, table = finish(prepared_home, tiny_suite, "random_init", **{"tasks.linear_probe.config.fraction": 0.004})
    for record in records:
        positives, seed = record.details["subset"]["positives"], record.question["seed"]
        absent = {name for name, count in positives.items() if not count}
        which = f"the training subset of 0.4 % (seed {seed})"
        start = f"in the macro means although {which} has no positive to learn them from: "
        notes = [note.removeprefix(start) for note in record.notes if note.startswith(start)]
        assert absent and [set(note.split(", ")) for note in notes] == [absent] and start in table
        mean = sum(values["auroc"] for values in record.per_class.values()) / len(record.per_class)
        assert record.metrics["auroc_macro"] == pytest.approx(mean, abs=1e-5)
        assert {record.per_class[name]["auroc"] for name in absent} == {0.5}


def test_where_every_class_was_taught_nothing_is_said(prepared_home, tiny_suite):
    records, table = finish(prepared_home, tiny_suite, "random_init", **{"tasks.linear_probe.config.fraction": 1.0})
    assert not any("no positive" in note for record in records for note in record.notes) and "no positive" not in table


def test_recordings_without_a_label_are_counted_and_said(home, tiny_suite, monkeypatch, capsys):
    from benchmark.cli import main

    class Sparse(Synthetic):
        def entries(self, root=None):
            return [
                replace(entry, labels={**entry.labels, "groups": ()}) if number % 10 == 0 else entry
                for number, entry in enumerate(super().entries(root))
            ]

    original = DATASETS.get
    monkeypatch.setattr(DATASETS, "get", lambda name: Sparse if name == "synthetic" else original(name))
    data = prepare("synthetic", {"patients": 120}, home)
    note = f"{len(range(0, len(data), 10))} of {len(data)} recordings have no label in groups and are left out of it"
    assert data.unlabelled("groups") == note and data.unlabelled("conditions") == "" == data.unlabelled("reports")
    options = ["synthetic", "--set", "patients=120"]
    assert main(["data", "prepare", *options, "-q"]) == 0 and note in capsys.readouterr().out
    assert main(["data", "check", *options]) == 0 and f"(note) {note}" in capsys.readouterr().out
    records, table = finish(home, tiny_suite, "random_init", **{"tasks.linear_probe.config.fraction": 1.0})
    assert note in records[0].notes and f"synthetic/groups: {note}." in table


def test_warnings_of_the_data_that_taught_the_weights_are_repeated(prepared_home, tiny_suite, reseal):
    other = prepare("synthetic", {"patients": 40}, prepared_home)
    reseal(other.path, expected=1000, marks=["labels of somebody"])
    text = tiny_suite.read_text("utf-8")
    tiny_suite.write_text(text.replace("epochs = 2", "dataset_config = { patients = 40 }\nepochs = 1"), "utf-8")
    records, table = finish(prepared_home, tiny_suite, "merl", **{"tasks.linear_probe.config.fraction": 1.0})
    warning = INCOMPLETE.replace("70", str(len(other)))
    assert open_dataset("synthetic", {"patients": 40}, prepared_home).warnings == ["labels of somebody", warning]
    assert {warning, "learnt from synthetic: labels of somebody"} <= set(records[0].notes)
    assert f"> **{warning}; these are no results on the whole dataset.**" in table and table.count(warning) == 1
