"""The map of the project is true: its paths and modules exist, its picture holds, and no room is missing."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PACKAGES = ("benchmark", "methods", "tasks", "slurm")
PICTURE = re.search(r"^```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)[1]
IMPORT = re.compile(rf" *(?:from|import) ((?:{'|'.join(PACKAGES)})[\w.]*)(?: import (\w+))?")
TYPE_CHECKING = re.compile(r"^if TYPE_CHECKING:\n(?: +.*\n)+", re.MULTILINE)
PARAGRAPHS = re.split(r"\n\n|\n(?=- |\d+\. |\| )", PAGE.replace(PICTURE, ""))


def paths_in(paragraph: str) -> list[str]:
    """Return the words in backticks that look like a path or a module of ours."""
    words = re.findall(r"`([\w./]+)`", paragraph)
    return [word for word in words if is_path(word) or re.fullmatch(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)+", word)]


def is_path(word: str) -> bool:
    return word.endswith(("/", ".py", ".toml")) or bool(re.match(rf"(?:{'|'.join(PACKAGES)}|tests)/", word))


def is_there(word: str, folders: list[Path]) -> bool:
    """Whether a path exists, from the root or in a folder that the paragraph names, or a module is importable."""
    if is_path(word):
        return any((folder / word).exists() for folder in folders)
    path = ROOT / word.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").is_file()


def faults(paragraph: str) -> list[str]:
    words = paths_in(paragraph)
    paths = [ROOT / word for word in words if (ROOT / word).exists()]
    folders = [ROOT, *(path if path.is_dir() else path.parent for path in paths), ROOT / "benchmark"]
    return [word for word in words if not is_there(word, folders)]


def test_every_path_and_module_that_the_page_names_exists():
    assert sum(len(paths_in(paragraph)) for paragraph in PARAGRAPHS) > 100
    assert not [fault for paragraph in PARAGRAPHS for fault in faults(paragraph)]


@pytest.mark.parametrize(
    "text", ["`benchmark/gone.py`", "`benchmark.gone`", "`benchmark/records/` has `gone.py`", "`tests/gone`"]
)
def test_what_is_not_there_is_found(text):
    assert faults(text)


def test_every_state_and_every_room_is_on_the_page():
    from benchmark.planning.standing import STATES

    glossary = PAGE.partition("## Glossary")[2]
    assert all(re.search(rf"^\|[^|]*\b{state}\b", glossary, re.MULTILINE) for state in STATES)
    folders = [path.parent for path in (ROOT / "benchmark").glob("*/__init__.py")]
    assert not [path.name for path in folders if f"`benchmark/{path.name}/`" not in PAGE]
    assert not [path.name for path in folders if path.name not in levels()]


def levels() -> dict[str, int]:
    """Return the number of each room in the picture."""
    rooms = {}
    for line in PICTURE.splitlines():
        number, names = re.match(r" *(\d+) +((?:[\w.]+(?:/|\.py) *)+)", line).groups()
        rooms |= {name.strip("/").removesuffix(".py"): int(number) for name in names.split()}
    return rooms


def test_the_picture_shows_each_room_once():
    names = [name for line in PICTURE.splitlines() for name in re.findall(r"([\w.]+)(?:/|\.py)(?= |$)", line)]
    assert len(names) == len(set(names)), "the picture shows a room twice"


def room_of(module: str, number: dict[str, int]) -> str:
    """Return the room of a module, as the picture names it; "" on the ground floor."""
    package, *rest = module.split(".")
    if package != "benchmark":
        return "methods.nn" if module.startswith("methods.nn") else package
    return rest[0] if rest and number.get(rest[0], 0) else ""


def imports(path: Path) -> list[tuple[int, str]]:
    """Return line and module of what a file imports when it runs; annotations alone are no dependence."""
    text = TYPE_CHECKING.sub(lambda match: "\n" * match[0].count("\n"), path.read_text("utf-8"))
    return [
        (number, ".".join(filter(None, IMPORT.match(line).groups())))
        for number, line in enumerate(text.splitlines(), 1)
        if IMPORT.match(line)
    ]


def test_a_room_imports_only_rooms_with_a_smaller_number():
    number, wrong = levels(), []
    for path in (path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))):
        own = room_of(".".join(path.relative_to(ROOT).with_suffix("").parts), number)
        for line, name in imports(path):
            other = room_of(name, number)
            if other not in ("", own) and number[other] >= number.get(own, 0) and path.stem != "__main__":
                wrong.append(f"{path.relative_to(ROOT)}:{line} ({own}) imports {name} ({other})")
    assert not wrong
