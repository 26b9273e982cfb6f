"""The table of commands: ``--help`` reads it alone, and a command loads its own module and no other."""

import argparse
import importlib
import subprocess
import sys

import pytest

from benchmark.cli import command_of, parser
from benchmark.commands.catalogue import GROUPS, LINES, parsers

OURS_FOR_HELP = {
    "benchmark",
    "benchmark.cli",
    "benchmark.commands",
    "benchmark.commands.catalogue",
    "benchmark.errors",
    "benchmark.streams",
}


def modules_of(arguments: list[str]) -> set[str]:
    """Return the modules that a command has loaded when it ends."""
    code = (
        "import sys; from benchmark.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_loads_the_table_of_commands_and_nothing_else_of_ours(arguments):
    modules = modules_of(arguments)
    assert {name for name in modules if name.partition(".")[0] in ("benchmark", "methods", "tasks")} == OURS_FOR_HELP
    assert not modules & {"json", "hashlib", "inspect", "subprocess", "pathlib", "tomllib", "dataclasses"}


def test_a_command_does_not_load_the_modules_of_the_others():
    modules = {name for name in modules_of(["list", "--help"]) if name.startswith("benchmark.commands.")}
    assert modules == {f"benchmark.commands.{name}" for name in ("catalogue", "inspection", "options")}


@pytest.mark.parametrize("module", GROUPS)
def test_a_module_adds_the_commands_that_the_table_says(module):
    commands = argparse.ArgumentParser().add_subparsers()
    importlib.import_module(f"benchmark.commands.{module}").add(commands)
    assert list(commands.choices) == list(GROUPS[module])


def test_every_command_is_in_the_parser_whichever_one_is_loaded():
    for word in (None, "", "run", "no-such"):
        assert list(parser(word)._subparsers._group_actions[0].choices) == list(LINES)


@pytest.mark.parametrize(
    "arguments, word", [([], ""), (["--help"], ""), (["run", "demo"], "run"), (["-h", "plan", "--json"], "plan")]
)
def test_the_command_is_the_first_word_without_a_dash(arguments, word):
    assert command_of(arguments) == word


def test_every_command_says_at_the_head_of_its_help_what_it_does_and_what_its_arguments_are():
    for command in parsers(parser()):
        assert command.description, command.prog
        silent = [
            action.dest for action in command._actions if not action.help and action.dest not in ("action", "command")
        ]
        assert not silent, (command.prog, silent)
