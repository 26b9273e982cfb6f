"""Cells into units and arrays: order, dependencies, packing, limits; without a scheduler."""

import pytest

from benchmark.planning.plan import group_cells, make_plan
from benchmark.planning.suites import load_suite
from benchmark.records.index import read_index
from slurm.estimates import DEFAULTS, Estimates
from slurm.planner import arrays, lay_out
from slurm.profiles import load_profile

SUITE = """
name = "s"
title = "S"
version = "1"
[[datasets]]
name = "synthetic"
label_sets = ["groups"]
config = { patients = 60 }
[[tasks]]
name = "chore"
config = { seed = %s }
[[methods]]
name = "plain"
[[methods]]
name = "slow"
label = "taught"
pretrain = { dataset = "synthetic", epochs = 1 }
[[methods]]
name = "slow"
label = "taught more"
pretrain = { dataset = "synthetic", epochs = 2 }
"""


@pytest.fixture
def layout_of(chores, home):
    def plan(seeds=10, resources=(), array_size=1001, room=None, done=0):
        path = chores / "s.toml"
        path.write_text(SUITE % list(range(seeds)))
        whole_plan = make_plan(load_suite(str(path)))
        todo, finished_cells = whole_plan.cells[done:], whole_plan.cells[:done]
        estimates = Estimates(read_index(home).values(), home)
        return whole_plan, lay_out(
            group_cells(todo), finished_cells, load_profile("default", resources), estimates, home, array_size, room
        )

    return plan


def test_weights_then_features_then_the_rest(layout_of):
    product, layout = layout_of()
    assert [unit.stage for unit in layout.units] == ["pretrain"] * 2 + ["features"] * 3 + ["probe"] * 3
    pretraining = {unit.number for unit in layout.units[:2]}
    for unit in layout.units[2:]:
        (row,) = {cell.row for cell in unit.cells}
        if row == "plain":
            assert not unit.needs & pretraining
        else:
            assert len(unit.needs & pretraining) == 1
        if unit.stage == "probe":
            features = [layout.units[number] for number in unit.needs if layout.units[number].stage == "features"]
            assert [{cell.row for cell in other.cells} for other in features] == [{row}]
    keys = [cell.spec.key for unit in layout.units for cell in unit.cells]
    assert sorted(keys) == sorted(cell.spec.key for cell in product.cells)
    assert layout.units[0].resources.gpus == 1 and layout.units[-1].resources.gpus == 0


def test_what_is_extracted_needs_no_job_of_its_own(layout_of):
    _, layout = layout_of(done=1)  # a record of the first method's first cell
    assert [unit.row for unit in layout.units if unit.stage == "features"] == ["taught", "taught more"]
    assert not next(unit for unit in layout.units if unit.row == "plain").needs


def test_cells_are_packed_by_time(layout_of):
    _, layout = layout_of(seeds=400, resources=["limits.minutes_per_job=20"])
    probes = [unit for unit in layout.units if unit.stage == "probe" and unit.row == "plain"]
    per_job = int((20 * 60 - 60) / DEFAULTS["probe"])
    assert [len(unit.cells) for unit in probes] == [per_job] * (399 // per_job) + [399 % per_job]
    assert (
        all(unit.seconds <= 20 * 60 for unit in probes) and layout.guessed_cells == 1200 and not layout.measured_cells
    )


def test_the_fewest_arrays_that_the_limits_allow(layout_of):
    _, layout = layout_of(seeds=400, resources=["limits.cells_per_job=10"], array_size=7)
    for array in layout.arrays:
        assert len(array.units) <= 7 and len({unit.array_key for unit in array.units}) == 1
    kinds = {}
    for unit in layout.units:
        kinds[unit.array_key] = kinds.get(unit.array_key, 0) + 1
    assert len(layout.arrays) == sum(-(-count // 7) for count in kinds.values())
    assert len(list(arrays(layout.units, 1001))) == len(kinds)
    order = [unit.number for array in layout.arrays for unit in array.units]
    for array in layout.arrays:  # what an array waits for was submitted before it
        assert all(order.index(number) < order.index(array.units[0].number) for number in array.needs)


def test_fewer_and_longer_jobs_where_the_cluster_takes_few(layout_of):
    _, free = layout_of(seeds=400, resources=["probe.time=24:00:00"])
    product, capped = layout_of(seeds=400, resources=["probe.time=24:00:00"], room=12)
    assert len(free.units) > 12 >= len(capped.units) and not capped.left_out
    assert sum(len(unit.cells) for unit in capped.units) == len(product.cells)


def test_what_the_queue_has_no_room_for_is_left_for_later(layout_of):
    product, layout = layout_of(seeds=400, room=6)
    rest = {cell.spec.key for unit in layout.units for cell in unit.cells}
    left = {cell.spec.key for cell in layout.left_out}
    assert len(layout.units) == 6 and left and not rest & left
    assert rest | left == {cell.spec.key for cell in product.cells}
    assert len(layout_of(room=0)[1].left_out) == 30
