"""Records of trials: what `ecgarena tune` tried for a row, what each rung scored, and what it cost.

``HOME/tuning/SUITE/DIGEST/trial-003.json``: one file per trial, under the digest of the row's tuning. Like the record
of a cell it ends with the SHA-256 of its text, and one that cannot be believed is set aside.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from benchmark.atomic import write_bytes
from benchmark.cache.checksums import set_aside
from benchmark.canonical import digest
from benchmark.records.record import UnusableRecordError, check_digest, signed_text

State = Literal["open", "finished", "pruned", "failed"]  # open: rungs may follow
REPEATABLE = ("rung", "steps", "recordings", "score", "parts", "weights", "data", "labels", "code")  # fields of a rung


class Trial(msgspec.Struct, forbid_unknown_fields=True):
    """One trial: its values, and for each rung that it trained for the score with its provenance and cost.

    A rung has the fields `REPEATABLE`, which are the same in every repetition on one machine, and seconds, precision,
    device and provenance.
    """

    tuning: str  # digest of the row's tuning
    suite: str
    row: str
    method: str
    method_version: int
    number: int
    values: dict[str, Any]
    origin: str  # "own": the row's own values; "sampled"
    optuna: str  # version of the library that drew the values
    state: State = "open"
    rungs: list[dict[str, Any]] = []
    error: dict[str, Any] | None = None
    synthetic: bool = False
    sha256: str = ""  # of the text before it; empty until it is read from disk

    @property
    def scores(self) -> list[float]:
        return [rung["score"] for rung in self.rungs]

    @property
    def recordings(self) -> int:
        """Return how many recordings its trainings have read; that of a failed one counts in full."""
        failure = self.error or {}
        return sum(rung["recordings"] for rung in self.rungs) + int(failure.get("recordings", 0))

    @property
    def seconds(self) -> float:
        """Return the seconds of training and scoring; of a training that was resumed, those of its last sitting."""
        return float(sum(rung["seconds"] for rung in self.rungs) + float((self.error or {}).get("seconds", 0.0)))

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__struct_fields__ if name != "sha256"}


def trials_digest(trials: Iterable[Trial]) -> str:
    """Return the digest of values and scores of trials: equal for equal searches, wherever and whenever they ran."""
    return digest(
        [[t.number, t.values, t.state, [[rung[name] for name in REPEATABLE] for rung in t.rungs]] for t in trials]
    )


class TrialStore:
    """The trials of one tuning, in a folder of their own."""

    def __init__(self, root: Path, suite: str, tuning: str) -> None:
        self.folder = root / suite / tuning

    def path(self, number: int) -> Path:
        return self.folder / f"trial-{number:03d}.json"

    def write(self, trial: Trial) -> None:
        write_bytes(self.path(trial.number), signed_text(trial.to_json()))

    def read(self, number: int) -> Trial | None:
        """Return a trial, None where there is no file; raise `UnusableRecordError` for one that was changed."""
        try:
            content = self.path(number).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnusableRecordError(f"it cannot be read: {error.strerror}") from None
        check_digest(content)
        try:
            trial = msgspec.json.decode(content, type=Trial)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UnusableRecordError(f"it is no record of a trial: {error}") from None
        if not trial.sha256 or trial.number != number or trial.tuning != self.folder.name:
            raise UnusableRecordError("it is the record of another trial")
        return trial

    def put_aside(self, number: int) -> Path:
        """Move the record of a trial away; return its new place."""
        return set_aside(self.path(number))


def changed_inputs(trial: Trial, version: int, data: Mapping[str, str]) -> str:
    """Return why a trial no longer counts: another version of its method, or other data than is at hand; else ""."""
    if trial.method_version != version:
        return f"it was made by version {trial.method_version} of {trial.method}, installed is {version}"
    for rung in trial.rungs:
        for name, then in rung["data"].items():
            if data.get(name, then) != then:
                return f"it was made from other data of {name} ({then}) than is prepared now ({data[name]})"
    return ""
