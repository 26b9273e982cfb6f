"""Notes on hardware and precision: which rows they name, and the warning on a row that mixes them."""

from benchmark.leaderboard.tables import Leaderboard


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


def test_a_row_that_mixes_precisions_is_warned_of(plan, store, fill):
    def choose(cell):
        low = cell.row == "merl" and cell.question.get("fraction") == 0.1
        return provenance("A", "bf16" if low else "fp32")

    warnings = board_of(plan, store, fill, choose).warnings()
    assert (
        "MIXED MACHINES: numbers in one row from different machines: merl × linear_probe (bf16 and fp32)." in warnings
    )
