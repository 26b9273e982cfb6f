"""Pre-training a real method: interrupted and resumed it gives the very weights of an undisturbed run."""

import json

import pytest
import torch
from safetensors.torch import save_file

from benchmark.cache.json_files import write_json
from benchmark.canonical import file_sha256
from benchmark.configuration import distinct
from benchmark.data.store.preparation import open_dataset
from benchmark.engine import preemption, pretraining
from benchmark.engine.events import discard_event
from benchmark.engine.pretraining import CHECKPOINT, CURVES, ReportedRecordings, _finished_card, pretrain
from benchmark.errors import DataError, UsageError
from benchmark.paths import Home
from benchmark.planning.blocks import recipe
from benchmark.planning.pretrained import read_card, weights_folder
from benchmark.planning.training_config import TrainingConfig
from benchmark.registry import METHODS

OPTIONS = {"width": 8, "rate": 100.0, "embed_dim": 16, "text_model": "small"}


def question():
    """Method, version, configuration and recipe."""
    config = distinct(METHODS.get("merl"), OPTIONS, "merl")
    training = {"epochs": 3, "batch_size": 32}
    return "merl", 1, config, recipe("merl", METHODS.get("merl"), "synthetic", {"patients": 120}, training)


@pytest.fixture
def training_request():
    return question()


@pytest.fixture(scope="module")
def undisturbed(synthetic_home, tmp_path_factory):
    """The SHA-256 of the weights of a training that nothing interrupts."""
    import shutil

    home = Home(tmp_path_factory.mktemp("undisturbed"))
    shutil.copytree(synthetic_home.data, home.data)
    return pretrain(*question(), home, discard_event).sha256


def test_interrupted_weights_equal_undisturbed_ones(training_request, prepared_home, undisturbed, monkeypatch):
    """Tokeniser, optimiser, dropout and BatchNorm all pass through the checkpoint: one SHA-256 for both."""
    original, calls = pretraining.mean_losses, []

    def interrupted(*options):
        calls.append(1)
        if len(calls) == 3:  # after two complete epochs
            raise KeyboardInterrupt
        return original(*options)

    with monkeypatch.context() as patched:
        patched.setattr(pretraining, "mean_losses", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pretrain(*training_request, prepared_home, discard_event)
    folder = prepared_home.pretrained / weights_folder(*training_request)
    assert (folder / CHECKPOINT).is_file() and read_card(folder) is None
    resumed = pretrain(*training_request, prepared_home, discard_event)
    assert resumed.sha256 == undisturbed and not (folder / CHECKPOINT).exists()


def test_the_card_says_what_the_weights_saw_and_how_they_were_chosen(training_request, prepared_home):
    """Selected by zero-shot on validation: said in the card; the curves lie beside it."""
    name, version, config, _ = training_request
    training = {"epochs": 2, "batch_size": 32, "select": "zero_shot_val"}
    weights_recipe = recipe("merl", METHODS.get("merl"), "synthetic", {"patients": 120}, training)
    product = pretrain(name, version, config, weights_recipe, prepared_home, discard_event)
    assert "selected on validation labels" in product.card["selection"]
    assert [(part["split"], part["use"][:9]) for part in product.card["saw"]] == [
        ("train", "signals a"),
        ("val", "selection"),
    ]
    history = (product.weights.parent / "history.csv").read_text().splitlines()
    assert "val_zero_shot" in history[0] and "val_loss" in history[0] and len(history) == 3
    scores = [float(row.split(",")[history[0].split(",").index("val_zero_shot")]) for row in history[1:]]
    assert product.card["epoch"] == 1 + scores.index(max(scores)) and min(scores) >= 0 and max(scores) <= 1
    assert "<svg" in (product.weights.parent / CURVES).read_text()


def test_an_interrupted_epoch_goes_on_in_its_middle(training_request, prepared_home, undisturbed):
    """Asked to stop after a step, then resumed: the very weights of an undisturbed training."""
    steps = []

    def stopping(event):
        if event.kind == "step" and len(steps) < 3:
            steps.append(event.done)
            if len(steps) == 3:
                preemption.ask_to_stop()

    with pytest.raises(preemption.Preempted):
        pretrain(*training_request, prepared_home, stopping)
    preemption.go_on()
    assert pretrain(*training_request, prepared_home, discard_event).sha256 == undisturbed


def test_tables_name_rows_that_labels_selected(training_request):
    from benchmark.engine.outcome import _selection_notes as selection_notes
    from benchmark.planning.plan import Cell
    from benchmark.records.spec import RunSpec

    def cell(training):
        weights_recipe = recipe("merl", METHODS.get("merl"), "synthetic", {}, training)
        return Cell(
            RunSpec("merl", 1, {}, "zero_shot", 1, {}, "synthetic", 1, {}, "groups", pretraining=weights_recipe),
            "row",
            {},
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


def test_shares_hold_whole_patients_and_lie_within_each_other(synthetic_home):
    from benchmark.api import SignalSpec
    from benchmark.data.store.preparation import open_dataset

    data = open_dataset("synthetic", {"patients": 120}, synthetic_home)
    parts = {share: ReportedRecordings(data, "train", SignalSpec(rate=100), share=share) for share in (0.05, 0.5, 1.0)}
    whole = parts[1.0].rows
    for share, part in parts.items():
        assert share * len(whole) <= len(part) < share * len(whole) + 10  # ten: the most recordings of a patient
        patients = set(data.patient_ids[part.rows])
        assert list(part.rows) == [row for row in whole if data.patient_ids[row] in patients]
    assert set(parts[0.05].rows) < set(parts[0.5].rows) < set(whole)
    assert parts[0.5].digest != parts[1.0].digest


@pytest.mark.parametrize("share", [0, -0.1, 1.5])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(UsageError, match=r"it must lie in \(0, 1\]"):
        TrainingConfig(share=share)


def test_options_that_choose_outputs_share_weights():
    """Unless the epoch was chosen by what is given out."""
    recipe, selection = {"training": {}}, {"training": {"select": "zero_shot_val"}}
    plain, aligned = {"width": 8}, {"width": 8, "tokens": "aligned", "embeddings": "aligned"}
    assert weights_folder("deri", 1, plain, recipe) == weights_folder("deri", 1, aligned, recipe)
    assert weights_folder("deri", 1, plain, selection) != weights_folder("deri", 1, aligned, selection)
    assert weights_folder("deri", 1, plain, recipe) != weights_folder("deri", 1, {"width": 9}, recipe)


def test_a_checkpoint_of_other_data_is_set_aside_and_the_card_names_what_was_seen(prepared_home, monkeypatch):
    """The data is prepared anew, with other content, while a training is stopped half-way."""
    name, version, config, _ = question()
    one = recipe(name, METHODS.get(name), "synthetic", {"patients": 120}, {"epochs": 1, "batch_size": 64})
    request = name, version, config, one
    folder = prepared_home.pretrained / weights_folder(*request)

    def stopping(event):
        if event.kind == "step" and event.text.startswith("pre-training") and event.done == 1:
            preemption.ask_to_stop()

    def open_other(*place):
        data = open_dataset(*place)
        data.digest = "f" * 16
        return data

    with pytest.raises(preemption.Preempted):
        pretrain(*request, prepared_home, stopping)
    preemption.go_on()
    notes = []
    with monkeypatch.context() as patched:
        patched.setattr(pretraining, "open_dataset", open_other)
        weights = pretrain(*request, prepared_home, lambda event: notes.append(event.text))
    assert any("was made from other data; the training starts anew" in note for note in notes)
    assert not any("resuming" in note for note in notes)
    assert weights.card["data_digest"] == "f" * 16
    assert len(list((folder / ".set-aside").iterdir())) == 1

    with pytest.raises(DataError) as refusal:  # once weights are finished, other data is refused, with one remedy
        pretrain(*request, prepared_home, discard_event)
    message = str(refusal.value)
    assert "f" * 16 in message and open_dataset("synthetic", {"patients": 120}, prepared_home).digest in message
    assert f"mv {folder} {folder}.{'f' * 16}" in message and "give the command again" in message


@pytest.mark.parametrize("part", ["weights.safetensors", "card.json"])
@pytest.mark.parametrize("seed", range(12))
def test_finished_weights_that_are_damaged_are_set_aside_to_be_trained_anew(part, seed, tmp_path, damage):
    weights, notes = tmp_path / "weights.safetensors", []
    save_file({"layer.weight": torch.arange(100.0)}, weights)
    card = {"sha256": file_sha256(weights), "data_digest": "x", "recipe": {"dataset": "synthetic"}}
    write_json(tmp_path / "card.json", card, indent=1)
    assert _finished_card(tmp_path, lambda event: pytest.fail(event.text)) == card
    kind = damage(tmp_path / part, seed)
    card_again = _finished_card(tmp_path, lambda event: notes.append(event.text))
    if card_again is not None:  # a flipped bit in the name of the checksum: the card itself is as it was
        assert part == "card.json" and kind == "flip a bit" and card_again.items() >= card.items()
        return
    assert len(notes) == 1 and f"the weights in {tmp_path} are damaged" in notes[0] and "--again ROW" in notes[0]
    assert sorted(path.name.partition(".")[0] for path in (tmp_path / ".set-aside").iterdir()) == ["card", "weights"]
    assert _finished_card(tmp_path, lambda event: pytest.fail(event.text)) is None


def test_a_card_of_older_code_stays_usable(tmp_path):
    save_file({"layer.weight": torch.arange(100.0)}, tmp_path / "weights.safetensors")
    card = {"sha256": file_sha256(tmp_path / "weights.safetensors"), "data_digest": "x"}
    (tmp_path / "card.json").write_text(json.dumps(card))
    assert _finished_card(tmp_path, lambda event: pytest.fail(event.text)) == card
