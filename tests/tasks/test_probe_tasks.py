"""The probing tasks on small data: their predictions, their errors, and that no test label reaches them."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.api import PROTOCOL, AlignedMethod, MethodCard, SequenceMethod, SignalSpec
from benchmark.cli import main
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.store.preparation import open_dataset
from benchmark.engine import supervised
from benchmark.engine.context import CellContext, CellInputs
from benchmark.engine.method_handle import MethodHandle
from benchmark.engine.split_signals import SplitSignals
from benchmark.errors import TestSetLockedError, UsageError
from benchmark.planning.plan import make_plan
from benchmark.planning.suite_files import suite_names
from benchmark.planning.suites import load_suite
from benchmark.registry import METHODS, TASKS


class Small(nn.Module, SequenceMethod, AlignedMethod):
    """A convolution with BatchNorm: tokens, their mean, and half of it as an embedding."""

    card = MethodCard("Small", "none", "MIT")

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv1d(12, width, 25, 25), nn.BatchNorm1d(width), nn.ReLU())
        self.more = nn.Conv1d(width, width, 4, 4)

    @property
    def signal(self):
        return SignalSpec(rate=100.0)

    def ecg_tokens(self, ecg):
        return self.more(self.encoder(ecg)).transpose(1, 2)

    def ecg_features(self, ecg):
        return self.ecg_tokens(ecg).mean(1)

    def ecg_embeddings(self, ecg):
        return self.ecg_features(ecg)[:, :4]

    def text_embeddings(self, texts):
        return torch.ones(len(texts), 4)


TASK_FIELDS = {
    "linear_probe": {"fraction": 0.5, "trials": 3, "layer": "tokens", "search": "penalty+weighting+standardisation"},
    "knn": {"fraction": 0.5, "layer": "embeddings"},
    "ridge": {"fraction": 0.5},
    "attention_probe": {"fraction": 0.5, "trials": 2, "epochs": 2},
    "finetune": {"fraction": 0.5, "epochs": 2, "min_steps": 0},
    "published_probe": {"fraction": 0.5, "epochs": 3},
}


@pytest.fixture
def small():
    METHODS._classes["small"] = Small
    yield
    del METHODS._classes["small"]


@pytest.fixture
def world(prepared_home, small):
    data = open_dataset("synthetic", {"patients": 120}, prepared_home)
    return data, LabelledRows.of(data, "groups", None), prepared_home


def context(world, view=None, scratch=None):
    data, truth, home = world
    handle = MethodHandle("small", {}, 1, None, None, "cpu")
    return CellContext(CellInputs(data, view or truth, handle, "synthetic", "groups", home, scratch=scratch))


def make_task(name, **more):
    return TASKS.get(name)(**{**TASK_FIELDS[name], **more})


def same(a, b):
    return (
        a.arrays.keys() == b.arrays.keys()
        and all(np.array_equal(a.arrays[name], b.arrays[name]) for name in a.arrays)
        and np.array_equal(a.thresholds, b.thresholds)
        and json.dumps(a.details) == json.dumps(b.details)
    )


@pytest.mark.parametrize("name", TASK_FIELDS)
def test_predictions_are_seeded_scored_and_blind_to_test_labels(world, name):
    """Flipped test labels change no choice and no prediction; flipped labels of validation do."""
    data, view, _ = world
    task = make_task(name)
    predictions = task.predict(context(world))
    flipped = {
        split: LabelledRows(view.classes, view.rows, {**view.labels, split: 1 - view.labels[split]})
        for split in ("test", "val")
    }
    assert same(predictions, task.predict(context(world, flipped["test"])))
    assert not same(predictions, task.predict(context(world, flipped["val"])))
    json.dumps(predictions.details, allow_nan=False)
    scores = task.score(predictions, view.truth(data))
    assert 0.3 < scores.metrics["auroc_macro"] < 1 and "auroc_macro" in scores.intervals
    assert scores.metrics["auroc_macro"] != task.score(predictions, flipped["test"].truth(data)).metrics["auroc_macro"]
    assert predictions.details["subset"]["n"] == context(world).subset(0.5, 0)[1]["n"] or name == "published_probe"


def test_test_signals_come_without_labels(world):
    cell = context(world)
    assert cell.signals("test", SignalSpec(rate=100.0)).batch(np.arange(3)).labels is None
    assert cell.signals("val", SignalSpec(rate=100.0)).batch(np.arange(3)).labels.shape == (3, len(cell.classes))
    with pytest.raises(TestSetLockedError):
        cell.labels("test")


def test_layers_differ_and_tables_say_which(world, tmp_path):
    """One method with all layers, one without tokens and space: skipped with a sentence."""
    suite = tmp_path / "layers.toml"
    suite.write_text(
        'name = "layers"\ntitle = "Layers"\nversion = "1"\n'
        '[[datasets]]\nname = "synthetic"\nlabel_sets = ["groups"]\nconfig = { patients = 120 }\n'
        '[[tasks]]\nname = "linear_probe"\nconfig = { trials = 2, layer = ["features", "embeddings", "tokens"] }\n'
        '[[tasks]]\nname = "attention_probe"\nconfig = { trials = 1, epochs = 1 }\n'
        '[[methods]]\nname = "small"\n[[methods]]\nname = "handcrafted"\n'
    )
    plan = make_plan(load_suite(str(suite)))
    assert [cell.question["layer"] for cell in plan.cells if cell.spec.task == "linear_probe"] == [
        "features", "embeddings", "tokens", "features",
    ]  # fmt: skip
    reasons = [skip.reason for skip in plan.skips]
    assert reasons == [
        "Handcrafted has no embeddings in a space shared with text", "Handcrafted gives no tokens",
        "Handcrafted gives no tokens",
    ]  # fmt: skip
    assert main(["run", str(suite), "-q"]) == 0
    text = (world[2].leaderboards / "layers.md").read_text()
    assert "| method | features | embeddings | tokens |" in text
    assert "Attention probe: trials 1, epochs 1." in text
    assert not list(world[2].scratch.glob("*"))  # the files that a killed cell would resume from are gone


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("linear_probe", {"fraction": 0, "trials": 0, "layer": "token"}, "did you mean 'tokens'"),
        ("linear_probe", {"fraction": 0, "trials": 0, "layer": "token"}, "trials is 0"),
        ("linear_probe", {"search": "penalty+weights"}, "did you mean 'weighting'"),
        ("knn", {"layer": "sequence"}, "features, embeddings, tokens"),
        ("finetune", {"lowest": 0.0}, "lowest is 0.0"),
        ("published_probe", {"cut": "batch"}, "did you mean 'batches'"),
        ("published_probe", {"freeze": False, "batchnorm": "eval"}, "no such case"),
    ],
)
def test_wrong_fields_are_named(name, fields, message):
    with pytest.raises(UsageError, match=message):
        TASKS.get(name)(**fields)


# --- resuming ---


def test_a_killed_fine_tuning_resumes_to_the_same_bits(world, tmp_path, monkeypatch):
    task = make_task("finetune", epochs=6)
    whole = task.predict(context(world))
    scored = []
    original = supervised.class_scores

    def dies(context, method, split):
        scored.append(split)
        if len(scored) > 3:
            raise KeyboardInterrupt
        return original(context, method, split)

    with monkeypatch.context() as patched:
        patched.setattr(supervised, "class_scores", dies)
        with pytest.raises(KeyboardInterrupt):
            task.predict(context(world, scratch=tmp_path / "scratch"))
    assert {path.name for path in (tmp_path / "scratch").iterdir()} == {"training.pt"}
    notes = []
    resuming = context(world, scratch=tmp_path / "scratch")
    resuming.on_event = lambda event: notes.append(event.text)
    assert same(task.predict(resuming), whole)
    assert any("resuming after epoch" in note for note in notes)
    (tmp_path / "scratch" / "training.pt").write_bytes(b"PK\x03\x04 and nothing else")
    assert same(task.predict(resuming), whole)
    assert any("training.pt is damaged" in note for note in notes)


def test_a_fine_tuning_scores_the_best_epoch_on_validation_once(world, monkeypatch):
    scored = []
    original = supervised.class_scores
    monkeypatch.setattr(supervised, "class_scores", lambda *words: scored.append(words[2]) or original(*words))
    make_task("finetune").predict(context(world))
    assert scored == ["val", "val", "test"]  # of two epochs


def test_an_attention_probe_resumes(world, tmp_path):
    task = make_task("attention_probe", trials=4)
    whole = task.predict(context(world))
    task.predict(context(world, scratch=tmp_path / "scratch"))
    journal = tmp_path / "scratch" / "search.jsonl"
    journal.write_text("\n".join(journal.read_text().splitlines()[:3]) + "\n")  # killed after two trials
    assert same(task.predict(context(world, scratch=tmp_path / "scratch")), whole)


# --- the published protocol ---


def test_only_the_scorer_takes_the_maximum_over_test_epochs(world):
    data, view, _ = world
    published, honest = make_task("published_probe"), make_task("published_probe", choose="validation")
    predictions, honest_predictions = published.predict(context(world)), honest.predict(context(world))
    assert predictions.arrays["epochs"].shape == (len(view.rows["test"]), 3, len(view.classes))
    history = predictions.details["history"]
    epoch = max(history, key=lambda entry: entry["val_score"])["epoch"]
    logits = predictions.arrays["epochs"][:, epoch - 1]
    assert np.array_equal(logits, honest_predictions.arrays["logits"])  # both train alike
    scores = published.score(predictions, view.truth(data))
    assert scores.metrics["auroc_macro"] >= honest.score(honest_predictions, view.truth(data)).metrics["auroc_macro"]
    assert any("of 3 chosen by its test AUROC, as published" in note for note in scores.notes)


@pytest.mark.parametrize(("choose", "passes"), [("validation", 1), ("test", 3)])
def test_test_is_predicted_once_where_validation_chooses_the_epoch(world, monkeypatch, choose, passes):
    batches = []
    original = SplitSignals.batch
    monkeypatch.setattr(
        SplitSignals, "batch", lambda self, at: batches.append(self.labels is None) or original(self, at)
    )
    make_task("published_probe", choose=choose).predict(context(world))
    assert sum(batches) == passes  # signals without labels are those of test, which fit into one batch


def test_the_best_epoch_by_validation_is_predicted_though_training_went_on(world):
    fields = {"lr": 0.5, "epochs": 6, "cut": "epochs"}
    every = make_task("published_probe", **fields).predict(context(world))
    best = make_task("published_probe", choose="validation", **fields).predict(context(world))
    epoch = best.details["choice"]["epoch"]
    assert epoch < 6 and best.details["history"] == every.details["history"]
    assert np.array_equal(every.arrays["epochs"][:, epoch - 1], best.arrays["logits"])


def test_no_built_in_suite_uses_another_protocol():
    for name in suite_names():
        assert all(TASKS.get(task.name).protocol == PROTOCOL for task in load_suite(name).tasks), name


def test_the_steps_to_the_published_protocol_are_run_and_shown(world, tmp_path, capsys):
    suite = tmp_path / "one.toml"
    suite.write_text(
        'name = "one"\ntitle = "One"\nversion = "1"\n'
        '[[datasets]]\nname = "synthetic"\nlabel_sets = ["groups"]\nconfig = { patients = 120 }\n'
        '[[tasks]]\nname = "linear_probe"\nconfig = { fraction = 0.5, trials = 2 }\n'
        '[[tasks]]\nname = "published_probe"\nconfig = { epochs = 2 }\n'
        '[[methods]]\nname = "small"\n[[methods]]\nname = "handcrafted"\n'
    )
    assert main(["run", str(suite), "-q"]) == 0
    table = (world[2].leaderboards / "one.md").read_text()
    assert "Published probe on synthetic groups (protocol merl-published: no fair comparison)" in table
    assert "NOT COMPARABLE: published_probe follows merl-published" in table
    plan = make_plan(load_suite(str(suite)))
    key = next(cell.spec.key for cell in plan.cells if cell.spec.task == "linear_probe" and cell.row == "small")
    arguments = [key[:8], "--out", str(tmp_path)]
    assert main(["explain", *arguments, "-q", "--set", "epochs=2"]) == 0
    out = capsys.readouterr().out
    steps = json.loads((tmp_path / f"explain-{key}.json").read_text())["rungs"]
    assert [row["protocol"] for row in steps] == [PROTOCOL] + 6 * ["merl-published"] and "as published" in out
    assert [row["value"] for row in steps[-3:-1]] == sorted(row["value"] for row in steps[-3:-1])  # test maximum
    assert steps[2]["difference"] == pytest.approx(steps[2]["value"] - steps[1]["value"], abs=1e-6)
    other = next(cell.spec.key for cell in plan.cells if cell.spec.task == "linear_probe" and cell.row == "handcrafted")
    assert main(["run", str(suite), "-q", "--explain", other]) == 0
    assert "Handcrafted is no torch module" in capsys.readouterr().out
    assert main(["search", *arguments]) == 0 and (tmp_path / f"search-{key}.svg").read_text().startswith("<?xml")
    assert len(json.loads((tmp_path / f"search-{key}.json").read_text())["trials"]) == 2
    wrong = next(cell.spec.key for cell in plan.cells if cell.spec.task == "published_probe")
    assert main(["explain", wrong]) == 2 and main(["search", wrong]) == 2 and main(["search", "zzz"]) == 2
    problems = capsys.readouterr().err
    assert "published_probe has no steps" in problems and "no record fits 'zzz'" in problems


def test_members_of_a_supervised_row_are_different_trainings(prepared_home):
    """A list in `training.seed` once gave the same training under several keys, and a spread of 0 over trainings."""
    data = open_dataset("synthetic", {"patients": 120}, prepared_home)
    handle = MethodHandle("supervised", {"width": 8, "rate": 50.0, "seconds": 2.5}, 1, None, None, "cpu")
    base = CellInputs(data, LabelledRows.of(data, "groups", None), handle, "synthetic", "groups", prepared_home)
    options = {"epochs": 1, "batch_size": 64}
    task = TASKS.get("linear_probe")(fraction=1.0, seed=0)
    first, again, second = (
        task.predict(CellContext(replace(base, training=options, training_seed=seed))).arrays["logits"]
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again) and not np.array_equal(first, second)
