"""Beats: detection of QRS complexes in a 12-lead signal, and one typical beat per recording, in plain numpy.

Detection follows the idea of Pan & Tompkins 1985 (https://doi.org/10.1109/TBME.1985.325532): band-pass, slope,
moving average, threshold. Here the leads vote together, so that one noisy or flat lead does no harm.
The typical beat is the median over the largest group of similar beats, without ectopic ones.

Everything after `analysis_grid` runs at `GRID` Hz whatever the input rate: nothing above 45 Hz is measured.
No result depends on the other recordings of the batch: sums over samples and leads stay inside one recording.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d, uniform_filter1d

GRID = 100  # Hz of the analysis grid: one sample is 10 ms
EDGE = GRID  # samples mirrored at both ends, for filters and for beats near an end
BEFORE, AFTER = 40, 60  # samples of a beat before its QRS centre and from it on
BEAT = BEFORE + AFTER
LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
INDEPENDENT = (0, 1, 6, 7, 8, 9, 10, 11)  # I, II, V1-V6; the other limb leads are sums of I and II
ATRIAL = ("II", "V1")  # the leads with the clearest atrial activity
REFRACTORY = GRID // 5  # samples, 200 ms: the least distance of two beats
T_WAVE = 37  # samples, 360 ms after a beat in which a weak second peak is no beat
SHIFT = 2  # samples by which a beat may be moved to fit the others
ALIKE = 0.85  # from this correlation two QRS complexes are of one kind


@dataclass(frozen=True)
class Beats:
    """The beats of a batch, in as many columns as beats fit into a recording; `valid` is False in unused ones."""

    valid: np.ndarray  # (batch, beat) bool
    times: np.ndarray  # (batch, beat) samples of the analysis grid
    typical: np.ndarray  # (batch, beat) bool: belongs to the group of the typical beat
    likeness: np.ndarray  # (batch, beat) correlation of the QRS with the typical one
    widths: np.ndarray  # (batch, beat) samples in which the slope is high
    median: np.ndarray  # (batch, lead, BEAT) millivolt, the typical beat
    spread: np.ndarray  # (batch, lead, BEAT) millivolt, mean distance of typical beats from it
    residue: np.ndarray  # (batch, atrial lead, time) millivolt, the signal minus the typical beat


def analysis_grid(ecg: np.ndarray, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Filter to 0.5-45 Hz and resample to `GRID` Hz, with `EDGE` mirrored samples at both ends.

    Maps ``(batch, lead, time)`` millivolt at `rate` to the signal ``(batch, lead, time)`` at `GRID` Hz, and to the
    power spectrum before the filter ``(batch, lead, bin)``. Samples that are not finite count as 0.
    """
    ecg = np.where(np.isfinite(ecg), ecg, 0).astype(np.float32).clip(-1e4, 1e4)  # keeps squares within float32
    ecg = ecg - ecg.mean(-1, keepdims=True)
    edge = round(EDGE / GRID * rate)
    padded = np.pad(ecg, ((0, 0), (0, 0), (edge, edge)), mode="reflect")
    spectrum = np.fft.rfft(padded)
    frequencies = np.fft.rfftfreq(padded.shape[-1], 1 / rate)
    samples = round(ecg.shape[-1] / rate * GRID) + 2 * EDGE
    gain = _ramp(frequencies, 0.3, 0.7) * (1 - _ramp(frequencies, 40.0, 49.0))
    passband = (spectrum * gain.astype(np.float32))[..., : samples // 2 + 1]
    signal = np.fft.irfft(passband, n=samples) * np.float32(samples / padded.shape[-1])
    power = np.abs(spectrum[..., : np.searchsorted(frequencies, 45.0)]) ** 2
    return signal.astype(np.float32), power / padded.shape[-1] ** 2


def _ramp(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return 0 below `low`, 1 above `high`, and half a cosine between, which avoids the ringing of a hard edge."""
    return 0.5 - 0.5 * np.cos(np.pi * np.clip((x - low) / (high - low), 0, 1))


def slope(signal: np.ndarray) -> np.ndarray:
    """Return Pan & Tompkins' five-point derivative, millivolt per second: ``(..., time)`` -> ``(..., time)``."""
    out = np.zeros_like(signal)
    out[..., 2:-2] = 2 * (signal[..., 4:] - signal[..., :-4]) + signal[..., 3:-1] - signal[..., 1:-3]
    return out * np.float32(GRID / 10)


def qrs_activity(signal: np.ndarray) -> np.ndarray:
    """Return the strength of QRS at each moment, about 1 at a usual beat: ``(batch, lead, time)`` -> ``(batch, time)``.

    Each lead votes with its slope over its usual peak. Leads whose peaks are far above their mean have more weight.
    """
    speed = uniform_filter1d(np.abs(slope(signal[:, INDEPENDENT])), 8, axis=-1)
    usual = _usual_peak(speed)[..., None]
    votes = np.minimum(speed / np.maximum(usual, 1e-6), 1.5)
    contrast = (usual / np.maximum(speed.mean(-1, keepdims=True), 1e-6)) ** 2  # 0 for a flat lead
    total = np.zeros((len(signal), signal.shape[-1]), np.float32)
    for lead in range(votes.shape[1]):  # the order of summation is fixed
        total += votes[:, lead] * contrast[:, lead]
    return total / np.maximum(_usual_peak(total), 1e-6)[:, None]


def _usual_peak(activity: np.ndarray) -> np.ndarray:
    """Return the median of the maxima of blocks of 2 s, of which most have a beat and few an artefact.

    It is at least 10 % of the overall maximum, for asystole.
    """
    blocks = activity.shape[-1] // (2 * GRID)
    cut = activity[..., : blocks * 2 * GRID].reshape(*activity.shape[:-1], blocks, 2 * GRID)
    tops = cut.max(-1)
    return np.maximum(np.median(tops, axis=-1), 0.1 * tops.max(-1))


def detect_beats(activity: np.ndarray, threshold: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    """Find QRS centres: maxima of the activity within 200 ms that reach `threshold`, except tall T waves.

    Maps ``(batch, time)`` to the times of the beats and which of them are valid, both ``(batch, beat)``.
    """
    peaks = (activity == maximum_filter1d(activity, 2 * REFRACTORY + 1, axis=-1)) & (activity > threshold)
    # as in Pan & Tompkins, a much weaker maximum within 360 ms of a beat is its T wave
    peaks &= activity > 0.7 * maximum_filter1d(activity, T_WAVE, axis=-1, origin=T_WAVE // 2)
    count = np.cumsum(peaks, axis=-1)
    recent = count[:, REFRACTORY:-1] > count[:, : -REFRACTORY - 1]
    peaks[:, REFRACTORY + 1 :] &= ~recent  # the first of two equal maxima counts
    peaks[:, :EDGE], peaks[:, -EDGE:] = False, False
    order = np.cumsum(peaks, axis=-1) - 1
    rows, columns = np.nonzero(peaks)
    most = activity.shape[-1] // REFRACTORY + 1  # independent of the batch, so that sums over beats are too
    times = np.full((len(activity), most), EDGE, np.int64)
    valid = np.zeros(times.shape, bool)
    times[rows, order[rows, columns]] = columns
    valid[rows, order[rows, columns]] = True
    return times, valid


def find_beats(signal: np.ndarray) -> Beats:
    """Detect, group and average the beats of ``(batch, lead, time)`` on the analysis grid."""
    batch, leads, _ = signal.shape
    activity = qrs_activity(signal)
    times, valid = detect_beats(activity)
    typical, likeness = np.zeros(times.shape, bool), np.zeros(times.shape, np.float32)
    median, spread = np.zeros((2, batch, leads, BEAT), np.float32)
    atrial = [LEADS.index(name) for name in ATRIAL]
    residue = signal[:, atrial]
    for i in range(batch):  # one by one, since the numbers of beats differ
        centres = times[i, valid[i]]
        if not len(centres):
            continue
        centres, correlation = align_beats(signal[i], centres)
        times[i, : len(centres)] = centres
        typical[i, : len(centres)] = correlation > ALIKE
        likeness[i, : len(centres)] = correlation
        median[i], spread[i] = average_beats(signal[i], centres[correlation > ALIKE])
        _subtract_beat(residue[i], median[i, atrial], centres)
    return Beats(valid, times, typical, likeness, _qrs_widths(activity, times, valid), median, spread, residue)


def align_beats(signal: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Move each beat to the position where its QRS best fits the beat that most others resemble.

    Maps ``(lead, time), (beat,)`` to the new times and the correlations, ``(beat,)`` each.
    """
    shapes = _qrs_shapes(signal, times)  # (beat, lag, feature)
    unshifted = shapes[:, SHIFT]
    likeness = unshifted @ unshifted.T
    neighbours = (likeness > ALIKE).sum(-1) + likeness.mean(-1) / 2  # the mean breaks ties
    reference = int(neighbours.argmax())
    fit = shapes @ unshifted[reference]  # (beat, lag)
    fit[reference, SHIFT] = 1.0  # even a flat beat equals itself, so the group is never empty
    best = fit.argmax(-1)
    return times + best - SHIFT, fit[np.arange(len(times)), best]


def _qrs_shapes(signal: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Return QRS complexes of unit length at each lag of up to `SHIFT` samples: ``(beat, lag, lead * window)``."""
    lags = np.arange(-SHIFT, SHIFT + 1)[:, None]
    at = times[:, None, None] + lags + np.arange(-8, 13)  # (beat, lag, window)
    shapes = signal[list(INDEPENDENT)][:, at].transpose(1, 2, 0, 3)
    shapes = (shapes - shapes.mean(-1, keepdims=True)).reshape(len(times), len(lags), -1)
    return shapes / np.maximum(np.sqrt((shapes**2).sum(-1, keepdims=True)), 1e-9)


def average_beats(signal: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the median beat and the mean distance from it, ``(lead, BEAT)`` each.

    Beats too close to an end are left out where at least three others remain.
    """
    # closer to an end, P or T would be a mirror image
    whole = times[(times >= EDGE + BEFORE - 10) & (times < signal.shape[-1] - EDGE - AFTER + 10)]
    times = whole if len(whole) >= 3 else times
    beats = signal[:, times[:, None] + np.arange(-BEFORE, AFTER)]  # (lead, beat, BEAT)
    level = beats[..., BEFORE - 12 : BEFORE - 5].mean(-1, keepdims=True)  # of the PQ segment, to remove baseline wander
    beats = beats - level
    heights = np.sort(beats, axis=1)  # (lead, beat, BEAT)
    half = len(times) // 2
    median = heights[:, half] if len(times) % 2 else (heights[:, half - 1] + heights[:, half]) / 2
    return median, np.abs(beats - median[:, None]).mean(1)


def _subtract_beat(residue: np.ndarray, median: np.ndarray, times: np.ndarray) -> None:
    """Subtract the typical beat at each beat, in place; the window follows the distance between beats.

    This also removes P waves in step with QRS. Atrial activity with its own rhythm remains.
    """
    interval = sorted(np.diff(times))[(len(times) - 1) // 2] if len(times) > 1 else BEAT
    before, after = min(BEFORE, int(0.35 * interval)), min(AFTER, int(0.65 * interval))
    shape = median[:, BEFORE - before : BEFORE + after]
    for time in times:
        residue[:, time - before : time + after] -= shape


def _qrs_widths(activity: np.ndarray, times: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Return the samples around each beat with an activity above 30 % of its peak: ``(batch, beat)``."""
    window = np.arange(-15, 16)
    rows = np.arange(len(activity))[:, None, None]
    around = activity[rows, times[..., None] + window]
    return (around > 0.3 * around[..., 15:16]).sum(-1) * valid
