"""Seconds of `arena.load` on a committed suite, and of a leaderboard from its file against one from folders, in turns.

python tests/speed/frames.py [SUITE]

The first load of a process imports pandas and pyarrow; it is measured by itself. The folder form is made for the
occasion from the committed file. Both forms are read warm, from the page cache.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from figures import check_count, show

ROUNDS = 5
FIRST = "import time; t = time.perf_counter(); from benchmark import arena; arena.load({suite!r}); "


def main(suite: str) -> None:
    from benchmark import arena
    from benchmark.arena import COMMITTED

    file = COMMITTED / f"{suite}.parquet"
    cells = len(arena.load(suite))
    warm = [seconds(lambda: arena.load(suite)) for _ in range(ROUNDS)]
    code = FIRST.format(suite=suite) + "print(time.perf_counter() - t)"
    first = float(subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE).stdout)
    check_count(f"cells of {suite}", len(arena.load(suite)), cells)
    show(
        f"`arena.load` of {suite} (real data), {cells:,} cells",
        f"{median(warm):.3f} s, the first time in a process {first:.2f} s with imports",
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "folder"
        command("collect", suite, "--records", file, "--out", folder)
        times: dict[Path, list[float]] = {file: [], folder: []}
        for round in range(ROUNDS):
            for records, results in times.items():
                out = Path(name) / f"out-{records.name}-{round}"
                results.append(seconds(lambda: command("leaderboard", suite, "--records", records, "--out", out)))  # noqa: B023
                check_count("leaderboards written", len(list(out.glob("*.md"))), 1)
    show(
        f"leaderboard of {suite} (real data) as Markdown and CSV, median of {ROUNDS}",
        f"{median(times[file]):.2f} s from one file, {median(times[folder]):.2f} s from folders",
    )


def command(*words: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "benchmark", *map(str, words)], check=True, capture_output=True)


def seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "ptbxl_methods")
