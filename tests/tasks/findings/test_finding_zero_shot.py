"""Zero-shot on findings: phrases for both signs, and embeddings of the predicted recordings alone."""

import numpy as np
import pytest

from benchmark.data.formats.ecg_reasoning import KINDS
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.labels.prompts import load_prompts
from benchmark.engine import context as context_module
from benchmark.engine.context import CellContext, CellInputs
from benchmark.engine.method_handle import MethodHandle
from benchmark.probes.rotations import rotations_of
from benchmark.registry import METHODS
from benchmark.testing import FakeMethod
from tasks.finding_zero_shot import FindingZeroShot


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
