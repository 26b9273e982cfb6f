"""The style shared by all figures, and saving of figures."""

from __future__ import annotations

import io
import itertools
import textwrap
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
COLUMN, PAGE = 3.3, 6.9  # inches: of a column and of a page of a journal; files are exactly as wide
SMALLEST, TITLE = 8, 9  # points of type, at that width
LETTER = 0.6  # of the size of type: the mean width of a letter
LEGEND_COLUMNS, LINE_INCHES, LEGEND_INCHES, MARGIN_INCHES = 6, 0.17, 0.08, 0.05
HANDLE_INCHES = 0.45  # of a legend's line and the room around it
_files: WeakKeyDictionary[Figure, dict[str, bytes]] = WeakKeyDictionary()
_boxes: WeakKeyDictionary[Figure, Bbox] = WeakKeyDictionary()
WARNING_COLOUR = "#a00000"
RC: Any = {
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "font.size": SMALLEST,
    "axes.titlesize": TITLE,
    "axes.labelsize": SMALLEST,
    "legend.fontsize": SMALLEST,
    "legend.title_fontsize": SMALLEST,
    "xtick.labelsize": SMALLEST,
    "ytick.labelsize": SMALLEST,
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


def single(height: float) -> tuple[Figure, Any]:
    """Return a figure with one panel over the width of a page.

    It is made without pyplot, which keeps figures in memory and may open windows.
    """
    figure = Figure(figsize=(PAGE, height))
    return figure, figure.subplots()


def stacked(heights: Sequence[float]) -> tuple[Figure, list[Any]]:
    """Return a figure with one panel of each height, in inches, below the other, over the width of a page."""
    figure = Figure(figsize=(PAGE, sum(heights)))
    return figure, list(figure.subplots(len(heights), squeeze=False, height_ratios=heights)[:, 0])


def grid(
    panels: int, height: float = 2.3, most: int = 2, width: float | None = None, share: bool = False
) -> tuple[Figure, list[Any]]:
    """Return a figure with panels of `height` inches in rows of at most `most`; superfluous panels are hidden.

    One panel has the width of a column, several that of a page, unless `width` says otherwise. With `share` all panels
    have the axes of the first.
    """
    columns = min(panels, most)
    rows = -(-panels // columns)
    figure = Figure(figsize=(width or (COLUMN if panels == 1 else PAGE), height * rows))
    axes = figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share)
    flat = list(axes.flat)
    for axis in flat[panels:]:
        axis.set_visible(False)
    return figure, flat[:panels]


def legend_above(figure: Figure, axes: Sequence[Any], title: str = "") -> None:
    """Draw one legend for all panels above them, in as many columns as fit, and `title` above the legend."""
    handles = {label: line for axis in axes for line, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    if not handles:
        fit(figure)
        return
    columns = _legend_columns(list(handles), figure.get_figwidth())
    title = wrapped(title, figure.get_figwidth())
    inches = LEGEND_INCHES + LINE_INCHES * (-(-len(handles) // columns) + (title.count("\n") + 1 if title else 0))
    options: dict[str, Any] = {"loc": "upper center", "ncols": columns, "frameon": False, "title": title or None}
    figure.legend(handles.values(), handles.keys(), columnspacing=1.0, handletextpad=0.4, **options)
    figure.set_figheight(figure.get_figheight() + inches)  # panels keep their height
    fit(figure, top=1 - inches / figure.get_figheight())


def _legend_columns(labels: Sequence[str], width: float) -> int:
    """Return how many columns of a legend fit into `width` inches."""
    for columns in range(min(len(labels), LEGEND_COLUMNS), 1, -1):
        lines, longer = divmod(len(labels), columns)  # the first columns have a line more
        sizes = [lines + (column < longer) for column in range(columns)]
        ends = list(itertools.accumulate(sizes))
        widest = [max(map(len, labels[end - size : end])) for end, size in zip(ends, sizes, strict=True)]
        if sum(letters(letter_count) + HANDLE_INCHES for letter_count in widest) < width:
            return columns
    return 1


def letters(count: int, points: float = SMALLEST) -> float:
    """Return the width of a text of `count` letters in inches."""
    return count * LETTER * points / 72


def wrapped(text: str, inches: float, points: float = SMALLEST) -> str:
    """Return a text in lines of at most `inches`."""
    return textwrap.fill(text, max(8, int(inches / letters(1, points))), break_on_hyphens=False)


def fit(figure: Figure, top: float = 1.0) -> None:
    """Make room for labels and ticks below `top`, then remove the layout engine, with which each saving draws twice."""
    figure.tight_layout(rect=(0, 0.02, 1, top))
    figure.set_layout_engine(None)


def describe(figure: Figure, caption: str) -> Figure:
    """Give a figure its caption, a sentence; pages print it, and readers of screens hear it."""
    figure.set_label(caption)
    return figure


def caption_of(figure: Figure) -> str:
    return str(figure.get_label())


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
    """Return the figure's width, and the bounds of its content in height with a margin, in inches.

    The width stays as it is, so that type keeps its size in print. Cached, since measuring draws the figure.
    """
    if figure not in _boxes:
        canvas = FigureCanvasAgg(figure)
        figure.draw(canvas.get_renderer())
        content = figure.get_tightbbox(canvas.get_renderer())
        low, high = content.y0 - MARGIN_INCHES, content.y1 + MARGIN_INCHES
        _boxes[figure] = Bbox([[0.0, low], [figure.get_figwidth(), high]])
    return _boxes[figure]
