"""Pre-training a real method: interrupted and resumed it gives the very weights of an undisturbed run."""

import pytest

from benchmark.configuration import distinct
from benchmark.engine import pretraining
from benchmark.engine.events import silent
from benchmark.engine.plan import recipe
from benchmark.engine.pretraining import CHECKPOINT, ReportedRecordings, pretrain, pretrained_folder
from benchmark.paths import Home
from benchmark.registry import METHODS

OPTIONS = {"width": 8, "rate": 100.0, "embed_dim": 16, "text_model": "small"}


@pytest.fixture
def asked():
    config = distinct(METHODS.get("merl"), OPTIONS, "merl")
    training = {"epochs": 3, "batch_size": 32}
    return "merl", 1, config, recipe("merl", METHODS.get("merl"), "synthetic", {"patients": 120}, training)


def test_interrupted_weights_equal_undisturbed_ones(asked, prepared_home, synthetic_home, tmp_path, monkeypatch):
    """Tokeniser, optimiser, dropout and BatchNorm all pass through the checkpoint: one SHA-256 for both."""
    import shutil

    other = Home(tmp_path / "other")
    shutil.copytree(synthetic_home.data, other.data)
    whole = pretrain(*asked, other, silent)
    original, calls = pretraining.mean_losses, []

    def interrupted(*given):
        calls.append(1)
        if len(calls) == 3:  # after two complete epochs
            raise KeyboardInterrupt
        return original(*given)

    with monkeypatch.context() as patched:
        patched.setattr(pretraining, "mean_losses", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pretrain(*asked, prepared_home, silent)
    folder = pretrained_folder(*asked, prepared_home)
    assert (folder / CHECKPOINT).is_file() and pretraining.read_card(folder) is None
    resumed = pretrain(*asked, prepared_home, silent)
    assert resumed.sha256 == whole.sha256 and not (folder / CHECKPOINT).exists()


def test_it_sees_training_patients_only(synthetic_home):
    from benchmark.api import SignalSpec
    from benchmark.data.preparation import open_dataset

    data = open_dataset("synthetic", {"patients": 120}, synthetic_home)
    corpus = ReportedRecordings(data, "train", SignalSpec(rate=100))
    held_out = set(data.patient_ids[data.splits != "train"])
    assert len(corpus) and not held_out & set(data.patient_ids[corpus.rows])
    assert corpus.batch([0]).labels is None
