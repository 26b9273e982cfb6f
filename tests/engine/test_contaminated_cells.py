"""Contamination of a cell: the plan, the record of the run and the table agree."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmark.cli import main
from benchmark.data.store.preparation import prepare
from benchmark.datasets.synthetic import Synthetic
from benchmark.records.store import Store
from benchmark.registry import DATASETS


class Leaky(Synthetic):
    """A dataset with a training recording in the test split, under another name and a little louder."""

    def entries(self, root=None):
        entries = super().entries(root)
        first = next(entry for entry in entries if entry.split == "train")
        return [replace(e, locator=first.locator) if e.record_id == "000009_0" else e for e in entries]

    def read(self, entry, root=None):
        raw = super().read(entry, root)
        return replace(raw, adc=np.round(raw.adc * 1.1).astype(np.int16)) if entry.record_id == "000009_0" else raw


@pytest.fixture
def suite(home, tiny_suite, monkeypatch):
    monkeypatch.setitem(DATASETS._classes, "leaky", Leaky)
    prepare("leaky", {"patients": 120}, home)
    tiny_suite.write_text(tiny_suite.read_text("utf-8").replace('"synthetic"', '"leaky"'), "utf-8")
    return str(tiny_suite)


def test_plan_run_record_and_table_say_the_same(home, suite, capsys):
    choice = [suite, "--methods", "merl", "handcrafted", "--tasks", "linear_probe"]
    for setting in (
        "tasks.linear_probe.config.fraction=1.0",
        "methods.merl.pretrain.epochs=1",
        "methods.handcrafted.config.rate=200.0",
    ):
        choice += ["--set", setting]
    assert main(["plan", *choice, "--json"]) == 0
    verdicts_of_plan = {cell["key"]: cell["leak"] for cell in json.loads(capsys.readouterr().out)["todo"]}
    assert main(["plan", *choice]) == 0
    printed = capsys.readouterr().out
    assert main(["run", *choice, "--quiet"]) == 0
    table = capsys.readouterr().out
    records = {record.key: record for record in Store(home.records).records()}
    assert {key: record.leak for key, record in records.items()} == verdicts_of_plan
    verdicts = {record.spec["method"]: record.leak for record in records.values()}
    assert verdicts["merl"]["state"] == "contaminated" and verdicts["handcrafted"]["state"] == "clean"
    assert "1 of 14 test recordings have their signal there: 000009_0 = 000000_0" in verdicts["merl"]["reasons"][0]
    for row, verdict in verdicts.items():
        assert f"contamination: {row} on leaky: {verdict['state']}: {verdict['reasons'][0]}" in printed
        assert f"leaky, contamination: {row} {verdict['state']}: {verdict['reasons'][0]}" in table
    assert "CONTAMINATED: merl on leaky" in table
    assert "leaky/groups: handcrafted: recorded at 100 Hz and resampled to 200 Hz" in table  # other notes are there too
