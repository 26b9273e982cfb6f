"""Feed what users write at random: ``--set`` keys and values, suite files, published numbers. Only the project's errors
may come out, and none of them may be a book.

    python tests/fuzz/user_input.py [--inputs 10000] [--seed 0] [--only set suite ...]

`--inputs` counts those of each target. Watched for each: any other exception, and more than `SECONDS` of time.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from fuzz.readers import Slow, _too_slow, mutate

from benchmark.configuration import parse_assignments
from benchmark.errors import BenchmarkError
from benchmark.leaderboard import published
from benchmark.planning.plan import make_plan
from benchmark.planning.suite_files import suite_names, suite_path
from benchmark.planning.suites import load_suite

SECONDS = 10
LONGEST = 100_000  # characters of a message

SUITE = """
name = "tiny"
title = "Tiny"
version = "1"
about = "of everything a little"
datasets = [{ name = "synthetic", label_sets = ["groups"], config = { patients = 120, rate = 100 } }]
tasks = [
  { name = "linear_probe", config = { fraction = [0.1, 1.0], seed = [0, 1], trials = 3 }, label_sets = ["groups"] },
  { name = "zero_shot", config = { prompts = "en", centre = "none" }, signal = [{}, { leads = ["I", "II"] }] },
  { name = "transfer", config = { source = "synthetic/groups" }, signal = [{ perturb = "white", strength = [0.1] }] },
  { name = "report_generation", config = { layers = 1 } }
]
methods = [
  { name = "random_init", label = "start", config = { width = 8, rate = 100.0 } },
  { name = "st_mem", config = { band_pass = [0.67, 40.0] }, trained_on = ["ptbxl:train"], weights = "x.pth" },
  { name = "supervised", training = { epochs = 1 } },
  { name = "merl", config = { width = 8, text_model = "small" }, pretrain = { dataset = "synthetic", epochs = 2 } }
]
"""
VALUES = (
    *("", "0", "-1", "1", "2.5", "1e400", "nan", "-inf", "true", "[]", "{}", "[[]]", "{ a = 1 }", "[1, 'a', {}]"),
    *("2020-01-01", "2020-01-01T00:00:00Z", "07:32:00", "9" * 30, "9" * 5000, "[" * 3000, "0x" + "f" * 40),
    *('"a"', "'''a\nb'''", "\udcff", "\0", '"\\u0000"', "../../x", "/", ".", "CON", "=1+1", "<b>", "a" * 300, "é≈"),
    *("[" * 30 + "]" * 30, "groups", "reports", "en", "synthetic", "merl", "small", "a.toml", "tag:x", "\t", "1 # x"),
    *(
        "~nobody/x.json",
        "x.json",
        "a" * 300 + ".json",
        "/x.json",
        "en+de",
        "en+en",
        "I",
        "white",
        "swap_arms",
        "zero_shot_val",
    ),
    *(
        "ptbxl/super",
        "synthetic/nothing",
        "nothing/groups",
        "0.5",
        "[0.5, 'x']",
        "['I', 'II']",
        "[3, 6]",
        "[['I'], ['V1']]",
    ),
)
KEYS = (
    *("name", "title", "version", "about", "datasets", "tasks", "methods", "label", "label_sets", "config", "signal"),
    *("weights", "trained_on", "pretrain", "training", "synthetic", "linear_probe", "zero_shot", "transfer", "start"),
    *("merl", "st_mem", "supervised", "width", "rate", "patients", "fraction", "seed", "trials", "prompts", "centre"),
    *("source", "class_map", "layers", "epochs", "lr", "dataset", "dataset_config", "leads", "perturb", "strength"),
    *("text_model", "band_pass", "select", "", " ", "0", "-", "é", "\udcff", "a" * 300),
)


PLACES = (
    *("name", "title", "about", "tasks.linear_probe.config.fraction", "tasks.linear_probe.config.subset"),
    *("tasks.linear_probe.label_sets", "tasks.zero_shot.config.prompts", "tasks.zero_shot.config.centre"),
    *(
        "tasks.zero_shot.signal",
        "tasks.transfer.config.source",
        "tasks.transfer.config.class_map",
        "tasks.transfer.signal",
    ),
    *(
        "tasks.report_generation.config.layers",
        "tasks.report_generation.config.self_score",
        "datasets.synthetic.config",
    ),
    *("datasets.synthetic.config.patients", "datasets.synthetic.label_sets", "methods.merl.config.width"),
    *("methods.merl.config.freeze_text", "methods.merl.pretrain.dataset", "methods.merl.pretrain.epochs"),
    *(
        "methods.merl.pretrain.dataset_config",
        "methods.merl.weights",
        "methods.merl.label",
        "methods.start.config.seed",
    ),
    *("methods.st_mem.config.band_pass", "methods.st_mem.trained_on", "methods.supervised.training.lr"),
    *("methods.st_mem.weights", "methods.supervised.training", "methods.merl.pretrain.select", "methods.start.name"),
)


def some(rng: random.Random, values: tuple[str, ...]) -> str:
    """One of `values`, at times with a change."""
    text = rng.choice(values)
    return (
        mutate(text.encode("utf-8", "surrogateescape"), rng).decode("utf-8", "surrogateescape")
        if rng.random() < 0.1
        else text
    )


def assignments(rng: random.Random) -> list[str]:
    """One to three arguments of ``--set``."""
    pairs = []
    for _ in range(rng.choice((1, 1, 2, 3))):
        path = rng.choice(PLACES).split(".")
        if rng.random() < 0.3:
            path[rng.randrange(len(path))] = some(rng, KEYS)
        form = rng.choice(("{}={}", "{}={}", "{}={}", "{} = {}", "{}{}", "{}=={}"))
        pairs.append(form.format(".".join(path), some(rng, VALUES)))
    return pairs


def mutant(value: Any, rng: random.Random, rate: float) -> Any:
    """A tree with a few places changed."""
    if rng.random() < rate:
        others = (0, -1, 2.5, float("nan"), True, [], {}, [[]], {"a": 1}, 2**70, "merl", ["groups"] * 2, [1, "a"])
        return rng.choice((*VALUES, *others))
    if isinstance(value, dict):
        fields = {key: mutant(entry, rng, rate) for key, entry in value.items() if rng.random() > rate / 4}
        return {**fields, rng.choice(KEYS): rng.choice(VALUES)} if rng.random() < rate else fields
    if isinstance(value, list):
        entries = [mutant(entry, rng, rate) for entry in value if rng.random() > rate / 4]
        return entries * 2 if rng.random() < rate / 4 else entries
    return value


def toml(value: Any) -> str:
    """A value as TOML writes it in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(str(key))} = {toml(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, value))}]"
    if isinstance(value, str):
        escaped = "".join(f"\\u{ord(c):04x}" if not c.isprintable() or c in '"\\' else c for c in value)
        return f'"{escaped}"'
    return str(value).lower() if isinstance(value, bool | float) else str(value)


def targets(folder: Path) -> dict[str, Callable[[random.Random], object]]:
    """What is fed, by name."""
    suite, shipped = folder / "suite.toml", [suite_path(name).read_bytes() for name in suite_names()]
    suite.write_text(SUITE.replace(', weights = "x.pth"', ""))
    tree = tomllib.loads(suite.read_text())
    edited = folder / "edited.toml"
    numbers, sources = ((published.FOLDER / name).read_bytes() for name in ("numbers.csv", "sources.toml"))
    head = b"".join(numbers.splitlines(keepends=True)[:8])

    def plan(path: Path, *pairs: str) -> object:
        return make_plan(load_suite(str(path), parse_assignments(list(pairs))))

    def bytes_of_a_suite(rng: random.Random) -> object:
        edited.write_bytes(mutate(rng.choice((SUITE.encode(), *shipped)), rng))
        return plan(edited)

    def tree_of_a_suite(rng: random.Random) -> object:
        rate = rng.choice((0.005, 0.02, 0.1))
        lines = (f"{toml(str(key))} = {toml(mutant(value, rng, rate))}" for key, value in tree.items())
        edited.write_text("\n".join(lines), "utf-8", "surrogateescape")
        return plan(edited)

    def published_numbers(rng: random.Random) -> object:
        both = {"numbers.csv": head, "sources.toml": sources}
        for name in rng.choice((["numbers.csv"], ["sources.toml"], list(both))):
            both[name] = mutate(both[name], rng)
        for name, content in both.items():
            (folder / name).write_bytes(content)
        return published.beside([], published.load(folder))

    return {
        "set": lambda rng: plan(suite, *assignments(rng)),
        "suite bytes": bytes_of_a_suite,
        "suite tree": tree_of_a_suite,
        "published": published_numbers,
    }


def fuzz(inputs: int, seed: int = 0, only: list[str] | None = None) -> tuple[Counter[str], list[str]]:
    """Run `inputs` inputs of each target; return how they ended, and the faults."""
    endings, faults = Counter[str](), list[str]()
    folder = Path(tempfile.mkdtemp(prefix="fuzz"))
    before = signal.signal(signal.SIGALRM, _too_slow)
    try:
        for name, feed in targets(folder).items():
            for number in range(inputs if not only or name in only else 0):
                signal.alarm(SECONDS)
                try:
                    feed(random.Random(f"{name} {seed} {number}"))
                    endings[f"{name}: taken"] += 1
                except BenchmarkError as error:
                    endings[f"{name}: refused"] += 1
                    if len(str(error)) > LONGEST:
                        faults.append(f"{name} {number}: a message of {len(str(error))} characters")
                except (Exception, Slow):
                    faults.append(f"{name} {number}:\n{traceback.format_exc(limit=-4)}")
                finally:
                    signal.alarm(0)
    finally:
        signal.signal(signal.SIGALRM, before)
        shutil.rmtree(folder)
    return endings, faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+")
    options = parser.parse_args()
    start = time.perf_counter()
    endings, faults = fuzz(options.inputs, options.seed, options.only)
    for how, count in sorted(endings.items()):
        print(f"{how:30s} {count}")
    print("\n".join(faults[:20]))
    print(f"{sum(endings.values()) + len(faults)} inputs, {len(faults)} faults, {time.perf_counter() - start:.0f} s")
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
