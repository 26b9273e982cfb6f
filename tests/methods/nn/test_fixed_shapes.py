"""Texts on an accelerator are padded to few shapes, with the results that they have without that."""

import pytest
import torch

from methods.nn import length_groups as groups_module
from methods.nn.length_groups import apply_by_length, fixed_count, fixed_width
from methods.nn.text import HubTextEncoder, SmallTextEncoder

REPORTS = ["sinus rhythm", "sinus rhythm. " * 9, "atrial fibrillation, left axis deviation. " * 4, "paced rhythm."] * 8


@pytest.fixture
def as_on_an_accelerator(monkeypatch):
    monkeypatch.setattr(groups_module, "has_fixed_shapes", lambda device: True)


def mask_of(*lengths):
    return torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def test_few_widths_and_counts_hold_every_batch():
    widths = {fixed_width(tokens, 256) for tokens in range(1, 257)}
    assert widths == {16, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256}
    assert all(fixed_width(tokens, 256) >= tokens for tokens in range(1, 257))
    assert fixed_width(40, 44) == 44 and fixed_width(40, 0) == 40 and fixed_width(300, 256) == 300
    counts = [fixed_count(rows) for rows in range(1, 513)]
    assert all(rows <= count <= 1.25 * rows for rows, count in enumerate(counts, 1))
    assert len({count for count in counts if 64 < count <= 128}) == 4


def test_a_function_sees_few_shapes_and_its_outputs_are_cut_to_the_batch(as_on_an_accelerator):
    shapes = set()

    def function(mask, x, other):
        shapes.add((tuple(mask.shape), tuple(x.shape), len(other)))
        assert mask.any(1).all()  # a row without tokens would become NaN
        return (x * mask).sum(1) + other, x * mask

    for rows in (97, 104, 111, 112):
        mask = mask_of(*[3, 33, 50 + rows - 97, 20] * rows)[:rows]
        x, other = torch.randn(mask.shape), torch.randn(rows)
        by_row, by_token = apply_by_length(function, mask, x, others=(other,), by_token=(False, True), limit=256)
        torch.testing.assert_close(by_row, (x * mask).sum(1) + other)
        assert torch.equal(by_token, x * mask)
    assert shapes == {((112, width), (112, width), 112) for width in (64, 80)}


def test_states_and_gradients_of_texts_are_those_of_the_padded_batch(as_on_an_accelerator):
    torch.manual_seed(0)
    encoder = SmallTextEncoder(vocab_size=300, width=16, layers=2, heads=2).eval().double()
    encoder.fit(REPORTS)
    ids, mask = encoder.tokenise(REPORTS[:29])
    results = []
    for output in (encoder.encode(ids, mask), encoder.encode_padded(ids, mask)):
        encoder.zero_grad()
        (output.pooled.square().sum() + (output.tokens[mask] ** 3).sum()).backward()
        results.append([output.pooled, output.tokens[mask], *(weight.grad.clone() for weight in encoder.parameters())])
    for result, padded in zip(*results, strict=True):
        torch.testing.assert_close(result, padded, rtol=1e-9, atol=1e-9)


def test_no_text_is_padded_beyond_the_positions_of_its_model(as_on_an_accelerator):
    encoder = SmallTextEncoder(vocab_size=300, width=16, layers=1, heads=2, max_tokens=40).eval()
    encoder.fit(REPORTS)
    assert encoder(REPORTS).tokens.shape[1] <= 40


def test_a_published_model_takes_a_whole_mask_with_the_same_result(bert, monkeypatch):
    encoder = HubTextEncoder(bert).eval()
    ids, mask = encoder.tokenise(["sinus rhythm", "atrial fibrillation with left axis", "paced"])
    plain = encoder.encode_padded(ids, mask)
    whole = mask[:, None, None, :].expand(-1, -1, mask.shape[1], -1)
    monkeypatch.setattr(encoder, "_attention_mask", lambda mask: whole)
    output = encoder.encode_padded(ids, mask)
    torch.testing.assert_close(output.pooled, plain.pooled)
    torch.testing.assert_close(output.tokens[mask], plain.tokens[mask])
