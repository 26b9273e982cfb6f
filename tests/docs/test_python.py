"""The page on Python and the notebook beside it: every block runs, and the notebook shows what its cells show now."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from benchmark.registry import METHODS

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def builder():
    spec = importlib.util.spec_from_file_location("build_notebook", DOCS / "build_notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def empty_folder(home, tmp_path, monkeypatch):
    """An empty working directory and home; the class that a page defines is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    yield
    METHODS._classes.pop("amplitudes", None)


def test_every_block_of_the_page_runs(capsys):
    namespace = {"__name__": "page"}
    blocks = BLOCK.findall((DOCS / "python.md").read_text("utf-8"))
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), namespace)
    text = capsys.readouterr().out
    assert len(blocks) >= 5 and text.count("SYNTHETIC DATA") == 1 and "AUROC higher by" in text


def test_the_notebook_shows_what_its_cells_show(builder):
    notebook = json.loads(builder.NOTEBOOK.read_text("utf-8"))
    now = builder.executed(notebook)
    assert not builder.differences(notebook, now), "make it again: python docs/build_notebook.py"
    (line,) = now["cells"][-1]["outputs"][0]["text"]
    assert line.startswith("SYNTHETIC DATA. amplitudes linear_probe")


def test_a_changed_output_is_noticed(builder):
    notebook = json.loads(builder.NOTEBOOK.read_text("utf-8"))
    other = json.loads(json.dumps(notebook))
    other["cells"][1]["outputs"][0]["text"] = ["803 cells\n"]
    assert builder.differences(notebook, other) == ["".join(notebook["cells"][1]["source"])]
