"""Submissions on disk: ``HOME/slurm/submissions/NAME/``.

submission.json  the suite, the profile, the code and the units with the keys of their cells; written atomically
                 before the first ``sbatch``, so that the cells of every running job are known
units/00007.json  the work of unit 7, read by its job
jobs.json        unit -> SLURM job (``1234_5``), rewritten after each array
journal/00007.jsonl  the events of unit 7, one per line, written only by its supervisor; the file's time is a heartbeat
logs/            Submitit's folder: output of the jobs, pickles of a few hundred bytes
"""

from __future__ import annotations

import functools
import json
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.atomic import temporary_path, write_text
from benchmark.paths import Home

SUBMISSION, JOBS, UNITS, JOURNAL, LOGS = "submission.json", "jobs.json", "units", "journal", "logs"
BEAT = 30.0  # seconds between heartbeats
STALE = 10 * BEAT  # seconds without a heartbeat after which a unit counts as dead, if no scheduler answers


@dataclass(frozen=True)
class SubmittedUnit:
    """Summary of a unit; `cells` are keys of records."""

    number: int
    stage: str
    title: str
    cells: list[str]
    needs: list[int]
    seconds: float
    time: int  # minutes
    memory: str


class SubmittedCell(NamedTuple):
    """Summary of a cell: enough for a table without importing its method."""

    key: str
    row: str
    method: str
    task: str
    title: str
    unit: int


class Submission:
    """One submission on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        return self.folder.name

    @functools.cached_property
    def content(self) -> dict[str, Any]:
        table: dict[str, Any] = json.loads((self.folder / SUBMISSION).read_text("utf-8"))
        return table

    @property
    def suite(self) -> str:
        return str(self.content["suite"])

    @functools.cached_property
    def units(self) -> list[SubmittedUnit]:
        return [SubmittedUnit(**unit) for unit in self.content["units"]]

    @functools.cached_property
    def cells(self) -> list[SubmittedCell]:
        return [SubmittedCell(*fields) for fields in self.content["cells"]]

    def jobs(self) -> dict[int, str]:
        """Return the SLURM job of each unit; read from disk each time, since arrays are submitted one by one."""
        try:
            job_table: dict[str, str] = json.loads((self.folder / JOBS).read_text("utf-8"))
        except FileNotFoundError:
            return {}
        return {int(unit): job for unit, job in job_table.items()}

    def write_jobs(self, jobs: dict[int, str]) -> None:
        write_text(self.folder / JOBS, json.dumps(jobs))

    def unit_file(self, number: int) -> Path:
        return self.folder / UNITS / f"{number:05d}.json"

    def journal_file(self, number: int) -> Path:
        return self.folder / JOURNAL / f"{number:05d}.jsonl"

    @property
    def logs(self) -> Path:
        return self.folder / LOGS

    def read_unit(self, number: int) -> dict[str, Any]:
        unit: dict[str, Any] = json.loads(self.unit_file(number).read_text("utf-8"))
        return unit

    def journal(self, number: int) -> list[dict[str, Any]]:
        """Return the events of a unit; skip incomplete lines, such as one being written."""
        try:
            lines = self.journal_file(number).read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []
        entries = []
        for line in lines:
            try:
                entries.append(json.loads(line))
            except ValueError:
                continue
        return entries

    def log_files(self, number: int) -> list[Path]:
        """Return the output and error files of a unit's job, for all its tasks."""
        job = self.jobs().get(number) or next(
            (str(line["job"]) for line in self.journal(number) if line.get("job")), None
        )
        if job is None:
            return []
        return [path for kind in ("out", "err") for path in sorted(self.logs.glob(f"{job}_[0-9]*_log.{kind}"))]

    def units_started(self) -> set[int]:
        """Return the numbers of the units with a journal."""
        try:
            return {int(path.stem) for path in (self.folder / JOURNAL).iterdir()}
        except FileNotFoundError:
            return set()

    def beating(self, number: int) -> bool:
        """Whether the journal of a unit changed within the last `STALE` seconds."""
        try:
            return time.time() - self.journal_file(number).stat().st_mtime < STALE
        except OSError:
            return False


def new_folder(home: Home, suite: str) -> Path:
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", suite)
    return home.slurm / "submissions" / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}-{secrets.token_hex(2)}"


def submissions(home: Home, suite: str | None = None) -> Iterator[Submission]:
    """Yield submissions from oldest to newest, only those of `suite` if given."""
    for path in sorted((home.slurm / "submissions").glob(f"*/{SUBMISSION}")):
        submission = Submission(path.parent)
        if suite is None or submission.suite == suite:
            yield submission


def write_submission(
    folder: Path,
    about: dict[str, Any],
    units: list[SubmittedUnit],
    cells: list[SubmittedCell],
    requests: list[dict[str, Any]],
) -> Submission:
    """Write a submission atomically; nothing is queued yet."""
    partial = temporary_path(folder)
    for name in (UNITS, JOURNAL, LOGS):
        (partial / name).mkdir(parents=True)
    for unit, request in zip(units, requests, strict=True):
        (partial / UNITS / f"{unit.number:05d}.json").write_text(json.dumps(request), "utf-8")
    content = {**about, "units": [asdict(unit) for unit in units], "cells": cells}
    (partial / SUBMISSION).write_text(json.dumps(content), "utf-8")
    partial.rename(folder)
    return Submission(folder)
