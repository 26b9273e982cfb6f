"""The cost of features is counted once and kept with each record."""

import pytest
import torch

from benchmark.engine.cost import merge_costs, model_cost
from benchmark.engine.events import discard_event
from benchmark.engine.run import run_group
from benchmark.planning.plan import group_cells, make_plan
from benchmark.planning.standing import standings_at
from benchmark.planning.suites import load_suite
from benchmark.records.store import Store
from benchmark.testing import FakeMethod


class Linear(torch.nn.Module, FakeMethod):
    def __init__(self):
        torch.nn.Module.__init__(self)
        FakeMethod.__init__(self)
        self.map = torch.nn.Linear(100, 7)

    def ecg_features(self, ecg):
        return self.map(ecg).mean(1)


def test_operations_of_a_linear_map_are_counted_by_hand():
    method = Linear()
    cost = model_cost(method, method.ecg_features, torch.zeros(1, 12, 100))
    assert cost == {"parameters": 707, "flops": 2 * 12 * 100 * 7}
    plain = FakeMethod()
    assert model_cost(plain, plain.ecg_features, torch.zeros(1, 12, 100)) == {"parameters": 0, "flops": 0}


def test_layers_add_up_over_one_model():
    passes = [
        ("features", 9, {"parameters": 5, "flops": 2, "feature_seconds": 0.5}),
        ("tokens", 9, {"parameters": 5, "flops": 3}),
        ("sequence", 9, {}),
    ]
    assert merge_costs(passes) == {"parameters": 5, "flops": 5, "feature_seconds": 0.5} and merge_costs([]) == {}


def test_passes_over_several_splits_cost_a_recording_as_much_as_one():
    train, test = ({"parameters": 5, "flops": 2, "feature_seconds": seconds} for seconds in (0.5, 0.7))
    for recordings, seconds in ((30, 0.6), (90, 0.55)):
        cost = merge_costs([("features", recordings, train), ("features", 30, test)])
        assert cost == {**train, "feature_seconds": pytest.approx(seconds)}


def test_every_cell_that_used_features_says_what_they_took(prepared_home, tiny_suite):
    plan = make_plan(load_suite(str(tiny_suite)), methods=["random_init"], tasks=["linear_probe"])
    run_group(group_cells(plan.cells)[0], prepared_home, "cpu", discard_event)
    store = Store(prepared_home.records)
    costs = [store.get(cell.spec).cost for cell in standings_at(plan, prepared_home).finished_cells]
    assert len(costs) == 3 and all(cost == costs[0] for cost in costs)  # one pass, read from the cache by the others
    assert costs[0]["parameters"] > 1000 and costs[0]["flops"] > 1e6 and costs[0]["feature_seconds"] > 0
    assert costs[0]["parameters"] == pytest.approx(round(costs[0]["parameters"]))
