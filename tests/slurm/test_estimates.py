"""What earlier runs say of later ones: the same recipe, the same kind of data, so much per recording."""

import json

import numpy as np
import pytest

from benchmark.planning.plan import group_cells, make_plan
from benchmark.planning.suites import load_suite
from benchmark.records.index import read_index
from slurm.cost import costs, total
from slurm.estimates import DEFAULTS, Estimates
from slurm.planner import lay_out
from slurm.profiles import load_profile

TRAIN, VAL, TEST = 17084, 2146, 2158  # PTB-XL's superclasses, as its card says


@pytest.fixture
def cells():
    """The cells of the suite ptbxl by method and task."""
    groups = {}
    for cell in make_plan(load_suite("ptbxl")).cells:
        groups.setdefault((cell.spec.method, cell.spec.task), []).append(cell)
    return groups


def estimates(home):
    return Estimates(read_index(home).values(), home)


def record(home, cell, seconds, train=TRAIN, number=0, **more):
    """Store what a finished cell of this question took."""
    spec = {**cell.spec.to_json(), **more.pop("spec", {})}
    folder = home.records / spec["task"] / spec["method"] / f"{number:016x}"
    folder.mkdir(parents=True, exist_ok=True)
    content = {"key": folder.name, "spec": spec, "question": {}, "status": "done", "seconds": seconds}
    content |= {"n": {"train": train, "val": VAL, "test": TEST}, **more}
    (folder / "record.json").write_text(json.dumps(content))


def pretrained(home, cell, seconds, recordings, **more):
    """Store the card of weights made by a cell's recipe."""
    recipe = {**cell.spec.pretraining, **more.pop("recipe", {})}
    card = {"method": cell.spec.method, "config": cell.spec.method_config, "recipe": recipe, "seconds": seconds}
    folder = home.pretrained / f"{cell.spec.method}-x"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "card.json").write_text(json.dumps({**card, "recordings": recordings, "synthetic": False, **more}))


def hours(home):
    """Of the suite ptbxl, from nothing, as ``plan --cost`` adds them up."""
    plan = make_plan(load_suite("ptbxl"))
    layout = lay_out(group_cells(plan.cells), (), load_profile("default"), estimates(home), home, 1001)
    return total(costs(layout)).hours, {stage.stage: stage.jobs for stage in costs(layout)}


def test_a_night_on_real_data_stays_a_night_whatever_took_seconds_on_sixty_made_up_recordings(home, cells):
    """17.7 h became 0.1 h, and 44 trainings one job of two minutes."""
    before, jobs = hours(home)
    assert round(before, 1) == 17.7 and jobs["train"] == 44
    for number, several in enumerate(cells.values()):
        record(home, several[0], 2.0, train=48, number=2 * number, synthetic=True, partial=True)
        record(home, several[0], 2.0, train=48, number=2 * number + 1, partial=True)
    pretrained(home, cells["merl", "linear_probe"][0], 3.0, 48, recipe={"limit": 60})
    assert hours(home) == (before, jobs)


def test_a_time_is_scaled_by_the_recordings(home, cells):
    small, large = (
        next(
            c
            for c in cells["supervised", "linear_probe"]
            if c.spec.label_set == "super" and c.question["fraction"] == f
        )
        for f in (0.1, 1.0)
    )
    record(home, small, 100.0, train=round(0.1 * TRAIN))
    rate = 100.0 / (round(0.1 * TRAIN) + VAL + TEST)
    assert estimates(home).cell(small, "train") == (pytest.approx(100.0, rel=0.001), 1)
    assert estimates(home).cell(large, "train") == (pytest.approx(rate * (TRAIN + VAL + TEST)), 1)
    record(home, large, 500.0, number=1)  # measured at this size: no need to scale anything to it
    assert estimates(home).cell(large, "train") == (500.0, 1)
    assert estimates(home).cell(small, "train").seconds == pytest.approx(100.0, rel=0.001)


def test_only_the_same_recipe_serves(home, cells):
    training, probe = cells["supervised", "linear_probe"][-1], cells["merl", "linear_probe"][-1]
    record(home, training, 5.0, spec={"method_config": {"width": 8}})
    record(home, training, 5.0, number=1, spec={"training": {"epochs": 1}})
    record(home, probe, 7.0, number=2, spec={"task_config": {"trials": 1}})
    assert estimates(home).cell(training, "train") == (DEFAULTS["train"], 0)
    assert estimates(home).cell(probe, "probe") == (DEFAULTS["probe"], 0)


def test_a_probe_takes_as_long_on_the_features_of_another_method(home, cells):
    record(home, cells["handcrafted", "linear_probe"][-1], 40.0)
    assert estimates(home).cell(cells["merl", "linear_probe"][-1], "probe").cells == 1
    assert estimates(home).cell(cells["supervised", "linear_probe"][-1], "train").cells == 0


def test_weights_and_features_by_their_recipe(home, cells):
    cell = cells["merl", "linear_probe"][0]
    pretrained(home, cell, 3600.0, 17441)
    assert estimates(home).pretraining(cell.spec) == (pytest.approx(3600.0, rel=0.01), 1)
    pretrained(home, cell, 3600.0, 17441, recipe={"training": {"epochs": 1}})
    assert estimates(home).pretraining(cell.spec) == (DEFAULTS["pretrain"], 0)
    for name, config in (("same", cell.spec.method_config), ("other", {"width": 8})):
        (home.features).mkdir(exist_ok=True)
        (home.data / name).mkdir(parents=True)
        np.save(home.features / f"{name}.npy", np.zeros((10, 1)))
        card = {"method": "merl", "config": config, "data": name, "rows": "all", "cost": {"feature_seconds": 0.01}}
        (home.features / f"{name}.json").write_text(json.dumps(card))
        (home.data / name / "manifest.json").write_text(json.dumps({"digest": name, "synthetic": False}))
    assert estimates(home).features(cell.spec) == (pytest.approx(217.99), 1)


def test_files_of_another_kind_tell_no_time(home, cells):
    for folder, name in (
        (home.features, "a.json"),
        (home.pretrained / "x", "card.json"),
        (home.data / "y", "manifest.json"),
    ):
        folder.mkdir(parents=True)
        (folder / name).write_text('{"method": "merl"}')
    assert estimates(home).features(cells["merl", "linear_probe"][0].spec).cells == 0


def test_a_dataset_that_nobody_has_counted_takes_the_default(home):
    cell = make_plan(load_suite("demo")).cells[0]
    record(home, cell, 3.0, synthetic=True)
    assert estimates(home).cell(cell, "probe") == (DEFAULTS["probe"], 0)
