"""Pre-training of a method on recordings and their reports; weights are kept under the digest of their recipe.

A killed training goes on from its checkpoint if data, options and code are still the same. Finished weights are checked
against the checksum in their card before they are used.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock

from benchmark import canonical
from benchmark.api import AlignedMethod, Batch, SignalSpec, TrainableMethod, report_key
from benchmark.atomic import write_text
from benchmark.cache.checksums import DamagedFileError, set_aside, sha256_of, unreadable
from benchmark.cache.json_files import read_json, write_json
from benchmark.data.store.preparation import open_dataset
from benchmark.data.store.prepared import PreparedDataset
from benchmark.data.store.text_columns import distinct_texts
from benchmark.engine import curves, distributed
from benchmark.engine.building import build_from_key
from benchmark.engine.checkpoints import save_weights
from benchmark.engine.events import Event, EventSink, discard_event
from benchmark.engine.precision import training_precision
from benchmark.engine.selection import PROMPTS, LabelledPart, parts_of_recipe, selected_on, zero_shot_val
from benchmark.engine.training import CHECKPOINT_SECONDS, Progress, mean_losses, train
from benchmark.engine.training_identity import rows_digest
from benchmark.errors import DataError, UsageError
from benchmark.inert import csv_text
from benchmark.paths import Home
from benchmark.planning.pretrained import (
    CARD,
    CHECKPOINT,
    CURVES,
    HISTORY,
    WEIGHTS,
    weight_options,
    weights_folder,
)
from benchmark.planning.source_digest import method_code
from benchmark.planning.training_config import SELECTIONS, TrainingConfig, number_of_epochs, number_of_steps
from benchmark.records import provenance
from benchmark.weights.packages import packages_of


@dataclass(frozen=True)
class Pretrained:
    """Finished weights, with the card that describes their training."""

    weights: Path
    card: dict[str, Any]

    @property
    def sha256(self) -> str:
        return str(self.card["sha256"])


class ReportedRecordings:
    """Recordings of one split for pre-training, all or those with a report; it cannot reach labels.

    Recordings that cannot serve `spec` are left out (`unusable` of them): there is nothing to learn from silence. Of
    the rest, `share` is taken, with all recordings of a patient or none. `chosen_by` are the digests of other data
    whose labels choose the epoch.
    """

    def __init__(
        self,
        data: PreparedDataset,
        split: str,
        spec: SignalSpec,
        limit: int | None = None,
        needs_reports: bool = True,
        chosen_by: Sequence[str] = (),
        share: float = 1.0,
    ) -> None:
        blank = {report for report in distinct_texts(data.reports) if not report.strip()}
        fit = np.array([report not in blank or not needs_reports for report in data.reports])
        inside = data.splits == split
        self.data, self.spec, self.chosen_by = data, spec, chosen_by
        candidates = np.flatnonzero(inside & fit)[:limit]
        usable = np.setdiff1d(candidates, data.unusable(spec), assume_unique=True)
        self.unusable = len(candidates) - len(usable)
        self.rows = usable[nested_part(data.patient_ids[usable], share)]
        self.reports = data.reports[self.rows]
        self.without = int((inside & ~fit).sum())  # recordings left out because they have no report

    @property
    def digest(self) -> str:
        """Return the digest of the dataset, of the choice of recordings, of their form and of `chosen_by`."""
        rows = rows_digest(self.data, self.rows, self.spec)
        return canonical.digest([rows, *self.chosen_by]) if self.chosen_by else rows

    @property
    def texts(self) -> int:
        """Return the number of distinct reports; recordings with equal reports are no true negatives of each other."""
        return len(set(map(report_key, distinct_texts(self.reports))))

    def __len__(self) -> int:
        return len(self.rows)

    def announce(self, positions: np.ndarray) -> None:
        self.data.announce(self.rows[positions])

    def batch(self, positions: np.ndarray) -> Batch:
        rows = self.rows[positions]
        ecg = torch.from_numpy(self.data.read(rows, self.spec))
        return Batch(ecg, list(self.data.record_ids[rows]), list(self.reports[positions]))


def pretrain(
    method_name: str,
    version: int,
    config: dict[str, Any],
    recipe: dict[str, Any],
    home: Home,
    on_event: EventSink,
    device: str = "cpu",
    checkpoint_every: float = CHECKPOINT_SECONDS,
    with_curves: bool = True,
    with_losses: bool = True,
) -> Pretrained:
    """Return the weights of a recipe, training them first if need be, from the last checkpoint if there is one.

    Without `with_losses` there is no validation loss after an epoch, unless it chooses the epoch.

    On several processes (see `distributed`) all of them call this; the first one reads, writes and reports.
    """
    folder = home.pretrained / weights_folder(method_name, version, config, recipe)
    folder.mkdir(parents=True, exist_ok=True)
    data = open_dataset(recipe["dataset"], recipe["dataset_config"], home)
    on_event = on_event if distributed.rank() == 0 else discard_event
    selection = parts_of_recipe(recipe, data, home)
    with _locked(folder):
        card = distributed.everyone(None if distributed.rank() else _finished_card(folder, on_event))[0]
        if card is None:
            shaping = weight_options(method_name, config, recipe)
            extras = (with_curves, with_losses)
            work = _Pretraining(folder, method_name, shaping, recipe, data, selection, on_event, device, *extras)
            card = work.run(checkpoint_every)
    _refuse_other_data(folder, card, data, selection)
    return Pretrained(folder / WEIGHTS, card)


def _finished_card(folder: Path, on_event: EventSink) -> dict[str, Any] | None:
    """Return the card of finished weights, None without any; damaged ones are set aside with a note."""
    card, weights = folder / CARD, folder / WEIGHTS
    if not (card.exists() and weights.exists()):
        return None
    try:
        content: dict[str, Any] = read_json(card)[0]
        if _file_sha256(weights) != content["sha256"]:
            raise DamagedFileError("its content is not what its card says")
        return content
    except (DamagedFileError, KeyError, TypeError) as error:
        places = [set_aside(path) for path in (card, weights)]
        text = f"the weights in {folder} are damaged ({error}): set aside in {places[0].parent}, to be trained anew"
        on_event(Event("note", f"{text}; results of theirs stay, until `run --again ROW`"))
        return None


def _file_sha256(path: Path) -> str:
    """Return the digest of a file; raise `DamagedFileError` where it cannot be read."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise unreadable(error) from error


def _refuse_other_data(
    folder: Path, card: dict[str, Any], data: PreparedDataset, selection: Sequence[LabelledPart]
) -> None:
    """Raise `DataError` where weights were trained on, or chosen by, other data than is prepared now."""
    entries = card.get("selected_on", ())  # none where the corpus's own labels chose
    chosen_by = [(part.data, entry["data_digest"]) for part, entry in zip(selection, entries, strict=False)]
    for place, digest in [(data, card["data_digest"]), *chosen_by]:
        if digest != place.digest:
            renamed = folder.with_name(f"{folder.name}.{digest}")
            command = shlex.join(["mv", str(folder), str(renamed)])
            raise DataError(
                f"the weights in {folder} were made from other data (digest {digest}) than {place.path} holds now "
                f"({place.digest}); to train them anew on what it holds now, rename their folder ({command}) and give "
                "the command again"
            )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Allow one training at a time; the first of several processes that train together holds the lock for all."""
    if distributed.rank():
        yield
        return
    with FileLock(folder / "lock"):
        yield


def nested_part(patient_ids: np.ndarray, share: float) -> np.ndarray:
    """Return the positions of at least `share` of the recordings, ascending: those of whole patients.

    Patients are taken in the order of a digest of their ids, whatever else a dataset holds. So a smaller share lies
    within a larger one, and every method learns from the same patients.
    """
    if share == 1:
        return np.arange(len(patient_ids))
    patients, owner, counts = np.unique(patient_ids, return_inverse=True, return_counts=True)
    order = np.array(sorted(range(len(patients)), key=lambda index: canonical.digest(str(patients[index]))), dtype=int)
    before = np.cumsum(counts[order]) - counts[order]
    return np.flatnonzero(np.isin(owner, order[before < share * len(patient_ids)]))


def batch_problem(method: TrainableMethod, recordings: int, batch_size: int) -> str:
    """Return why batches of at most `recordings` cannot teach a method; "" where they can."""
    size = min(recordings, batch_size)
    if size >= method.smallest_batch:
        return ""
    why = f"batch_size is {batch_size}" if batch_size == size else f"there is {recordings} recording in all"
    return f"its loss tells the recordings of a batch apart and needs {method.smallest_batch} or more, but {why}"


class _Pretraining:
    """The pre-training of one method on one dataset, and the files that it writes."""

    def __init__(
        self,
        folder: Path,
        name: str,
        config: dict[str, Any],
        recipe: dict[str, Any],
        data: PreparedDataset,
        selection: list[LabelledPart],
        on_event: EventSink,
        device: str,
        with_curves: bool,
        with_losses: bool,
    ) -> None:
        self.folder, self.name, self.config, self.recipe = folder, name, config, recipe
        self.with_curves = with_curves
        self.data, self.selection, self.on_event, self.device = data, selection, on_event, device
        self.options = TrainingConfig.from_options(recipe["training"], f"pretrain of {name}")
        self.with_losses = with_losses or self.options.select == "val_loss"
        method = build_from_key(name, config, device=device, seed=self.options.seed)
        if not isinstance(method, TrainableMethod) or not isinstance(method, torch.nn.Module):
            raise UsageError(f"{name} cannot be pre-trained")
        if self.options.select == "zero_shot_val" and not isinstance(method, AlignedMethod):
            raise UsageError(f"{name} has no zero-shot to select by; use select = 'val_loss' or 'last'")
        self.method = method
        limits = (recipe["limit"], method.needs_reports)
        chosen_by = [entry["data_digest"] for entry in selected_on(recipe, selection).get("selected_on", ())]
        self.corpus = ReportedRecordings(data, "train", method.signal, *limits, chosen_by, self.options.share)
        self.validation = ReportedRecordings(data, "val", method.signal, *limits)
        if not len(self.corpus):
            unit = "reports" if method.needs_reports else "recordings"
            raise UsageError(f"{recipe['dataset']} has no {unit} to pre-train {name} on")
        if problem := batch_problem(method, len(self.corpus), self.options.batch_size):
            raise UsageError(f"{name} cannot be pre-trained so: {problem}")

    def run(self, checkpoint_every: float) -> dict[str, Any]:
        """Train, write the files and return the card."""
        self._announce()
        try:
            self.method.start_pretraining(list(self.corpus.reports))
        except ValueError as error:
            raise UsageError(f"{self.name} cannot be pre-trained as configured: {error}") from error
        start = time.monotonic()
        progress = train(
            self.method,
            self.corpus,
            self.options,
            f"pre-training {self.name}",
            self.on_event,
            self.device,
            self.folder / CHECKPOINT,
            self._after_epoch,
            checkpoint_every,
        )
        card = self._finish(progress, time.monotonic() - start) if distributed.rank() == 0 else {}
        return distributed.everyone(card)[0]

    def _announce(self) -> None:
        corpus, processes = self.corpus, distributed.size()
        epochs, steps = number_of_epochs(len(corpus), self.options), number_of_steps(len(corpus), self.options)
        self.on_event(
            Event(
                "note",
                f"pre-training {self.name} on {len(corpus)} recordings of {self.recipe['dataset']} with {corpus.texts} "
                f"different reports ({corpus.without} without one and {corpus.unusable} too short or flat left out), "
                f"{epochs} epochs, {steps} steps" + (f", {processes} processes" if processes > 1 else ""),
            )
        )

    def _after_epoch(self, progress: Progress) -> dict[str, float]:
        """Return validation losses, with the zero-shot score if labels choose the epoch; write the history so far."""
        losses = {}
        if self.with_losses and not batch_problem(self.method, len(self.validation), self.options.batch_size):
            losses = mean_losses(self.method, self.validation, self.options, self.device)
        if self.options.select == "zero_shot_val":
            losses["val_zero_shot"] = distributed.everyone(self._zero_shot_score())[0]
        if distributed.rank() == 0:
            self._write_history([*progress.history[:-1], {**progress.history[-1], **losses}])
        summary = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
        self.on_event(Event("note", f"{self.name} epoch {progress.epoch}: {summary}"))
        return losses

    def _zero_shot_score(self) -> float:
        """Compute the zero-shot score on the first process alone."""
        if distributed.rank():
            return 0.0
        assert isinstance(self.method, AlignedMethod)
        return zero_shot_val(self.method, self.selection, self.device)

    def _write_history(self, history: list[dict[str, float]]) -> None:
        names = list(dict.fromkeys(name for epoch in history for name in epoch))
        write_text(self.folder / HISTORY, csv_text(names, ([epoch.get(name) for name in names] for epoch in history)))

    def _finish(self, progress: Progress, seconds: float) -> dict[str, Any]:
        assert isinstance(self.method, torch.nn.Module)
        self._write_history(progress.history)
        best_epoch = int(progress.best.get("epoch", progress.epoch))
        if self.with_curves:
            self._draw(progress, best_epoch)
        save_weights(self.method, self.folder / WEIGHTS)
        card = {
            "method": self.name,
            "config": self.config,
            "recipe": self.recipe,
            "sha256": sha256_of(self.folder / WEIGHTS),
            "data_digest": self.data.digest,
            "code": method_code(self.name),
            "synthetic": self.data.synthetic,
            "saw": self._saw(),
            "recordings": len(self.corpus),
            "different_reports": self.corpus.texts,
            "selection": SELECTIONS[self.options.select],
            **selected_on(self.recipe, self.selection),
            "epoch": best_epoch,
            "steps": progress.step,
            "final": progress.history[-1],
            "precision": training_precision(self.options.precision, self.device),
            "processes": distributed.size(),
            "seconds": round(seconds, 1),  # of the last sitting, if the training was resumed
            **({"packages": packages} if (packages := packages_of(self.config)) else {}),
            "provenance": provenance.collect(),
        }
        write_json(self.folder / CARD, card, indent=1)
        (self.folder / CHECKPOINT).unlink(missing_ok=True)  # optimiser state: three times the weights, no longer needed
        return card

    def _draw(self, progress: Progress, best_epoch: int) -> None:
        """Draw the loss curves; without the plotting libraries a note says that there is no figure."""
        try:
            curves.draw(progress.history, self.folder / CURVES, f"{self.name} on {self.recipe['dataset']}", best_epoch)
        except ImportError as error:
            self.on_event(Event("note", f"no figure of the loss curves: {error}"))

    def _saw(self) -> list[dict[str, str]]:
        """Return the splits of the dataset that shaped the weights, each with its use, for the contamination gate."""
        dataset = self.recipe["dataset"]
        uses = {"val_loss": "selection by loss", "zero_shot_val": f"selection by labels (zero-shot, prompts {PROMPTS})"}
        saw = [{"dataset": dataset, "split": "train", "use": "signals and reports"}]
        if self.options.select in uses:
            places = dict.fromkeys(entry["dataset"] for entry in self.recipe.get("select_on", ())) or [dataset]
            saw += [{"dataset": place, "split": "val", "use": uses[self.options.select]} for place in places]
        return saw
