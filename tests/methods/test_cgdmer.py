"""CG-DMER: gradients of each loss, effects of the options, checkpoints and errors."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmark.api import Batch
from benchmark.engine.checkpoints import load_weights
from benchmark.errors import UsageError
from methods.cgdmer import CGDMER, Parts
from methods.nn.token_selection import select_tokens

TINY = {
    "rate": 100.0, "seconds": 2.0, "patch_seconds": 0.25, "width": 32, "depth": 1, "heads": 2, "decoder_width": 16,
    "decoder_depth": 1, "decoder_heads": 2, "embed_dim": 16, "text_model": "small",
}  # fmt: skip
REPORTS = ["sinus rhythm, normal ecg", "atrial fibrillation", "left bundle branch block", "sinus rhythm, normal ecg"]


@pytest.fixture(autouse=True)
def one_thread():
    """Use one thread: a second one only slows networks this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny(seed=0, **options):
    torch.manual_seed(seed)
    method = CGDMER(**{**TINY, **options})
    if method.text_encoder is not None:
        method.start_pretraining(REPORTS)
    return method.eval()  # no dropout; masks are drawn all the same


def batch_of(count=4, seed=0):
    draw = torch.Generator().manual_seed(seed)
    reports = [REPORTS[i % len(REPORTS)] for i in range(count)]
    return Batch(torch.randn(count, 12, 200, generator=draw), [str(i) for i in range(count)], reports)


def parts_with_gradient(method, loss):
    """Return the names of the parts of the method that receive a gradient from a loss."""
    method.zero_grad()
    loss.backward()
    return {
        name.split(".")[0]
        for name, weight in method.named_parameters()
        if weight.grad is not None and weight.grad.any()
    }


def test_losses_and_shapes():
    method, batch = tiny(), batch_of(5)
    losses = method.loss(batch)
    assert list(losses) == ["ecg", "text", "align", "orth"] and all(value.isfinite() for value in losses.values())
    assert method.ecg_features(batch.ecg).shape == (5, 32) and method.ecg_tokens(batch.ecg).shape == (5, 8, 32)
    assert method.ecg_embeddings(batch.ecg).shape == (5, 16) == method.text_embeddings(batch.reports).shape
    assert tiny(features="concat").ecg_features(batch.ecg).shape == (5, 64)
    # without training, the prediction of standardised patches is no better than 0
    assert 0.9 < losses["ecg"].item() < 3


def test_each_loss_reaches_what_it_should_and_nothing_else():
    method, batch = tiny(word_ratio=0.5), batch_of()
    shared = {"shared", "shared_head"}
    ecg, text = {"ecg_encoder", "ecg_adapter"}, {"text_encoder", "text_adapter"}
    losses = method.loss(batch)
    # not a specific encoder
    assert parts_with_gradient(method, losses["align"]) == {*shared, *ecg, *text, "log_scale", "bias"}
    losses = method.loss(batch)
    assert parts_with_gradient(method, losses["ecg"]) == {*ecg, "shared", "ecg_specific", "ecg_decoder"}
    losses = method.loss(batch)
    heads = {"text_specific", "text_decoder", "text_words"}
    assert parts_with_gradient(method, losses["text"]) == {*text, "shared", *heads}
    losses = method.loss(batch)
    heads = {"ecg_specific", "ecg_specific_head", "text_specific", "text_specific_head"}
    assert parts_with_gradient(method, losses["orth"]) == {*shared, *ecg, *text, *heads}
    method.zero_grad()
    sum(method.loss(batch).values()).backward()
    assert all(weight.grad is not None for weight in method.parameters())


def test_disentangling_is_zero_for_orthogonal_parts_and_two_for_equal_ones():
    method = tiny(specific_weight=0.5)
    x, y = torch.eye(4)[:2], torch.eye(4)[2:]
    orthogonal = Parts(None, x, x, y)
    assert method.orthogonality_loss(orthogonal, Parts(None, x, y, x)) == 0  # specific parts too
    same = Parts(None, x, x, 2 * x)
    assert method.orthogonality_loss(same, same).item() == pytest.approx(2.5)


def test_only_hidden_patches_count_and_only_visible_ones_are_seen():
    """Perfect predictions of the hidden patches give 0."""
    method, batch = tiny(), batch_of()
    counts = []

    def oracle(tokens, order):
        from methods.nn.cgdmer.lead_patches import patchify, standardise_patches

        count = tokens.shape[1]
        patches = standardise_patches(patchify(batch.ecg, 25).flatten(1, 2))
        counts.append(count)
        return select_tokens(patches, order[:, count:])

    method.ecg_decoder.forward = oracle
    assert method.reconstruct_ecg(batch.ecg)[0] == 0
    assert counts == [9 * 3]  # 9 of 12 leads, 3 of 8 instants


@pytest.mark.parametrize(
    "options, losses",
    [
        ({"mask_mode": "none", "word_ratio": 0.0}, ["align", "orth"]),
        ({"disentangle": "unconstrained", "initial_bias": -7}, ["ecg", "text", "align"]),
        ({"disentangle": "none", "views": "one_pass"}, ["ecg", "text", "align"]),
        ({"orthogonality": "correlation", "limb": "one", "mask_mode": "temporal"}, ["ecg", "text", "align", "orth"]),
        ({"alignment": "infonce", "limb": "together", "views": "one_pass"}, ["ecg", "text", "align", "orth"]),
    ],
)
def test_ablation_arms_run(options, losses):
    method = tiny(**options)
    by_name = method.loss(batch_of())
    sum(by_name.values()).backward()
    assert list(by_name) == losses and all(value.isfinite() for value in by_name.values())


def test_equal_reports_are_no_negatives():
    batch, by_rule = batch_of(), {}
    for rule in ("positive", "negative", "left_out"):
        method = tiny(duplicates=rule)
        ecg, text = method.ecg_embeddings(batch.ecg), method.text_embeddings(REPORTS)
        by_rule[rule] = method.alignment_loss(ecg, text, REPORTS).item()
    # the bias starts at -10, so a positive costs about 10 and a negative almost nothing
    assert by_rule["positive"] > by_rule["negative"] + 3 and by_rule["left_out"] <= by_rule["negative"]


def test_a_batch_of_one_an_empty_report_and_bf16():
    method = tiny().train()
    alone = Batch(batch_of(1).ecg, ["1"], [""])
    losses = method.loss(alone)
    sum(losses.values()).backward()
    assert all(value.isfinite() for value in losses.values()) and losses["text"] == 0  # no word to hide
    assert all(p.grad.isfinite().all() for p in method.parameters() if p.grad is not None)
    with torch.autocast("cpu", torch.bfloat16):
        assert all(value.dtype == torch.float32 and value.isfinite() for value in method.loss(batch_of()).values())


def test_a_file_is_complete_and_serves_without_a_text_model(tmp_path):
    method, batch = tiny(), batch_of()
    save_file(method.state_dict(), tmp_path / "cgdmer.safetensors")
    fresh = CGDMER(**TINY).eval()
    fresh.load_state_dict(load_file(tmp_path / "cgdmer.safetensors"))
    assert torch.equal(fresh.text_embeddings(REPORTS), method.text_embeddings(REPORTS))
    bare = CGDMER(**{**TINY, "text_model": None}).eval()
    load_weights(bare, tmp_path / "cgdmer.safetensors")
    assert torch.equal(bare.ecg_embeddings(batch.ecg), method.ecg_embeddings(batch.ecg))
    for ask in (lambda: bare.text_embeddings(["x"]), lambda: bare.loss(batch), lambda: bare.start_pretraining(["x"])):
        with pytest.raises(UsageError, match="text_model"):
            ask()


LEARNING = {
    "rate": 100.0, "seconds": 5.0, "patch_seconds": 0.5, "width": 64, "depth": 1, "heads": 2, "decoder_width": 32,
    "decoder_depth": 1, "decoder_heads": 2, "embed_dim": 32, "text_model": "small", "views": "one_pass",
}  # fmt: skip
TRAINING = {"epochs": 6, "batch_size": 32, "lr": 2e-3}


def test_a_short_pretraining_beats_random_weights(tmp_path):
    """On synthetic recordings the 10 % probe beats that of its own random weights, and zero-shot beats chance."""
    from benchmark.data.labels.labelled_rows import LabelledRows
    from benchmark.data.labels.subsets import draw
    from benchmark.data.store.preparation import open_dataset, prepare
    from benchmark.engine.building import build
    from benchmark.engine.events import discard_event
    from benchmark.engine.features import extract
    from benchmark.engine.pretraining import ReportedRecordings
    from benchmark.engine.selection import labelled_parts, zero_shot_val
    from benchmark.engine.training import train
    from benchmark.metrics.classification import auroc, macro
    from benchmark.paths import Home
    from benchmark.planning.training_config import TrainingConfig
    from benchmark.probes.search import tune

    prepare("synthetic", {"patients": 600}, Home(tmp_path))
    data = open_dataset("synthetic", {"patients": 600}, Home(tmp_path))
    view = LabelledRows.of(data, "groups", None)

    def probe(method, seed):
        features = {
            split: extract(method, "features", data, view.rows[split], discard_event, "cpu") for split in view.rows
        }
        rows, labels = view.rows["train"], view.labels
        part = draw(data.record_ids[rows], data.patient_ids[rows], labels["train"], view.classes, 0.1, seed).rows
        tuned = tune((features["train"][part], labels["train"][part]), (features["val"], labels["val"]), trials=8)
        return macro(auroc(labels["test"], tuned.scores(features["test"])))

    lifts, shots = [], []
    for seed in range(3):
        method = build("cgdmer", LEARNING, seed=seed)
        before = probe(method, seed)
        corpus = ReportedRecordings(data, "train", method.signal, 448)
        method.start_pretraining(list(corpus.reports))
        train(method, corpus, TrainingConfig(**TRAINING, seed=seed), "cgdmer", discard_event)
        lifts.append(probe(method, seed) - before)
        shots.append(zero_shot_val(method, labelled_parts(data, "synthetic", data.manifest["label_sets"]), "cpu"))
    print("lifts", lifts, "zero-shot", shots)
    assert sum(lifts) / 3 > 0.03, f"10 % probe minus that of random weights, per seed: {lifts}"
    assert sum(shots) / 3 > 0.54, f"zero-shot, per seed: {shots}"


def test_all_wrong_options_are_named_at_once():
    with pytest.raises(UsageError, match=r"mask_mode = 'ts'(.|\n)*time_ratio is 1.5") as error:
        CGDMER(mask_mode="ts", time_ratio=1.5, disentangle="none", features="concat", text_model=None)
    assert "'concat' needs a specific encoder" in str(error.value)
    with pytest.raises(UsageError, match="mask_mode = 'none' says so"):
        CGDMER(lead_ratio=0.0, time_ratio=0.0, text_model=None)
