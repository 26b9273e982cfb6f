"""From Python: the numbers of the command line, as data frames, boards and single cells."""

import numpy as np
import pandas
import pytest
import torch

from benchmark import arena
from benchmark.api import Method, MethodCard, SignalSpec
from benchmark.errors import UsageError
from benchmark.leaderboard import markdown, published
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.live_code import live_digest
from benchmark.records.paths import RECORD
from benchmark.registry import METHODS

SMALL = {"dataset_config": {"patients": 120}, "trials": 3, "fraction": 1.0}


@pytest.fixture
def records(plan, store, fill, tiny_suite):
    """Two thirds of the tiny suite's records, one of them damaged, with their plan."""
    from benchmark.planning.plan_file import write_plan

    draws = np.random.default_rng(0).normal(0, 0.01, 50).astype(np.float32)
    fill(plan, store, lambda cell: None if cell.row == "merl" else 0.8, lambda cell: draws)
    (store.folder(plan.cells[1].spec) / RECORD).write_text("{")
    write_plan(plan, store.root)
    return store.root


def test_a_frame_has_a_row_per_cell_with_what_its_record_says(plan, records):
    frame = arena.load(records, resampled=True)
    assert list(frame.key) == [cell.spec.key for cell in plan.cells] and frame.attrs["suite"] == "tiny"
    first = frame.iloc[0]
    assert (first.row, first.task, first.label_set) == ("random_init", "linear_probe", "groups")
    assert (first.fraction, first.seed, first.state) == (0.1, 0, "done") and first.synthetic
    assert (first.value, first.auroc_macro, first.auroc_macro_low) == (0.8, 0.8, 0.75)
    assert first.resampled.shape == (50,) and frame.loc[frame.row == "merl", "resampled"].isna().all()


def test_cells_without_a_number_say_why(records):
    frame = arena.load(records).set_index("state")
    assert frame.loc["incomplete", "why"].startswith("it is no record") and pandas.isna(
        frame.loc["incomplete", "value"]
    )
    missing = frame.loc["missing"]
    assert set(missing.row) == {"merl"} and missing.value.isna().all() and missing.fraction.notna().any()


def test_the_committed_suites_are_there_by_name():
    assert "ptbxl_methods" in arena.suites()
    frame = arena.load("ptbxl")
    assert len(frame) == 200 and (frame.state == "done").all()
    supervised = frame[(frame.row == "supervised") & (frame.label_set == "super") & (frame.fraction == 1)]
    assert supervised.value.round(6).tolist() == [0.930335]
    with pytest.raises(UsageError, match="did you mean 'ptbxl'"):
        arena.load("ptbxll")


def test_a_board_is_that_of_the_command_line_and_shows_itself(plan, store, records):
    from benchmark.planning.standing import RECORDS_ALONE

    board = arena.leaderboard(records)
    expected = Leaderboard(plan, store, RECORDS_ALONE)
    assert (
        board.markdown()
        == board._repr_markdown_()
        == markdown.markdown(expected, published.beside(expected.tables, published.load()))
    )
    html = board._repr_html_()
    assert "SYNTHETIC DATA" in html and "<caption>Linear probe on synthetic groups" in html and "missing" in html
    frame = board.to_frame()
    assert len(frame) == sum(len(table.body) for table in expected.tables)
    row = frame[(frame.row == "handcrafted") & (frame.fraction == 1.0)].iloc[0]
    assert row["mean"] == pytest.approx(0.8) and row.best and not row.baseline and row.absent == 0
    assert set(arena.leaderboard(records, methods=["handcrafted"]).to_frame().row) == {"handcrafted"}


def test_texts_of_records_are_escaped(plan, store, fill):
    from benchmark.planning.plan_file import write_plan

    fill(plan, store, notes=["<script>alert(1)</script>"])
    write_plan(plan, store.root)
    assert "<script>" not in arena.leaderboard(store.root)._repr_html_()


def amplitudes(factor):
    """Return a method as a notebook defines one; `factor` stands for an edit of its code."""

    class Amplitudes(Method):
        card = MethodCard(title="Amplitudes", paper="none", licence="MIT")
        scale = factor

        @property
        def signal(self):
            return SignalSpec(rate=100.0)

        def ecg_features(self, ecg):
            return torch.cat([ecg.std(-1) * self.scale, ecg.amax(-1) - ecg.amin(-1)], dim=-1)

    return Amplitudes


@pytest.fixture
def unregistered():
    yield
    METHODS._classes.pop("amplitudes", None)


def test_a_class_of_a_notebook_is_run_and_run_anew_when_it_has_changed(prepared_home, unregistered):
    def ask(cls):
        return arena.run(cls, "linear_probe", "synthetic", "groups", home=prepared_home.root, seed=0, **SMALL)

    answer = ask(amplitudes(1.0))
    assert answer.record.done and 0 < answer.value < 1 and answer.interval[0] < answer.value < answer.interval[1]
    assert str(answer).startswith("SYNTHETIC DATA. amplitudes linear_probe synthetic/groups")
    assert answer.to_frame().loc[0, "auroc_macro"] == answer.value == answer.metrics["auroc_macro"]
    again, edited = ask(amplitudes(1.0)), ask(amplitudes(0.0))
    assert again.record.provenance == answer.record.provenance  # the record, and no second run
    assert edited.record.key == answer.record.key and edited.record.code != answer.record.code
    frame = arena.load("demo", home=prepared_home.root)
    assert set(frame.state) == {"missing"}


def test_what_cannot_be_asked_is_refused(prepared_home):
    where = {"home": prepared_home.root}
    with pytest.raises(UsageError, match="name one of the label sets of ptbxl: super"):
        arena.run("handcrafted", "linear_probe", "ptbxl", **where)
    with pytest.raises(UsageError, match="these arguments make 2 cells, not one"):
        arena.run(
            "handcrafted", "linear_probe", "synthetic", "groups", **where, **{**SMALL, "fraction": 0.1}, seed=[0, 1]
        )
    with pytest.raises(UsageError, match="no space shared by recordings and texts"):
        arena.run("handcrafted", "zero_shot", "synthetic", "groups", **where)
    handcrafted = type("Handcrafted", (Method,), {"__module__": "__main__"})
    with pytest.raises(UsageError, match="a method is called 'handcrafted' already"):
        arena.run(handcrafted, "linear_probe", "synthetic", "groups", **where)


def test_a_suite_in_place_of_records_is_refused_with_the_remedy(tmp_path):
    suite = tmp_path / "own.toml"
    suite.write_text('name = "own"')
    for ask in (arena.load, arena.leaderboard):
        with pytest.raises(UsageError, match=r"own\.toml is a suite and not records: .*home="):
            ask(suite)


HELPER = """
LIMIT = {limit}
def helper(x):
    return x {sign} LIMIT
class Mine:
    '''{doc}'''
    def work(self, x):
        return [helper(value) for value in x]
"""


def test_the_digest_of_live_code_follows_what_the_class_uses():
    def of(**changes):
        namespace = {"__name__": "notebook"}
        exec(HELPER.format(**{"limit": 1, "sign": "+", "doc": "a", **changes}), namespace)
        return live_digest(namespace["Mine"])

    assert of() == of() and len({of(), of(limit=2), of(sign="-")}) == 3


ELSEWHERE = """
import functools
import numpy as np

class Size:
    def __init__(self, value):
        self.value = value

TABLE, SIZE, POWER = np.full(3, {table}), Size({size}), functools.partial(pow, {base})

def scaled(factor):
    def decorate(function):
        @functools.wraps(function)
        def inner(*values):
            return factor * function(*values)
        return inner
    return decorate

def make(closure):
    class Mine:
        @functools.cached_property
        def cached(self):
            return {cached}

        @scaled({factor})
        def features(self, ecg):
            return ecg * closure + TABLE + POWER(SIZE.value)
    return Mine

Mine = make({closure})
"""


def test_the_digest_of_live_code_follows_values_that_no_line_of_the_class_shows():
    """A number of a class with other values once stood for one with new values: the digest knew their types alone."""
    values = {"table": 1, "size": 1, "base": 1, "cached": 1, "factor": 1, "closure": 1}

    def of(**changes):
        namespace = {"__name__": "notebook"}
        exec(ELSEWHERE.format(**values | changes), namespace)
        return live_digest(namespace["Mine"])

    assert of() == of()
    assert len({of(), *(of(**{name: 2}) for name in values)}) == 1 + len(values)
