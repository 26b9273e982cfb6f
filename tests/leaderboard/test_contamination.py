"""Tables repeat the contamination that plan and records state, and add what has become known since."""

import pytest

from benchmark.data.labels.contamination import Verdict
from benchmark.leaderboard.markdown import markdown
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.standing import AtHand

CLEAN, CONTAMINATED = Verdict("clean", ("it was compared",)), Verdict("contaminated", ("its weights saw it",))


def board(plan, store, fill, of_records, now=lambda cell: None):
    fill(plan, store, leak=None if of_records is None else of_records.to_json())
    return Leaderboard(plan, store, AtHand(contamination=now))


def test_tables_repeat_the_verdicts_of_records(plan, store, fill):
    text = markdown(board(plan, store, fill, CONTAMINATED), [])
    assert "CONTAMINATED: random_init on synthetic, handcrafted on synthetic, merl on synthetic" in text
    assert "synthetic, contamination: random_init, handcrafted, merl contaminated: its weights saw it." in text


def test_records_from_before_the_gate_say_nothing(plan, store, fill):
    assert "contamination:" not in markdown(board(plan, store, fill, None), [])


@pytest.mark.parametrize("of_records", [CLEAN, None])
def test_what_is_known_since_is_said_with_its_remedy(plan, store, fill, of_records):
    def now(cell):
        return CONTAMINATED if cell.row == "merl" else CLEAN

    (warning,) = [line for line in board(plan, store, fill, of_records, now).warnings() if "CONTAMINATED" in line]
    assert warning.startswith("CONTAMINATED: merl on synthetic: known since the records were made; ")
    assert "`ecgarena plan tiny` says how, `ecgarena run tiny --again merl` makes them anew" in warning
    assert not any("CONTAMINATED" in line for line in Leaderboard(plan, store).warnings())


def test_what_records_say_is_not_said_twice(plan, store, fill):
    warnings = board(plan, store, fill, CONTAMINATED, lambda cell: CONTAMINATED).warnings()
    assert sum("CONTAMINATED" in line for line in warnings) == 1


def test_the_cells_of_every_task_are_judged(plan, store, fill):
    """A probe that is tested on all folds may have seen what the last task of its row has not: only that was asked."""

    def now(cell):
        return CONTAMINATED if cell.row == "merl" and cell.spec.task == "linear_probe" else CLEAN

    warnings = board(plan, store, fill, CLEAN, now).warnings()
    assert [line for line in warnings if line.startswith("CONTAMINATED: merl on synthetic: known since")]
