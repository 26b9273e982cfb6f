"""Who imports whom: read with ast, so that the line that breaks a rule is named."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TORCHLESS = ("records", "planning", "leaderboard")
NN = ROOT / "methods" / "nn"
METHOD_MAY = ("benchmark.api", "benchmark.registry", "benchmark.errors", "methods.nn")
# one owner finds and loads published language models, for the blocks and for report decoders alike
BLOCK_MAY = ("benchmark.errors", "benchmark.weights.language_models", "benchmark.weights.packages", "methods.nn")


def imports(path: Path) -> list[tuple[int, str]]:
    """Line and full name of everything that a file imports, at any depth."""
    result = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            result += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            result += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return result


def broken(folder: str, forbidden) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line, name in imports(path)
        if forbidden(path, name)
    ]


def ours(name: str) -> bool:
    return name.split(".")[0] in ("benchmark", "methods", "tasks", "slurm")


def test_the_harness_knows_no_method_and_no_task_by_name():
    assert not broken("benchmark", lambda _, name: name.split(".")[0] in ("methods", "tasks", "slurm"))


def test_a_method_imports_the_contract_and_the_blocks_only():
    def forbidden(path, name):
        return path.parent.name == "methods" and ours(name) and not name.startswith(METHOD_MAY)

    assert not broken("methods", forbidden)


def imports_for_types(path: Path) -> set[str]:
    """Return the names that a file imports for annotations alone, under ``if TYPE_CHECKING``."""
    tree = ast.parse(path.read_text("utf-8"))
    blocks = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    lines = {line for block in blocks for line in range(block.lineno, block.end_lineno + 1)}
    return {name for line, name in imports(path) if line in lines}


def test_the_blocks_import_neither_harness_nor_methods():
    """They may name the contract's types (a mix-in's `signal` is a SignalSpec), which needs no import at run time."""

    def forbidden(path, name):
        is_type = name.startswith("benchmark.api.") and name in imports_for_types(path)
        return path.is_relative_to(NN) and ours(name) and not name.startswith(BLOCK_MAY) and not is_type

    assert not broken("methods", forbidden)


def methods_by_block() -> dict[Path, set[str]]:
    """Return, for each block in methods/nn, the methods that use it, themselves or through other blocks."""
    blocks = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in NN.rglob("*.py")}
    users: dict[Path, set[str]] = {path: set() for path in blocks.values() if path.name != "__init__.py"}
    for method in (ROOT / "methods").glob("*.py"):
        pending, visited = [method], set()
        while pending:
            visited.add(path := pending.pop())
            names = {name for _, full in imports(path) for name in (full, full.rpartition(".")[0])}
            pending += [blocks[name] for name in names & blocks.keys() if blocks[name] not in visited]
        for block in visited & users.keys():
            users[block].add(method.stem)
    return users


def test_a_block_of_one_method_lies_in_its_folder_and_a_shared_one_above():
    misplaced = []
    for block, methods in sorted(methods_by_block().items()):
        folder = NN / next(iter(methods)) if len(methods) == 1 else NN
        if not methods or block.parent != folder:
            users = ", ".join(sorted(methods)) or "no method"
            misplaced.append(f"{block.relative_to(ROOT)} is used by {users}: its place is {folder.relative_to(ROOT)}")
    assert not misplaced, "\n".join(misplaced)


def test_tests_of_blocks_lie_where_the_blocks_do():
    tests = ROOT / "tests" / "methods" / "nn"
    folders = {path.parent.relative_to(tests) for path in tests.rglob("test_*.py")}
    assert not [folder for folder in folders if not (NN / folder).is_dir()]
    misplaced = [
        path
        for path in tests.rglob("test_*.py")
        for block in NN.rglob(f"{path.stem.removeprefix('test_')}.py")
        if block.parent.relative_to(NN) != path.parent.relative_to(tests)
    ]
    assert not misplaced


def test_a_task_imports_no_method_and_no_other_task():
    assert not broken("tasks", lambda _, name: name.split(".")[0] in ("methods", "tasks", "slurm"))


def test_the_contract_imports_nothing_of_ours():
    """Other interpreters get `benchmark/api.py` as a file, and a task's author reads no other."""
    assert not [(line, name) for line, name in imports(ROOT / "benchmark" / "api.py") if ours(name)]


@pytest.mark.parametrize("folder", ["tasks", *(f"benchmark/{room}" for room in ("probes", *TORCHLESS))])
def test_no_engine_is_imported_by(folder):
    assert not broken(folder, lambda _, name: name.startswith("benchmark.engine"))


def test_a_task_written_from_the_template_imports_no_engine():
    assert "benchmark.engine" not in (ROOT / "benchmark" / "templates" / "task.txt").read_text("utf-8")


@pytest.mark.parametrize("room", TORCHLESS)
def test_records_plans_and_tables_load_no_torch(room):
    """Not even through what they import: whoever has records makes tables, and a login node lays out plans."""
    modules = [
        f"benchmark.{room}.{path.stem}" for path in (ROOT / "benchmark" / room).glob("*.py") if path.stem != "__init__"
    ]
    assert modules
    code = (
        f"import sys, importlib\nfor name in {modules!r}: importlib.import_module(name)\n"
        "heavy = {'torch', 'benchmark.engine'} & set(sys.modules)\nassert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_tests_and_results_are_no_packages():
    assert not list((ROOT / "tests").rglob("__init__.py")) and not (ROOT / "results" / "__init__.py").exists()


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["list"], ["list", "--json"], ["--version"]])
def test_help_and_list_load_nothing_heavy(arguments):
    code = (
        "import sys; from benchmark.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'numpy', 'scipy', 'rich', 'pydantic'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=ROOT)
