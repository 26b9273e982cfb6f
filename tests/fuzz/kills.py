"""Kill runs at random moments, again and again; what they leave behind ends in the same bytes as an undisturbed run.

``python tests/fuzz/kills.py [KILLS] [SEED]`` sends SIGKILL to a run's whole process group or to its parent alone, in
turn, while it prepares data, pre-trains, probes, writes reports and makes the tables; between two kills the same
command goes on. When a suite is complete, its results are compared with those of the undisturbed run and the home is
emptied. Exit code 1 where something was lost, differs or was left behind. The data is synthetic.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITE = """
name = "kills"
title = "What a killed run must not lose"
version = "1.0"
[[datasets]]
name = "synthetic"
label_sets = ["groups", "reports"]
config = { patients = 120 }
[[tasks]]
name = "linear_probe"
label_sets = ["groups"]
config = { fraction = [0.5, 1.0], seed = [0], trials = 4 }
[[tasks]]
name = "report_generation"
label_sets = ["reports"]
config = { layers = 1, width = 16, heads = 2, epochs = 2, decoding = "greedy", text_tokens = 16, memory_tokens = 4 }
[[methods]]
name = "handcrafted"
[[methods]]
name = "merl"
config = { width = 8, rate = 100.0, embed_dim = 16, text_model = "small" }
[methods.pretrain]
dataset = "synthetic"
epochs = 3
batch_size = 32
"""
FIELDS = ("metrics", "intervals", "details", "predictions", "files", "notes", "data_digest", "leak")
EXECUTORS = (["--executor", "inline"], ["--executor", "processes", "--workers", "2"])
ORPHANS = 60.0  # seconds that workers have to notice that their parent is gone


def command(suite: Path, home: Path, *more: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "ECGARENA_HOME": str(home), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    words = [sys.executable, "-m", "benchmark", "run", str(suite), "-q", *more]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(words, env=environment, start_new_session=True, **quiet)  # type: ignore[call-overload]


def finish(suite: Path, home: Path) -> float:
    """Run to the end; returns how long it took."""
    start = time.monotonic()
    run = command(suite, home)
    _, output = run.communicate()
    if run.returncode:
        raise SystemExit(f"a run that nobody killed ended with exit code {run.returncode}:\n{output.decode()}")
    return time.monotonic() - start


def results(home: Path) -> dict[str, str]:
    """What counts of a finished home: of each record the fields that a reader relies on, and every table's bytes."""
    result = {}
    for path in sorted(home.glob("records/*/*/*/record.json")):
        record = json.loads(path.read_text("utf-8"))
        assert record["status"] == "done", f"{path}: {record['error']}"
        details = {name: value for name, value in record["details"].items() if "second" not in name}
        content = {**{name: record[name] for name in FIELDS}, "details": _without_times(details)}
        result[path.parent.name] = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    for path in sorted((home / "leaderboards").glob("*.md")):
        result[path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(home.glob("pretrained/*/weights.safetensors")):
        result[path.parent.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return result


def _without_times(value: object) -> object:
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items() if "second" not in k and "time" not in k}
    return [_without_times(v) for v in value] if isinstance(value, list) else value


def kill(run: subprocess.Popen[bytes], whole_group: bool) -> None:
    os.killpg(run.pid, signal.SIGKILL) if whole_group else os.kill(run.pid, signal.SIGKILL)
    run.communicate()
    deadline = time.monotonic() + ORPHANS
    while _alive(run.pid):
        if time.monotonic() > deadline:
            raise SystemExit(f"{ORPHANS:.0f} s after their parent was killed its workers are still at work")
        time.sleep(0.05)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def leftovers(home: Path) -> list[str]:
    """Temporary files and locks that a finished run must not leave."""
    hidden = [path for path in home.rglob(".*") if path.name != ".set-aside"]
    return sorted(str(path.relative_to(home)) for path in [*hidden, *(home / "locks").glob("*")])


def main(kills: int = 200, seed: int = 0) -> int:
    rng, faults = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as folder:
        suite, calm, home = Path(folder) / "kills.toml", Path(folder) / "calm", Path(folder) / "home"
        suite.write_text(SUITE, "utf-8")
        longest = finish(suite, calm)
        expected = results(calm)
        print(f"undisturbed: {longest:.0f} s, {len(expected)} results", flush=True)
        killed = rounds = 0
        while killed < kills:
            for number in range(rng.randint(1, 12)):
                run = command(suite, home, *EXECUTORS[number % 2])
                time.sleep(rng.uniform(0.2, longest))
                if run.poll() is not None:
                    break
                kill(run, whole_group=rng.random() < 0.5)
                killed += 1
            finish(suite, home)
            rounds += 1
            now, left = results(home), leftovers(home)
            different = sorted(name for name in expected | now if expected.get(name) != now.get(name))
            faults += bool(different or left)
            print(
                f"round {rounds}, {killed} kills: {'; '.join([*different, *left]) or 'equal, nothing left'}", flush=True
            )
            shutil.rmtree(home)
    print(f"{killed} kills in {rounds} rounds, {faults} rounds with a fault")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
