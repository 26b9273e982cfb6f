"""``completion``: shell code that completes ``ecgarena``, and the names that it offers.

argcomplete asks the parser itself: at every TAB the shell calls ``ecgarena`` with ``_ARGCOMPLETE`` set, so commands and
options need no second list. This module adds the values: names from the registries, which import nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from benchmark.commands.catalogue import add_command, parsers
from benchmark.commands.inspection import REGISTRIES
from benchmark.errors import COMPLETE
from benchmark.lazy_imports import executor_plugins
from benchmark.paths import Home
from benchmark.planning.suite_files import suite_names
from benchmark.registry import DATASETS, METHODS, TASKS

SHELLS = ("bash", "zsh")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "completion")
    sub.add_argument("shell", choices=SHELLS, help="shell to write for")
    sub.set_defaults(function=completion)


def completion(options: argparse.Namespace) -> int:
    """Print the code; ``eval "$(ecgarena completion bash)"`` in the shell's start-up file installs it."""
    from argcomplete.shell_integration import shellcode

    print(shellcode(["ecgarena"], shell=options.shell))
    return COMPLETE


def answer_the_shell(top: argparse.ArgumentParser) -> None:
    """Print the possible completions and exit; called where `COMPLETION_VARIABLE` says that a shell asks."""
    import argcomplete

    for parser in parsers(top):
        for action in parser._actions:
            if action.dest in CANDIDATES and action.choices is None:
                action.completer = offering(CANDIDATES[action.dest])  # type: ignore[attr-defined]
    argcomplete.autocomplete(top, always_complete_options=False)  # options only after a dash


def offering(names: Callable[[], list[str]]) -> Callable[..., list[str]]:
    """Return a completer for argcomplete, which itself filters the names by the text typed so far."""
    return lambda **_: names()


def all_names() -> list[str]:
    return [*(name for registry in REGISTRIES.values() for name in registry.names()), *suite_names()]


def formats() -> list[str]:
    from benchmark.commands.leaderboards import FIGURES, TEXTS

    return [*TEXTS, *FIGURES]


def cells() -> list[str]:
    """Return the keys of the records at home, from the folders ``records/TASK/METHOD/KEY``."""
    return [folder.name for folder in Home.default().records.glob("*/*/*")]


def executors() -> list[str]:
    return ["inline", "processes", *executor_plugins()]


# destination of an argument, in any command -> function that lists its values
CANDIDATES: dict[str, Callable[[], list[str]]] = {
    "suite": suite_names,
    "method": METHODS.names,
    "methods": METHODS.names,
    "a": METHODS.names,
    "b": METHODS.names,
    "tasks": TASKS.names,
    "dataset": DATASETS.names,
    "data": DATASETS.names,
    "name": all_names,
    "cell": cells,
    "explain": cells,
    "executor": executors,
    "format": formats,
}
