"""``make speed``: run the scripts of this folder at a quick size, and write their figures as one table.

python tests/speed/collect.py [--only harness data] [--limit 600] [--note TEXT] [--out docs/performance-table.md]

The scripts are those that lie in the folder. One that is not named below, that fails, takes longer than the limit or
shows no figure is listed as not measured, with the reason, and the exit code is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from figures import ROWS_FILE, load, machine_line

from benchmark.atomic import write_text

FOLDER = Path(__file__).resolve().parent
TABLE = FOLDER.parents[1] / "docs" / "performance-table.md"
GRACE = 20.0  # seconds that a script at its limit has to clean up
MODULES = ("collect", "figures", "made_up_store")  # of the folder, which measure nothing
QUICK: dict[str, list[str]] = {
    "bootstrap": ["--rounds", "1"],
    "cluster": ["--cells", "4000"],
    "compact_training": ["--against", "196ab1c", "--steps", "3"],  # the last commit before training was made faster
    "data": ["--recordings", "500", "--rounds", "2"],
    "extraction": ["--recordings", "256", "--patients", "60", "--rounds", "1"],
    "features": ["--recordings", "32", "--rounds", "2"],
    "frames": [],
    "harness": ["--cells", "500"],
    "index": ["--sizes", "5000", "20000", "--rounds", "1"],
    "leaderboard": ["4500"],
    "memory": ["--recordings", "2000"],
    "meteor": ["--pairs", "300", "--rounds", "2"],
    "probe": ["--rounds", "1"],
    "protocol": ["--rounds", "1", "--width", "16"],
    "regression": ["--rounds", "2"],
    "training": ["--batch", "16", "--steps", "2", "--rate", "100", "--width", "32", "--bert", "128", "--layers", "2"],
}
NOT_RUN = {
    "big_store": "needs tens of gigabytes of disk, more than the machine has memory",
    "gpu_training": "needs a GPU",
    "paper_sizes": "needs a GPU",
    "text_towers": "needs a language model from the extra `text`",
}


@dataclass(frozen=True)
class Result:
    """What a script gave: rows of the table, and the reason where there are none or more were to come."""

    script: str
    rows: tuple[dict[str, str], ...] = ()
    reason: str = ""
    expected: bool = True  # whether the reason is one of `NOT_RUN`


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="SCRIPT", help="these scripts; the others count as not asked for")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds that one script may take (600)")
    parser.add_argument("--note", default="", help="a sentence about the circumstances, for the page")
    parser.add_argument("--out", type=Path, default=TABLE)
    options = parser.parse_args()
    start, busy = time.perf_counter(), load()
    results: list[Result] = []
    for name in scripts():
        results.append(result(name, options))
        minutes = (time.perf_counter() - start) / 60
        about = f"{machine_line()}. Load {busy} at the start and {load()} at the end; {minutes:.1f} minutes in all."
        write_text(options.out, "\n".join(page(results, f"{about} {options.note}".strip())) + "\n")  # so far
    print(f"wrote {options.out}")
    return 0 if all(one.expected or not one.reason for one in results) else 1


def scripts() -> list[str]:
    """Return the names of all scripts of the folder, whether anything is known of them or not."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in MODULES)


def result(name: str, options: argparse.Namespace) -> Result:
    """Run a script where it is to run."""
    if name in NOT_RUN:
        return Result(name, reason=NOT_RUN[name])
    if name not in QUICK:
        return Result(name, reason="is not named in `tests/speed/collect.py`", expected=False)
    if options.only and name not in options.only:
        return Result(name, reason="was not asked for in this run")
    return run(name, QUICK[name], options.limit)


def run(name: str, arguments: list[str], limit: float) -> Result:
    """Run a script in a process of its own; return the rows that it showed."""
    print(f"--- {name} {' '.join(arguments)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows"
        environment = {"OMP_NUM_THREADS": "1", **os.environ, ROWS_FILE: str(file)}
        command = [sys.executable, str(FOLDER / f"{name}.py"), *arguments]
        reason = finish(command, environment, limit)
        rows = tuple(json.loads(line) for line in file.read_text("utf-8").splitlines()) if file.exists() else ()
    reason = reason or ("" if rows else "showed no figure")
    return Result(name, rows, f"{reason}, after the rows above" if rows and reason else reason, expected=False)


def finish(command: list[str], environment: dict[str, str], limit: float) -> str:
    """Run a command to its end or its limit; return why it gives no more rows, or ""."""
    options: dict[str, Any] = {"env": environment, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **options, preexec_fn=heed_interrupts) as process:
        try:
            errors = process.communicate(timeout=limit)[1]
        except subprocess.TimeoutExpired:
            stop(process)
            return f"took longer than {limit:.0f} s"
    if not process.returncode:
        return ""
    print(errors, file=sys.stderr)
    return f"failed: {(errors.strip().splitlines() or ['without a word'])[-1]}"


def heed_interrupts() -> None:
    """Undo what shells do to background jobs: with SIGINT ignored, `stop` would go unheard."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def stop(process: subprocess.Popen[str]) -> None:
    """Interrupt a script, so that it removes its temporary folders; kill it where it does not end."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


def page(results: list[Result], about: str) -> Iterator[str]:
    """Yield the lines of the page."""
    yield "# Table of performance"
    yield ""
    yield "`make speed` wrote this page, and nobody edits it. The sizes are quick ones; [the page on"
    yield "performance](performance.md) has larger ones, with the machine of each. All data is SYNTHETIC unless a row"
    yield 'says so. The column "otherwise" is what one would write without the harness.'
    yield ""
    yield from wrapped(about)
    yield ""
    yield "| script | work | here | otherwise | ratio |"
    yield "|---|---|---|---|---|"
    for one in results:
        for row in one.rows:
            cells = (row["work"], row["cost"], row["otherwise"], row["ratio"])
            yield f"| `{one.script}.py` | {' | '.join(map(plain, cells))} |"
    yield ""
    yield "Not measured in this run, or not to the end:"
    yield ""
    yield "| script | reason |"
    yield "|---|---|"
    for one in results:
        if one.reason:
            yield f"| `{one.script}.py` | {plain(one.reason)} |"


def wrapped(text: str, width: int = 120) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)


def plain(text: str) -> str:
    """Return a text that is safe in a cell of a table."""
    return text.replace("|", "/").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
