"""Shared fixtures: a small prepared world on synthetic data, made once per session."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "2")
ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("ECGARENA_SHARED", ROOT.parent / "shared"))

TINY_SUITE = """
name = "tiny"
title = "Tiny synthetic suite"
version = "1.0"

[[datasets]]
name = "synthetic"
label_sets = ["groups"]
config = { patients = 120 }

[[tasks]]
name = "linear_probe"
config = { fraction = [0.1, 1.0], seed = [0, 1], trials = 3 }

[[tasks]]
name = "zero_shot"

[[methods]]
name = "random_init"
config = { width = 8, rate = 100.0 }

[[methods]]
name = "handcrafted"

[[methods]]
name = "merl"
config = { width = 8, rate = 100.0, embed_dim = 16, text_model = "small" }

[methods.pretrain]
dataset = "synthetic"
epochs = 2
batch_size = 32
"""


@pytest.fixture
def shared() -> Path:
    """The reference material with real recordings; tests that need it skip where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"needs the reference material: {SHARED} is not there (set ECGARENA_SHARED)")
    return SHARED


@pytest.fixture
def home(tmp_path, monkeypatch):
    """An empty home, with no dataset folders known."""
    from benchmark.paths import DATA_VARIABLE, HOME_VARIABLE, Home

    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    return Home(tmp_path / "home")


@pytest.fixture(scope="session")
def synthetic_home(tmp_path_factory):
    """A home with the tiny suite's dataset prepared; tests copy from it or only read."""
    from benchmark.data.store.preparation import prepare
    from benchmark.paths import Home

    made = Home(tmp_path_factory.mktemp("synthetic"))
    prepare("synthetic", {"patients": 120}, made)
    return made


@pytest.fixture
def prepared_home(home, synthetic_home):
    """A home of its own with the tiny suite's dataset prepared."""
    import shutil

    shutil.copytree(synthetic_home.data, home.data)
    return home


@pytest.fixture
def tiny_suite(tmp_path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY_SUITE, "utf-8")
    return path
