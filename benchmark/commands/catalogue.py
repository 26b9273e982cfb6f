"""The commands of ``ecgarena``, each with its line in ``--help`` and the module of this folder that defines it.

``--help`` reads this table alone, and a command loads its own module and no other.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from importlib import import_module

GROUPS: Mapping[str, Mapping[str, str]] = {
    "inspection": {
        "list": "list methods, tasks, datasets and suites; with a kind, describe each in a line",
        "show": "describe a method, task, dataset or suite, with all its options",
    },
    "data": {
        "data": "prepare and check datasets",
    },
    "pretraining": {
        "pretrain": "pre-train a method on a dataset, outside of any suite",
    },
    "running": {
        "plan": "list the cells of a suite: done, failed, to do, skipped and why",
        "run": "prepare data, pre-train, run the missing cells of a suite and print its leaderboard",
        "status": "count the cells of a suite that are done, failed or missing, and say why",
    },
    "tuning": {
        "tune": "choose the options of a suite's tuned rows, with the same budget for each",
    },
    "discarding": {
        "discard": "set the records of some rows aside, so that no table shows them",
    },
    "cluster": {
        "logs": "print what the cluster job of a cell printed",
        "retry": "submit failed cells, and cells whose jobs died, to the cluster again",
        "cancel": "end queued and running cluster jobs; finished cells stay",
        "doctor": "submit a small job that checks a cluster: folders, clocks, locks, GPU, caches",
    },
    "probing": {
        "search": "show every trial in the hyperparameter search of a cell",
        "explain": "show how far each quirk of the published protocol moves the number of a cell",
    },
    "leaderboards": {
        "leaderboard": "make the tables, figures and HTML page of a suite",
        "compare": "test two rows of a suite against each other, question by question",
    },
    "collecting": {
        "collect": "write the records of a suite to one Parquet file, and predictions to another",
        "records": "print single records",
    },
    "differing": {
        "diff": "compare two sets of records: which numbers moved, by how much, and what else differs",
    },
    "similarity": {
        "similarity": "measure how alike the encoders of a suite are (CKA on the same recordings)",
    },
    "verifying": {
        "verify": "compute the numbers in records again from predictions, and compare them",
    },
    "submitting": {
        "submission": "check results before you submit them",
    },
    "reports": {
        "reports": "show recordings beside their true and generated reports, on one HTML page",
    },
    "site": {
        "site": "build a static site of suites, methods, datasets and every record",
    },
    "auditing": {
        "audit-report-metrics": "put faults into true reports and measure which metrics notice them",
    },
    "authoring": {
        "new": "write the files of a new method, task or dataset, ready to run",
        "check": "test a method, task or dataset against the contract; exit code 3 if it fails",
    },
    "completion": {
        "completion": "print shell code that completes commands, options and names at TAB",
    },
}

COMPLETION_VARIABLE = "_ARGCOMPLETE"  # set by a shell function while it asks what may come next
LINES = {name: line for group in GROUPS.values() for name, line in group.items()}


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str) -> argparse.ArgumentParser:
    """Return a new parser for a command, with its line in ``--help`` of both."""
    return add_described(commands, name, LINES[name])


def add_described(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, line: str
) -> argparse.ArgumentParser:
    """Return a new parser whose line stands in the list of commands and at the head of its own ``--help``."""
    return commands.add_parser(name, help=line, description=f"{line[0].upper()}{line[1:]}.")


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser], word: str | None) -> None:
    """Add the command `word` with its options, and all others by name; with None add every command with its options."""
    for module, group in GROUPS.items():
        if word is None or word in group:
            import_module(f"benchmark.commands.{module}").add(commands)
        else:
            for name in group:
                add_command(commands, name)


def parsers(top: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """Yield `top` and the parsers of all its commands, at any depth."""
    yield top
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for parser in dict.fromkeys(action.choices.values()):
                yield from parsers(parser)
