"""Every command in the documents: run where that is cheap, parsed where it needs data, a cluster, a hub or a name.

The info string of a block says which::

    ```console            run in an empty folder, with the suite `demo` in small; takes seconds
    ```console slow       the same, in `make test-slow`
    ```console data       needs an original dataset        } parsed: command, options and their values,
    ```console cluster    needs SLURM                      } names of suites, methods, tasks and datasets
    ```console hub        needs a model hub                }
    ```console example    has names that stand for yours (SUITE, a key of a cell)

A block ``toml NAME.toml`` is a file that the page's commands find in the folder. A comment after a command may state
its exit code: ``# ... (exit code 4)``.
"""

import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmark.cli import main, parser
from benchmark.planning.suite_files import suite_names
from benchmark.registry import DATASETS, METHODS, TASKS

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "results" / "README.md"])
RUN, PARSED = ("", "slow"), ("data", "cluster", "hub", "example")
ENDS = ("&&", ";", "|", ">")


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    kind: str  # what stands after "console"
    commands: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The console blocks of a page; a line is a command when it begins with ``$``, and goes on after a backslash."""
    result, text = [], page.read_text("utf-8")
    for match in re.finditer(r"^```console *(.*?)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        body = match[2].replace("\\\n", " ")
        commands = tuple(line[2:].strip() for line in body.splitlines() if line.startswith("$ "))
        result.append(Block(page, text[: match.start()].count("\n") + 1, match[1].strip(), commands))
    return result


BLOCKS = [block for page in PAGES for block in blocks(page)]


def words(command: str) -> list[str]:
    """A command without its comment, its environment, and what a shell would do with its output."""
    result = shlex.split(command, comments=True)
    for place, word in enumerate(result):
        if word in ENDS:
            result = result[:place]
            break
    while result and re.match(r"[A-Z_]+=", result[0]):
        result.pop(0)
    return result


def test_every_command_stands_in_a_console_block():
    for page in PAGES:
        text = page.read_text("utf-8")
        outside = re.sub(r"^```console.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
        assert not re.findall(r"^(?:\$ .*|ecgarena .*)$", outside, re.MULTILINE), page.name
        assert not re.findall(r"^```(?:sh|shell|bash) *$", text, re.MULTILINE), (
            f"{page.name}: use console, or bash script"
        )
    assert len(BLOCKS) >= 15 and sum(block.kind == "" for block in BLOCKS) >= 5


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_commands_parse(block):
    assert block.kind in (*RUN, *PARSED), f"{block}: console {block.kind}? see the head of this file"
    for command in block.commands:
        check(words(command), block)


def check(command: list[str], block: Block) -> None:
    if command[0] == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        assert set(command[1:]) <= set(targets), f"{block}: {command}"
    elif command[0] == "torchrun":
        check(["ecgarena", *command[command.index("benchmark") + 1 :]], block)
    elif "python" in Path(command[0]).name:
        scripts = [word for word in command[1:] if word.endswith(".py")]
        assert block.kind == "example" or all((ROOT / script).is_file() for script in scripts), f"{block}: {command}"
    elif Path(command[0]).name == "ecgarena":
        names_exist(parser().parse_args(command[1:]), block)
    else:
        name = Path(command[0]).name
        assert name in ("export", "source", "eval", "pip", "hf"), f"{block}: {name} is no command known here"


def names_exist(options, block: Block) -> None:
    """Names that a command gives are registered, unless the block says that they stand for others."""
    if block.kind in ("example", "cluster"):
        return
    reference = {
        "suite": suite_names(),
        "method": METHODS.names(),
        "dataset": DATASETS.names(),
        "data": DATASETS.names(),
    }
    reference |= {"a": METHODS.names(), "b": METHODS.names()}
    for field, names in reference.items():
        arguments = getattr(options, field, None)
        assert not isinstance(arguments, str) or arguments in names or arguments.endswith(".toml"), (
            f"{block}: {arguments}"
        )
    assert set(getattr(options, "methods", [])) <= set(METHODS.names()), block
    assert set(getattr(options, "tasks", [])) <= set(TASKS.names()), block


@pytest.fixture
def newcomer(home, tiny_suite, tmp_path, monkeypatch):
    """An empty folder in which `demo` is the tiny suite; the committed results lie where the documents say."""
    import benchmark.planning.suite_files as suite_files

    small = tmp_path / "demo.toml"
    small.write_text(tiny_suite.read_text("utf-8").replace('name = "tiny"', 'name = "demo"'), "utf-8")
    original = suite_files.suite_path
    for module in ("benchmark.planning.suite_files", "benchmark.planning.suites"):
        monkeypatch.setattr(f"{module}.suite_path", lambda name: small if name == "demo" else original(name))
    folder = tmp_path / "newcomer"
    folder.mkdir()
    (folder / "results").symlink_to(ROOT / "results")
    monkeypatch.chdir(folder)
    return folder


def made_by(command: list[str]) -> list[list[str]]:
    """Return what make would give to ``ecgarena``; its set-up is not run, the tests are in an environment already."""
    dry = subprocess.run([*command, "--dry-run"], cwd=ROOT, check=True, capture_output=True, text=True)
    lines = [shlex.split(line) for line in dry.stdout.splitlines() if "ecgarena" in line]
    return [line for line in lines if Path(line[0]).name == "ecgarena"]


def follow(blocks_of_page: list[Block], monkeypatch: pytest.MonkeyPatch) -> None:
    """Type what the page says, one command after the other."""
    text = blocks_of_page[0].page.read_text("utf-8")
    for name, content in re.findall(r"^```toml ([\w-]+\.toml)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        Path(name).write_text(content, "utf-8")
    for block in blocks_of_page:
        for command in block.commands:
            words_given = words(command)
            exit_code_match = re.search(r"#.*\(exit code (\d+)\)", command)
            if Path(words_given[0]).name == "ecgarena":
                assert main(words_given[1:]) == (int(exit_code_match[1]) if exit_code_match else 0), (
                    f"{block}: {command}"
                )
            elif words_given[0] == "make":
                for recipe in made_by(words_given):
                    assert main(recipe[1:]) == 0, f"{block}: {command}"
            elif words_given[0] == "export":
                monkeypatch.setenv(*words_given[1].split("=", 1))
            elif words_given[0] == "source":
                continue  # the tests are in an environment already
            else:
                pytest.fail(f"{block}: {words_given[0]} is not run here; mark the block")


def pages_with(kind: str) -> list[list[Block]]:
    result = {block.page: [] for block in BLOCKS if block.kind == kind}
    for block in BLOCKS:
        if block.page in result and block.kind in (("",) if kind == "" else RUN):
            result[block.page].append(block)
    return list(result.values())


@pytest.mark.parametrize("page", pages_with(""), ids=lambda page: page[0].page.name)
def test_what_a_page_says_works(page, newcomer, monkeypatch):
    follow(page, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("page", pages_with("slow"), ids=lambda page: page[0].page.name)
def test_what_a_page_says_and_takes_longer_works(page, newcomer, monkeypatch):
    follow(page, monkeypatch)
