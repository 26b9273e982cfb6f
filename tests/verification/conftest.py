"""One cell that was run and collected, once for all tests of this folder."""

import shutil

import pytest

from benchmark import arena
from benchmark.cli import main

SUITE = """
name = "one"
title = "One cell"
version = "1"
[[datasets]]
name = "synthetic"
label_sets = ["groups"]
config = { patients = 120 }
[[tasks]]
name = "linear_probe"
config = { trials = 3 }
[[methods]]
name = "handcrafted"
"""


@pytest.fixture(scope="session")
def originals(synthetic_home, tmp_path_factory):
    """Run and collect one cell, once; return the folder of its suite, records, predictions and home."""
    folder = tmp_path_factory.mktemp("one")
    shutil.copytree(synthetic_home.data, folder / "home" / "data")
    (folder / "one.toml").write_text(SUITE)
    options = {"trials": 3, "dataset_config": {"patients": 120}, "home": folder / "home"}
    arena.run("handcrafted", "linear_probe", "synthetic", "groups", **options)
    out = ["--out", str(folder / "one.parquet"), "--predictions", str(folder / "predictions" / "one.parquet")]
    assert main(["collect", str(folder / "one.toml"), *out, "--home", str(folder / "home")]) in (0, 4)
    return folder


@pytest.fixture
def files(originals, tmp_path):
    """Return a copy of the suite, its records, its predictions and the home, to be changed."""
    folder = shutil.copytree(originals, tmp_path / "copy")
    return folder / "one.toml", folder / "one.parquet", folder / "predictions" / "one.parquet", folder / "home"
