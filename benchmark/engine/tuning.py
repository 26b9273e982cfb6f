"""The tuning of a row at work: trainings of trials, their scores and records, shared by any number of processes.

Every process that is given the same command takes the next training that nobody else is at (`benchmark.locks`), so two
terminals or the tasks of a job array share the work. A training goes on from its checkpoint after a kill. What is
finished is a record, and the next trainings follow from the records alone (`benchmark.engine.halving`).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import optuna
from filelock import FileLock

from benchmark.canonical import digest
from benchmark.data.store.preparation import open_dataset
from benchmark.engine.events import Event, EventSink, naming_row
from benchmark.engine.halving import Job, Progress, progress
from benchmark.engine.method_handle import MethodHandle
from benchmark.engine.outcome import error_of
from benchmark.engine.precision import training_precision
from benchmark.engine.preemption import Preempted, asked_to_stop
from benchmark.engine.pretraining import pretrain
from benchmark.engine.run import raise_if_stopping
from benchmark.engine.trial_scores import Weights, judge
from benchmark.errors import MissingError
from benchmark.locks import locked
from benchmark.paths import Home
from benchmark.planning.choice_files import write_choice
from benchmark.planning.source_digest import changed_parts, method_code
from benchmark.planning.tuning import RowTuning, TrialTraining
from benchmark.records import provenance
from benchmark.records.record import UnusableRecordError
from benchmark.records.trials import Trial, TrialStore, changed_inputs, trials_digest
from benchmark.registry import METHODS

WAIT = 1.0  # seconds between two looks at trainings that other processes are at


@dataclass(frozen=True)
class TrialHome(Home):
    """A home in which the weights of trials lie apart from those of rows: they are removed when they are scored."""

    weights: Path = Path()

    @property
    def pretrained(self) -> Path:
        return self.weights


@dataclass(frozen=True)
class Search:
    """The trials of a row that count, where the search stands, and why other records do not count."""

    tuning: RowTuning
    trials: dict[int, Trial]
    progress: Progress
    unusable: dict[int, str]

    @property
    def outdated(self) -> list[int]:
        """Return the trials that other code of the method made than is installed; they count nevertheless."""
        now = method_code(self.tuning.block.name)
        return [
            number
            for number, trial in sorted(self.trials.items())
            if any(changed_parts(rung["code"], now) for rung in trial.rungs)
        ]


def look(tuning: RowTuning, home: Home) -> Search:
    """Return where the tuning of a row stands, from what lies on disk."""
    trials, unusable = {}, {}
    store, data = _store(tuning, home), _data_at_hand(tuning, home)
    version = METHODS.get(tuning.block.name).card.version
    for number in range(tuning.table.trials):
        try:
            trial = store.read(number)
        except UnusableRecordError as error:
            unusable[number] = str(error)
            continue
        if trial is None:
            continue
        if reason := changed_inputs(trial, version, data):
            unusable[number] = reason
        else:
            trials[number] = trial
    state = progress(tuning, trials)
    for number in state.stale:
        unusable[number] = (
            "the sampler draws other values here (another version of Optuna, or an earlier trial changed)"
        )
        del trials[number]
    return Search(tuning, trials, state, unusable)


def _store(tuning: RowTuning, home: Home) -> TrialStore:
    return TrialStore(home.tuning, tuning.suite.name, tuning.digest)


def _data_at_hand(tuning: RowTuning, home: Home) -> dict[str, str]:
    """Return the digests of the datasets that are prepared, by name and digest of the options."""
    digests = {}
    for name, config in tuning.datasets:
        try:
            digests[f"{name} {digest(config, 8)}"] = open_dataset(name, config, home).digest
        except MissingError:
            continue
    return digests


def tune(
    tunings: Sequence[RowTuning],
    home: Home,
    device: str,
    on_event: EventSink,
    on_finished: Callable[[Search], None],
) -> None:
    """Train and score what the tuning of rows still lacks; `on_finished` gets the search of each row when it ends.

    Rows are taken in their order, and the next one already where all trainings of the first are under way elsewhere.
    Waits for these at the end. Raises `Preempted` when asked to stop.
    """
    rows = [_RowAtWork(tuning, home, device, naming_row(tuning.row, tuning.block.name, on_event)) for tuning in tunings]
    while rows:
        for row in rows:
            search = look(row.tuning, home)
            if search.progress.finished:
                rows.remove(row)
                on_finished(row.close_trials(search))
                break
            if row.run_one(search):
                break
        else:
            time.sleep(WAIT)


class _RowAtWork:
    """The tuning of one row in this process."""

    def __init__(self, tuning: RowTuning, home: Home, device: str, on_event: EventSink) -> None:
        self.tuning, self.home, self.device, self.on_event = tuning, home, device, on_event
        self.store = _store(tuning, home)

    def run_one(self, search: Search) -> bool:
        """Run the first training that no other process works on; return whether there was one."""
        return any(self._run_if_free(job) for job in search.progress.jobs)

    def close_trials(self, search: Search) -> Search:
        """Write into every record how its trial ended; any process may do it, and all would write the same."""
        for number, state in search.progress.states.items():
            if search.trials[number].state != state:
                self.store.write(msgspec.structs.replace(search.trials[number], state=state))
        shutil.rmtree(self._weights, ignore_errors=True)
        return look(self.tuning, self.home)

    def _run_if_free(self, job: Job) -> bool:
        """Run a training unless another process works on it or has finished it; return whether this one ran it."""
        with locked(self.home.locks, f"tune-{self.tuning.digest}-{job.number:03d}") as is_ours:
            if not is_ours:
                return False
            search = look(self.tuning, self.home)
            if job not in search.progress.jobs:
                return False
            if asked_to_stop():
                raise Preempted(f"{self._title(job)}: asked to stop, stopped before it")
            if job.number in search.unusable:
                self._put_aside(job.number, search.unusable[job.number])
            self._run(job, search.trials.get(job.number))
            return True

    def _run(self, job: Job, before: Trial | None) -> None:
        trial = before or self._new_trial(job)
        start, training = time.monotonic(), None
        try:
            training = self.tuning.training(job.values, job.rung)
            entry, synthetic = self._run_rung(job, training)
            trial = msgspec.structs.replace(trial, rungs=[*trial.rungs, entry], synthetic=synthetic)
            self.on_event(Event("cell", self._title(job), values={"score": entry["score"]}, status="done"))
        except BaseException as error:
            raise_if_stopping(error, self.home)
            fault = self._fault(error, training, time.monotonic() - start)
            trial = msgspec.structs.replace(trial, state="failed", error=fault)
            self.on_event(Event("cell", f"{self._title(job)}: {fault['message']}", status="failed"))
        self.store.write(trial)
        shutil.rmtree(self._weights_of(job), ignore_errors=True)

    def _new_trial(self, job: Job) -> Trial:
        tuning = self.tuning
        origin = "own" if job.number == 0 and tuning.own is not None else "sampled"
        version = METHODS.get(tuning.block.name).card.version
        place = (tuning.digest, tuning.suite.name, tuning.row, tuning.block.name, version)
        return Trial(*place, job.number, job.values, origin, optuna.__version__)

    def _run_rung(self, job: Job, training: TrialTraining) -> tuple[dict[str, Any], bool]:
        """Train and score; return what the record keeps of the rung, and whether the data is synthetic."""
        self.on_event(Event("begin", self._title(job)))
        start = time.monotonic()
        home = TrialHome(self.home.root, self._weights_of(job))
        identity = training.method, training.version, training.config, training.recipe
        is_read = self.tuning.table.choose == "val_loss"  # the trial's validation loss
        pretrained = pretrain(*identity, home, self.on_event, self.device, with_curves=False, with_losses=is_read)
        method, version, config, _ = identity
        card = pretrained.card
        handle = MethodHandle(
            method, config, version, pretrained.weights, pretrained.sha256, self.device, card.get("code", {})
        )
        weights = Weights(handle, pretrained, home.weights / "features")
        judgement = judge(self.tuning, training, weights, home, self.on_event)
        entry = {
            "rung": job.rung,
            "steps": training.steps,
            "recordings": training.recordings,
            "score": judgement.score,
            "parts": judgement.parts,
            "weights": pretrained.sha256,
            "data": _data_at_hand(self.tuning, self.home),
            "labels": judgement.labels,
            "code": card.get("code", {}),
            "precision": training_precision(card["recipe"]["training"].get("precision", "fp32"), self.device),
            "device": self.device,
            "seconds": round(time.monotonic() - start, 1),
            "provenance": provenance.collect(),
        }
        return entry, bool(card["synthetic"])

    def _fault(self, error: BaseException, training: TrialTraining | None, seconds: float) -> dict[str, Any]:
        """Return the error of a failed trial; its recordings count as if it had trained to the end."""
        recordings = training.recordings if training is not None else 0
        return {**error_of(error), "seconds": round(seconds, 1), "recordings": recordings}

    @property
    def _weights(self) -> Path:
        return self.store.folder / "weights"

    def _weights_of(self, job: Job) -> Path:
        """Return the folder of a trial alone: trials of equal values may train at the same time."""
        return self._weights / f"trial-{job.number:03d}"

    def _put_aside(self, number: int, reason: str) -> None:
        path = self.store.put_aside(number)
        self.on_event(Event("note", f"trial {number} is run anew ({reason}); its record was moved to {path}"))

    def _title(self, job: Job) -> str:
        sizes, rungs = self.tuning.sizes, self.tuning.table.rungs
        unit = self.tuning.table.unit
        values = ", ".join(f"{name.partition('.')[2]}={value}" for name, value in job.values.items())
        place = f"trial {job.number + 1} of {sizes[0]}, {rungs[job.rung]} {unit}"
        return f"tune {self.tuning.row}: {place} ({values})"


def set_failures_aside(search: Search, home: Home) -> int:
    """Move away the records of failed trials, so that they are tried again; return their number."""
    failures = [number for number, trial in search.trials.items() if trial.error]
    for number in failures:
        _store(search.tuning, home).put_aside(number)
    return len(failures)


def set_all_aside(search: Search, home: Home) -> int:
    """Move away all records of a row's trials, so that its tuning begins anew; return their number."""
    numbers = [*search.trials, *search.unusable]
    for number in numbers:
        _store(search.tuning, home).put_aside(number)
    return len(numbers)


def choice_of(search: Search) -> dict[str, Any] | None:
    """Return the entry of the file of choices for a finished search; None where no trial reached the last rung."""
    best, tuning = search.progress.best, search.tuning
    if best is None:
        return None
    trial = search.trials[best]
    states = list(search.progress.states.values())
    return {
        "row": tuning.row,
        "method": tuning.block.name,
        "method_version": trial.method_version,
        "tuning": tuning.digest,
        "values": trial.values,
        "chosen_by": tuning.table.choose,
        "measure": tuning.measure,
        "trial": best,
        "is_own": trial.origin == "own",
        "score": trial.scores[-1],
        "trials": len(search.trials),
        **{state: states.count(state) for state in ("finished", "pruned", "failed")},
        "trainings": sum(len(one.rungs) + bool(one.error) for one in search.trials.values()),
        "recordings": sum(one.recordings for one in search.trials.values()),
        "synthetic": any(one.synthetic for one in search.trials.values()),
        "digest": trials_digest(search.trials[number] for number in sorted(search.trials)),
    }


def keep_choice(entry: Mapping[str, Any], path: Path, suite: str, home: Home) -> None:
    """Write a row's entry into the file of choices, one process at a time."""
    folder = home.tuning / suite
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "choice.lock"):
        write_choice(path, entry)
