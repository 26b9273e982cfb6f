"""A grid of 20,000 cells on a pretended cluster: planned, submitted, and looked at.

python tests/speed/cluster.py [--cells 20000] [--array-size 1001]

The scheduler is a script on PATH that notes the calls of sbatch; records of half the cells are written before the look.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from figures import check_count, show
from harness import NoOp

from benchmark.engine.events import discard_event
from benchmark.paths import Home
from benchmark.planning.plan import group_cells, make_plan
from benchmark.planning.standing import standings_at
from benchmark.planning.suites import DatasetBlock, MethodBlock, Suite, TaskBlock
from benchmark.records.index import read_index
from benchmark.records.store import Store
from benchmark.registry import METHODS, TASKS
from benchmark.testing import FakeMethod
from slurm.commands import rows_of
from slurm.executor import SlurmExecutor
from slurm.queue import queue
from slurm.states import standings

METHODS_IN_GRID = 20
SBATCH = """#!/bin/sh
n=$(($(wc -l < {calls} 2>/dev/null || echo 0) + 1)); echo "$1" >> {calls}; echo "Submitted batch job $n"
"""
RECORD_FIELDS = {"status": "done", "seconds": 1.5, "metrics": {"auroc_macro": 0.9}, "notes": ["x" * 2000]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=20000)
    parser.add_argument("--array-size", type=int, default=1001)
    options = parser.parse_args()
    TASKS.register("no_op")(NoOp)
    METHODS.register("fake")(FakeMethod)
    seeds = options.cells // METHODS_IN_GRID
    suite = Suite(
        name="many",
        title="",
        version="1",
        datasets=[DatasetBlock(name="synthetic", label_sets=["groups"], config={"patients": 60})],
        tasks=[TaskBlock(name="no_op", config={"seed": list(range(seeds))})],
        methods=[MethodBlock(name="fake", label=f"m{n}", config={"rate": 100.0 + n}) for n in range(METHODS_IN_GRID)],
    )
    with tempfile.TemporaryDirectory() as folder:
        pretend(Path(folder))
        measure(suite, Home(Path(folder) / "home"), options.array_size, seeds * METHODS_IN_GRID)


def pretend(folder: Path) -> None:
    """Scripts in place of SLURM's commands, first on PATH."""
    bin = folder / "bin"
    bin.mkdir()
    scripts = {"sbatch": SBATCH.format(calls=folder / "calls"), "squeue": f"#!/bin/sh\ncat {folder / 'queue'}\n"}
    for name, text in {**scripts, "srun": "#!/bin/sh\n", "scontrol": "#!/bin/sh\n"}.items():
        (bin / name).write_text(text)
        (bin / name).chmod(0o755)
    (folder / "queue").write_text("")
    os.environ["PATH"] = f"{bin}{os.pathsep}{os.environ['PATH']}"


def measure(suite: Suite, home: Home, array_size: int, expected: int) -> None:
    start = time.perf_counter()
    plan = make_plan(suite)
    runner = SlurmExecutor(resources=[f"limits.max_array_size={array_size}", "limits.cells_per_job=10"], plan=plan)
    layout = runner.lay_out(group_cells(standings_at(plan, home).to_run), home)
    planning = time.perf_counter() - start
    cells = len(plan.cells)
    check_count("cells of the plan", cells, expected)
    show(f"{cells:,} cells planned into {len(layout.units):,} SLURM jobs", f"{planning:.2f} s")
    start = time.perf_counter()
    submission = runner.submit(layout, home, discard_event)
    seconds = time.perf_counter() - start
    kinds: dict[str, int] = {}
    for unit in layout.units:
        kinds[unit.array_key] = kinds.get(unit.array_key, 0) + 1
    fewest = sum(-(-count // array_size) for count in kinds.values())
    calls = len((home.root.parent / "calls").read_text().splitlines())
    show(f"these submitted in {calls} calls of sbatch (the fewest: {fewest})", f"{seconds:.1f} s")
    for cell in plan.cells[::2]:
        record_of(cell, home)
    jobs = submission.jobs()
    (home.root.parent / "queue").write_text("".join(f"{job}|PENDING|Priority\n" for job in list(jobs.values())[1::2]))
    for title in ("first look", "second look"):
        start = time.perf_counter()
        result = standings(home, None, queue())
        seconds = time.perf_counter() - start
        check_count("cells of the status", len(result), cells)
        done = sum(row.get("done", 0) for row in rows_of(result))
        check_count("records that count", done, len(plan.cells[::2]))
        show(f"status of {cells:,} cells on a cluster, {title}", f"{seconds:.2f} s")
    show("their records alone", f"{timed(lambda: read_index(home)):.2f} s")


def timed(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def record_of(cell, home: Home) -> None:
    folder = Store(home.records).folder(cell.spec)
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(
        json.dumps({"key": cell.spec.key, "spec": cell.spec.to_json(), "question": cell.question, **RECORD_FIELDS})
    )


if __name__ == "__main__":
    main()
