"""Digests of source change with the behaviour of the code, and with nothing else."""

import sys

import pytest

from benchmark.planning import source_digest as module
from benchmark.planning.source_digest import cell_code, changed_parts, method_code, source_digest

METHOD = '''"""A plug-in."""
from own_package.parts import scale

def features(x):
    """Double it."""
    return scale(x) * 2  # twice
'''


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "own_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "method.py").write_text(METHOD)
    (folder / "parts.py").write_text("import json\nTABLE = 'table.json'\n\ndef scale(x):\n    return x\n")
    (folder / "table.json").write_text("[1]")
    (folder / "unused.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.startswith("own_package")]:
        del sys.modules[name]


def now():
    for cached in (module._file, module._imports, module._file_digest):
        cached.cache_clear()
    return source_digest("own_package.method")


def edit(path, old, new):
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    "file, old, new",
    [
        ("method.py", "* 2", "* 3"),
        ("parts.py", "return x", "return x + 1"),
        ("table.json", "[1]", "[2]"),
    ],
)
def test_what_the_code_does_counts_in_imported_modules_and_their_tables_too(package, file, old, new):
    before = now()
    edit(package / file, old, new)
    assert now() != before


@pytest.mark.parametrize(
    "file, old, new",
    [
        ("method.py", "  # twice", "  # two times"),
        ("method.py", "Double it.", "Return twice the input."),
        ("method.py", "\n\ndef", "\n\n\n\ndef"),
        ("unused.py", "x = 1", "x = 2"),
    ],
)
def test_comments_docstrings_blank_lines_and_modules_that_are_not_imported_do_not(package, file, old, new):
    before = now()
    edit(package / file, old, new)
    assert now() == before


def test_the_digest_of_a_method_has_its_blocks_and_not_the_harness():
    names = module._closure("methods.merl")
    assert {"methods.merl", "methods.nn.resnet1d", "methods.nn.text"} <= names
    assert not any(name.startswith("benchmark.engine") or name == "benchmark.api" for name in names)


def test_the_digest_of_a_task_has_its_probe_and_its_metrics():
    names = module._closure("tasks.linear_probe")
    assert {"benchmark.probes.search", "benchmark.metrics.classification", "benchmark.metrics.statistics"} <= names
    assert "methods.merl" not in names


def test_a_part_that_one_side_does_not_know_says_nothing():
    code = cell_code("merl", "linear_probe")
    assert set(code) == {"method", "task"} and method_code("merl") == {"method": code["method"]}
    assert changed_parts({"method": "a", "task": "b"}, {"method": "a", "task": "c"}) == ["task"]
    assert changed_parts({"method": "a"}, {}) == [] and changed_parts({}, {"method": "a"}) == []
