"""Notes on hardware and precision: which rows they name, and the warning on a row that mixes them."""

import json

import pytest

from benchmark.leaderboard.audit import audit
from benchmark.leaderboard.tables import Leaderboard
from benchmark.paths import Home
from benchmark.planning.plan import make_plan
from benchmark.planning.pretrained import CARD
from benchmark.planning.suites import load_suite


def provenance(cpu, precision):
    return {"environment": {"cpu": cpu, "gpu": None}, "precision": precision}


def board_of(plan, store, fill, choose):
    """Return the leaderboard of records whose provenance is `choose(cell)`."""
    for cell in plan.cells:
        fill(plan, store, lambda other, cell=cell: 0.8 if other is cell else None, provenance=choose(cell))
    return Leaderboard(plan, store)


def test_rows_of_one_machine_and_fp32_get_no_note(plan, store, fill):
    board = board_of(plan, store, fill, lambda cell: provenance("A", "fp32"))
    assert not [note for note in board.notes() if "Computed on" in note or "bf16" in note]
    assert not [line for line in board.warnings() if "MACHINES" in line]


def test_records_that_keep_no_precision_get_no_note(plan, store, fill):
    fill(plan, store)
    board = Leaderboard(plan, store)
    assert not [note for note in board.notes() if "Computed on" in note or "bf16" in note]


def test_rows_of_several_machines_are_named(plan, store, fill):
    def choose(cell):
        return provenance("A", "bf16") if cell.row == "merl" else provenance("B", "fp32")

    notes = board_of(plan, store, fill, choose).notes()
    assert "Computed on A: merl." in notes
    others = next(note for note in notes if note.startswith("Computed on B: "))
    assert "handcrafted" in others and "random_init" in others and "merl" not in others
    assert "Features computed in bf16, others in fp32: merl." in notes


@pytest.fixture
def trained_plan(tiny_suite):
    """The tiny suite with three pre-trained rows."""
    text = tiny_suite.read_text("utf-8")
    block = text[text.rindex("[[methods]]") :]
    for number, label in ((3, "longer"), (4, "longest")):
        text += "\n" + block.replace('"merl"', f'"merl"\nlabel = "{label}"').replace("epochs = 2", f"epochs = {number}")
    tiny_suite.write_text(text, "utf-8")
    return make_plan(load_suite(str(tiny_suite)))


def training_notes_of(plan, store, fill, hardware):
    """Return the notes on pre-training where the card of each row names this hardware; None: it has no card."""
    fill(plan, store)
    for cell in plan.cells:
        if (machine := hardware.get(cell.row)) is not None:
            folder = Home(store.root).pretrained / cell.weights_folder
            folder.mkdir(parents=True, exist_ok=True)
            (folder / CARD).write_text(json.dumps(machine), "utf-8")
    return [note for note in Leaderboard(plan, store).notes() if note.startswith("Pre-trained on")]


def test_weights_of_several_machines_are_named_and_unknown_ones_too(trained_plan, store, fill):
    notes = training_notes_of(
        trained_plan,
        store,
        fill,
        {
            "merl": {"provenance": provenance("A", "")},
            "longer": {"provenance": {"environment": {"cpu": "A", "gpu": "B"}}},
        },
    )
    assert notes == [
        "Pre-trained on A: merl.",
        "Pre-trained on B: longer.",
        "Pre-trained on unknown hardware: longest.",
    ]


@pytest.mark.parametrize("other", [None, {}, {"provenance": 3}, {"provenance": {"environment": {"cpu": "A"}}}], ids=str)
def test_weights_of_one_known_machine_get_no_note(other, trained_plan, store, fill):
    card = {"provenance": provenance("A", "")}
    assert not training_notes_of(trained_plan, store, fill, {"merl": card, "longer": card, "longest": other})


def test_a_row_that_mixes_precisions_is_warned_of(plan, store, fill):
    def choose(cell):
        low = cell.row == "merl" and cell.question.get("fraction") == 0.1
        return provenance("A", "bf16" if low else "fp32")

    warnings = board_of(plan, store, fill, choose).warnings()
    assert (
        "MIXED MACHINES: numbers in one row from different machines: merl × linear_probe (bf16 and fp32)." in warnings
    )


def test_a_row_with_numbers_from_two_trainings_of_one_recipe_is_named(plan, store, fill):
    """Weights that were lost are trained anew, on another machine to other numbers; its earlier records stay."""

    def choose(cell):
        return {"weights": "second" if cell.spec.task == "zero_shot" else "first"}

    board = board_of(plan, store, fill, choose)
    (line,) = [line for line in board.warnings() if "WEIGHTS" in line]
    assert line.startswith("MIXED WEIGHTS: numbers in one row from several trainings of one recipe: merl; ")
    assert "`ecgarena run tiny --again merl` makes them anew" in line
    assert "merl: numbers from several trainings of one recipe; run it --again" in audit(plan, store)


def test_members_have_weights_of_their_own(tiny_suite, store, fill):
    tiny_suite.write_text(tiny_suite.read_text().replace("epochs = 2", "epochs = 2\nseed = [0, 1]"))
    plan = make_plan(load_suite(str(tiny_suite)))
    board = board_of(plan, store, fill, lambda cell: {"weights": f"of {cell.member}"})
    assert not [line for line in board.warnings() if "WEIGHTS" in line]
