"""SVG of a 12-lead recording as on paper: 25 mm/s, 10 mm/mV, 1 mm grid, three rows of four leads and a rhythm strip.

The layout is the usual one (AHA/ACCF/HRS recommendations, Kligfield et al., Circulation 2007): columns of 2.5 s, leads
I to III, aVR to aVF, V1 to V3, V4 to V6, all of one 10 s stretch; below them lead II for all of it. One unit of the
drawing is one millimetre. Colours are the page's (CSS variables ``--ink``, ``--grid``, ``--grid-strong``).
"""

from __future__ import annotations

from html import escape

import numpy as np

from benchmark.api import LEADS

MM_PER_SECOND, MM_PER_MILLIVOLT = 25.0, 10.0
COLUMN_SECONDS, SECONDS = 2.5, 10.0
ROWS = (("I", "aVR", "V1", "V4"), ("II", "aVL", "V2", "V5"), ("III", "aVF", "V3", "V6"))
RHYTHM = "II"
PULSE = 10.0  # mm in front of each row for its calibration pulse of 1 mV and 0.2 s
ROW_HEIGHT, MARGIN = 25.0, 5.0  # mm
WIDTH = MARGIN + PULSE + SECONDS * MM_PER_SECOND + MARGIN
HEIGHT = MARGIN + (len(ROWS) + 1) * ROW_HEIGHT + MARGIN


def draw(ecg: np.ndarray, rate: float, number: int, title: str) -> str:
    """Draw ``(12, time)`` in mV at `rate` Hz as an ``<svg>``; `number` makes the id of its grid unique on the page.

    The first 10 s are shown, or the whole of a shorter recording. Flat or missing signals are a line at 0 mV.
    """
    ecg = np.nan_to_num(np.asarray(ecg, np.float64))[:, : round(SECONDS * rate)]
    parts = [_draw_grid(number)]
    for place, leads in enumerate((*ROWS, (RHYTHM,))):
        baseline = MARGIN + (place + 0.5) * ROW_HEIGHT
        parts.append(_draw_pulse(baseline))
        seconds = SECONDS / len(leads)
        for column, lead in enumerate(leads):
            first, last = (round((column + step) * seconds * rate) for step in (0, 1))
            left = MARGIN + PULSE + column * seconds * MM_PER_SECOND
            parts.append(_draw_trace(ecg[LEADS.index(lead), first:last], rate, left, baseline))
            parts.append(f'<text x="{left + 1:g}" y="{baseline - ROW_HEIGHT / 2 + 4.5:g}">{lead}</text>')
            if column:
                parts.append(f'<path class="split" d="M{left:g} {baseline - 3:g}v6"/>')
    parts.append(f'<text class="scale" x="{MARGIN:g}" y="{HEIGHT - 1:g}">25 mm/s, 10 mm/mV</text>')
    size = f'width="{WIDTH:g}mm" height="{HEIGHT:g}mm" viewBox="0 0 {WIDTH:g} {HEIGHT:g}"'
    return f'<svg class="ecg" role="img" aria-label="{escape(title)}" {size}>{"".join(parts)}</svg>'


def _draw_grid(number: int) -> str:
    """Draw lines every millimetre, every fifth of them strong."""
    fine, strong = f"mm{number}", f"cm{number}"
    return (
        f'<defs><pattern id="{fine}" width="1" height="1" patternUnits="userSpaceOnUse">'
        '<path class="fine" d="M1 0H0V1"/></pattern>'
        f'<pattern id="{strong}" width="5" height="5" patternUnits="userSpaceOnUse">'
        f'<rect width="5" height="5" fill="url(#{fine})"/><path class="strong" d="M5 0H0V5"/></pattern></defs>'
        f'<rect width="{WIDTH:g}" height="{HEIGHT:g}" fill="url(#{strong})"/>'
    )


def _draw_pulse(baseline: float) -> str:
    """Draw the calibration pulse, 1 mV for 0.2 s."""
    return f'<path class="trace" d="M{MARGIN:g} {baseline:g}h2v-{MM_PER_MILLIVOLT:g}h5v{MM_PER_MILLIVOLT:g}h2"/>'


def _draw_trace(signal: np.ndarray, rate: float, left: float, baseline: float) -> str:
    """Draw ``(time,)`` in mV. Whole hundredths of a millimetre, each relative to the last, keep the page small."""
    if not len(signal):
        return ""
    x = np.round(100 * (left + np.arange(len(signal)) * MM_PER_SECOND / rate)).astype(int)
    y = np.round(100 * (baseline - signal * MM_PER_MILLIVOLT)).astype(int)
    steps = " ".join(f"{dx / 100:g} {dy / 100:g}" for dx, dy in zip(np.diff(x), np.diff(y), strict=True))
    return f'<path class="trace" d="M{x[0] / 100:g} {y[0] / 100:g}l{steps}"/>'
