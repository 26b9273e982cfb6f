"""Every built-in task passes `ecgarena check`, with its default label sets and with recordings that need no files."""

from dataclasses import dataclass

import pytest

from benchmark.cli import main
from benchmark.contract import failures
from benchmark.contract.tasks import task_checks
from benchmark.metrics.text import scores
from benchmark.registry import TASKS
from tasks.transfer import Transfer

BUILT_IN = [name for name in TASKS.names() if TASKS.origin(name) == "built-in"]
SMALL = {  # options that only shorten the work
    "attention_probe": ("trials=1", "epochs=1"),
    "finetune": ("epochs=1", "min_steps=0"),
    "linear_probe": ("trials=2",),
    "published_probe": ("epochs=2",),
    "report_generation": ("epochs=1", "layers=1", "width=16", "heads=2", "decoding=greedy"),
    "transfer": ("trials=2",),
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_task_passes_its_check(name, monkeypatch, capsys):
    monkeypatch.setattr(scores, "java_path", lambda: None)  # its start takes longer than all checks together
    options = [word for option in SMALL.get(name, ()) for word in ("--set", option)]
    assert main(["check", name, *options]) == 0, capsys.readouterr().out


def test_a_task_that_learns_from_another_dataset_gets_one_with_its_classes():
    @dataclass(frozen=True)
    class Watching(Transfer):
        def predict(self, context):
            cells.append((context.dataset, context.label_set, context.source_dataset.classes))
            return super().predict(context)

    cells = []
    assert failures(task_checks(Watching(source="csn/all", trials=1))) == {}
    dataset, label_set, classes = cells[0]
    assert (dataset, label_set) == ("cpsc2018", "rhythm") and {"LBBB", "SR"} <= set(classes)


def test_a_task_that_skips_everything_is_told_each_reason_once():
    @dataclass(frozen=True)
    class Refusing(Transfer):
        def skip_reason(self, method, dataset, label_set):
            return "it never runs"

    reason = failures(task_checks(Refusing()))["method"]
    assert "synthetic/conditions, random_init: it never runs" in reason
    assert len(reason.splitlines()) == 4  # the message and three methods
