"""Pre-training a real method: interrupted and resumed it gives the very weights of an undisturbed run."""

import pytest

from benchmark.configuration import distinct
from benchmark.engine import preemption, pretraining
from benchmark.engine.events import discard_event
from benchmark.engine.pretraining import CHECKPOINT, CURVES, ReportedRecordings, pretrain, pretrained_folder
from benchmark.paths import Home
from benchmark.planning.blocks import recipe
from benchmark.registry import METHODS

OPTIONS = {"width": 8, "rate": 100.0, "embed_dim": 16, "text_model": "small"}


def question():
    """Method, version, configuration and recipe."""
    config = distinct(METHODS.get("merl"), OPTIONS, "merl")
    training = {"epochs": 3, "batch_size": 32}
    return "merl", 1, config, recipe("merl", METHODS.get("merl"), "synthetic", {"patients": 120}, training)


@pytest.fixture
def asked():
    return question()


@pytest.fixture(scope="module")
def undisturbed(synthetic_home, tmp_path_factory):
    """The SHA-256 of the weights of a training that nothing interrupts."""
    import shutil

    home = Home(tmp_path_factory.mktemp("undisturbed"))
    shutil.copytree(synthetic_home.data, home.data)
    return pretrain(*question(), home, discard_event).sha256


def test_interrupted_weights_equal_undisturbed_ones(asked, prepared_home, undisturbed, monkeypatch):
    """Tokeniser, optimiser, dropout and BatchNorm all pass through the checkpoint: one SHA-256 for both."""
    original, calls = pretraining.mean_losses, []

    def interrupted(*given):
        calls.append(1)
        if len(calls) == 3:  # after two complete epochs
            raise KeyboardInterrupt
        return original(*given)

    with monkeypatch.context() as patched:
        patched.setattr(pretraining, "mean_losses", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pretrain(*asked, prepared_home, discard_event)
    folder = pretrained_folder(*asked, prepared_home)
    assert (folder / CHECKPOINT).is_file() and pretraining.read_card(folder) is None
    resumed = pretrain(*asked, prepared_home, discard_event)
    assert resumed.sha256 == undisturbed and not (folder / CHECKPOINT).exists()


def test_the_card_says_what_the_weights_saw_and_how_they_were_chosen(asked, prepared_home):
    """Selected by zero-shot on validation: said in the card; the curves lie beside it."""
    name, version, config, _ = asked
    training = {"epochs": 2, "batch_size": 32, "select": "zero_shot_val"}
    marked = recipe("merl", METHODS.get("merl"), "synthetic", {"patients": 120}, training)
    made = pretrain(name, version, config, marked, prepared_home, discard_event)
    assert "selected on validation labels" in made.card["selection"]
    assert [(part["split"], part["use"][:9]) for part in made.card["saw"]] == [
        ("train", "signals a"),
        ("val", "selection"),
    ]
    history = (made.weights.parent / "history.csv").read_text().splitlines()
    assert "val_zero_shot" in history[0] and "val_loss" in history[0] and len(history) == 3
    scores = [float(row.split(",")[history[0].split(",").index("val_zero_shot")]) for row in history[1:]]
    assert made.card["epoch"] == 1 + scores.index(max(scores)) and min(scores) >= 0 and max(scores) <= 1
    assert "<svg" in (made.weights.parent / CURVES).read_text()


def test_an_interrupted_epoch_goes_on_in_its_middle(asked, prepared_home, undisturbed):
    """Asked to stop after a step, then resumed: the very weights of an undisturbed training."""
    steps = []

    def stopping(event):
        if event.kind == "step" and len(steps) < 3:
            steps.append(event.done)
            if len(steps) == 3:
                preemption.ask_to_stop()

    with pytest.raises(preemption.Preempted):
        pretrain(*asked, prepared_home, stopping)
    preemption.go_on()
    assert pretrain(*asked, prepared_home, discard_event).sha256 == undisturbed


def test_tables_name_rows_that_labels_selected(asked):
    from benchmark.engine.run import selection_notes
    from benchmark.planning.plan import Cell
    from benchmark.records.spec import RunSpec

    def cell(training):
        made = recipe("merl", METHODS.get("merl"), "synthetic", {}, training)
        return Cell(
            RunSpec("merl", 1, {}, "zero_shot", 1, {}, "synthetic", 1, {}, "groups", pretraining=made), "row", {}
        )

    assert selection_notes(cell({"select": "val_loss"})) == selection_notes(cell({})) == []
    assert "row were selected on validation labels" in selection_notes(cell({"select": "zero_shot_val"}))[0]


def test_it_sees_training_patients_only(synthetic_home):
    from benchmark.api import SignalSpec
    from benchmark.data.store.preparation import open_dataset

    data = open_dataset("synthetic", {"patients": 120}, synthetic_home)
    corpus = ReportedRecordings(data, "train", SignalSpec(rate=100))
    held_out = set(data.patient_ids[data.splits != "train"])
    assert len(corpus) and not held_out & set(data.patient_ids[corpus.rows])
    assert corpus.batch([0]).labels is None


def test_options_that_choose_outputs_share_weights(home):
    """Unless the epoch was chosen by what is given out."""
    recipe, chosen = {"training": {}}, {"training": {"select": "zero_shot_val"}}
    plain, aligned = {"width": 8}, {"width": 8, "tokens": "aligned", "embeddings": "aligned"}
    assert pretrained_folder("deri", 1, plain, recipe, home) == pretrained_folder("deri", 1, aligned, recipe, home)
    assert pretrained_folder("deri", 1, plain, chosen, home) != pretrained_folder("deri", 1, aligned, chosen, home)
    assert pretrained_folder("deri", 1, plain, recipe, home) != pretrained_folder("deri", 1, {"width": 9}, recipe, home)
