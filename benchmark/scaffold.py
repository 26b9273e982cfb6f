"""Files for a new method, task or dataset: in the right places of a checkout, elsewhere as a package of their own.

The templates in ``benchmark/templates`` are complete, working files; only `NAME` is filled in.
"""

from __future__ import annotations

import keyword
import re
import shlex
from importlib.resources import files
from pathlib import Path
from string import Template

from benchmark.errors import UsageError, raise_all
from benchmark.registry import DATASETS, METHODS, TASKS, Registry

REGISTRIES: dict[str, Registry] = {"method": METHODS, "task": TASKS, "dataset": DATASETS}  # type: ignore[type-arg]
PLACES = {  # in a checkout: the module, its test
    "method": ("methods/{name}.py", "tests/methods/test_{name}.py"),
    "task": ("tasks/{name}.py", "tests/tasks/test_{name}.py"),
    "dataset": ("benchmark/datasets/{name}.py", "tests/datasets/test_{name}.py"),
}
MODULES = {"method": "methods.{name}", "task": "tasks.{name}", "dataset": "benchmark.datasets.{name}"}
DEMOS = {"method": "demo", "task": "task_demo"}  # a dataset's own files are needed for more than its test


def plan_files(kind: str, name: str, out: Path | None) -> dict[Path, str]:
    """Return path and text of every file to write; one `UsageError` lists all obstacles of a kind."""
    root = out if out is not None else Path.cwd()
    problems = _name_problems(kind, name)
    if out is None and not _is_checkout(root):
        problems.append(f"{root} is no checkout of ECG Arena; name a folder for a package of its own: --out DIR")
    raise_all(problems, f"new {kind} {name}:", UsageError)
    files = _in_checkout(kind, name, root) if out is None else _as_package(kind, name, root)
    collisions = [f"{path} is there already; nothing is overwritten" for path in files if path.exists()]
    raise_all(collisions, f"new {kind} {name}:", UsageError)
    return files


def write_files(files: dict[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


def class_name(name: str) -> str:
    """Return the class name of a snake-case name: ``my_method`` -> ``MyMethod``."""
    return "".join(word.capitalize() for word in name.split("_"))


def next_steps(kind: str, name: str, out: Path | None) -> list[str]:
    """Return the commands to type next, in order."""
    steps = [] if out is None else [["pip", "install", "--no-deps", "-e", str(out)]]
    steps.append(["ecgarena", "check", name, *(["--root", "FOLDER"] if kind == "dataset" else [])])
    if kind in DEMOS:
        steps.append(["ecgarena", "run", f"{name}_demo" if out is None else str(out / f"{name}_demo.toml")])
    test = PLACES[kind][1].format(name=name) if out is None else str(out / f"test_{name}.py")
    return [shlex.join(step) for step in [*steps, ["python", "-m", "pytest", test]]]


def _name_problems(kind: str, name: str) -> list[str]:
    problems = []
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        problems.append(f"{name!r} must be small letters, digits and _, as a module is called")
    elif name in REGISTRIES[kind].names():
        problems.append(f"a {kind} is called {name!r} already ({REGISTRIES[kind].origin(name)}); choose another name")
    return problems


def _is_checkout(folder: Path) -> bool:
    about = folder / "pyproject.toml"
    return about.is_file() and 'name = "ecgarena"' in about.read_text("utf-8")


def _in_checkout(kind: str, name: str, root: Path) -> dict[Path, str]:
    module = MODULES[kind].format(name=name)
    texts = [_fill(template, kind, name, module) for template in (kind, f"test_{kind}")]
    files = {root / place.format(name=name): text for place, text in zip(PLACES[kind], texts, strict=True)}
    if kind in DEMOS:
        files[root / "tasks" / "suites" / f"{name}_demo.toml"] = _fill(DEMOS[kind], kind, name, module)
    return files


def _as_package(kind: str, name: str, root: Path) -> dict[Path, str]:
    module = f"ecgarena_{name}"
    files = {
        root / "pyproject.toml": _fill("pyproject", kind, name, module),
        root / f"{module}.py": _fill(kind, kind, name, module),
        root / f"test_{name}.py": _fill(f"test_{kind}", kind, name, module),
    }
    if kind in DEMOS:
        files[root / f"{name}_demo.toml"] = _fill(DEMOS[kind], kind, name, module)
    return files


def _fill(template: str, kind: str, name: str, module: str) -> str:
    text = files("benchmark").joinpath("templates", f"{template}.txt").read_text("utf-8")
    words = {
        "kind": kind,
        "name": name,
        "cls": class_name(name),
        "module": module,
        "title": name.replace("_", " ").capitalize(),
        "dashed": name.replace("_", "-"),
        "gap": "\n" if module.startswith("ecgarena_") else "",  # a package of its own is no part of the harness
    }
    return Template(text).substitute(words)
