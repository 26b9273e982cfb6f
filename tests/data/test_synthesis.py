"""The generator's signals carry what their labels say: every signature is measured from the samples alone."""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from benchmark.api import LEADS
from benchmark.data.synthetic.diagnoses import CONDITIONS
from benchmark.data.synthetic.synthesis import Visit, synthesize

RATE = 250
PATIENTS = range(24)
FROM = 0.45  # seconds before the R peak at which a cut beat begins


def visit(
    *codes: str, patient: int = 0, severity: float = 0.9, bpm: float = 75, axis: float = 55, **more: int
) -> Visit:
    findings = tuple((code, 1.0 if CONDITIONS[code].severity == (1.0, 1.0) else severity) for code in codes)
    return Visit(**{"seed": 3, "patient": patient, "number": 0, **more}, findings=findings, rate=bpm, axis=axis)


@cache
def millivolt(events: Visit, rate: float = RATE) -> np.ndarray:
    return synthesize(events, rate, 10) / 1000.0


# --- how a machine would measure an ECG ----------------------------------------------------------


def activity(signal: np.ndarray) -> np.ndarray:
    """How fast all leads change together, smoothed over a QRS complex: (time,)."""
    independent = signal[[0, 1, 6, 7, 8, 9, 10, 11]]
    return gaussian_filter1d(np.abs(np.gradient(gaussian_filter1d(independent, 1.0), axis=1)).sum(axis=0), 0.016 * RATE)


def r_peaks(signal: np.ndarray) -> np.ndarray:
    """Seconds of the QRS complexes' centres of gravity, which notches move less than tops."""
    active = activity(signal)
    peaks, _ = find_peaks(active, height=0.45 * np.median(np.sort(active)[-60:]), distance=0.24 * RATE)
    steps = np.arange(-round(0.08 * RATE), round(0.08 * RATE) + 1)
    around = np.clip(peaks[:, None] + steps, 0, len(active) - 1)
    return (peaks + (active[around] * steps).sum(axis=1) / active[around].sum(axis=1)) / RATE


def cut_beats(signal: np.ndarray, peaks: np.ndarray) -> np.ndarray:
    """(beat, lead, sample), from `FROM` before each peak to 0.45 s after it; cut beats are left out."""
    starts = np.rint((peaks - FROM) * RATE).astype(int)
    span = round(0.9 * RATE)
    return np.stack([signal[:, s : s + span] for s in starts if s >= 0 and s + span <= signal.shape[1]])


def at(beat: np.ndarray, start: float, end: float) -> np.ndarray:
    """The part of a cut beat from `start` to `end`, seconds from the R peak."""
    return beat[..., round((FROM + start) * RATE) : round((FROM + end) * RATE)]


@cache
def average_beat(*codes: str, patient: int = 0, **how: float) -> np.ndarray:
    """The median beat of one recording, its level before the P wave at zero: (lead, sample)."""
    signal = millivolt(visit(*codes, patient=patient, **how))
    beat = np.median(cut_beats(signal, r_peaks(signal)), axis=0)
    return beat - at(beat, -0.34, -0.28).mean(axis=-1, keepdims=True)


def over_patients(measure, *codes: str, **how: float) -> np.ndarray:
    return np.array([measure(average_beat(*codes, patient=patient, **how)) for patient in PATIENTS])


def lead(beat: np.ndarray, name: str) -> np.ndarray:
    return beat[LEADS.index(name)]


def st_level(beat: np.ndarray) -> np.ndarray:
    return at(beat, 0.10, 0.13).mean(axis=-1)  # (lead,)


def qrs_width(beat: np.ndarray) -> float:
    speed = np.abs(np.gradient(at(gaussian_filter1d(beat, 1.0), -0.12, 0.18), axis=1)).sum(axis=0)
    inside = np.flatnonzero(speed > 0.18 * speed.max())
    return (inside[-1] - inside[0]) / RATE


def p_wave_time(beat: np.ndarray) -> float:
    """Seconds from the P wave's top to the R peak, in lead II."""
    window = at(gaussian_filter1d(lead(beat, "II"), 3), -0.36, -0.08)
    return 0.36 - np.argmax(window) / RATE


def intervals(events: Visit) -> np.ndarray:
    return np.diff(r_peaks(millivolt(events)))


# --- the machine behind the heart ----------------------------------------------------------------


@pytest.mark.parametrize("code", CONDITIONS)
def test_leads_obey_einthoven_and_goldberger(code: str) -> None:
    i, ii, iii, avr, avl, avf = synthesize(visit(code), RATE, 10).astype(int)[:6]
    assert np.array_equal(iii, ii - i)
    for augmented, formula in ((avr, -(i + ii) / 2), (avl, i - ii / 2), (avf, ii - i / 2)):
        assert np.abs(augmented - formula).max() <= 0.5


def test_a_swap_of_two_limb_leads_breaks_the_identities() -> None:
    signal = synthesize(visit("NORM"), RATE, 10).astype(int)
    for one, two in combinations(range(6), 2):
        swapped = signal.copy()
        swapped[[one, two]] = signal[[two, one]]
        i, ii, iii, avr, avl, avf = swapped[:6]
        wrong = [iii - ii + i, avr + (i + ii) / 2, avl - i + ii / 2, avf - ii + i / 2]
        assert np.abs(wrong).max() > 50, (LEADS[one], LEADS[two])


def test_every_lead_looks_like_itself_and_no_other() -> None:
    shapes = np.stack([average_beat("NORM", patient=patient) for patient in PATIENTS])
    first_shape, other_shape = shapes[:12].mean(axis=0), shapes[12:].mean(axis=0)
    distance = np.linalg.norm(first_shape[:, None] - other_shape[None], axis=-1)
    assert np.array_equal(distance.argmin(axis=1), np.arange(12))


def test_the_r_wave_grows_from_v1_to_v6() -> None:
    qrs = at(np.median([average_beat("NORM", patient=patient) for patient in PATIENTS], axis=0), -0.06, 0.07)[6:]
    share = qrs.max(axis=1) / np.ptp(qrs, axis=1)
    assert (np.diff(share) > 0.01).all(), share
    assert share[0] < 0.3 < 0.8 < share[5]


@pytest.mark.parametrize(
    ("rate", "seconds", "samples"), [(100, 10, 1000), (500, 10, 5000), (257, 4.5, 1156), (50, 4, 200)]
)
def test_size_and_kind(rate: float, seconds: float, samples: int) -> None:
    signal = synthesize(visit("AFIB", "PVB", bpm=140), rate, seconds)
    assert (signal.shape, signal.dtype) == ((12, samples), np.int16)
    assert 200 < np.abs(signal).max() < 8000  # microvolt


def test_the_same_heart_beats_at_every_sampling_rate() -> None:
    fine, coarse = (millivolt(visit("LVHT", "PVB"), rate) for rate in (500, 100))
    same = [np.corrcoef(f, c)[0, 1] for f, c in zip(fine[:, ::5], coarse, strict=True)]
    assert min(same) > 0.8  # the noise differs


def test_the_signal_follows_from_the_visit_alone() -> None:
    first = synthesize(visit("AFIB", "LVHT"), 100, 10)
    synthesize(visit("NORM", patient=9), 100, 10)
    assert synthesize(visit("AFIB", "LVHT"), 100, 10).tobytes() == first.tobytes()
    for change in ({"seed": 4}, {"patient": 1}, {"number": 1}):
        assert not np.array_equal(synthesize(visit("AFIB", "LVHT", **change), 100, 10), first), change


def test_a_patient_looks_more_like_themselves_than_like_others() -> None:
    again = {patient: average_beat("NORM", patient=patient, number=1) for patient in PATIENTS}
    hits = 0
    for patient in PATIENTS:
        beat = average_beat("NORM", patient=patient)
        hits += patient == min(again, key=lambda other: np.linalg.norm(beat - again[other]))
    assert hits >= 0.7 * len(PATIENTS)


# --- rhythm --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "bpm"), [("SBRAD", 42), ("SBRAD", 56), ("NORM", 75), ("STACH", 105), ("STACH", 145)])
def test_rate(code: str, bpm: float) -> None:
    rates = [60 / np.mean(intervals(visit(code, patient=patient, bpm=bpm))) for patient in PATIENTS]
    assert np.abs(np.array(rates) / bpm - 1).max() < 0.05


def test_atrial_fibrillation_is_irregular_and_sinus_rhythm_is_not() -> None:
    def spread(code: str) -> np.ndarray:
        return np.array([np.std(rr) / np.mean(rr) for rr in (intervals(visit(code, patient=p)) for p in PATIENTS)])

    assert spread("NORM").max() < 0.06 < spread("AFIB").min()
    assert np.median(spread("AFIB")) > 0.15


def test_atrial_fibrillation_has_no_p_wave_but_a_restless_baseline() -> None:
    def p_height(beat: np.ndarray) -> float:
        return np.ptp(gaussian_filter1d(at(lead(beat, "II"), -0.22, -0.07), 2))

    def before_qrs(code: str) -> float:
        """The spread over beats, in V1, of the stretch that holds the P wave in sinus rhythm."""
        signals = [millivolt(visit(code, patient=patient)) for patient in PATIENTS]
        beats = [at(cut_beats(signal, r_peaks(signal))[:, LEADS.index("V1")], -0.24, -0.06) for signal in signals]
        shapes = [gaussian_filter1d(b - b.mean(axis=1, keepdims=True), 2) for b in beats]
        return float(np.median([np.std(shape, axis=0).mean() for shape in shapes]))

    assert np.median(over_patients(p_height, "AFIB")) < 0.5 * np.median(over_patients(p_height, "NORM"))
    assert before_qrs("AFIB") > 1.8 * before_qrs("NORM")


def test_first_degree_block_has_a_longer_pr_interval_in_proportion_to_its_severity() -> None:
    normal, mild, full = (
        np.median(over_patients(p_wave_time, code, severity=severity, bpm=65))
        for code, severity in (("NORM", 1.0), ("1AVB", 0.4), ("1AVB", 1.0))
    )
    assert 0.12 < normal < 0.17
    assert normal + 0.03 < mild < full - 0.05
    assert 0.23 < full < 0.32


# --- conduction ----------------------------------------------------------------------------------


def test_bundle_branch_blocks_widen_the_qrs_complex() -> None:
    normal, left, right = (over_patients(qrs_width, code) for code in ("NORM", "CLBBB", "CRBBB"))
    assert 0.06 < np.median(normal) < 0.10
    assert 0.12 < np.median(left) < 0.18
    assert 0.11 < np.median(right) < 0.17
    assert min(left.min(), right.min()) > np.quantile(normal, 0.75)


def test_left_block_is_negative_in_v1_and_has_no_septal_q_in_v6() -> None:
    v1 = [at(lead(average_beat("CLBBB", patient=patient), "V1"), -0.08, 0.10) for patient in PATIENTS]
    assert np.median([beat.min() for beat in v1]) < -0.9
    assert np.median([beat[: round(0.11 * RATE)].max() for beat in v1]) < 0.15  # no more than a small r

    def before_r(beat: np.ndarray) -> float:
        return at(lead(beat, "V6"), -0.10, 0.0).min()

    assert np.median(over_patients(before_r, "NORM")) < -0.05
    assert np.median(over_patients(before_r, "CLBBB")) > 0.08


def test_left_block_has_a_discordant_t_wave_in_v6() -> None:
    def t_wave(beat: np.ndarray) -> float:
        return at(lead(beat, "V6"), 0.22, 0.34).mean()

    assert np.median(over_patients(t_wave, "CLBBB")) < -0.05 < 0.05 < np.median(over_patients(t_wave, "NORM"))


def test_right_block_ends_with_a_second_r_in_v1_and_a_broad_s_in_v6() -> None:
    def late(name: str):
        return lambda beat: at(lead(beat, name), 0.05, 0.08).mean()

    for name, sign in (("V1", 1), ("I", -1), ("V6", -1)):
        block, normal = (np.median(over_patients(late(name), code)) * sign for code in ("CRBBB", "NORM"))
        assert block > 0.15 > normal + 0.05, name
    trough = over_patients(lambda beat: at(lead(beat, "V1"), 0.0, 0.05).min(), "CRBBB")
    assert np.median(trough) < -0.1  # rSR': the S lies between


# --- repolarisation and voltage ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "up", "down"),
    [
        ("ASTE", ("V1", "V2", "V3", "V4"), ()),
        ("ISTE", ("II", "III", "aVF"), ("I", "aVL")),
        ("LSTD", ("aVR",), ("I", "V4", "V5", "V6")),
    ],
)
def test_st_segments_by_territory(code: str, up: tuple[str, ...], down: tuple[str, ...]) -> None:
    shift = dict(
        zip(LEADS, np.median(over_patients(st_level, code) - over_patients(st_level, "NORM"), axis=0), strict=True)
    )
    assert min(shift[name] for name in up) > 0.07, shift
    assert max((shift[name] for name in down), default=-1) < -0.05, shift
    if code == "ASTE":
        assert max(abs(shift[name]) for name in ("III", "aVF", "V6")) < 0.07, shift


@pytest.mark.parametrize(("code", "name"), [("ASTE", "V3"), ("ISTE", "III"), ("LSTD", "V5")])
def test_a_mild_st_shift_is_smaller_than_a_full_one(code: str, name: str) -> None:
    where, low = LEADS.index(name), CONDITIONS[code].severity[0]
    normal, mild, full = (
        np.median(over_patients(st_level, *codes, severity=severity)[:, where])
        for codes, severity in ((("NORM",), 1.0), ((code,), low), ((code,), 1.0))
    )
    assert 0.2 < (mild - normal) / (full - normal) < 0.6


def test_hypertrophy_raises_the_sokolow_lyon_voltage_and_strains_the_lateral_t_wave() -> None:
    def sokolow(beat: np.ndarray) -> float:
        return at(lead(beat, "V5"), -0.05, 0.05).max() - at(lead(beat, "V1"), -0.05, 0.05).min()

    def t_wave(beat: np.ndarray) -> float:
        return at(lead(beat, "V6"), 0.22, 0.30).mean()

    normal, thick = over_patients(sokolow, "NORM"), over_patients(sokolow, "LVHT")
    assert np.median(normal) < 2.6
    assert np.median(thick) > 3.2
    assert np.median(over_patients(t_wave, "LVHT")) < 0 < np.median(over_patients(t_wave, "NORM"))


@pytest.mark.parametrize("axis", [-45, 0, 50, 100])
def test_the_qrs_axis_is_the_one_asked_for(axis: float) -> None:
    def measure_axis(beat: np.ndarray) -> float:
        area = at(beat, -0.05, 0.05).sum(axis=-1)
        return np.rad2deg(np.arctan2(area[LEADS.index("aVF")] * 2 / np.sqrt(3), area[LEADS.index("I")]))

    assert np.median(over_patients(measure_axis, "NORM", axis=axis)) == pytest.approx(axis, abs=12)


def test_findings_add_up() -> None:
    assert np.median(over_patients(qrs_width, "CRBBB", "LVHT")) > 0.11
    both = np.median(over_patients(st_level, "CRBBB", "ISTE"), axis=0)
    assert lead(both, "III") > 0.1
    assert (
        np.median([np.std(rr) / np.mean(rr) for rr in (intervals(visit("AFIB", "LVHT", patient=p)) for p in PATIENTS)])
        > 0.15
    )


# --- premature beats -----------------------------------------------------------------------------


def premature(code: str) -> list[tuple[np.ndarray, int, np.ndarray]]:
    """Cut beats, the index of the earliest one and the intervals around it (before, after; relative to the usual)."""
    result = []
    for patient in PATIENTS:
        signal = millivolt(visit(code, patient=patient, bpm=66))
        peaks = r_peaks(signal)
        peaks = peaks[(peaks > FROM) & (peaks < 9.5)]
        rr = np.diff(peaks)
        early = int(np.argmin(rr[:-1]))
        result.append((cut_beats(signal, peaks), early + 1, rr[early : early + 2] / np.median(rr)))
    return result


def test_ventricular_beats_are_early_and_followed_by_a_full_pause() -> None:
    around = np.array([rr for _, _, rr in premature("PVB")])
    assert np.median(around[:, 0]) < 0.8
    assert np.median(around.sum(axis=1)) == pytest.approx(2.0, abs=0.08)


def test_atrial_beats_are_early_and_the_pause_is_short() -> None:
    around = np.array([rr for _, _, rr in premature("PAB")])
    assert np.median(around[:, 0]) < 0.82
    assert np.median(around.sum(axis=1)) < 1.88


def test_ventricular_beats_are_wide_and_strange_atrial_beats_are_not() -> None:
    def likeness(code: str) -> tuple[float, float]:
        widths, alike = [], []
        for beats, early, _ in premature(code):
            usual = np.median(beats, axis=0)
            widths.append(qrs_width(beats[early]) / qrs_width(usual))
            alike.append(np.corrcoef(at(usual, -0.06, 0.06).ravel(), at(beats[early], -0.06, 0.06).ravel())[0, 1])
        return float(np.median(widths)), float(np.median(alike))

    (pvb_width, pvb_alike), (pab_width, pab_alike) = likeness("PVB"), likeness("PAB")
    assert pvb_width > 1.35 > 1.25 > pab_width
    assert pvb_alike < 0.75 < 0.9 < pab_alike


@pytest.mark.parametrize("code", ["PVB", "PAB"])
@pytest.mark.parametrize("bpm", [38, 150])
def test_even_a_short_strip_shows_a_premature_beat(code: str, bpm: float) -> None:
    for patient in PATIENTS:
        plain, ectopic = (synthesize(visit(c, patient=patient, bpm=bpm), RATE, 4) for c in ("NORM", code))
        assert np.abs(plain.astype(int) - ectopic).max() > 250, patient
