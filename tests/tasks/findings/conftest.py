"""A small PTB-XL with answers about it, prepared once for all tests of this folder."""

import pytest

from benchmark.data.store.preparation import open_dataset, prepare
from benchmark.testing import write_ptbxl
from tests.tasks.findings.small_findings import LONG_PR, ST, chain, compress, use_checksum_of


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """A folder of original data with a small PTB-XL and answers about it: two findings, half of the labels known."""
    base = tmp_path_factory.mktemp("originals")
    count = write_ptbxl(base / "ptbxl", patients=110)
    chains = []
    for number in range(1, count + 1):
        if number % 5:
            chains.append(chain(number, LONG_PR, "Yes" if number % 3 == 0 else "No"))
        if number % 5 < 3:
            chains.append(chain(number, ST, "Yes" if number % 7 < 3 else "No", ("V2", "V3") if number % 7 < 3 else ()))
    (base / "ecg-reasoning").mkdir()
    (base / "ecg-reasoning" / "ptbxl.jsonl.xz").write_bytes(compress(chains))
    return base


@pytest.fixture(scope="session")
def store_home(tree, tmp_path_factory):
    from benchmark.paths import Home

    product = Home(tmp_path_factory.mktemp("findings"))
    prepare("ptbxl", {}, product, tree / "ptbxl")
    return product


@pytest.fixture
def world(tree, store_home, home, monkeypatch):
    """That PTB-XL in a home which tests share with its features, and the answers where they are looked for."""
    use_checksum_of(tree / "ecg-reasoning" / "ptbxl.jsonl.xz", monkeypatch)
    monkeypatch.setenv("ECGARENA_DATA", str(tree))
    return open_dataset("ptbxl", {}, store_home), store_home


@pytest.fixture
def own_world(world, home):
    """The same in a home of its own, where a command may write."""
    import shutil

    shutil.copytree(world[1].data, home.data)
    return open_dataset("ptbxl", {}, home), home
