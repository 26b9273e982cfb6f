"""Functions behind `benchmark.commands.cluster`: status, logs, retry, cancel, cost and doctor."""

from __future__ import annotations

import argparse
import functools
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmark.commands.options import home_of
from benchmark.engine.events import LineReporter
from benchmark.errors import COMPLETE, INCOMPLETE, SOME_FAILED, UsageError, raise_all
from benchmark.paths import Home
from benchmark.planning.suite_files import suite_name
from benchmark.streams import reader_gone
from slurm import queue
from slurm.states import Standing, look, select, standings, under_way
from slurm.submission import submissions

STATES = ("done", "failed", "running", "queued", "lost")
MOST_NAMES = 10  # failed and lost cells that `status` names


def status(options: argparse.Namespace) -> int:
    """Print counts of submitted cells by method and task; with ``--watch``, repeat until no job is open."""
    home, suite = home_of(options), _suite_name(options.suite)
    while True:
        jobs = look(options.patience)
        cells = _select(standings(home, suite, jobs, ask_how=jobs is not None), options)
        if options.json:
            print(json.dumps(rows_of(cells), indent=1))
        else:
            print("\n".join(table(cells, home, options.suite)), flush=True)
        states = Counter(standing.state for standing in cells)
        if not options.watch or reader_gone() or not (states["running"] or states["queued"]):
            break
        time.sleep(options.every)
        print(time.strftime("\n%H:%M:%S"))
    if states["failed"]:
        return SOME_FAILED
    return COMPLETE if states.total() == states["done"] else INCOMPLETE


def open_cells(home: Home) -> dict[str, str]:
    """Return the state of each queued or running cell, by key; read from disk if no scheduler answers."""
    return under_way(home, functools.partial(look, patience=5.0))


def _suite_name(name: str | None) -> str | None:
    return None if name is None else suite_name(name)


def _select(cells: list[Standing], options: argparse.Namespace) -> list[Standing]:
    """Return the cells selected by ``--methods`` and ``--tasks``."""
    chosen_rows = [standing for standing in cells if not options.methods or standing.cell.row in options.methods]
    return [standing for standing in chosen_rows if not options.tasks or standing.cell.task in options.tasks]


def rows_of(cells: list[Standing]) -> list[dict[str, object]]:
    counts: dict[tuple[str, str], Counter[str]] = {}
    for standing in cells:
        counts.setdefault((standing.cell.row, standing.cell.task), Counter())[standing.state] += 1
    return [{"method": row, "task": task, **count} for (row, task), count in counts.items()]


def table(cells: list[Standing], home: Home, suite: str | None) -> list[str]:
    """Return lines for a terminal: counts, then failed and lost cells with reasons; `suite` as the user gave it."""
    if not cells:
        return ["nothing was submitted from this home"]
    lines = [f"{'method':20s} {'task':20s}" + "".join(f" {state:>8s}" for state in STATES)]
    for row in rows_of(cells):
        lines.append(f"{row['method']:20s} {row['task']:20s}" + "".join(f" {row.get(state, 0):8d}" for state in STATES))
    total = Counter(standing.state for standing in cells)
    lines.append(f"{'all':41s}" + "".join(f" {total[state]:8d}" for state in STATES))
    bad = [standing for standing in cells if standing.state in ("failed", "lost")]
    reasons = _reasons(bad)
    lines += reasons[:MOST_NAMES]
    if len(reasons) > MOST_NAMES:
        lines.append(f"... and {len(reasons) - MOST_NAMES} more reasons")
    if bad:
        lines.append(f"run them again with: {home.command('retry', *([suite] if suite else []))}")
        lines.append(f"what a job said: {home.command('logs', bad[0].cell.key)}")
    return lines


def _reasons(bad: list[Standing]) -> list[str]:
    """Return each distinct reason of a row once, with the first cell that has it."""
    alike: dict[tuple[str, str, str, str], list[Standing]] = {}
    for one in bad:
        why = one.message or "its job ended without a record of it"
        alike.setdefault((one.cell.row, one.state, f" ({one.kind})" if one.kind else "", why), []).append(one)
    return [
        f"{state}{how}: {several[0].cell.title}{_and_more(several)}: {why}"
        for (_, state, how, why), several in alike.items()
    ]


def _and_more(several: list[Standing]) -> str:
    return f" and {len(several) - 1} more of its row" if len(several) > 1 else ""


def logs(options: argparse.Namespace) -> int:
    """Print the log of a cell's job; with ``--follow``, keep printing new output."""
    home = home_of(options)
    standing = _the_cell(options.cell, home)
    number, submission = standing.cell.unit, standing.submission
    lines_shown: dict[Path, int] = {}
    while True:
        for path in submission.log_files(number):
            with path.open("rb") as file:
                file.seek(lines_shown.get(path, 0))
                text = file.read()
                if path not in lines_shown:
                    print(f"==> {path} <==", flush=True)
                lines_shown[path] = file.tell()
            sys.stdout.write(text.decode("utf-8", "replace"))
            sys.stdout.flush()
        last = submission.journal(number)
        if not options.follow or reader_gone() or (last and last[-1]["what"] in ("end", "gave_up")):
            break
        time.sleep(options.every)
    if not lines_shown:
        print(f"the job of {standing.cell.title} has not written anything yet ({standing.state})")
    return COMPLETE


def _the_cell(name: str, home: Home) -> Standing:
    """Return the one submitted cell whose key starts with `name`, or whose title is or contains it."""
    cells = standings(home, jobs={})
    matches = [entry for entry in cells if entry.cell.key.startswith(name)]
    matches = matches or [entry for entry in cells if name == entry.cell.title]
    matches = matches or [entry for entry in cells if all(word in entry.cell.title for word in name.split())]
    if not matches:
        raise UsageError(f"no submitted cell has the key or the title {name!r}; to see them: {home.command('status')}")
    if len(matches) > 1:
        choices = [f"{entry.cell.key} {entry.cell.title}" for entry in matches[:MOST_NAMES]]
        more = [f"... and {len(matches) - MOST_NAMES} more"] if len(matches) > MOST_NAMES else []
        raise_all(choices + more, f"{name!r} fits {len(matches)} cells; name one by its key or by more words:")
    return matches[0]


def retry(options: argparse.Namespace) -> int:
    """Resubmit failed and lost cells, with the pre-training they need."""
    from benchmark.planning.plan import Cell, CellGroup, group_cells
    from slurm.executor import SlurmExecutor
    from slurm.profiles import Profile, load_profile

    home = home_of(options)
    all_cells = standings(home, _suite_name(options.suite), queue.queue(), ask_how=True)
    again = select(all_cells, options.failed, options.oom, options.timeout)
    if not again:
        print("there is nothing to run again")
        return COMPLETE
    newest = again[-1].submission
    profile_table = dict(newest.content["profile"])
    profile = (
        load_profile(options.profile, options.resource) if options.profile else Profile.model_validate(profile_table)
    )
    if options.resource and not options.profile:
        raise UsageError("--resource changes a profile; name it with --profile")
    memory, longer = factor("--mem", options.mem), factor("--time", options.time)
    if (memory, longer) != (1.0, 1.0):
        profile = profile.heavier({standing.cell.row for standing in again}, memory, longer)
    keys = {standing.cell.key for standing in again}
    places = {(standing.submission, standing.cell.unit) for standing in again}
    cells: dict[str, Cell] = {}
    for submission, number in sorted(places, key=lambda place: (place[0].name, place[1])):
        entries = [entry for group in submission.read_unit(number)["groups"] for entry in group]
        cell_entries = [entry["cell"] for entry in entries if entry["key"] in keys]
        cells |= {cell.spec.key: cell for cell in CellGroup.from_json(cell_entries).cells}
    runner = SlurmExecutor(wait=options.wait, dry_run=options.dry_run, profile_given=profile, suite=newest.suite)
    runner.run(group_cells(cells.values()), home, "cpu", LineReporter())
    return COMPLETE


def factor(option: str, text: str | None) -> float:
    """Parse a factor: ``x2`` is 2.0, None is 1.0."""
    if text is None:
        return 1.0
    try:
        value = float(text.removeprefix("x"))
    except ValueError:
        value = 0.0
    if value <= 0:
        raise UsageError(f"{option} {text}: write how many times as much, as in {option} x2")
    return value


def cancel(options: argparse.Namespace) -> int:
    """Cancel all queued and running jobs, or those of one suite; records are kept."""
    home = home_of(options)
    jobs_queued = queue.queue()
    jobs = {
        job
        for submission in submissions(home, _suite_name(options.suite))
        for job in submission.jobs().values()
        if job in jobs_queued
    }
    queue.cancel(sorted(jobs))
    again = home.command("retry", *([options.suite] if options.suite else []))
    print(f"cancelled {len(jobs)} jobs; records stay; go on from them with: {again}")
    return COMPLETE


def cost(options: argparse.Namespace) -> int:
    from slurm.cost import print_cost

    return print_cost(options)


def submit_tuning(*arguments: Any) -> list[str]:
    from slurm.tuning import submit_tuning

    return submit_tuning(*arguments)


def doctor(options: argparse.Namespace) -> int:
    from slurm.doctor import examine

    return examine(options)
