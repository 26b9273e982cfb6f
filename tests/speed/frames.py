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

ROUNDS = 5
FIRST = "import time; t = time.perf_counter(); from benchmark import arena; arena.load({suite!r}); "


def main(suite: str) -> None:
    from benchmark import arena
    from benchmark.arena import COMMITTED

    file = COMMITTED / f"{suite}.parquet"
    cells = len(arena.load(suite))
    warm = [seconds(lambda: arena.load(suite)) for _ in range(ROUNDS)]
    print(f"arena.load: {cells} cells in {median(warm):.3f} s (median of {ROUNDS}), ", end="", flush=True)
    code = FIRST.format(suite=suite) + "print(f'{time.perf_counter() - t:.2f} s in a new process, imports included')"
    subprocess.run([sys.executable, "-c", code], check=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "folder"
        command("collect", suite, "--records", file, "--out", folder)
        times: dict[Path, list[float]] = {file: [], folder: []}
        for _ in range(ROUNDS):
            for records, results in times.items():
                out = Path(name) / "out"
                results.append(seconds(lambda: command("leaderboard", suite, "--records", records, "--out", out)))  # noqa: B023
    for records, results in times.items():
        form = "file" if records == file else "folder"
        print(f"leaderboard from the {form}: {median(results):.2f} s (median), {min(results):.2f} s (least)")


def command(*words: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "benchmark", *map(str, words)], check=True, capture_output=True)


def seconds(work) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "ptbxl_methods")
