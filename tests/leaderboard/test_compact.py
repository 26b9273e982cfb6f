"""A compacted figure is the same picture: its texts, its parts and, to a hundredth of a point, its coordinates."""

import io
import re
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure

from benchmark.leaderboard.figures.compact import address, compact
from benchmark.leaderboard.figures.style import styled

TITLE = "m1.23456 <b> & \"quoted\" 'single' #1 %41 µV"


@pytest.fixture(scope="module")
def svg():
    with styled():
        figure = Figure(figsize=(3, 2))
        axis = figure.subplots()
        for row in range(3):
            axis.plot([0, 1, 2], [row, row + 0.123456, 0], marker="o", label=f"row {row}")
        axis.set(title=TITLE, yscale="symlog")
        axis.legend()
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg")
    return buffer.getvalue()


def parts(svg, tag):
    return list(ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}" + tag))


def texts(svg):
    """Blanks between the parts of a power of ten are not drawn: each part has its own place."""
    return ["".join(text.strip() for text in part.itertext()) for part in parts(svg, "text")]


def styles(svg):
    """Of every drawn thing, classes resolved."""
    rules = dict(re.findall(r"\.(s\d+)\{([^}]*)\}", svg))
    artists = [part for tag in ("path", "use", "text", "tspan") for part in parts(svg, tag)]
    return [part.get("style") or rules.get(part.get("class", "")) for part in artists]


def numbers(svg):
    """Of all coordinates; a turn by nothing says nothing."""
    result = []
    for tag, names in (("path", "d"), ("use", "xy"), ("text", "xy")):
        for part in parts(svg, tag):
            for name in names:
                result += map(float, re.findall(r"-?\d+\.?\d*", part.get(name, "")))
    return result


def test_nothing_that_is_seen_changes(svg):
    short = compact(svg)
    assert len(short) < 0.6 * len(svg)
    assert texts(short) == texts(svg) and TITLE in texts(short)
    assert styles(short) == styles(svg)
    assert numbers(short) == pytest.approx(numbers(svg), abs=0.00501)


def test_references_still_lead_somewhere(svg):
    short = compact(svg)
    targets = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', short))
    assert targets and {one or other for one, other in targets} <= set(re.findall(r'id="([^"]+)"', short))


def test_an_address_fits_between_single_quotes_and_is_read_as_it_was_written(svg):
    result = address(compact(svg))
    assert not set("'&#\n") & set(result)
    assert unquote(result.removeprefix("data:image/svg+xml,")) == compact(svg)
