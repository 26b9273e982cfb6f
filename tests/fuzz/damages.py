"""Damage three cached files of a home at random, remove its records, run again: equal tables, every time.

python tests/fuzz/damages.py [ROUNDS] [SEED]

What is damaged are features, subsets, fingerprints, decoders, pre-trained weights and the index of records; how, is
the fixture `damage` of tests/conftest.py: truncated, a block of zeros, a flipped bit, empty, a folder, bytes added.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.cli import main

ROOT = Path(__file__).resolve().parent.parent.parent
PARTS = ("features", "subsets", "fingerprints", "decoders", "pretrained", "records.index.json")
KINDS = (".npy", ".json", ".pt", ".safetensors")
REPORTS = """
[[tasks]]
name = "report_generation"
config = { epochs = 1, layers = 1, width = 32, heads = 2, vocabulary = 300, decoding = "greedy" }
"""


def fixtures() -> Any:
    spec = importlib.util.spec_from_file_location("fixtures", ROOT / "tests" / "conftest.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table(suite: Path, home: Path) -> str:
    """Run what is missing; return the leaderboard."""
    output = io.StringIO()
    short = ["--set", "methods.merl.pretrain.epochs=1"]
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = main(["run", str(suite), "--home", str(home), "-q", *short])
    if code:
        sys.exit(f"the run ended with exit code {code}:\n{output.getvalue()}")
    return (home / "leaderboards" / "tiny.csv").read_text("utf-8")


def cached(home: Path) -> list[Path]:
    paths = (path for part in PARTS for path in [home / part, *(home / part).rglob("*")])
    files = (path for path in paths if path.suffix in KINDS and path.is_file() and path.stat().st_size)
    return sorted(path for path in files if ".set-aside" not in path.parts)


def fuzz(rounds: int, seed: int) -> int:
    """Return how many rounds ended with another table."""
    module, other, kinds = fixtures(), 0, Counter[str]()
    damage = module.damage.__wrapped__() if hasattr(module.damage, "__wrapped__") else module.damage._fixture_function()
    with tempfile.TemporaryDirectory() as folder:
        suite, home = Path(folder) / "tiny.toml", Path(folder) / "home"
        suite.write_text(module.TINY_SUITE + REPORTS, "utf-8")
        expected = table(suite, home)
        for number in range(seed, seed + rounds):
            random = np.random.default_rng(number)
            files = random.permutation(cached(home))[:3]  # type: ignore[arg-type]
            damages = [(path, damage(Path(path), int(random.integers(1 << 30)))) for path in files]
            kinds.update(f"{kind}: {Path(path).suffix}" for path, kind in damages)
            shutil.rmtree(home / "records")
            if table(suite, home) != expected:
                other += 1
                print(f"round {number}: another table after", *(f"\n  {kind}: {path}" for path, kind in damages))
    print(f"{rounds} rounds, {other} with another table; {sum(kinds.values())} damages: {dict(sorted(kinds.items()))}")
    return other


if __name__ == "__main__":
    rounds, seed = [*map(int, sys.argv[1:]), 60, 0][: len(sys.argv) - 1] + [60, 0][len(sys.argv) - 1 :]
    sys.exit(1 if fuzz(rounds, seed) else 0)
