"""Conditions under which signals are read: on few leads, or perturbed.

A condition is part of a cell's question. Few leads apply in every split (a device with two leads recorded the
training data too), a perturbation in the test split alone (a probe trained on clean recordings meets noisy ones);
`splits` overrides either rule. Missing leads read 0 mV, like an electrode that is not connected, so every method
keeps its input shape.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from benchmark.api import LEADS, SignalSpec
from benchmark.canonical import digest
from benchmark.data.signals.perturbations import UNITS, check, perturb
from benchmark.data.store.prepared import PreparedDataset
from benchmark.errors import UsageError, brief, did_you_mean, raise_all
from benchmark.option_types import converted, description, fits

# the lead sets, by number of leads, that this field uses: Oh et al., Lead-agnostic self-supervised learning, CHIL 2022
LEAD_SETS = {1: ("I",), 2: ("I", "II"), 3: ("I", "II", "V2"), 6: LEADS[:6], 12: LEADS}
KINDS: dict[str, Any] = {  # types of the keys in a suite, where a list is a grid or names leads
    "leads": int | list[int] | list[str],
    "perturb": str | list[str],
    "splits": str,
    "seed": int,
}
AS_RECORDED = "as recorded"


@dataclass(frozen=True)
class SignalCondition:
    """The `leads` present, a perturbation by name with its `strength`; `splits`: ``test``, ``all`` or "" (default)."""

    leads: tuple[str, ...] = LEADS
    perturb: str = ""
    strength: float = 0.0
    splits: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [lead for lead in self.leads if lead not in LEADS]
        problems = [f"no lead {lead!r}{did_you_mean(lead, LEADS)}" for lead in unknown]
        if not self.leads or len(set(self.leads)) < len(self.leads):
            problems.append(f"leads must be one or more, each once, they are {', '.join(self.leads) or 'none'}")
        if self.splits not in ("", "test", "all"):
            problems.append(f"splits is {self.splits!r}, it must be 'test' or 'all'")
        if self.strength and not self.perturb:
            problems.append("strength is given, perturb is not")
        raise_all(problems, "a signal condition is wrong:")
        if self.perturb:
            check(self.perturb, self.strength)

    @property
    def clean(self) -> bool:
        return set(self.leads) == set(LEADS) and not self.perturb

    @property
    def title(self) -> str:
        """``leads I, II`` or ``wander 0.5 mV``; `splits` and `seed` are named only where they are unusual."""
        parts = []
        if set(self.leads) != set(LEADS):
            set_sizes = [count for count, leads in LEAD_SETS.items() if set(leads) == set(self.leads)]
            parts.append(
                f"leads {', '.join(self.leads)}" if len(self.leads) < 4 or not set_sizes else f"{set_sizes[0]} leads"
            )
        if self.perturb:
            amount = f"{_exact(100 * self.strength)} %" if "swap" in self.perturb else _exact(self.strength)
            parts.append(f"{self.perturb} {amount} {UNITS[self.perturb]}{f', seed {self.seed}' if self.seed else ''}")
        if not parts:
            return AS_RECORDED
        where = {"test": " in test only", "all": " in all splits"}.get(self.splits, "")
        return " with ".join(parts) + (where if self.splits != self._rule else "")

    @property
    def _rule(self) -> str:
        return "test" if self.perturb else "all"

    def holds(self, split: str) -> bool:
        return not self.clean and (split == "test" or (self.splits or self._rule) == "all")

    def to_json(self) -> dict[str, Any] | None:
        """Return the fields that differ from their defaults, for a cell's key; None for unchanged recordings."""
        if self.clean:
            return None
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        values["leads"] = [lead for lead in LEADS if lead in self.leads]
        values["splits"] = "" if self.splits == self._rule else self.splits
        default = asdict(SignalCondition()) | {"leads": list(LEADS)}
        return {name: value for name, value in values.items() if value != default[name]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any] | None) -> SignalCondition:
        return cls(**{**(content or {}), "leads": tuple((content or {}).get("leads", LEADS))})

    def apply(self, ecg: np.ndarray, rate: float, record_ids: Sequence[str]) -> np.ndarray:
        """Apply the condition to ``(n, 12, time)`` mV at `rate` Hz; the shape stays the same."""
        if self.perturb:
            ecg = perturb(ecg, rate, self.perturb, self.strength, record_ids, self.seed)
        missing = [row for row, lead in enumerate(LEADS) if lead not in self.leads]
        if missing:
            ecg = ecg.copy()
            ecg[:, missing] = 0.0
        return ecg


class ConditionedDataset(PreparedDataset):
    """A prepared dataset read under a condition, before filters, resampling and scaling.

    Its digest differs from that of the plain dataset, so the feature cache keeps them apart.
    """

    def __init__(self, data: PreparedDataset, condition: SignalCondition) -> None:
        super().__init__(data.path)
        self.condition = condition
        self.digest = f"{data.digest}-{digest(condition.to_json())}"

    def leads_read(self, spec: SignalSpec) -> tuple[str, ...]:
        """Return the leads that the condition leaves: all others are 0 under it."""
        return tuple(lead for lead in spec.leads if lead in self.condition.leads)

    def millivolt(self, rows: np.ndarray) -> np.ndarray:
        return self.condition.apply(super().millivolt(rows), self.rate, self.record_ids[np.asarray(rows)])


def _exact(number: float) -> str:
    """Return a number in few digits, or in all that tell it apart."""
    short = f"{number:.6g}"
    return short if math.isclose(float(short), number, rel_tol=1e-12) else repr(number)


def expand_conditions(tables: Sequence[Mapping[str, Any]], where: str) -> Iterator[SignalCondition]:
    """Yield the conditions of a task block; lists of strengths, perturbations or numbers of leads are grids."""
    names = [entry.name for entry in fields(SignalCondition)]
    problems = [
        f"{where}: signal has no key {key!r}{did_you_mean(key, names)}"
        for table in tables
        for key in table
        if key not in names
    ]
    problems += [
        f"{where}: {key} of signal is an empty list: nothing would be asked"
        for table in tables
        for key, value in table.items()
        if value == [] and key != "leads"  # for which the condition itself has a message
    ]
    problems += [
        f"{where}: {key} of signal must be {description(KINDS[key])}, it is {brief(value)}"
        for table in tables
        for key, value in table.items()
        if key in KINDS and value != [] and not fits(value, KINDS[key])
    ]
    raise_all(problems, "a signal condition is wrong:")
    for raw in tables:
        table = {key: converted(value, KINDS[key]) if key in KINDS else value for key, value in raw.items()}
        leads = table.get("leads", 12)
        counts = leads if isinstance(leads, list) and leads and isinstance(leads[0], int) else [leads]
        strengths = table.get("strength", 0.0)
        strengths = strengths if isinstance(strengths, list) else [strengths]
        kinds = table.get("perturb", "")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        wrong = [value for value in strengths if isinstance(value, bool) or not isinstance(value, int | float)]
        raise_all([f"{where}: strength must be a number, it is {value!r}" for value in wrong], "signal:")
        for subset, kind, strength in itertools.product(counts, kinds, strengths):
            values = {"leads": _leads(subset, where), "perturb": kind, "strength": float(strength)}
            yield SignalCondition(**{**table, **values})


def _leads(selection: int | Sequence[str], where: str) -> tuple[str, ...]:
    if isinstance(selection, int):
        if selection not in LEAD_SETS:
            sizes = ", ".join(map(str, LEAD_SETS))
            raise UsageError(f"{where}: there is no set of {selection} leads by number ({sizes}); name the leads")
        return LEAD_SETS[selection]
    return tuple(selection)
