"""The style shared by all figures, and saving of figures."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import matplotlib as mpl
import seaborn as sns
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from benchmark.leaderboard.summary import Entry
from benchmark.leaderboard.tables import Leaderboard

FORMATS = ("pdf", "png", "svg")
UNDATED: dict[str, Any] = {"pdf": "CreationDate", "svg": "Date", "png": "Software"}  # else files would differ
MARKERS = "osD^vP*Xph<>d8H"
LEGEND_COLUMNS, LINE_INCHES, LEGEND_INCHES, MARGIN_INCHES = 6, 0.17, 0.08, 0.1
_files: WeakKeyDictionary[Figure, dict[str, bytes]] = WeakKeyDictionary()
_boxes: WeakKeyDictionary[Figure, Bbox] = WeakKeyDictionary()
WARNING_COLOUR = "#a00000"
RC: Any = {
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "svg.hashsalt": "ecgarena",  # else every SVG has other ids
    "svg.fonttype": "none",
    "pdf.fonttype": 42,  # fonts that a publisher accepts
    "text.parse_math": False,  # a $ in a row's title is a $
}


@contextmanager
def styled() -> Iterator[None]:
    """Apply seaborn's white grid with our sizes, without an effect on the user's own figures."""
    with mpl.rc_context(), sns.axes_style("whitegrid"):
        mpl.rcParams.update(RC)
        yield


def looks(rows: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return colour and marker of each row; both lists repeat at different lengths, so that pairs stay distinct."""
    palette = sns.color_palette("colorblind", 10)
    return {
        row: {"color": palette[index % len(palette)], "marker": MARKERS[index % len(MARKERS)]}
        for index, row in enumerate(rows)
    }


def rows_of(board: Leaderboard) -> list[str]:
    """Return all rows in the order of the suite."""
    return list(dict.fromkeys(entry.row for entry in board.entries))


def stamp(figure: Figure, board: Leaderboard) -> None:
    """Write the warnings of the tables on the figure: synthetic, partial, incomplete."""
    marks = [line.split(":")[0] for line in board.warnings()]
    if marks:
        figure.text(0.995, 0.005, " · ".join(marks), ha="right", va="bottom", color=WARNING_COLOUR, fontsize=8)


def single(width: float, height: float) -> tuple[Figure, Any]:
    """Return a figure with one panel. It is made without pyplot, which keeps figures in memory and may open windows."""
    figure = Figure(figsize=(width, height))
    return figure, figure.subplots()


def grid(panels: int, width: float = 3.0, height: float = 2.5, most: int = 4) -> tuple[Figure, list[Any]]:
    """Return a figure with `count` panels in rows of at most `most`; superfluous panels are hidden."""
    columns = min(panels, most)
    rows = -(-panels // columns)
    figure = Figure(figsize=(width * columns, height * rows + 0.5))
    axes = figure.subplots(rows, columns, squeeze=False)
    flat = list(axes.flat)
    for axis in flat[panels:]:
        axis.set_visible(False)
    return figure, flat[:panels]


def legend_above(figure: Figure, axes: Sequence[Any], title: str = "") -> None:
    """Draw one legend for all panels above them, and `title` above the legend."""
    handles = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    lines = -(-len(handles) // LEGEND_COLUMNS) + bool(title)
    columns = min(len(handles), LEGEND_COLUMNS)
    figure.legend(handles.values(), handles.keys(), loc="upper center", ncols=columns, frameon=False, title=title)
    fit(figure, top=1 - (LEGEND_INCHES + LINE_INCHES * lines) / figure.get_figheight())


def fit(figure: Figure, top: float = 1.0) -> None:
    """Make room for labels and ticks below `top`, then remove the layout engine, with which each saving draws twice."""
    figure.tight_layout(rect=(0, 0.02, 1, top))
    figure.set_layout_engine(None)


def with_errors(entries: Sequence[Entry]) -> tuple[list[float], list[list[float]]]:
    """Return means and their distances to both ends of the interval, as ``errorbar`` takes them."""
    means = [entry.mean for entry in entries]
    bounds = [entry.interval or (entry.mean, entry.mean) for entry in entries]
    below = [mean - low for mean, (low, _) in zip(means, bounds, strict=True)]
    above = [high - mean for mean, (_, high) in zip(means, bounds, strict=True)]
    return means, [below, above]


def save(figure: Figure, kind: str) -> bytes:
    """Return the figure as pdf, png or svg without a date; each format is drawn once."""
    files = _files.setdefault(figure, {})
    if kind not in files:
        buffer = io.BytesIO()
        metadata: dict[str, Any] = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}[
            kind
        ]
        with styled():  # fonts and the salt of ids are read when a file is written
            figure.savefig(buffer, format=kind, bbox_inches=_bounds(figure), metadata=metadata)
        files[kind] = buffer.getvalue()
    return files[kind]


def _bounds(figure: Figure) -> Bbox:
    """Return the bounds of the figure's content in inches, with a margin; cached, since measuring draws the figure."""
    if figure not in _boxes:
        canvas = FigureCanvasAgg(figure)
        figure.draw(canvas.get_renderer())
        _boxes[figure] = figure.get_tightbbox(canvas.get_renderer()).padded(MARGIN_INCHES)
    return _boxes[figure]
