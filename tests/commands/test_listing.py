"""``list KIND``: one line for each name, from the module and the card."""

import pytest

from benchmark.api import TrainableMethod
from benchmark.cli import main
from benchmark.planning.suite_files import suite_names
from benchmark.registry import DATASETS, METHODS, TASKS

KINDS = {"methods": METHODS, "tasks": TASKS, "datasets": DATASETS}


def lines_of(capsys, kind):
    assert main(["list", kind]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head == f"{kind}:" and all(line.startswith("  ") for line in lines)
    return {line.split()[0]: line for line in lines}


@pytest.mark.parametrize("kind", KINDS)
def test_every_built_in_name_has_one_line_that_says_more_than_the_name(kind, capsys):
    lines = lines_of(capsys, kind)
    assert list(lines) == KINDS[kind].names()
    for name, line in lines.items():
        first = line.removeprefix(f"  {name}").strip().split(" | ")[0]
        assert KINDS[kind].origin(name) != "built-in" or len(first) > 20, line


def test_a_methods_line_has_paper_training_weights_and_licence(capsys):
    lines = lines_of(capsys, "methods")
    for name in METHODS.names():
        cls = METHODS.get(name)
        if METHODS.origin(name) != "built-in":
            continue
        _, paper, learning, licence = lines[name].split(" | ")
        assert (paper, licence) == (cls.card.paper, cls.card.licence)
        assert all(f"tag:{tag}" in learning for tag in cls.card.weights)
        assert learning.startswith(("trainable", "trained on labels")) == issubclass(cls, TrainableMethod)
    assert lines["heartlang"].split(" | ")[2] == "not trained here; weights tag:base"


def test_suites_have_their_titles(capsys):
    lines = lines_of(capsys, "suites")
    assert list(lines) == suite_names() and lines["demo"].endswith("  Synthetic 12-lead recordings")
