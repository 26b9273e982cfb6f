"""Recordings of fewer than twelve leads: which leads follow from I and II, and where the others lie in a store.

Einthoven's law and Goldberger's definitions give III, aVR, aVL and aVF from I and II without a loss. Chest leads follow
from nothing: a dataset without them says so, and a method that asks for one is refused.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark.api import LEADS, RawSignal
from benchmark.data.formats.wfdb_reader import MISSING_SAMPLE
from benchmark.data.signals.signal import canonical_leads, lead_positions, shared_gain
from benchmark.errors import did_you_mean

LIMB = {"III": (-1, 1), "aVR": (-0.5, -0.5), "aVL": (1, -0.5), "aVF": (-0.5, 1)}  # weights of I and II
FURTHER = ("X", "Y", "Z", "VX", "VY", "VZ", "V7", "V8", "V9", "V3R", "V4R", "V5R", "V6R", "V7R")  # known, never used
MICROVOLT = 1000.0  # units per millivolt of what is computed anew
SMALLEST, LARGEST = np.iinfo(np.int16).min + 1, np.iinfo(np.int16).max  # the smallest of all marks a missing sample


def available_leads(names: Sequence[str]) -> tuple[str, ...]:
    """Return the leads of a recording with leads called `names`, including those that follow from I and II.

    Raises ValueError for a lead that is listed twice, for an unknown one in a list without all twelve, and for an
    empty list.
    """
    leads = canonical_leads(names)
    present = {lead for lead in leads if lead in LEADS}
    present |= set(LIMB) if {"I", "II"} <= present else set()
    problems = [f"lead {lead} occurs twice" for lead in dict.fromkeys(leads) if leads.count(lead) > 1]
    if len(present) < len(LEADS):
        possible = (*LEADS, *FURTHER)
        problems += [f"{lead!r} is no lead{did_you_mean(lead, possible)}" for lead in leads if lead not in possible]
        problems += [] if present else [f"none of {', '.join(LEADS)} is among them"]
    if problems:
        raise ValueError("; ".join(problems))
    return tuple(lead for lead in LEADS if lead in present)


def derived_leads(names: Sequence[str]) -> tuple[str, ...]:
    """Return the leads that a recording with leads called `names` lacks and that follow from I and II."""
    leads = canonical_leads(names)
    return tuple(lead for lead in LIMB if lead not in leads) if {"I", "II"} <= set(leads) else ()


def with_derived(raw: RawSignal) -> RawSignal:
    """Return the recording with the limb leads that follow from its I and II; nothing else changes.

    Where both have one gain and baselines of 0, the integers are exact at twice the gain; else they are microvolts.
    A sample that is missing in I or II is missing in what follows from them. Raises ValueError above 32.767 mV.
    """
    lacked, leads = derived_leads(raw.leads), canonical_leads(raw.leads)
    if not lacked:
        return raw
    rows = [leads.index("I"), leads.index("II")]
    limb, gain, baseline = raw.adc[rows].astype(np.int64), np.asarray(raw.gain)[rows], np.asarray(raw.baseline)[rows]
    missing = (raw.adc[rows] == MISSING_SAMPLE).any(axis=0)
    weights = np.array([LIMB[lead] for lead in lacked])
    unit = shared_gain(gain, baseline)
    adc = np.where(missing, 0, (2 * weights).astype(np.int64) @ limb)
    if unit is None or adc.min() < SMALLEST or adc.max() > LARGEST:
        millivolt = (limb - baseline[:, None]) / gain[:, None]
        unit, adc = MICROVOLT / 2, np.round(MICROVOLT * np.where(missing, 0, weights @ millivolt)).astype(np.int64)
    if adc.min() < SMALLEST or adc.max() > LARGEST:
        raise ValueError(f"a lead computed from I and II reaches {np.abs(adc).max() / MICROVOLT:.4g} mV")
    adc = np.where(missing, MISSING_SAMPLE, adc).astype(np.int16)
    return RawSignal(
        np.concatenate([raw.adc, adc]),
        np.concatenate([raw.gain, np.full(len(lacked), 2 * unit)]),
        np.concatenate([raw.baseline, np.zeros(len(lacked), np.int64)]),
        raw.rate,
        (*raw.leads, *lacked),
    )


def in_store_order(raw: RawSignal, leads: Sequence[str] = LEADS) -> RawSignal:
    """Return the recording with its `leads` in the order of `LEADS`, and 0 for every other one, as a store has it.

    Raises ValueError naming what is missing or doubled.
    """
    order = lead_positions(raw.leads, leads)
    if tuple(leads) == LEADS:
        return RawSignal(raw.adc[order], raw.gain[order], raw.baseline[order], raw.rate, LEADS)
    rows = [LEADS.index(lead) for lead in leads]
    adc = np.zeros((len(LEADS), raw.adc.shape[1]), raw.adc.dtype)
    gain, baseline = np.full(len(LEADS), float(raw.gain[order[0]])), np.zeros(len(LEADS), np.int64)
    adc[rows], gain[rows], baseline[rows] = raw.adc[order], raw.gain[order], raw.baseline[order]
    return RawSignal(adc, gain, baseline, raw.rate, LEADS)
