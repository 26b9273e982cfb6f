"""The zero-shot score on validation by which an epoch may be chosen."""

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from benchmark.data.store.preparation import open_dataset
from benchmark.engine.selection import labelled_parts, zero_shot_val
from benchmark.metrics.classification import auroc
from benchmark.testing import FakeMethod


class CountingMethod(FakeMethod):
    encoded = 0

    def ecg_embeddings(self, ecg):
        self.encoded += len(ecg)
        return super().ecg_embeddings(ecg)


def test_a_recording_of_several_label_sets_is_encoded_once(synthetic_home):
    data = open_dataset("synthetic", {"patients": 120}, synthetic_home)
    parts = labelled_parts(data, "synthetic", ["groups", "conditions"])
    method, expected = CountingMethod(), []
    score = zero_shot_val(method, parts, "cpu")
    assert len(parts) == 2 and method.encoded == len(np.union1d(parts[0].rows, parts[1].rows))
    for part in parts:
        ecg = method.ecg_embeddings(torch.from_numpy(data.read(part.rows, method.signal)))
        text = torch.stack([normalize(method.text_embeddings(group), dim=-1).mean(0) for group in part.phrases])
        expected.append(np.nanmean(auroc(part.truth, method.similarity(ecg, text).double().numpy())))
    assert score == pytest.approx(np.mean(expected), abs=1e-6)
