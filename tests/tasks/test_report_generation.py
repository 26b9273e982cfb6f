"""Report generation: test reports are out of reach, trainings are shared and go on after a kill, baselines are in."""

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


def context(world, method="random_init", config=RANDOM, report=discard_event):
    data, home = world
    view = LabelledRows.of(data, REPORTS, None)
    handle = MethodHandle(method, config, METHODS.get(method).card.version, None, None, "cpu")
    return CellContext(CellInputs(data, view, handle, "synthetic", REPORTS, home, report))


def truth(world):
    return LabelledRows.of(world[0], REPORTS, None).truth(world[0])


def test_all_recordings_with_a_report_and_every_label_are_there(world):
    data, _ = world
    found = data.label_set(REPORTS)
    assert np.array_equal(found.rows, np.flatnonzero([bool(text) for text in data.reports]))
    assert found.matrix.shape == (len(found.rows), len(found.classes)) and "groups/NORM" in found.classes
    column = found.classes.index("groups/AFIB") if "groups/AFIB" in found.classes else found.classes.index("groups/ARR")
    groups = data.label_set("groups")
    positive = groups.rows[groups.matrix[:, groups.classes.index(found.classes[column].split("/")[1])] == 1]
    assert set(positive) & set(found.rows) == set(found.rows[found.matrix[:, column] == 1])


def test_the_reports_of_test_are_locked_and_change_nothing(world):
    data, _ = world
    here = context(world)
    with pytest.raises(TestSetLockedError):
        here.reports("test")
    first = SMALL.predict(here).texts["generated"]
    rows = np.flatnonzero(data.splits == "test")
    data.reports[rows] = data.reports[rows[::-1]]
    assert SMALL.predict(context(world)).texts["generated"] == first
    assert len(first) == len(rows)


def test_cells_that_differ_in_decoding_share_one_training(world):
    notes = []
    greedy = SMALL.predict(context(world, report=lambda event: notes.append(event.text)))
    trained = [text for text in notes if "epoch" in text]
    beam = replace(SMALL, decoding="beam").predict(context(world, report=lambda event: notes.append(event.text)))
    assert len(trained) == 2 and [text for text in notes if "epoch" in text] == trained
    assert greedy.details["history"] == beam.details["history"]
    assert beam.details["decoding"]["strategy"] == "beam" and beam.details["decoding"]["beams"] == 4
    assert not list(world[1].decoders.glob("*.training"))


def test_a_killed_training_goes_on_to_the_same_bits(world):
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
        SMALL.predict(context(world, report=stop))
    preemption.go_on()
    again = SMALL.predict(context(world, report=stop))
    assert steps[3:5] == [4, 5], "it goes on after the step that it was stopped at"
    assert again.details["history"] == whole.details["history"]
    assert again.texts == whole.texts


def test_a_trained_encoder_learns_and_a_frozen_one_does_not(world):
    method = ("ecg_clip", {**RANDOM, "embed_dim": 16, "text_model": "none"})
    here = context(world, *method)
    before = {name: value.clone() for name, value in here.method.state_dict().items()}
    frozen, trained = (
        replace(SMALL, encoder=encoder).predict(context(world, *method)) for encoder in ("frozen", "trained")
    )
    kept = [torch.load(file, weights_only=True)["state"] for file in sorted(world[1].decoders.glob("*.pt"))]
    states = {any(name.startswith("encoder.") for name in state): state for state in kept}
    assert not any(name.startswith("encoder.") for name in states[False])
    name = "ecg_encoder.conv1.weight"
    assert not torch.equal(states[True][f"encoder.{name}"], before[name])
    assert frozen.details["sees"] == trained.details["sees"] == "tokens"
    assert frozen.details["history"] != trained.details["history"]


def test_what_a_decoder_sees(world):
    handcrafted = SMALL.predict(context(world, "handcrafted", {}))
    assert handcrafted.details["sees"] == "features" and handcrafted.details["tokens_per_recording"] == 1
    assert "gives no tokens" in handcrafted.details["notes"][0]
    assert SMALL.predict(context(world)).details["tokens_per_recording"] == 8
    assert "gives no tokens" in replace(SMALL, sees="tokens").skip_reason(METHODS.get("handcrafted"), "ptbxl", REPORTS)


def test_the_nearest_recordings_report_is_taken(world):
    """A recording that stands in train as well is nearest to itself."""
    here = context(world)
    train = here.features("train")
    here.features = lambda split, layer="features": train[:30] if split == "test" else train
    found = replace(SMALL, generator="nearest").canonical_form().predict(here)
    assert found.texts["generated"] == here.reports("train")[:30]
    assert found.arrays["nearest"].tolist() == list(range(30))


def test_blind_floors_write_training_reports(world):
    frequent = SMALL.predict(context(world, "frequent_report", {})).texts["generated"]
    reports = context(world).reports("train")
    assert set(frequent) == {max(sorted(set(reports)), key=reports.count)}
    random, again = (SMALL.predict(context(world, "random_report", {})).texts["generated"] for _ in range(2))
    other = SMALL.predict(context(world, "random_report", {"seed": 1})).texts["generated"]
    assert random == again != other and set(random) <= set(reports) and len(set(random)) > 5


def written(texts, known=()):
    """What `answer` would hand to the scorer: the written reports, and which texts train has."""
    return Predictions(
        {}, texts={"generated": list(texts)}, scratch={"training_reports": np.array(known, dtype=object)}
    )


def test_scores_come_with_intervals_and_an_empty_report_counts(world):
    right = truth(world)
    whole = SMALL.score(written(right.reports), right)
    assert whole.metrics["rouge_l"] == 1 and whole.metrics["exact"] == 1
    half = [text if row % 2 else "" for row, text in enumerate(right.reports)]
    found = SMALL.score(written(half), right)
    assert found.metrics["rouge_l"] == pytest.approx(np.mean([bool(text) for text in half]))
    assert found.analysis["text"]["empty"] == half.count("")
    low, high = found.intervals["rouge_l"]
    assert low < found.metrics["rouge_l"] < high and len(found.resampled) == 1000
    assert "bleu_4" in found.intervals and len(found.per_recording["rouge_l"]) == len(half)
    with pytest.raises(BenchmarkError, match="1 written reports for"):
        SMALL.score(written(["x"]), right)


def test_reports_that_train_has_word_for_word_are_counted_and_scored_apart(world):
    right = truth(world)
    known = sorted({report_key(text) for text in right.reports[::3]})
    verbatim = np.array([report_key(text) in known for text in right.reports])
    copied = [text if same else "nothing" for text, same in zip(right.reports, verbatim, strict=True)]
    found = SMALL.score(written(copied, known), right)
    assert found.metrics["rouge_l"] == pytest.approx(verbatim.mean()) and found.metrics["rouge_l_new"] == 0
    assert found.analysis["verbatim"] == {"reports": verbatim.sum(), "share": verbatim.mean()}
    every = SMALL.score(written(copied, sorted({report_key(text) for text in right.reports})), right)
    assert "rouge_l_new" not in every.metrics and any("word for word" in note for note in every.notes)
    predictions = SMALL.predict(context(world, "random_report", {}))
    assert set(predictions.scratch["training_reports"]) == {
        report_key(text) for text in context(world).reports("train")
    }


def test_hygiene_is_part_of_the_question(world):
    right = replace(truth(world), label_set="ptbxl/reports")
    right = replace(
        right, reports=[f"{text} 4.46" if text else "" for text in right.reports[:-1]] + ["trace only requested"]
    )
    clean = [text.removesuffix(" 4.46") for text in right.reports]
    found = SMALL.score(written(clean), right)
    assert found.metrics["exact"] == 1 and found.analysis["hygiene"]["trace only"] == 1
    assert any("1 recordings of test have no report" in note for note in found.notes)
    raw = replace(SMALL, hygiene=False).score(written(clean), right)
    assert raw.metrics["exact"] == pytest.approx(1 / len(clean)) and raw.analysis["hygiene"] == {}


def test_the_score_of_deris_code_asks_the_method_itself_and_says_so(world):
    """It is computed without knowing whose report is whose, and gives full marks to a method that writes the truth."""
    task = replace(SMALL, generator="nearest", decoding="none", self_score="en+de")
    assert "own text encoder" in task.skip_reason(METHODS.get("random_init"), "ptbxl", REPORTS)
    asked = context(world, "merl", {"width": 8, "rate": 100.0, "text_model": "small"})
    asked.method.start_pretraining(asked.reports("train"))
    predictions, right = task.predict(asked), truth(world)
    found = task.score(predictions, right)
    assert 0 <= found.metrics["self_f1"] <= 1 and any("not comparable between methods" in note for note in found.notes)
    of_text = dict(zip(predictions.scratch["self_texts"], predictions.scratch["self_true"], strict=True))
    predictions.scratch["self_written"] = np.array([of_text[report_key(text)] for text in right.reports])
    assert task.score(predictions, right).metrics["self_f1"] == 1


def test_wrong_fields_are_reported_together():
    with pytest.raises(UsageError, match=r"(?s)layers is 0.*beams is 1.*multiple of heads"):
        ReportGeneration(layers=0, beams=1, width=10)
    with pytest.raises(UsageError, match="generator"):
        ReportGeneration(generator="decodr")


SUITE = """
name = "told"
title = "Told"
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
    path = tmp_path / "told.toml"
    path.write_text(SUITE, "utf-8")
    return load_suite(str(path))


def test_floors_join_every_table_and_no_question_is_asked_twice(suite):
    made = make_plan(suite)
    asked = {(cell.row, cell.question["generator"], cell.question["decoding"]) for cell in made.cells}
    decoded = [("decoder", "greedy"), ("decoder", "beam"), ("nearest", "none")]
    assert {(kind, how) for row, kind, how in asked if row == "random_init"} == set(decoded)
    for floor in ("frequent_report", "random_report"):
        assert {kind for row, kind, _ in asked if row == floor} == {"decoder", "nearest", "own"}
    reasons = {(skip.row, skip.task): skip.reason for skip in made.skipped}
    assert "no space shared" in reasons["random_init", "zero_shot"]
    assert ("frequent_report", "zero_shot") not in reasons, "added for one task, it is not missed in others"


def test_a_run_keeps_its_texts_beside_the_record(suite, prepared_home):
    made = make_plan(suite, ["frequent_report"])
    for job in group_cells(made.cells[:1]):
        assert run_group(job, prepared_home, "cpu", discard_event)["done"] == 1
    store = Store(prepared_home.records)
    cell = made.cells[0]
    kept, record = store.texts(cell.spec), store.get(cell.spec)
    assert len(kept["record_ids"]) == len(kept["generated"]) == record.n["test"]
    assert record.primary == "rouge_l" and set(record.intervals) >= {"rouge_l", "bleu_4", "cider"}
    assert "generated" not in json.dumps(record.to_json()), "a record that is collected holds no report"


def test_a_truth_without_reports_is_an_error():
    empty = Truth(["1"], ["1"], np.zeros((1, 0), int), (), [""])
    with pytest.raises(BenchmarkError, match="nothing to compare"):
        SMALL.score(written(["x"]), empty)
