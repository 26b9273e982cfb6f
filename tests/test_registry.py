"""The registry: lazy names, one-line errors, plug-ins by entry point, broken ones shown with their traceback."""

import sys
from pathlib import Path

import pytest

from benchmark.api import Task
from benchmark.errors import UsageError
from benchmark.registry import METHODS, Registry


@pytest.fixture
def plugins(tmp_path, monkeypatch):
    """Install a distribution `acme` with one good and one broken method, as pip would."""
    (tmp_path / "acme_good.py").write_text("from benchmark.testing import FakeMethod\nclass Acme(FakeMethod): pass\n")
    (tmp_path / "acme_bad.py").write_text("import no_such_library\n")
    info = tmp_path / "acme-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[ecgarena.methods]\nacme = acme_good:Acme\nacme_bad = acme_bad:Bad\nacme_gone = acme_good:Gone\n"
        "merl = acme_good:Acme\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return Registry("method", "methods", "ecgarena.methods")


def test_names_come_without_imports(plugins):
    for name in [name for name in sys.modules if name.startswith("acme")]:
        del sys.modules[name]
    assert {"merl", "handcrafted", "acme", "acme_bad"} <= set(plugins.names())
    assert "acme_good" not in sys.modules and "acme_bad" not in sys.modules


def test_a_plug_in_is_imported_on_first_use(plugins):
    assert plugins.get("acme").__name__ == "Acme" and plugins.origin("acme") == "plug-in acme"


def test_a_plug_in_that_is_installed_while_a_program_runs_is_found(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = Registry("method", "methods", "ecgarena.methods")
    assert "late" not in registry.names()
    (tmp_path / "late-1.0.dist-info").mkdir()
    (tmp_path / "late-1.0.dist-info" / "entry_points.txt").write_text("[ecgarena.methods]\nlate = late:Late\n")
    assert "late" in registry.names()


def test_built_in_names_win(plugins):
    assert plugins.origin("merl") == "built-in"


def test_a_broken_plug_in_shows_its_traceback_and_stops_no_other(plugins):
    with pytest.raises(UsageError, match=r"'acme_bad' of the distribution acme is broken(.|\n)*no_such_library"):
        plugins.get("acme_bad")
    with pytest.raises(UsageError, match="acme_good:Gone, which does not exist"):
        plugins.get("acme_gone")
    assert plugins.get("acme")


def test_unknown_names_get_the_nearest():
    with pytest.raises(UsageError, match=r"no method is called 'handcraft' \(did you mean 'handcrafted'\?\)"):
        METHODS.get("handcraft")


def test_two_classes_cannot_share_a_name():
    registry = Registry("method", "methods", "nothing")
    registry.register("x")(type("A", (), {}))
    with pytest.raises(UsageError, match="two methods are called 'x'"):
        registry.register("x")(type("B", (), {}))


def test_file_name_and_registered_name_must_agree(tmp_path, monkeypatch):
    package = tmp_path / "zoo"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "cat.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UsageError, match="registers no animal called 'cat'"):
        Registry("animal", "zoo", "nothing").get("cat")


def test_no_command_or_group_is_that_of_the_package_ecgbench():
    """`ecgbench` on PyPI is another project, whose console script has its name: both can be installed together."""
    import tomllib

    project = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["name"] == "ecgarena" and set(project["scripts"]) == {"ecgarena"}
    assert set(project["entry-points"]) == {"ecgarena.executors"}


def test_a_task_that_uses_the_old_name_of_its_grid_is_refused():
    with pytest.raises(TypeError, match=r"Old: shown is called grid_metrics since version 0.2.0"):
        type("Old", (Task,), {"shown": ("auroc_macro",)})
