"""Texts in groups of similar length: the groups hold every row once, and the results are those of the padded batch."""

import pytest
import torch

from benchmark.api import Batch
from benchmark.engine.building import build
from methods.nn import length_groups as groups_module
from methods.nn.length_groups import apply_by_length, distinct, length_groups
from methods.nn.text import SmallTextEncoder

REPORTS = ["sinus rhythm", "sinus rhythm. " * 9, "atrial fibrillation, left axis deviation. " * 4, "paced rhythm."] * 8
OPTIONS = {
    "merl": {"width": 8, "text_model": "tiny"},
    "deri": {"width": 8, "text_model": "tiny", "decoder_heads": 2},
    "cgdmer": {
        "width": 32, "depth": 1, "heads": 2, "decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2,
        "text_model": "tiny", "mask_mode": "none", "word_ratio": 0.0,
    },
    "cmelt": {
        "width": 32, "depth": 1, "heads": 2, "channels": 16, "position_kernel": 8, "position_groups": 2,
        "fusion_layers": 1, "mem_layer": 0, "decoder_width": 16, "decoder_depth": 1, "decoder_heads": 2,
        "text_model": "tiny",
    },
}  # fmt: skip


def mask_of(*lengths):
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


@pytest.mark.parametrize("lengths", [(1,) * 3, (5, 200, 17, 40, 3) * 20, (300,) * 4 + (2,) * 300, (64,) * 16])
def test_every_row_is_in_one_group_that_is_wide_enough_for_it(lengths):
    mask = mask_of(*lengths)
    groups = length_groups(mask)
    assert sorted(torch.cat([rows for rows, _ in groups]).tolist()) == list(range(len(lengths)))
    for rows, width in groups:
        assert mask[rows].sum(1).max() <= width <= mask.shape[1]


def test_groups_save_most_of_the_padding():
    lengths = [18] * 120 + [200] * 8
    padded = sum(len(rows) * width for rows, width in length_groups(mask_of(*lengths)))
    assert padded <= 1.6 * sum(lengths) and padded < 0.25 * 128 * 200


def test_outputs_come_back_in_the_order_of_the_rows_and_padded_with_zeros():
    mask = mask_of(*[3, 90, 20, 40] * 20)
    values = torch.arange(80.0)[:, None].expand(-1, 90)
    by_row, by_token = apply_by_length(
        lambda mask, x, other: (x.sum(1) * 0 + other, x * mask),
        mask, values, others=(torch.arange(80.0),), by_token=(False, True),
    )  # fmt: skip
    assert torch.equal(by_row, torch.arange(80.0)) and torch.equal(by_token, values * mask)


def test_distinct_texts_keep_their_order():
    texts, index = distinct(["b", "a", "b", "c"])
    assert texts == ["b", "a", "c"] and index.tolist() == [0, 1, 0, 2]


def test_a_text_encoder_gives_the_states_of_the_padded_batch(monkeypatch):
    monkeypatch.setattr(groups_module, "SMALLEST_GROUP", 16)
    torch.manual_seed(0)
    encoder = SmallTextEncoder(vocab_size=300, width=16, layers=2, heads=2).eval()
    encoder.fit(REPORTS)
    ids, mask = encoder.tokenise(REPORTS)
    assert len(length_groups(mask)) > 1
    output, padded = encoder.encode(ids, mask), encoder.encode_padded(ids, mask)
    torch.testing.assert_close(output.pooled, padded.pooled)
    torch.testing.assert_close(output.tokens[mask], padded.tokens[mask])


@pytest.mark.parametrize("name", OPTIONS)
def test_losses_and_gradients_of_a_method_are_those_of_the_padded_batch(monkeypatch, name):
    torch.manual_seed(0)
    method = build(name, {"rate": 100.0, "seconds": 4.0, **OPTIONS[name]}, device="cpu")
    method.start_pretraining(REPORTS)
    method.train()
    for part in method.modules():  # dropout aside
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
        elif hasattr(part, "drop_path"):
            part.drop_path.rate = 0.0
        elif isinstance(getattr(part, "dropout", None), float):
            part.dropout = 0.0
    ecg = torch.randn(len(REPORTS), 12, 400, generator=torch.Generator().manual_seed(1))

    def step(smallest):
        monkeypatch.setattr(groups_module, "SMALLEST_GROUP", smallest)
        torch.manual_seed(2)
        method.zero_grad(set_to_none=True)
        losses = method.loss(Batch(ecg, list(map(str, range(len(ecg)))), REPORTS))
        sum(losses.values()).backward()
        return losses, {n: p.grad for n, p in method.named_parameters() if p.grad is not None}

    whole, whole_gradients = step(1 << 30)
    in_groups = step(16)
    monkeypatch.setattr(groups_module, "has_fixed_shapes", lambda device: True)
    for parts, gradients in (in_groups, step(16)):
        for loss, value in whole.items():
            assert parts[loss].item() == pytest.approx(value.item(), rel=1e-5), loss
        for parameter, gradient in whole_gradients.items():
            torch.testing.assert_close(gradients[parameter], gradient, rtol=1e-3, atol=1e-5, msg=parameter)
