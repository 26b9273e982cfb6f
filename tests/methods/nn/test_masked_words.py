"""Masked words: how many are hidden, which never are, and the loss of predicting them."""

import math

import torch

from methods.nn.masked_words import IGNORED, MaskedWordHead, mask_words


def test_a_quarter_of_the_words_is_hidden_and_special_tokens_never():
    torch.manual_seed(0)
    ids = torch.randint(10, 1000, (200, 20))
    ids[:, 0], ids[:, -3:] = 1, 0
    hidden, labels = mask_words(ids, special=(0, 1), mask_id=9, words=1000)
    asked = labels != IGNORED
    assert 0.23 < asked[:, 1:-3].float().mean() < 0.27
    assert not asked[:, 0].any() and not asked[:, -3:].any()
    assert torch.equal(labels[asked], ids[asked]) and torch.equal(hidden[~asked], ids[~asked])
    assert 0.76 < (hidden[asked] == 9).float().mean() < 0.84
    assert 0.07 < (hidden[asked] == ids[asked]).float().mean() < 0.13


def test_the_word_loss_of_an_untrained_head_is_near_chance_and_empty_where_nothing_is_asked():
    torch.manual_seed(0)
    head = MaskedWordHead(8, 50)
    torch.nn.init.zeros_(head.decoder.weight)
    labels = torch.full((2, 3), IGNORED)
    labels[0, 1], labels[1, 2] = 7, 49
    losses = head.losses(torch.randn(2, 3, 8), labels)
    torch.testing.assert_close(losses, torch.full((2,), math.log(50)))
    assert len(head.losses(torch.randn(2, 3, 8), torch.full((2, 3), IGNORED))) == 0
