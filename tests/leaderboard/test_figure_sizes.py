"""Figures fit a column or a page of a journal: their width, their smallest type there, and captions of sentences."""

import re
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.text import Text

from benchmark.leaderboard.comparison import compare
from benchmark.leaderboard.figures import difference, draw_all
from benchmark.leaderboard.figures.per_class import draw as per_class
from benchmark.leaderboard.figures.style import COLUMN, PAGE, SMALLEST, caption_of, save, wrapped
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite

SUITE = """
name = "sizes"
title = "Methods with long names"
version = "1"
[[datasets]]
name = "synthetic"
label_sets = ["groups", "conditions"]
[[tasks]]
name = "linear_probe"
config = { fraction = [0.1, 1.0], trials = 3 }
[[tasks]]
name = "zero_shot"
[[tasks]]
name = "linear_probe"
config = { fraction = 1.0, trials = 3 }
signal = [{ perturb = "white", strength = [0.05, 0.2] }, { leads = [1, 2] }]
[[methods]]
name = "merl"
label = "merl, compact, trained on its own data"
config = { text_model = "small" }
"""
ROW = (
    '[[methods]]\nname = "handcrafted"\nlabel = "method {0} (after its abstract), compact"\nconfig = {{ rate = {1} }}\n'
)
BINS = {"count": [90, 30], "mean_probability": [0.1, 0.9], "share_positive": [0.2, 0.8]}


@pytest.fixture(params=[3, 12])
def figures(request, tmp_path, store, fill):
    path = tmp_path / "sizes.toml"
    path.write_text(SUITE + "".join(ROW.format(row, 50 + row) for row in range(request.param)))
    plan = make_plan(load_suite(str(path)))
    cost = {"parameters": 1e6, "flops": 2e8, "feature_seconds": 1e-3}
    fill(plan, store, lambda cell: 0.6 + len(cell.row) / 300, analysis={"reliability": BINS}, cost=cost)
    return draw_all(Leaderboard(plan, store))[0]


def test_every_figure_has_the_width_of_a_column_or_a_page_and_type_of_8_points(figures):
    kinds = {name.split("-")[0] for name in figures}
    assert {"label_efficiency", "per_class", "rank_summary", "calibration", "robustness", "cost"} <= kinds
    check_sizes(figures)


def check_sizes(figures):
    for name, figure in figures.items():
        width = float(re.search(r'width="([\d.]+)pt"', save(figure, "svg").decode())[1]) / 72
        assert min(abs(width - COLUMN), abs(width - PAGE)) < 0.01, name
        content = figure.get_tightbbox()
        assert content.x0 > -0.02 and content.x1 < width + 0.02, f"{name} is cut: {content.x0:.2f} to {content.x1:.2f}"
        texts = [text for text in figure.findobj(Text) if text.get_text()]
        assert min(text.get_fontsize() for text in texts) >= SMALLEST, name
        assert caption_of(figure)[0].isupper() and caption_of(figure).endswith("."), name


def test_differences_of_two_methods_fit_a_page_as_well(plan, store, fill):
    fill(plan, store, lambda cell: {"merl": 0.8, "handcrafted": 0.7, "random_init": 0.6}[cell.row])
    board = Leaderboard(plan, store)
    lines = [
        replace(line, title=f"{line.title}, {'a condition ' * 6}") for line in compare(board, "merl", "handcrafted")
    ]
    check_sizes({"difference": difference.draw(board, lines, "merl", "handcrafted")})


def test_heat_maps_show_counts_and_use_their_colours(plan, store, fill):
    values = {"random_init": 0.72, "handcrafted": 0.81, "merl": 0.88}
    fill(plan, store, lambda cell: values[cell.row])
    (figure,) = per_class(Leaderboard(plan, store)).values()
    axis = figure.axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["MI (5)", "NORM (5)"]
    assert axis.collections[0].get_clim() == pytest.approx((0.7, 0.9))
    assert {text.get_text() for text in axis.texts} == {".72", ".81", ".88"}


def test_a_single_outlier_does_not_take_the_colours(plan, store, fill):
    classes = {f"class {n:02d}": {"auroc": 0.9, "positives": 9} for n in range(29)} | {"rare": {"auroc": 0.1}}
    fill(plan, store, per_class=classes)
    (figure,) = per_class(Leaderboard(plan, store)).values()
    low, _ = figure.axes[0].collections[0].get_clim()
    assert low >= 0.85


def test_long_titles_are_wrapped_between_words():
    lines = wrapped("a title of several words on PTB-XL", 1.0).splitlines()
    assert len(lines) > 1 and "PTB-XL" in lines[-1] and np.max([len(line) for line in lines]) <= 16
