"""Figures of more methods than lines can show: a name beside its dots, a panel for each calibration."""

import pytest
from matplotlib.figure import Figure

from benchmark.leaderboard.figures import calibration, label_efficiency, robustness
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite

METHODS = 9
SUITE = """
name = "many"
title = "Nine methods and a floor"
version = "1"
[[datasets]]
name = "synthetic"
label_sets = ["groups", "conditions"]
[[tasks]]
name = "linear_probe"
config = { fraction = [0.1, 1.0], trials = 3 }
[[tasks]]
name = "linear_probe"
label_sets = ["groups"]
config = { fraction = 1.0, trials = 3 }
signal = [{ perturb = "white", strength = [0.05, 0.2] }]
[[methods]]
name = "random_init"
"""
ROW = '[[methods]]\nname = "handcrafted"\nlabel = "method {0}"\nconfig = {{ rate = {1} }}\n'
BINS = {"count": [90, 10], "mean_probability": [0.1, 0.9], "share_positive": [0.2, 0.8]}


@pytest.fixture
def board(tmp_path, store, fill):
    path = tmp_path / "many.toml"
    path.write_text(SUITE + "".join(ROW.format(row, 50 + row) for row in range(METHODS)))
    plan = make_plan(load_suite(str(path)))
    fill(plan, store, lambda cell: score(cell.row), analysis={"reliability": BINS})
    return Leaderboard(plan, store)


def score(row):
    """The floor is not the worst, and stands last all the same."""
    return 0.65 if row == "random_init" else 0.6 + 0.02 * int(row.split()[-1])


def names(axis):
    return [label.get_text() for label in axis.get_yticklabels()]


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


ORDER = [*(f"method {row}" for row in reversed(range(METHODS))), "random_init"]


def test_label_efficiency_has_a_line_per_method_from_best_to_worst_and_floors_last(board):
    result = label_efficiency.draw(board)
    assert list(result) == ["label_efficiency"]
    figure: Figure = result["label_efficiency"]
    first, second = figure.axes
    assert names(first) == ORDER and set(names(second)) == {""}
    assert legend(figure) == ["10 %", "100 %"]
    artists = [line for line in first.lines if line.get_marker() in "os"]
    assert [list(line.get_xdata()) for line in artists] == [[pytest.approx(score(row)) for row in ORDER]] * 2


def test_robustness_has_a_figure_per_perturbation_that_starts_from_the_recording_as_it_is(board):
    result = robustness.draw(board)
    assert list(result) == ["robustness-linear_probe-synthetic-groups-white"]
    figure = next(iter(result.values()))
    assert names(figure.axes[0]) == ORDER and legend(figure) == ["0", "0.05", "0.2"]


def test_calibration_has_a_panel_per_method(board):
    figure = calibration.draw(board)["calibration"]
    output = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title() for axis in output] == ["random_init", *(f"method {row}" for row in range(METHODS))]
    assert legend(figure) == ["Linear probe on synthetic groups", "Linear probe on synthetic conditions"]
