"""Report generation: test reports are locked, trainings are shared and resume after a kill, baselines are added."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.api import REPORTS, Predictions, Truth
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.reports.report_texts import report_key
from benchmark.data.store.preparation import open_dataset
from benchmark.engine import preemption
from benchmark.engine.context import CellContext, CellInputs
from benchmark.engine.events import discard_event
from benchmark.engine.method_handle import MethodHandle
from benchmark.engine.run import run_group
from benchmark.errors import BenchmarkError, TestSetLockedError, UsageError
from benchmark.planning.plan import group_cells, make_plan
from benchmark.planning.suites import load_suite
from benchmark.records.store import Store
from benchmark.registry import METHODS
from tasks.report_generation import ReportGeneration

SMALL = ReportGeneration(
    layers=1, width=16, heads=2, vocabulary=300, text_tokens=8, memory_tokens=8, epochs=2, batch_size=32,
    decoding="greedy",
)  # fmt: skip
RANDOM = {"width": 8, "rate": 100.0}


@pytest.fixture
def world(prepared_home):
    return open_dataset("synthetic", {"patients": 120}, prepared_home), prepared_home


def context(world, method="random_init", config=RANDOM, on_event=discard_event):
    data, home = world
    view = LabelledRows.of(data, REPORTS, None)
    handle = MethodHandle(method, config, METHODS.get(method).card.version, None, None, "cpu")
    return CellContext(CellInputs(data, view, handle, "synthetic", REPORTS, home, on_event))


def truth(world):
    return LabelledRows.of(world[0], REPORTS, None).truth(world[0])


def test_the_label_set_has_all_recordings_with_a_report_and_every_label(world):
    data, _ = world
    labels = data.label_set(REPORTS)
    assert np.array_equal(labels.rows, np.flatnonzero([bool(text) for text in data.reports]))
    assert labels.matrix.shape == (len(labels.rows), len(labels.classes)) and "groups/NORM" in labels.classes
    name = "groups/AFIB" if "groups/AFIB" in labels.classes else "groups/ARR"
    column = labels.classes.index(name)
    groups = data.label_set("groups")
    positive = groups.rows[groups.matrix[:, groups.classes.index(labels.classes[column].split("/")[1])] == 1]
    assert set(positive) & set(labels.rows) == set(labels.rows[labels.matrix[:, column] == 1])


def test_the_reports_of_test_are_locked_and_change_nothing(world):
    data, _ = world
    cell = context(world)
    with pytest.raises(TestSetLockedError):
        cell.reports("test")
    first = SMALL.predict(cell).texts["generated"]
    rows = np.flatnonzero(data.splits == "test")
    data.reports = data.reports.copy()
    data.reports[rows] = data.reports[rows[::-1]]
    assert SMALL.predict(context(world)).texts["generated"] == first
    assert len(first) == len(rows)


def test_cells_that_differ_in_decoding_share_one_training(world):
    notes = []
    greedy = SMALL.predict(context(world, on_event=lambda event: notes.append(event.text)))
    trained = [text for text in notes if "epoch" in text]
    beam = replace(SMALL, decoding="beam").predict(context(world, on_event=lambda event: notes.append(event.text)))
    assert len(trained) == 2 and [text for text in notes if "epoch" in text] == trained
    assert greedy.details["history"] == beam.details["history"]
    assert beam.details["decoding"]["strategy"] == "beam" and beam.details["decoding"]["beams"] == 4
    assert not list(world[1].decoders.glob("*.training"))


def test_a_killed_training_resumes_to_the_same_bits(world):
    home = world[1]
    whole = SMALL.predict(context(world))
    for file in home.decoders.glob("*.pt"):
        file.unlink()
    steps = []

    def stop(event):
        if event.kind == "step" and event.text.startswith("report decoder"):
            steps.append(event.done)
            if len(steps) == 4:
                preemption.ask_to_stop()

    with pytest.raises(preemption.Preempted):
        SMALL.predict(context(world, on_event=stop))
    preemption.go_on()
    again = SMALL.predict(context(world, on_event=stop))
    assert steps[3:5] == [4, 5], "it resumes after the step at which it was stopped"
    assert again.details["history"] == whole.details["history"]
    assert again.texts == whole.texts


def test_a_trained_encoder_learns_and_a_frozen_one_does_not(world):
    method = ("ecg_clip", {**RANDOM, "embed_dim": 16, "text_model": "none"})
    cell = context(world, *method)
    before = {name: value.clone() for name, value in cell.method.state_dict().items()}
    frozen, trained = (
        replace(SMALL, encoder=encoder).predict(context(world, *method)) for encoder in ("frozen", "trained")
    )
    weights = [torch.load(file, weights_only=True)["state"] for file in sorted(world[1].decoders.glob("*.pt"))]
    states = {any(name.startswith("encoder.") for name in state): state for state in weights}
    assert not any(name.startswith("encoder.") for name in states[False])
    name = "ecg_encoder.conv1.weight"
    assert not torch.equal(states[True][f"encoder.{name}"], before[name])
    assert frozen.details["sees"] == trained.details["sees"] == "tokens"
    assert frozen.details["history"] != trained.details["history"]


def test_the_decoders_input_follows_the_method(world):
    handcrafted = SMALL.predict(context(world, "handcrafted", {}))
    assert handcrafted.details["sees"] == "features" and handcrafted.details["tokens_per_recording"] == 1
    assert "gives no tokens" in handcrafted.details["notes"][0]
    assert SMALL.predict(context(world)).details["tokens_per_recording"] == 8
    assert "gives no tokens" in replace(SMALL, sees="tokens").skip_reason(METHODS.get("handcrafted"), "ptbxl", REPORTS)


def test_the_nearest_recordings_report_is_copied(world):
    """A recording that is in train as well is nearest to itself."""
    cell = context(world)
    train = cell.features("train")
    cell.features = lambda split, layer="features": train[:30] if split == "test" else train
    predictions = replace(SMALL, generator="nearest").canonical_form().predict(cell)
    assert predictions.texts["generated"] == cell.reports("train")[:30]
    assert predictions.arrays["nearest"].tolist() == list(range(30))


def test_blind_baselines_write_training_reports(world):
    frequent = SMALL.predict(context(world, "frequent_report", {})).texts["generated"]
    reports = context(world).reports("train")
    assert set(frequent) == {max(sorted(set(reports)), key=reports.count)}
    random, again = (SMALL.predict(context(world, "random_report", {})).texts["generated"] for _ in range(2))
    other = SMALL.predict(context(world, "random_report", {"seed": 1})).texts["generated"]
    assert random == again != other and set(random) <= set(reports) and len(set(random)) > 5


def predictions_of(texts, training_keys=()):
    """Return predictions with these reports, and with the texts that train has."""
    return Predictions(
        {}, texts={"generated": list(texts)}, scratch={"training_reports": np.array(training_keys, dtype=object)}
    )


def test_scores_come_with_intervals_and_an_empty_report_counts(world):
    reference = truth(world)
    whole = SMALL.score(predictions_of(reference.reports), reference)
    assert whole.metrics["rouge_l"] == 1 and whole.metrics["exact"] == 1
    half = [text if row % 2 else "" for row, text in enumerate(reference.reports)]
    scores = SMALL.score(predictions_of(half), reference)
    assert scores.metrics["rouge_l"] == pytest.approx(np.mean([bool(text) for text in half]))
    assert scores.analysis["text"]["empty"] == half.count("")
    low, high = scores.intervals["rouge_l"]
    assert low < scores.metrics["rouge_l"] < high and len(scores.resampled) == 1000
    assert "bleu_4" in scores.intervals and len(scores.per_recording["rouge_l"]) == len(half)
    with pytest.raises(BenchmarkError, match="1 written reports for"):
        SMALL.score(predictions_of(["x"]), reference)


def test_reports_repeated_from_train_are_counted_and_scored_separately(world):
    reference = truth(world)
    keys = sorted({report_key(text) for text in reference.reports[::3]})
    verbatim = np.array([report_key(text) in keys for text in reference.reports])
    texts = [text if same else "nothing" for text, same in zip(reference.reports, verbatim, strict=True)]
    scores = SMALL.score(predictions_of(texts, keys), reference)
    assert scores.metrics["rouge_l"] == pytest.approx(verbatim.mean()) and scores.metrics["rouge_l_new"] == 0
    assert scores.analysis["verbatim"] == {"reports": verbatim.sum(), "share": verbatim.mean()}
    every = SMALL.score(predictions_of(texts, sorted({report_key(text) for text in reference.reports})), reference)
    assert "rouge_l_new" not in every.metrics and any("word for word" in note for note in every.notes)
    predictions = SMALL.predict(context(world, "random_report", {}))
    assert set(predictions.scratch["training_reports"]) == {
        report_key(text) for text in context(world).reports("train")
    }


def test_cleaning_applies_to_the_true_reports(world):
    reference = replace(truth(world), label_set="ptbxl/reports")
    reference = replace(
        reference,
        reports=[f"{text} 4.46" if text else "" for text in reference.reports[:-1]] + ["trace only requested"],
    )
    clean = [text.removesuffix(" 4.46") for text in reference.reports]
    scores = SMALL.score(predictions_of(clean), reference)
    assert scores.metrics["exact"] == 1 and scores.analysis["hygiene"]["trace only"] == 1
    assert any("1 recordings of test have no report" in note for note in scores.notes)
    raw = replace(SMALL, hygiene=False).score(predictions_of(clean), reference)
    assert raw.metrics["exact"] == pytest.approx(1 / len(clean)) and raw.analysis["hygiene"] == {}


def test_the_score_of_deris_code_uses_the_methods_own_encoder_and_says_so(world):
    """`predict` does not know which report belongs to which recording; a method that writes the truth scores 1."""
    task = replace(SMALL, generator="nearest", decoding="none", self_score="en+de")
    assert "own text encoder" in task.skip_reason(METHODS.get("random_init"), "ptbxl", REPORTS)
    cell = context(world, "merl", {"width": 8, "rate": 100.0, "text_model": "small"})
    cell.method.start_pretraining(cell.reports("train"))
    predictions, reference = task.predict(cell), truth(world)
    scores = task.score(predictions, reference)
    assert 0 <= scores.metrics["self_f1"] <= 1
    assert any("not comparable between methods" in note for note in scores.notes)
    of_text = dict(zip(predictions.scratch["self_texts"], predictions.scratch["self_true"], strict=True))
    predictions.scratch["self_written"] = np.array([of_text[report_key(text)] for text in reference.reports])
    assert task.score(predictions, reference).metrics["self_f1"] == 1


def test_wrong_fields_are_reported_together():
    with pytest.raises(UsageError, match=r"(?s)layers is 0.*beams is 1.*multiple of heads"):
        ReportGeneration(layers=0, beams=1, width=10)
    with pytest.raises(UsageError, match="generator"):
        ReportGeneration(generator="decodr")


SUITE = """
name = "generated"
title = "Generated reports"
version = "1.0"

[[datasets]]
name = "synthetic"
label_sets = ["reports"]
config = { patients = 120 }

[[tasks]]
name = "report_generation"
[tasks.config]
generator = ["decoder", "nearest", "own"]
decoding = ["greedy", "beam"]
layers = 1
width = 16
heads = 2
vocabulary = 300
text_tokens = 8
epochs = 1

[[tasks]]
name = "zero_shot"

[[methods]]
name = "random_init"
config = { width = 8, rate = 100.0 }
"""


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "generated.toml"
    path.write_text(SUITE, "utf-8")
    return load_suite(str(path))


def test_baselines_are_in_every_table_and_no_cell_is_planned_twice(suite):
    plan = make_plan(suite)
    cells = {(cell.row, cell.question["generator"], cell.question["decoding"]) for cell in plan.cells}
    decoded = [("decoder", "greedy"), ("decoder", "beam"), ("nearest", "none")]
    assert {(kind, decoding) for row, kind, decoding in cells if row == "random_init"} == set(decoded)
    for baseline in ("frequent_report", "random_report"):
        assert {kind for row, kind, _ in cells if row == baseline} == {"decoder", "nearest", "own"}
    reasons = {(skip.row, skip.task): skip.reason for skip in plan.skips}
    assert "no space shared" in reasons["random_init", "zero_shot"]
    assert ("frequent_report", "zero_shot") not in reasons, (
        "added for one task, it is not reported as skipped in others"
    )


def test_a_run_keeps_its_texts_beside_the_record(suite, prepared_home):
    plan = make_plan(suite, ["frequent_report"])
    for job in group_cells(plan.cells[:1]):
        assert run_group(job, prepared_home, "cpu", discard_event)["done"] == 1
    store = Store(prepared_home.records)
    cell = plan.cells[0]
    texts, record = store.texts(cell.spec), store.get(cell.spec)
    assert len(texts["record_ids"]) == len(texts["generated"]) == record.n["test"]
    assert record.primary == "rouge_l" and set(record.intervals) >= {"rouge_l", "bleu_4", "cider"}
    assert "generated" not in json.dumps(record.to_json()), "a collected record holds no report"


def test_a_truth_without_reports_is_an_error():
    empty = Truth(["1"], ["1"], np.zeros((1, 0), int), (), [""])
    with pytest.raises(BenchmarkError, match="nothing to compare"):
        SMALL.score(predictions_of(["x"]), empty)


def test_deris_released_report_generation_attends_to_one_aligned_vector(world, small_gpt2):
    """The arm of the suite ptbxl_reports_deri_released, with a small GPT-2 in place of distilgpt2."""
    suite = load_suite("ptbxl_reports_deri_released")
    (block,) = [block for block in suite.methods if block.name == "deri"]
    config = suite.tasks[0].config
    assert block.config["embeddings"] == "aligned" and config["decoder"] == "distilgpt2"
    assert (config["epochs"], config["text_tokens"] + 1, config["beams"]) == (2, 257, 3)
    task = ReportGeneration(**{**config, "decoder": str(small_gpt2), "decoding": "greedy"})
    size = {"width": 8, "embed_dim": 16, "decoder_heads": 2, "text_model": "none", "embeddings": "aligned"}
    cell = context(world, "deri", {**RANDOM, **size})
    before = {name: value.clone() for name, value in cell.method.state_dict().items()}
    predictions = task.predict(cell)
    assert predictions.details["sees"] == "embeddings" and predictions.details["tokens_per_recording"] == 1
    assert len(predictions.details["history"]) == 2
    assert all(torch.equal(value, before[name]) for name, value in cell.method.state_dict().items()), "it is frozen"
