"""Findings: unknown labels, rotations over folds, the lock on labels of the predicted fold, zero-shot and leads."""

import hashlib
import json
import lzma
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmark.api import LEADS, Predictions, Rotation, Truth
from benchmark.cli import main
from benchmark.data.formats import ecg_reasoning
from benchmark.data.formats.ecg_reasoning import FINDINGS, KINDS, read_answers
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.labels.prompts import load_prompts
from benchmark.data.store.preparation import open_dataset, prepare
from benchmark.datasets.ptbxl import PTBXL
from benchmark.engine import context as context_module
from benchmark.engine.context import CellContext, CellInputs
from benchmark.engine.method_handle import MethodHandle
from benchmark.engine.rotation import predict_in_turn
from benchmark.engine.without_test import WithoutTest
from benchmark.errors import BenchmarkError, DataError, MissingError, TestSetLockedError, UsageError
from benchmark.metrics.finding_scoring import LEAST, score_findings
from benchmark.metrics.lead_scoring import score_leads
from benchmark.planning.contamination import Gate
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite
from benchmark.probes.findings import STRENGTHS, fit_findings
from benchmark.probes.rotations import rotations_of
from benchmark.records.store import Store
from benchmark.registry import METHODS
from benchmark.testing import FakeMethod, write_ptbxl
from tasks.finding_leads import FindingLeads
from tasks.finding_probe import FindingProbe
from tasks.finding_zero_shot import FindingZeroShot

LONG_PR, ST = "Prolongation of the PR interval", "Presence of ST-segment elevation in anterior leads"
CLASSES = ("a", "b")
SUITE = """
name = "findings"
title = "Findings"
version = "1"
datasets = [{ name = "ptbxl", label_sets = ["findings", "super"], config = { rate = 100 } }]
methods = [{ name = "random_init", config = { width = 8, rate = 100.0 } }]
[[tasks]]
name = "finding_probe"
config = { folds = ["held_out", "all"] }
[[tasks]]
name = "finding_leads"
[[tasks]]
name = "ridge"
"""


def chain(ecg_id, criterion, answer, leads=()):
    grounding = [{"question_type": "lead_grounding", "answer": [f"Lead {lead}" for lead in leads]}] if leads else []
    return {"ecg_id": ecg_id, "steps": [{"criterion": criterion, "answer": answer, "grounding": grounding}]}


def compress(chains):
    return lzma.compress("\n".join(map(json.dumps, chains)).encode())


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """A folder of original data with a small PTB-XL and answers about it: two findings, half of the labels known."""
    base = tmp_path_factory.mktemp("originals")
    count = write_ptbxl(base / "ptbxl", patients=110)
    chains = []
    for number in range(1, count + 1):
        if number % 5:
            chains.append(chain(number, LONG_PR, "Yes" if number % 3 == 0 else "No"))
        if number % 5 < 3:
            chains.append(chain(number, ST, "Yes" if number % 7 < 3 else "No", ("V2", "V3") if number % 7 < 3 else ()))
    (base / "ecg-reasoning").mkdir()
    (base / "ecg-reasoning" / "ptbxl.jsonl.xz").write_bytes(compress(chains))
    return base


@pytest.fixture(scope="session")
def store_home(tree, tmp_path_factory):
    from benchmark.paths import Home

    product = Home(tmp_path_factory.mktemp("findings"))
    prepare("ptbxl", {}, product, tree / "ptbxl")
    return product


def use_checksum_of(path, monkeypatch):
    about = replace(ecg_reasoning.PTBXL_FINDINGS, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setattr(PTBXL, "sparse_label_sets", {"findings": about})


@pytest.fixture
def world(tree, store_home, home, monkeypatch):
    """That PTB-XL in a home which tests share with its features, and the answers where they are looked for."""
    use_checksum_of(tree / "ecg-reasoning" / "ptbxl.jsonl.xz", monkeypatch)
    monkeypatch.setenv("ECGARENA_DATA", str(tree))
    return open_dataset("ptbxl", {}, store_home), store_home


@pytest.fixture
def own_world(world, home):
    """The same in a home of its own, where a command may write."""
    import shutil

    shutil.copytree(world[1].data, home.data)
    return open_dataset("ptbxl", {}, home), home


def contexts(world, rotations, change=lambda view: view, method="random_init"):
    data, home = world
    handle = MethodHandle(method, {"rate": 100.0, "width": 8}, 1, None, None, "cpu")
    views = [change(LabelledRows.of_rotation(data, "findings", rotation, None)) for rotation in rotations]
    rows = np.unique(np.concatenate([view.rows[split] for view in views for split in view.rows]))
    return [
        CellContext(CellInputs(data, view, handle, "ptbxl", "findings", home, extracted=rows, is_rotation=True))
        for view in views
    ]


# --- what is known ---


def test_what_was_not_asked_is_unknown_and_contradictions_are_counted(world, tree, tmp_path, monkeypatch):
    data, _ = world
    labels = data.label_set("findings")
    pr, st = (labels.classes.index(FINDINGS[name][0]) for name in (LONG_PR, ST))
    assert np.isnan(labels.matrix).sum() + np.isfinite(labels.matrix).sum() == labels.matrix.size
    assert np.isnan(np.delete(labels.matrix, [pr, st], axis=1)).all(), "nobody asked for the others"
    by_id = dict(zip(data.record_ids[labels.rows], labels.matrix, strict=True))
    assert by_id["3"][pr] == 1 and by_id["1"][pr] == 0 and np.isnan(by_id["5"][pr]) and np.isnan(by_id["3"][st])
    lead = {LEADS[place] for place in np.flatnonzero(labels.leads[list(by_id).index("1"), st])}
    assert lead == {"V2", "V3"} and not labels.leads[:, pr].any()
    other = tmp_path / "ecg-reasoning" / "ptbxl.jsonl.xz"
    other.parent.mkdir()
    answers = [(1, "Yes"), (1, "No"), (2, "No"), (2, "No"), (10**6, "Yes")]
    other.write_bytes(compress([chain(number, LONG_PR, answer) for number, answer in answers]))
    use_checksum_of(other, monkeypatch)
    monkeypatch.setenv("ECGARENA_DATA", str(tmp_path))
    sparse = open_dataset("ptbxl", {}, world[1]).sparse_labels("findings")
    assert sparse.contradictions == 1 and sparse.strangers == 1 and sparse.matrix[:, pr].tolist() == [0]
    note = sparse.note(PTBXL.sparse_label_sets["findings"])
    assert "silver labels" in note and "1 have contradictory answers" in note and "1 recordings of the file" in note


def test_the_real_file_has_the_findings_that_its_description_counts(shared):
    content = (shared / "data" / "ecg-reasoning" / "ptbxl.jsonl.xz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == ecg_reasoning.PTBXL_FINDINGS.sha256
    answers = list(read_answers(content))
    assert len(answers) == 6964 and len({answer.record_id for answer in answers}) == 2868
    assert {answer.label for answer in answers} == set(KINDS) and len(KINDS) == 45 and len(FINDINGS) == 46
    signs = {}
    for answer in answers:
        signs.setdefault((answer.record_id, answer.label), set()).add(answer.is_present)
    assert not [entry for entry, values in signs.items() if len(values) > 1], "no recording contradicts itself"


@pytest.mark.parametrize("state", ["no variable", "no file", "other file"])
def test_an_absent_or_other_file_is_refused_in_one_sentence_and_breaks_nothing_else(
    state, world, tmp_path, monkeypatch
):
    data, _ = world
    if state == "no variable":
        monkeypatch.delenv("ECGARENA_DATA")
    else:
        monkeypatch.setenv("ECGARENA_DATA", str(tmp_path))
    if state == "other file":
        (tmp_path / "ecg-reasoning").mkdir()
        (tmp_path / "ecg-reasoning" / "ptbxl.jsonl.xz").write_bytes(compress([chain(1, LONG_PR, "Yes")]))
    kind, words = (DataError, "SHA-256") if state == "other file" else (MissingError, "ecg-reasoning/ptbxl.jsonl.xz")
    with pytest.raises(kind, match=words) as error:
        data.label_set("findings")
    assert "ECG-Reasoning-Benchmark" in str(error.value) and "\n" not in str(error.value)
    assert len(data.label_set("super").rows) and data.values_digest("findings")


def test_a_file_with_another_content_is_refused():
    with pytest.raises(DataError, match="cannot be read"):
        list(read_answers(compress([chain(1, "no such criterion", "Yes")])))
    with pytest.raises(DataError, match="cannot be read"):
        list(read_answers(b"no archive"))


def test_the_store_and_its_digest_stay_and_tuning_sees_no_label_of_test(world):
    data, _ = world
    assert not [path for path in data.path.rglob("*") if "finding" in path.name or path.suffix == ".xz"]
    assert set(data.folds) <= set(range(1, 11)) and (data.folds[data.splits == "test"] == 10).all()
    limited = WithoutTest(data)
    assert "test" not in set(limited.splits[limited.label_set("findings").rows])


# --- rotations ---


def test_each_fold_is_predicted_once_by_a_probe_that_has_seen_nothing_of_it():
    whole_scope = rotations_of("all")
    assert [rotation.test for rotation in whole_scope] == [(fold,) for fold in range(1, 11)]
    for rotation in whole_scope:
        parts = (*rotation.train, *rotation.val, *rotation.test)
        assert sorted(parts) == list(range(1, 11)), "disjoint, and all folds are used"
    assert rotations_of("held_out") == whole_scope[8:], "the same probes predict folds 9 and 10 in both scopes"
    with pytest.raises(UsageError, match="did you mean 'held_out'"):
        FindingProbe(folds="heldout")


@pytest.mark.parametrize("task", [FindingProbe(), FindingLeads()])
def test_labels_of_the_predicted_fold_cannot_reach_the_prediction(world, task):
    rotations = task.rotations()
    other = contexts(
        world, rotations, lambda view: replace(view, labels=view.labels | {"test": 1 - view.labels["test"]})
    )
    predictions, others = (predict_in_turn(task, cells) for cells in (contexts(world, rotations), other))
    assert np.array_equal(predictions.arrays["logits"], others.arrays["logits"])
    assert json.dumps(predictions.details) == json.dumps(others.details) and len(predictions.details["rotations"]) == 2
    for name in predictions.scratch:
        assert np.array_equal(predictions.scratch[name], others.scratch[name])
    for cell, rotation in zip(contexts(world, rotations), rotations, strict=True):
        with pytest.raises(TestSetLockedError):
            cell.labels("test")
        with pytest.raises(TestSetLockedError):
            cell.reports("test")
        assert "test" not in cell._rows.labels and "test" not in cell._rows.leads
        folds = world[0].folds[cell._rows.rows["train"]]
        assert set(folds) == set(rotation.train) and not set(folds) & {*rotation.val, *rotation.test}


def test_labels_of_validation_choose_and_those_of_train_teach(world):
    rotation = rotations_of("held_out")[:1]
    plain = predict_in_turn(FindingProbe(), contexts(world, rotation)).details["rotations"][0]
    flip = contexts(world, rotation, lambda view: replace(view, labels=view.labels | {"val": 1 - view.labels["val"]}))
    flipped = predict_in_turn(FindingProbe(), flip).details["rotations"][0]
    for before, after in zip(plain["trials"], flipped["trials"], strict=True):
        assert before["val_macro_auroc"] == pytest.approx(1 - after["val_macro_auroc"], abs=1e-6)


def test_a_rotating_task_gives_a_row_for_each_recording_and_no_threshold(world):
    class Wrong(FindingProbe):
        def predict(self, context):
            return Predictions({"logits": np.zeros((3, 2))})

    with pytest.raises(BenchmarkError, match="logits has 3 rows"):
        predict_in_turn(Wrong(), contexts(world, rotations_of("held_out")))


def test_folds_without_recordings_are_refused_and_so_is_a_store_without_folds(world, synthetic_home):
    data, _ = world
    with pytest.raises(UsageError, match="ptbxl/findings has no recordings in val"):
        LabelledRows.of_rotation(data, "findings", Rotation((1, 2), (), (9,)), None)
    with pytest.raises(MissingError, match="no folds beside it"):
        _ = open_dataset("synthetic", {"patients": 120}, synthetic_home).folds


# --- probes and scores ---


def sparse_data(n=160, dim=6, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, dim)) * 3 + 1
    labels = (features[:, :2] + rng.normal(size=(n, 2)) * 3 > 1).astype(float)
    labels[rng.random((n, 2)) < 0.4] = np.nan
    return features, labels


def test_probes_are_scikit_learns_on_what_is_known():
    train, val = sparse_data(), sparse_data(seed=1)
    probes = fit_findings(train, val)
    mean, std = train[0].mean(axis=0), train[0].std(axis=0)
    strength = probes.choice["strength"]
    aurocs = []
    for place in range(2):
        is_known = ~np.isnan(train[1][:, place])
        other = LogisticRegression(C=strength / 6, tol=1e-10, max_iter=5000)
        other.fit(((train[0] - mean) / std)[is_known], train[1][is_known, place])
        expected = other.decision_function((val[0] - mean) / std)
        assert np.allclose(probes.scores(val[0])[:, place], expected, atol=2e-3)
        judged = ~np.isnan(val[1][:, place])
        aurocs.append(roc_auc_score(val[1][judged, place], expected[judged]))
    assert probes.choice["val_macro_auroc"] == pytest.approx(np.mean(aurocs), abs=2e-3)
    assert [trial["strength"] for trial in probes.trials] == list(STRENGTHS)


def test_an_unknown_label_teaches_nothing_whatever_the_features():
    train, val = sparse_data(), sparse_data(seed=1)
    unknown = np.isnan(train[1]).all(axis=1)
    rest = train[0][~unknown], train[1][~unknown]
    zeros = np.where(np.isnan(train[1]), 0, train[1])
    assert not np.allclose(fit_findings(train, val).weights, fit_findings((train[0], zeros), val).weights, atol=1e-3)
    assert fit_findings(rest, val).weights.shape == (6, 2)


def test_one_sign_in_training_gives_a_constant_and_nothing_to_learn_is_refused():
    train, val = sparse_data(), sparse_data(seed=1)
    train[1][:, 0] = np.where(np.isnan(train[1][:, 0]), np.nan, 1)
    scores = fit_findings(train, val).scores(val[0])
    assert np.ptp(scores[:, 0]) == 0 and np.ptp(scores[:, 1]) > 0
    with pytest.raises(BenchmarkError, match="both signs in training"):
        fit_findings((train[0], np.ones_like(train[1])), val)
    with pytest.raises(BenchmarkError, match="both signs in validation"):
        fit_findings(sparse_data(), (val[0], np.full_like(val[1], np.nan)))
    with pytest.raises(BenchmarkError, match="NaN where they are unknown"):
        fit_findings((train[0], np.where(np.isnan(train[1]), 2, train[1])), val)


def truth_of(labels, patients=None, leads=None):
    names = [str(row) for row in range(len(labels))]
    patients = names if patients is None else patients
    kinds = {"a": "rhythm", "b": "axis"}
    return Truth(names, patients, labels, CLASSES, [""] * len(names), kinds=kinds, leads=leads)


def test_scores_are_scikit_learns_on_what_is_known_by_finding_and_kind():
    labels, scores = sparse_data()[1], np.random.default_rng(2).normal(size=(160, 2))
    result = score_findings(truth_of(labels), scores)
    expected = []
    for place in range(2):
        is_known = ~np.isnan(labels[:, place])
        expected.append(roc_auc_score(labels[is_known, place], scores[is_known, place]))
        entry = result.per_class[CLASSES[place]]
        assert (
            entry["auroc"] == pytest.approx(expected[-1]) and entry["positives"] + entry["negatives"] == is_known.sum()
        )
        assert entry["auroc_interval"][0] < entry["auroc"] < entry["auroc_interval"][1]
    assert result.metrics["auroc_macro"] == pytest.approx(np.mean(expected))
    assert (result.metrics["auroc_rhythm"], result.metrics["auroc_axis"]) == pytest.approx(expected)
    low, high = result.intervals["auroc_macro"]
    assert low < result.metrics["auroc_macro"] < high and len(result.resampled) == 1000


def test_intervals_draw_patients_as_those_of_other_tasks_do():
    from benchmark.metrics.statistics import bootstrap_auroc

    labels, scores = np.nan_to_num(sparse_data()[1]), np.random.default_rng(2).normal(size=(160, 2))
    patients = [str(row // 3) for row in range(160)]
    result = score_findings(truth_of(labels, patients), scores)
    assert np.allclose(result.resampled, bootstrap_auroc(labels, scores, patients).mean(axis=1))


def test_few_of_a_sign_are_not_scored_and_one_patient_gives_no_interval():
    labels = sparse_data()[1]
    few = np.flatnonzero(labels[:, 0] == 1)[LEAST - 1 :]
    labels[few, 0] = np.nan
    result = score_findings(truth_of(labels), np.zeros((160, 2)))
    assert result.per_class["a"]["auroc"] is None and "fewer than 10 positives" in result.per_class["a"]["reason"]
    assert set(result.metrics) == {"auroc_macro", "auroc_axis"} and "1 of 2 findings are not scored" in result.notes[0]
    lone = score_findings(truth_of(labels, ["p"] * 160), np.zeros((160, 2)))
    assert lone.metrics["auroc_macro"] == 0.5 and not lone.intervals and "one patient" in lone.notes[-1]
    empty = score_findings(truth_of(np.full((160, 2), np.nan)), np.zeros((160, 2)))
    assert not empty.metrics and empty.notes
    with pytest.raises(BenchmarkError, match="finite"):
        score_findings(truth_of(labels), np.full((160, 2), np.inf))


def test_a_probe_that_looks_at_the_named_lead_is_told_from_one_that_does_not():
    n = 60
    labels = np.tile([[1.0, np.nan], [0.0, np.nan]], (n // 2, 1))
    leads = np.zeros((n, 2, 12), bool)
    leads[::2, 0, 6:9] = True
    scores = np.stack([labels[:, 0], np.zeros(n)], axis=1)
    looking = np.repeat(scores[:, None], 12, axis=1)
    looking[::2, 6:9, 0] -= 1
    truth = truth_of(labels, leads=leads)
    result = score_leads(truth, scores, looking)
    assert result.metrics["auroc_leads"] == 1 and result.metrics["lead_difference"] == pytest.approx(1 / 0.5)
    assert result.metrics["lead_difference_absent"] == 0 and result.per_class["a"]["recordings"] == n // 2
    elsewhere = score_leads(truth, scores, np.repeat(scores[:, None], 12, axis=1) - 1)
    assert elsewhere.metrics["lead_difference"] == pytest.approx(0) and elsewhere.metrics["auroc_leads"] == 0.5
    assert not score_leads(truth_of(labels, leads=leads & False), scores, looking).metrics
    with pytest.raises(BenchmarkError, match="names no leads"):
        score_leads(truth_of(labels), scores, looking)


def test_hiding_a_lead_changes_what_the_method_reads_and_only_there(world):
    [cell, _] = contexts(world, rotations_of("held_out"))
    whole = cell.features("test")
    without = {lead: cell.features_without(lead, "test") for lead in ("V1", "II")}
    assert whole.shape == without["V1"].shape and not np.array_equal(whole, without["V1"])
    assert not np.array_equal(without["V1"], without["II"])


# --- zero-shot ---


def test_zero_shot_is_the_similarity_with_a_finding_minus_that_with_its_absence(world):
    import torch
    from torch.nn.functional import normalize

    data, home = world
    config = {"width": 8, "rate": 100.0, "embed_dim": 16, "text_model": "small"}
    handle = MethodHandle("merl", config, 1, None, None, "cpu")
    handle.method.start_pretraining(list(data.reports))
    view = LabelledRows.of_rotation(data, "findings", rotations_of("held_out")[1], None)
    cell = CellContext(CellInputs(data, view, handle, "ptbxl", "findings", home, is_rotation=True))
    scores = FindingZeroShot(prompts="en+de").predict(cell).arrays["scores"]
    place = 4
    names = [cell.classes[place]]
    ecg = normalize(torch.from_numpy(np.array(cell.features("test", "embeddings"))), dim=-1)
    sides = []
    with torch.inference_mode():
        for label_set in ("findings", "findings_absent"):
            [phrases] = load_prompts("en+de").phrases("ptbxl", label_set, names)
            text = normalize(handle.method.text_embeddings(phrases), dim=-1).mean(dim=0)
            sides.append((ecg @ normalize(text, dim=-1)).numpy())
    assert np.allclose(scores[:, place], sides[0] - sides[1], atol=1e-5)


def test_zero_shot_embeds_the_predicted_recordings_alone(world, monkeypatch):
    monkeypatch.setitem(METHODS._classes, "fake", FakeMethod)
    data, home = world
    lengths = []
    original = context_module.cached_features

    def counting(handle, layer, data, rows, *rest):
        lengths.append((layer, len(rows)))
        return original(handle, layer, data, rows, *rest)

    monkeypatch.setattr(context_module, "cached_features", counting)
    handle = MethodHandle("fake", {}, 1, None, None, "cpu")
    views = [LabelledRows.of_rotation(data, "findings", rotation, None) for rotation in rotations_of("held_out")]
    for view in views:
        inputs = CellInputs(data, view, handle, "ptbxl", "findings", home, is_rotation=True)
        FindingZeroShot().predict(CellContext(inputs))
    assert lengths == [("embeddings", len(view.rows["test"])) for view in views]
    assert sum(length for _, length in lengths) < len(data)


@pytest.mark.parametrize("language", ["en", "de"])
def test_every_finding_has_phrases_of_its_own_for_both_signs(language):
    sides = [load_prompts(language).phrases("ptbxl", name, tuple(KINDS)) for name in ("findings", "findings_absent")]
    for present, absent in zip(*sides, strict=True):
        assert len(present) >= 2 and len(absent) >= 2 and not set(present) & set(absent)
    assert len({phrase for group in sides[0] for phrase in group}) == sum(map(len, sides[0])), "no phrase stands twice"


# --- from the command line ---


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "findings.toml"
    path.write_text(SUITE, "utf-8")
    return path


def test_a_suite_asks_findings_of_sparse_label_sets_alone(suite):
    plan = make_plan(load_suite(str(suite)))
    places = {(cell.spec.task, cell.spec.label_set) for cell in plan.cells}
    assert places == {("finding_probe", "findings"), ("finding_leads", "findings"), ("ridge", "super")}
    reasons = {(skip.task, skip.reason) for skip in plan.skips}
    assert (
        "ridge",
        "ptbxl/findings: most labels in findings are unknown, and it would take them for absent",
    ) in reasons
    assert (
        "finding_probe",
        "ptbxl/super: it is about labels that may be unknown, and in super all are known",
    ) in reasons


def test_from_the_command_to_tables_that_say_silver_labels(suite, own_world, capsys):
    data, home = own_world
    assert main(["run", str(suite), "-q", "--tasks", "finding_probe", "finding_leads"]) == 0, capsys.readouterr().out
    plan, store = make_plan(load_suite(str(suite)), tasks=["finding_probe", "finding_leads"]), Store(home.records)
    records = {(cell.spec.task, cell.question["folds"]): store.get(cell.spec) for cell in plan.cells}
    held_out, whole = records["finding_probe", "held_out"], records["finding_probe", "all"]
    labelled = data.folds[data.label_set("findings").rows]
    assert held_out.n["test"] == (labelled >= 9).sum() and whole.n["test"] == len(labelled)
    assert whole.values_digest == data.values_digest("findings")
    assert any(note.startswith("silver labels") for note in whole.notes)
    [page] = home.leaderboards.glob("findings*.md")
    assert "silver labels" in page.read_text("utf-8")


def test_the_gate_sees_the_folds_that_are_tested(suite, own_world):
    _, home = own_world
    text = suite.read_text("utf-8").replace(
        'methods = [{ name = "random_init", config = { width = 8, rate = 100.0 } }]',
        'methods = [{ name = "random_init" }, { name = "simclr", config = { width = 8, rate = 100.0 }, '
        'pretrain = { dataset = "ptbxl", epochs = 1, batch_size = 8 } }]',
    )
    suite.write_text(text, "utf-8")
    plan, gate = make_plan(load_suite(str(suite)), tasks=["finding_probe"]), Gate(home)
    verdicts = {(cell.row, cell.question["folds"]): gate.verdict(cell) for cell in plan.cells}
    states = {place: verdict.state for place, verdict in verdicts.items()}
    assert states == {
        ("random_init", "held_out"): "clean",
        ("random_init", "all"): "clean",
        ("simclr", "held_out"): "clean",
        ("simclr", "all"): "contaminated",
    }
    assert "where recordings of the tested folds lie" in verdicts["simclr", "all"].reasons[0]
