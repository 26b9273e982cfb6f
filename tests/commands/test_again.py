"""Rows are made anew or discarded on demand; what they had is set aside, not removed."""

import json

import pytest

from benchmark.cli import main
from benchmark.planning import standing
from benchmark.planning.pretrained import CARD
from benchmark.records.paths import SET_ASIDE
from benchmark.records.store import Store

SETS = ["--set", "tasks.linear_probe.config.fraction=[1.0]", "--set", "tasks.linear_probe.config.trials=2"]


@pytest.fixture
def suite(tiny_suite, prepared_home):
    return [str(tiny_suite), "--methods", "handcrafted", "merl", "--tasks", "linear_probe", *SETS]


def test_changed_code_is_told_marked_and_made_anew_on_demand(suite, prepared_home, capsys, monkeypatch):
    assert main(["run", *suite, "-q"]) == 0
    capsys.readouterr()
    card = next(prepared_home.pretrained.glob(f"*/{CARD}"))
    assert set(json.loads(card.read_text())["code"]) == {"method"}

    original = standing.cell_code

    def edited(method, task):
        return {**original(method, task), **({"method": "edited"} if method == "merl" else {})}

    monkeypatch.setattr(standing, "cell_code", edited)
    monkeypatch.setattr("benchmark.planning.anew.method_code", lambda method: {"method": "edited"})
    standing.code_now.cache_clear()
    try:
        assert main(["status", *suite]) == 0
        why = "outdated: 1 cells, of merl: the code of its method, the training of its weights has changed since"
        assert why in capsys.readouterr().out
        assert main(["leaderboard", *suite]) == 0
        output = capsys.readouterr().out
        assert "OUTDATED: numbers of other code than is installed: merl (1)" in output and "--again merl" in output
        assert main(["leaderboard", *suite, "--strict"]) == 4

        assert main(["run", *suite, "--again", "merl"]) == 0
        output = capsys.readouterr()
        assert "1 records of merl were set aside" in output.err and "the weights in" in output.err
        assert list((prepared_home.pretrained / SET_ASIDE).iterdir())
    finally:
        standing.code_now.cache_clear()


def test_a_row_that_is_not_there_is_named(suite, capsys):
    assert main(["run", *suite, "--again", "marl"]) == 2
    assert "no row 'marl' in this run (did you mean 'merl'?)" in capsys.readouterr().err


def test_discarded_rows_are_missing_and_their_records_kept(suite, prepared_home, capsys):
    assert main(["run", *suite[:1], "--methods", "handcrafted", "--tasks", "linear_probe", *SETS, "-q"]) == 0
    selection = [*suite[:1], "--methods", "handcrafted", "--tasks", "linear_probe", *SETS]
    capsys.readouterr()
    assert main(["discard", *selection]) == 0
    assert "1 records of handcrafted were set aside in" in capsys.readouterr().out
    assert main(["status", *selection]) == 4
    assert list((prepared_home.records / SET_ASIDE).rglob("record.json"))
    assert not list(Store(prepared_home.records).records())
    assert main(["discard", str(suite[0])]) == 2
