"""The figure of scores against the length of pre-training: which rows a line joins, and what has none."""

import pytest

from benchmark.leaderboard.figures.pretraining_curves import _curves, draw
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite

ROW = """
[[methods]]
name = "merl"
label = "{0}"
config = {{ text_model = "small" }}
pretrain = {{ dataset = "synthetic", {1} }}
"""
ROWS = {
    "whole": "epochs = 4, seed = [0, 1]",
    "half": "epochs = 4, share = 0.5",
    "tenth": "epochs = 4, share = 0.1",
    "short": "epochs = 1",
    "another rate": "epochs = 4, share = 0.25, lr = 2e-3",
    "exact steps": "epochs = 4, share = 0.25, steps = 9",
}


@pytest.fixture
def make_board(tmp_path, store, fill):
    def make(rows):
        head = 'name = "curves"\ntitle = "Curves"\nversion = "1"\n'
        head += '[[datasets]]\nname = "synthetic"\nlabel_sets = ["groups"]\n'
        head += '[[tasks]]\nname = "linear_probe"\nconfig = { fraction = [0.1, 1.0], trials = 3 }\n'
        path = tmp_path / "curves.toml"
        path.write_text(head + "".join(ROW.format(name, ROWS[name]) for name in rows))
        plan = make_plan(load_suite(str(path)))
        fill(plan, store, lambda cell: 0.6 + len(cell.row) / 300)
        return Leaderboard(plan, store)

    return make


def test_a_line_joins_rows_that_differ_in_share_or_epochs_alone(make_board):
    curves = [tuple(curve) for curve in _curves(make_board(ROWS).plan.cells)]
    assert curves == [
        ("share", {4.0: "whole", 2.0: "half", 0.4: "tenth"}),
        ("epochs", {4.0: "whole", 1.0: "short"}),
    ]


def test_a_panel_has_both_lines_of_a_method_and_a_legend_says_what_they_are(make_board):
    figure = draw(make_board(ROWS))["pretraining_curves-linear_probe"]
    titles = [axis.get_title() for axis in figure.axes if axis.get_visible()]
    assert len(titles) == 2 and titles[0].endswith("10 %") and titles[1].endswith("100 %")
    lines = [container.lines[0] for container in figure.axes[0].containers]
    assert [list(line.get_xdata()) for line in lines] == [[0.4, 2.0, 4.0], [1.0, 4.0]]
    assert [line.get_linestyle() for line in lines] == ["-", "--"]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["whole", "a part of the recordings", "fewer epochs of all recordings"]


def test_rows_of_one_length_have_no_curve(make_board):
    reason = draw(make_board(["whole", "another rate", "exact steps"]))
    assert reason == "no two rows differ in the share of recordings, or in the epochs, of their pre-training alone"
