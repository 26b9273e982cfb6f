"""The whole protocol on 2,000 recordings: here, by MERL's published loop, and by scikit-learn on cached features.

python tests/speed/protocol.py [--rounds 2] [--width 64]

Three fractions x five subset seeds (at 100 % one: all seeds ask the same) x four label sets with PTB-XL's numbers of
classes, ten penalties per cell, 1,000-resample intervals. The recordings are synthetic, 100 Hz, in PTB-XL's original
layout; the encoder is MERL's ResNet-18 with random weights.
Everybody gets two cores, and everything is measured in processor seconds divided by two, as if both cores were
kept busy to the end: other work on the machine does not count, and neither side gains by how it is spread.

- here: prepare the recordings, extract features once, search and score every cell
- published: the frozen backbone runs again in every epoch on train (train mode, batches of 16), val and test, every
  recording is parsed by wfdb every time, 100 epochs per cell. One epoch per fraction is measured and scaled
- cached: features once (the same file), scikit-learn's LogisticRegression and roc_auc_score, one BLAS thread in
  each of two processes. Without intervals on both sides, then with scikit-learn's (a few resamples measured and scaled)
"""

from __future__ import annotations

import argparse
import dataclasses
import multiprocessing
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch
from figures import check_count, ratio, show
from scipy.special import expit
from threadpoolctl import threadpool_limits

from benchmark.api import RecordingEntry, Truth
from benchmark.data.labels.subsets import draw
from benchmark.data.store.preparation import open_dataset, prepare
from benchmark.datasets.ptbxl import CLASSES, PTBXL
from benchmark.engine.building import build
from benchmark.engine.events import discard_event
from benchmark.engine.features import cached_features
from benchmark.engine.method_handle import MethodHandle
from benchmark.metrics.classification import f1_thresholds
from benchmark.metrics.scoring import score_classes
from benchmark.paths import Home
from benchmark.probes.search import tune
from benchmark.registry import DATASETS
from benchmark.testing import write_ptbxl

RECORDINGS, EPOCHS, PENALTIES, RESAMPLES = 2000, 100, 10, 1000
FRACTIONS, SEEDS, WORKERS = (0.01, 0.1, 1.0), range(5), 2
CELLS = [
    (name, fraction, seed) for name in CLASSES for fraction in FRACTIONS for seed in SEEDS if fraction < 1 or not seed
]
Split = tuple[np.ndarray, np.ndarray, list[str]]  # features, labels, patients


class Labelled(PTBXL):
    """PTB-XL's reader; random labels of its numbers of classes, of 1 to 40 %, that follow a few hidden variables."""

    def entries(self, root: Path | None) -> list[RecordingEntry]:
        result = super().entries(root)[:RECORDINGS]
        rng = np.random.default_rng(0)
        codes = np.array([[sum(map(ord, entry.report)) % 97, float(entry.age or 50)] for entry in result])
        latent = np.column_stack([(codes - codes.mean(0)) / codes.std(0), rng.normal(size=(len(result), 4))])
        labels: list[dict[str, tuple[str, ...]]] = [{} for _ in result]
        for name, classes in CLASSES.items():
            logits = latent @ rng.normal(size=(latent.shape[1], len(classes))) + rng.logistic(
                size=(len(result), len(classes))
            )
            limits = [np.quantile(logits[:, c], 1 - p) for c, p in enumerate(np.geomspace(0.4, 0.01, len(classes)))]
            for row, selection in enumerate(logits > limits):
                selection[0] |= not selection.any()
                labels[row][name] = tuple(np.array(classes)[selection])
        return [dataclasses.replace(entry, labels=of) for entry, of in zip(result, labels, strict=True)]


class World:
    """What all three share: the files, and after `extract` the features of every split."""

    def __init__(self, folder: Path, width: int) -> None:
        self.root, self.home, self.width = folder / "ptbxl", Home(folder / "home"), width
        self.folder = folder
        DATASETS._classes["ptbxl"] = Labelled

    def write(self) -> None:
        self.root.mkdir()
        product = write_ptbxl(self.root, patients=1200)
        assert product >= RECORDINGS, f"only {product} recordings were made"

    def extract(self) -> None:
        """Prepare and extract, or open what is there already."""
        prepare("ptbxl", {}, self.home, self.root)
        self.data = open_dataset("ptbxl", {}, self.home)
        handle = MethodHandle("random_init", {"width": self.width, "rate": 100.0}, 1, None, None, "cpu")
        rows = np.arange(len(self.data))
        with threadpool_limits(1):
            self.features = cached_features(handle, "features", self.data, rows, self.home.features, discard_event)

    def rows(self, name: str, split: str) -> np.ndarray:
        result = self.data.label_set(name)
        return np.flatnonzero(self.data.splits[result.rows] == split)

    def split(self, name: str, split: str) -> Split:
        result, at = self.data.label_set(name), self.rows(name, split)
        rows = result.rows[at]
        return np.array(self.features[rows]), result.matrix[at], list(self.data.patient_ids[rows])

    def cell(self, name: str, fraction: float, seed: int) -> tuple[Split, Split, Split]:
        train, val, test = (self.split(name, split) for split in ("train", "val", "test"))
        ids = [str(i) for i in range(len(train[1]))]
        rows = draw(ids, train[2], train[1], CLASSES[name], fraction, seed).rows
        return (train[0][rows], train[1][rows], [train[2][row] for row in rows]), val, test


WORLD: World  # of this process


def enter(folder: Path, width: int) -> None:
    """A worker begins: the world is there already, and one thread is enough."""
    global WORLD
    WORLD = World(folder, width)
    WORLD.extract()
    threadpool_limits(1)
    torch.set_num_threads(1)


def protocol_scores(cell: tuple[str, float, int]) -> np.ndarray:
    train, val, test = WORLD.cell(*cell)
    return tune(train[:2], val[:2], trials=PENALTIES, seed=cell[2]).scores(test[0])


def ours_with_intervals(cell: tuple[str, float, int]) -> None:
    train, val, test = WORLD.cell(*cell)
    tuned = tune(train[:2], val[:2], trials=PENALTIES, seed=cell[2])
    logits = tuned.scores(test[0]).astype(np.float64)
    ids = [str(i) for i in range(len(test[1]))]
    truth = Truth(ids, test[2], test[1], CLASSES[cell[0]], [""] * len(ids))
    score_classes(truth, logits, f1_thresholds(val[1], tuned.scores(val[0])), expit(logits))


def sklearn_cached(cell: tuple[str, float, int]) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    train, val, test = WORLD.cell(*cell)
    scaler = StandardScaler().fit(train[0])
    X, V, T = (scaler.transform(split[0]) for split in (train, val, test))
    best, selection = -1.0, np.zeros(test[1].shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for strength in np.geomspace(1e-3, 1e3, PENALTIES):
            on_val, on_test = np.zeros(val[1].shape), np.zeros(test[1].shape)
            for c in np.flatnonzero(train[1].any(axis=0) & ~train[1].all(axis=0)):
                model = LogisticRegression(C=strength / X.shape[1], max_iter=1000).fit(X, train[1][:, c])
                on_val[:, c], on_test[:, c] = model.decision_function(V), model.decision_function(T)
            score = sklearn_macro(val[1], on_val)
            if score > best:
                best, selection = score, on_test
    return selection


def sklearn_macro(Y: np.ndarray, scores: np.ndarray, weights: np.ndarray | None = None) -> float:
    from sklearn.metrics import roc_auc_score

    calls = Y if weights is None else Y[weights > 0]
    usable = np.flatnonzero(calls.any(axis=0) & ~calls.all(axis=0))
    return float(np.mean([roc_auc_score(Y[:, c], scores[:, c], sample_weight=weights) for c in usable]))


def sklearn_intervals(few: int) -> float:
    """Seconds of the resamples of all cells in two processes: `few` of one cell per label set, scaled."""
    total = 0.0
    rng = np.random.default_rng(0)
    for name in CLASSES:
        _, labels, _ = WORLD.split(name, "test")
        scores = rng.normal(size=labels.shape)
        start = time.process_time()
        for _ in range(few):
            sklearn_macro(
                labels, scores, np.bincount(rng.integers(len(labels), size=len(labels)), minlength=len(labels))
            )
        total += (time.process_time() - start) * RESAMPLES / few * sum(cell[0] == name for cell in CELLS)
    return total / WORKERS


def in_two_processes(work: Callable[[tuple[str, float, int]], object]) -> float:
    """Processor seconds per process for all cells; a process has one thread, and its start does not count."""
    with multiprocessing.get_context("spawn").Pool(WORKERS, enter, (WORLD.folder, WORLD.width)) as pool:
        pool.starmap(timed, [(work, CELLS[0])] * (2 * WORKERS), chunksize=1)
        durations = pool.starmap(timed, [(work, cell) for cell in CELLS], chunksize=1)
        check_count("cells", sum(duration > 0 for duration in durations), len(CELLS))
        return sum(durations) / WORKERS


def timed(work: Callable[[tuple[str, float, int]], object], cell: tuple[str, float, int]) -> float:
    start = time.process_time()
    work(cell)
    return time.process_time() - start


def published_epoch(fraction: float) -> float:
    """Seconds of one epoch of MERL's loop on the label set super."""
    import wfdb

    name = "super"
    result = WORLD.data.label_set(name)
    entries = {entry.record_id: entry for entry in Labelled().entries(WORLD.root)}
    rows = {split: result.rows[WORLD.rows(name, split)] for split in ("train", "val", "test")}
    train = WORLD.split(name, "train")
    selection = draw([str(i) for i in range(len(train[1]))], train[2], train[1], CLASSES[name], fraction, 0).rows
    labels = torch.from_numpy(train[1][selection].astype(np.float32))
    rows["train"] = rows["train"][selection]

    def read(part: np.ndarray) -> torch.Tensor:
        paths = [str(WORLD.root / entries[WORLD.data.record_ids[row]].locator) for row in part]
        return torch.from_numpy(np.stack([wfdb.rdsamp(path)[0].T for path in paths]).astype(np.float32))

    method = build("random_init", {"width": WORLD.width, "rate": 100.0}, device="cpu")
    head = torch.nn.Linear(8 * WORLD.width, labels.shape[1])
    optimiser = torch.optim.Adam(head.parameters(), lr=1e-3, weight_decay=1e-4)
    start_time = time.process_time()
    torch.nn.Module.train(method, True)
    for start in range(0, len(labels), 16):
        with torch.no_grad():
            features = method.ecg_features(read(rows["train"][start : start + 16]))
        loss = torch.nn.functional.binary_cross_entropy_with_logits(head(features), labels[start : start + 16])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.nn.Module.train(method, False)
    for split in ("val", "test"):
        with torch.inference_mode():
            parts = [
                head(method.ecg_features(read(rows[split][at : at + 16]))) for at in range(0, len(rows[split]), 16)
            ]
        sklearn_macro(WORLD.split(name, split)[1], torch.cat(parts).numpy())
    return (time.process_time() - start_time) / WORKERS


def main() -> None:
    global WORLD
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--width", type=int, default=64, help="channels of the encoder's stem; MERL's is 64")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        WORLD = World(Path(folder), options.width)
        WORLD.write()
        torch.set_num_threads(1)
        start = time.process_time()
        WORLD.extract()
        extraction = (time.process_time() - start) / WORKERS
        check_count("recordings prepared and extracted", len(WORLD.features), RECORDINGS)
        about = f"{len(CELLS)} cells on {RECORDINGS:,} recordings, ten penalties, encoder of width {options.width}"
        show(f"{RECORDINGS:,} recordings prepared and extracted, two processes", f"{extraction:.1f} s")
        for _ in range(options.rounds):
            probes, cached = in_two_processes(protocol_scores), in_two_processes(sklearn_cached)
            show(
                f"{about}, without intervals",
                f"{probes:.2f} s",
                f"scikit-learn on cached features {cached:.1f} s",
                f"{ratio(cached, probes):.1f}",
            )
            whole, intervals = in_two_processes(ours_with_intervals), sklearn_intervals(5)
            show(
                "the same with intervals of 1,000 resamples",
                f"{whole:.2f} s",
                f"scikit-learn {cached:.1f} s, intervals {intervals:.0f} s (scaled)",
                f"{ratio(cached + intervals, whole):.0f}",
            )
            epochs = {fraction: published_epoch(fraction) for fraction in FRACTIONS}
            loop = sum(EPOCHS * epochs[fraction] for _, fraction, _ in CELLS)
            summary = ", ".join(f"{fraction:.0%} {seconds:.1f} s" for fraction, seconds in epochs.items())
            show(
                "the same from the original files on, with intervals",
                f"{extraction + whole:.1f} s",
                f"MERL's published loop {loop:,.0f} s (scaled; one epoch at {summary})",
                f"{ratio(loop, extraction + whole):,.0f}",
            )


if __name__ == "__main__":
    main()
