"""The list of survivors names mutants that still exist, each with a reason; the mutants are what they say."""

import importlib.util
import sys
import tomllib
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent


def load(monkeypatch):
    spec = importlib.util.spec_from_file_location("mutants", FOLDER / "mutants.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "mutants", module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_every_listed_mutant_exists_and_has_a_reason(monkeypatch):
    mutants = load(monkeypatch).mutants
    names = tomllib.loads((FOLDER / "survivors.toml").read_text("utf-8"))
    places = {*(ROOT / "benchmark" / "metrics").glob("*.py"), *(ROOT / "benchmark" / "data").rglob("*.py")}
    targets = {name.split(".")[0] for name in names}
    reference = {mutant.name for path in places if path.stem in targets for mutant in mutants(path)}
    assert set(names) <= reference and all(entry["reason"] for entry in names.values())


def test_one_fault_per_mutant(monkeypatch, tmp_path):
    path = tmp_path / "small.py"
    path.write_text('def f(a: int = 1) -> int:\n    """1 < 2"""\n    return max(a, 3) if not a < 2 else -a\n')
    names = [mutant.name.split(": ")[1] for mutant in load(monkeypatch).mutants(path)]
    assert len(names) == len(set(names)) == 8
    assert {"max -> min", "a < 2 -> a <= 2", "not a < 2 -> a < 2", "-a -> +a", "3 -> 4", "1 -> 2"} <= set(names)
