"""The sentence vector of a packaged encoder is the one that its own files describe."""

import math

import pytest
import torch
import torch.nn.functional as F

from benchmark.errors import MissingError
from methods.nn.sentence_pooling import SentencePooling, read_pooling
from tests.packaged_models import write_pooling

STATES = torch.randn(2, 3, 16, generator=torch.Generator().manual_seed(0))
MASK = torch.tensor([[True, True, True], [True, False, False]])


def test_the_mean_is_over_words_and_keeps_its_direction_only():
    plain, normalised = SentencePooling("mean", False)(STATES, MASK), SentencePooling("mean", True)(STATES, MASK)
    torch.testing.assert_close(plain, torch.stack([STATES[0].mean(0), STATES[1, 0]]))
    torch.testing.assert_close(F.normalize(normalised, dim=-1), F.normalize(plain, dim=-1))
    torch.testing.assert_close(normalised.norm(dim=-1), torch.full((2,), math.sqrt(16)))
    assert torch.equal(SentencePooling("first", False)(STATES, MASK), STATES[:, 0])


@pytest.mark.parametrize("mode", ["mean_tokens", "cls_token"])
@pytest.mark.parametrize("normalise", [True, False])
def test_it_is_read_from_the_files_beside_the_weights(mode, normalise, tmp_path):
    assert read_pooling(tmp_path) is None
    write_pooling(tmp_path, mode, normalise)
    assert read_pooling(tmp_path) == SentencePooling("mean" if mode == "mean_tokens" else "first", normalise)


def test_another_pooling_is_refused_by_name(tmp_path):
    write_pooling(tmp_path, "max_tokens")
    with pytest.raises(MissingError, match="this encoder pools by pooling_mode_max_tokens; known are the mean"):
        read_pooling(tmp_path)
    (tmp_path / "modules.json").write_text('[{"type": "sentence_transformers.models.LSTM", "path": "1_LSTM"}]')
    assert read_pooling(tmp_path) is None
    (tmp_path / "modules.json").write_text("[1]")
    with pytest.raises(MissingError, match="cannot be read"):
        read_pooling(tmp_path)
