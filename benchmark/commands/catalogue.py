"""The commands of ``ecgarena``, each with its line in ``--help`` and the module of this folder that defines it.

``--help`` reads this table alone, and a command loads its own module and no other.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from importlib import import_module

GROUPS: Mapping[str, Mapping[str, str]] = {
    "inspection": {
        "list": "names of methods, tasks, datasets and suites; of one kind, a line for each",
        "show": "what a method, task, dataset or suite is, and its options",
    },
    "data": {
        "data": "prepare and check datasets",
    },
    "pretraining": {
        "pretrain": "pre-train a method on a dataset's reports",
    },
    "running": {
        "plan": "the cells of a suite: done, failed, to do, skipped and why",
        "run": "run what a suite still lacks",
        "status": "counts by method and task, from what lies on disk",
    },
    "tuning": {
        "tune": "choose the options of a suite's rows, with the same budget for each",
    },
    "discarding": {
        "discard": "set the records of some rows aside, so that no table shows them",
    },
    "cluster": {
        "logs": "what the cluster job of a cell said",
        "retry": "submit cells again that failed or whose jobs died",
        "cancel": "end queued and running jobs; what is finished stays",
        "doctor": "check a cluster's profile from a job: folders, clocks, locks, GPU, caches",
    },
    "probing": {
        "search": "every trial of a cell's search, as a table, JSON and a figure",
        "explain": "how far each quirk of a published protocol moves a cell's number",
    },
    "leaderboards": {
        "leaderboard": "the tables, figures and the page of a suite",
        "compare": "two rows of a suite: paired differences per question",
    },
    "collecting": {
        "collect": "the records of a suite in one Parquet file, and predictions in another",
        "records": "a look at single records",
    },
    "differing": {
        "diff": "two sets of records: which numbers moved, by how much, and why",
    },
    "similarity": {
        "similarity": "how alike the encoders of a suite are (CKA on the same recordings)",
    },
    "verifying": {
        "verify": "compute the numbers of records again from predictions, and compare",
    },
    "submitting": {
        "submission": "results to submit: are they complete, and do they verify",
    },
    "reports": {
        "reports": "recordings beside their true and written reports, as one page",
    },
    "site": {
        "site": "a static site: overview, suites, methods, datasets, every record",
    },
    "auditing": {
        "audit-report-metrics": "put faults into true reports: which metric notices them?",
    },
    "authoring": {
        "new": "write a working method, task or dataset to begin with",
        "check": "hold a method, a task or a dataset to the contract; exit code 3 if it breaks it",
    },
    "completion": {
        "completion": "shell code that completes commands, options and names at TAB",
    },
}

COMPLETION_VARIABLE = "_ARGCOMPLETE"  # set by a shell function while it asks what may come next
LINES = {name: line for group in GROUPS.values() for name, line in group.items()}


def add_command(commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str) -> argparse.ArgumentParser:
    """Return a new parser for a command, with its line."""
    return commands.add_parser(name, help=LINES[name])


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
