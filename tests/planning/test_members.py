"""Members of a row: a list of seeds is one row with several trainings."""

import pytest

from benchmark.errors import UsageError
from benchmark.planning.members import members
from benchmark.planning.plan import CellGroup, group_cells, make_plan
from benchmark.planning.suites import MethodBlock, load_suite


def plan_of(path, text, change):
    path.write_text(text.replace("batch_size = 32", f"batch_size = 32\n{change}"), "utf-8")
    return make_plan(load_suite(str(path)))


@pytest.fixture
def text(tiny_suite):
    return tiny_suite.read_text("utf-8")


def test_seeds_of_a_pretraining_make_cells_for_each_member_of_one_row(tiny_suite, text):
    once = plan_of(tiny_suite, text, "")
    several = plan_of(tiny_suite, text, "seed = [0, 1, 2]")
    merl = [cell for cell in several.cells if cell.row == "merl"]
    assert len(merl) == 3 * sum(cell.row == "merl" for cell in once.cells)
    assert {cell.member for cell in merl} == {0, 1, 2} and len({cell.weights_folder for cell in merl}) == 3
    assert {cell.spec.key for cell in once.cells} <= {cell.spec.key for cell in several.cells}  # seed 0 is the default
    assert "training=2" in merl[-1].title and len(group_cells(merl)) == 3


def test_a_member_travels_to_a_worker(tiny_suite, text):
    group = group_cells(plan_of(tiny_suite, text, "seed = [4, 5]").cells)[-1]
    assert CellGroup.from_json(group.to_json()) == group and group.cells[0].member == 5


@pytest.mark.parametrize(
    ("seeds", "why"),
    [
        ("[]", "is an empty list"),
        ("[0, 0]", "names a seed twice"),
        ('[0, "1"]', "holds '1'"),
        ("[true, 1]", "holds True"),
        ("[0.5]", "holds 0.5"),
        ("[-1, 0]", None),
    ],
)
def test_a_wrong_list_of_seeds_is_refused_with_its_place(tiny_suite, text, seeds, why):
    if why is None:
        assert len(plan_of(tiny_suite, text, f"seed = {seeds}").cells)  # torch takes negative seeds
        return
    with pytest.raises(UsageError, match=why) as error:
        plan_of(tiny_suite, text, f"seed = {seeds}")
    assert "pretrain.seed of merl" in str(error.value)


def test_untrained_encoders_have_members_too():
    block = MethodBlock(name="random_init", config={"width": 8, "seed": [1, 2]})
    assert [(seed, member.config["seed"]) for seed, member in members(block)] == [(1, 1), (2, 2)]


def test_two_lists_are_refused():
    block = MethodBlock(name="merl", config={"seed": [1, 2]}, pretrain={"seed": [1, 2]})
    with pytest.raises(UsageError, match=r"pretrain\.seed and config\.seed; keep one"):
        members(block)


def test_a_row_without_a_list_is_its_own_member():
    block = MethodBlock(name="merl", pretrain={"seed": 3})
    assert members(block) == [(None, block)]


def test_members_of_a_supervised_row_have_keys_of_their_own(tiny_suite, text):
    """Records made while `training.seed` had no effect keep other keys, so none of them stands for a member."""
    row = '\n[[methods]]\nname = "supervised"\nconfig = { width = 8 }\ntraining = { epochs = 1, seed = [0, 1] }\n'
    tiny_suite.write_text(text + row, "utf-8")
    cells = [cell for cell in make_plan(load_suite(str(tiny_suite))).cells if cell.row == "supervised"]
    assert {(cell.member, cell.spec.training_seed) for cell in cells} == {(0, None), (1, 1)}
    assert all(cell.spec.training == {"epochs": 1} for cell in cells) and len(group_cells(cells)) == 2


def test_members_that_would_load_the_same_weights_are_refused():
    """They gave equal numbers under several keys, as if trainings never differed."""
    with pytest.raises(UsageError, match="all of them load the same weights"):
        members(MethodBlock(name="random_init", config={"seed": [1, 2]}, weights="a.pt"))
