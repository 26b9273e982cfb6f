"""The page on a checkpoint of one's own: its files are written, its commands typed, its messages and hints are true."""

import importlib
import json
import re
import sys
import textwrap
from pathlib import Path

import pytest

from benchmark.cli import main
from benchmark.registry import METHODS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own-checkpoint.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+) ([\w.]+ ?\d?)\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = {name: content for _, name, content in BLOCK.findall(PAGE) if name != "example"}
CARD = re.compile(r"^    card = .*\n", re.MULTILINE)


@pytest.fixture
def folder(home, tmp_path, monkeypatch):
    """An empty folder in which the training was run; the page's module is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    exec(compile(BLOCKS["train.py"], "train.py", "exec"), {})
    yield tmp_path
    forget()


def forget():
    METHODS._classes.pop("ward8", None)
    sys.modules.pop("ecgarena_ward8", None)


def installed(folder, *members):
    """Write the page's method with further members below its card, and import it as an entry point would."""
    forget()
    text = "".join(textwrap.indent(f"{member}\n", "    ") for member in members)
    code = CARD.sub(lambda line: f"{line[0]}{text}", BLOCKS["ecgarena_ward8.py"])
    (folder / "ecgarena_ward8.py").write_text(code, "utf-8")
    importlib.invalidate_caches()
    importlib.import_module("ecgarena_ward8")


def test_the_page_leads_from_a_state_dict_to_a_row(folder, capsys):
    check = ["check", "ward8", "--weights", "ward8.pt"]
    installed(folder)
    assert main(check) == 5
    assert " ".join(BLOCKS["message 1"].split()) in capsys.readouterr().err
    installed(folder, BLOCKS["entries"])
    assert main(check) == 5
    message = capsys.readouterr().err
    assert "encoder.0.0.weight is missing" in message and "backbone.stem.0.weight is unexpected" in message
    code = "\n".join(message.splitlines()[-len(BLOCKS["renaming"].splitlines()) :])
    assert textwrap.dedent(code).strip() == BLOCKS["renaming"].strip()
    installed(folder, BLOCKS["entries"], BLOCKS["renaming"])
    assert main(check) == 0
    (folder / "ward8.toml").write_text(BLOCKS["ward8.toml"], "utf-8")
    assert main(["run", "ward8.toml", "-q"]) == 0
    capsys.readouterr()
    assert main(["leaderboard", "ward8.toml"]) == 0
    assert "ward8, epoch 40" in capsys.readouterr().out


def test_the_declared_training_data_reach_the_verdict(folder, capsys):
    installed(folder, BLOCKS["entries"], BLOCKS["renaming"])
    (folder / "ward8.toml").write_text(BLOCKS["ward8.toml"].replace('["mimic_iv_ecg"]', '["synthetic"]'), "utf-8")
    assert main(["plan", "ward8.toml", "--json"]) == 0
    assert "contaminated" in json.dumps(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize("name", ["linear_probe", "synthetic"])
def test_only_a_method_is_checked_with_weights(folder, capsys, name):
    assert main(["check", name, "--weights", "ward8.pt"]) == 2
    assert "--weights is for methods" in capsys.readouterr().err
