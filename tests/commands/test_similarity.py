"""``similarity``: encoders of a suite on the same recordings; nothing is trained, and no label is read."""

import json

import pytest

from benchmark.cli import main

SUITE = """
name = "alike"
title = "Encoders <b>side by side</b>"
version = "1.0"

[[datasets]]
name = "synthetic"
label_sets = ["groups"]
config = { patients = 120 }

[[tasks]]
name = "linear_probe"
config = { fraction = 1.0, trials = 2 }

[[methods]]
name = "random_init"
config = { width = 8, rate = 100.0, seed = [0, 1] }

[[methods]]
name = "handcrafted"
config = { rate = 100.0 }
"""

TRAINED = """
[[methods]]
name = "simclr"
config = { width = 8, rate = 100.0 }
pretrain = { dataset = "synthetic", epochs = 1, batch_size = 32 }
"""


@pytest.fixture
def alike(tmp_path):
    path = tmp_path / "alike.toml"
    path.write_text(SUITE, "utf-8")
    return path


def test_two_rows_are_compared_and_the_files_say_synthetic(alike, prepared_home, tmp_path, capsys):
    assert main(["similarity", str(alike), "--format", "md,csv,svg", "--out", str(tmp_path / "out"), "-q"]) == 0
    page = (tmp_path / "out" / "alike-synthetic.md").read_text("utf-8")
    assert page.strip() in capsys.readouterr().out
    assert "SYNTHETIC DATA" in page and "<b>" not in page
    lines = (tmp_path / "out" / "alike-synthetic.csv").read_text("utf-8").splitlines()
    assert len(lines) == 3 and all(line.endswith(",SYNTHETIC") for line in lines[1:])  # both pairs, and two trainings
    assert "SYNTHETIC DATA" in (tmp_path / "out" / "alike-synthetic.svg").read_text("utf-8")


def test_it_speaks_json_and_the_same_call_gives_the_same_numbers(alike, prepared_home, capsys):
    answers = []
    for _ in range(2):
        assert main(["similarity", str(alike), "-q", "--json"]) == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1]
    pair = next(pair for pair in answers[0]["pairs"] if pair["a"] != pair["b"])
    assert pair["ci95"][0] <= pair["cka"] <= pair["ci95"][1]


def test_missing_weights_are_named_and_not_trained(alike, prepared_home, capsys):
    alike.write_text(SUITE + TRAINED, "utf-8")
    assert main(["similarity", str(alike), "-q"]) == 2
    message = capsys.readouterr().err
    assert "simclr: its weights are not trained yet" in message and "ecgarena run" in message
    assert not prepared_home.pretrained.exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--dataset", "ptbxl"], "'ptbxl'"),
        (["--split", "train"], "'train'"),
        (["--format", "gif"], "'gif'"),
        (["--methods", "handcrafted"], "two rows"),
    ],
)
def test_what_cannot_be_is_refused(alike, prepared_home, capsys, options, sentence):
    assert main(["similarity", str(alike), "-q", *options]) == 2
    assert sentence in capsys.readouterr().err
