"""A plan, the record of the run, and the table say the same of a cell's contamination."""

import json

import numpy as np

from benchmark.cli import main
from benchmark.data.store.preparation import open_dataset
from benchmark.records.store import Store


def copy_a_training_recording(data):
    """Copy a training recording into the test split, a little louder."""
    samples = np.memmap(data.path / "signals.i16", "<i2", "r+").reshape(len(data), -1)
    test, train = (np.flatnonzero(data.splits == split) for split in ("test", "train"))
    samples[test[0]] = np.round(samples[train[0]] * 1.1)
    samples.flush()


def test_plan_run_record_and_table_say_the_same(prepared_home, tiny_suite, capsys):
    copy_a_training_recording(open_dataset("synthetic", {"patients": 120}, prepared_home))
    choice = [str(tiny_suite), "--set", "methods.handcrafted.config.rate=200.0"]
    choice += ["--methods", "merl", "handcrafted", "--tasks", "linear_probe"]
    choice += ["--set", "tasks.linear_probe.config.fraction=1.0", "--set", "methods.merl.pretrain.epochs=1"]
    assert main(["plan", *choice, "--json"]) == 0
    planned = {cell["key"]: cell["leak"] for cell in json.loads(capsys.readouterr().out)["todo"]}
    assert main(["plan", *choice]) == 0
    printed = capsys.readouterr().out
    assert main(["run", *choice, "--quiet"]) == 0
    table = capsys.readouterr().out
    records = {record.key: record for record in Store(prepared_home.records).records()}
    assert {key: record.leak for key, record in records.items()} == planned
    verdicts = {record.spec["method"]: record.leak for record in records.values()}
    assert verdicts["merl"]["state"] == "contaminated" and verdicts["handcrafted"]["state"] == "clean"
    assert "1 of 14 test recordings have their signal there" in verdicts["merl"]["reasons"][0]
    for row, verdict in verdicts.items():
        assert f"leaks: {row} on synthetic: {verdict['state']}: {verdict['reasons'][0]}" in printed
        assert f"synthetic, leaks: {row} {verdict['state']}: {verdict['reasons'][0]}" in table
    assert "CONTAMINATED: merl on synthetic" in table
    assert "synthetic/groups: handcrafted: recorded at 100 Hz and resampled to 200 Hz" in table
