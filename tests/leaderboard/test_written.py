"""The page of reports: drawn to scale, escaped, whole by itself, and clear about what is missing."""

import re

import numpy as np
import pytest

from benchmark.api import LEADS
from benchmark.cli import main
from benchmark.data.store.preparation import open_dataset
from benchmark.leaderboard.ecg_paper import MARGIN, PULSE, ROW_HEIGHT, draw
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite
from benchmark.records.record import RunRecord
from benchmark.records.store import Store

EVIL = "<script>alert(1)</script>"
SUITE = f"""
name = "told"
title = "Told {EVIL}"
version = "1.0"

[[datasets]]
name = "synthetic"
label_sets = ["reports"]
config = {{ patients = 120 }}

[[tasks]]
name = "report_generation"

[[methods]]
name = "random_init"
label = "{EVIL}"
config = {{ width = 8, rate = 100.0 }}
"""


@pytest.fixture
def reporter(tmp_path, prepared_home):
    """A suite whose cells have made-up reports: the true one for the first recording, an evil one for the rest."""
    path = tmp_path / "told.toml"
    path.write_text(SUITE, "utf-8")
    data = open_dataset("synthetic", {"patients": 120}, prepared_home)
    ids = [str(name) for name in data.record_ids[data.splits == "test"]]
    texts = {"record_ids": ids, "generated": [str(data.reports[data.splits == "test"][0]), *[EVIL] * (len(ids) - 1)]}
    store = Store(prepared_home.records)
    for cell in make_plan(load_suite(str(path))).cells:
        record = RunRecord(cell.spec.key, cell.spec.to_json(), cell.question, "done", {"rouge_l": 0.5})
        record.primary, record.data_digest = "rouge_l", data.digest
        scores = np.linspace(1, 0, len(ids)).astype(np.float32)
        store.write(cell.spec, record, {"rouge_l": scores}, texts=texts)
    return path, ids


def page(reporter, tmp_path, *more):
    out = tmp_path / "page.html"
    assert main(["reports", str(reporter[0]), "--out", str(out), *more]) == 0
    return out.read_text("utf-8")


def visible_text(html):
    return re.findall(r"<h3>Recording (\S+?)[ <]", html)


def test_texts_of_records_and_suites_are_escaped_and_nothing_is_fetched(reporter, tmp_path):
    html = page(reporter, tmp_path, "--show", "3")
    assert EVIL not in html and "&lt;script&gt;" in html and "<script" not in html
    assert not re.search(r"(?:src|href)=\"?https?:", html) and "default-src 'none'" in html
    assert html.count("<svg") == 3 == len(visible_text(html))
    ids = re.findall(r'<pattern id="(\w+)"', html)
    assert len(set(ids)) == len(ids) == 6, "each drawing has its own grid"


def test_the_heading_and_the_metric_have_words_for_readers(reporter, tmp_path):
    html = page(reporter, tmp_path, "--show", "1")
    assert "<h2>synthetic reports</h2>" in html and "ROUGE-L of that report" in html


def test_the_order_is_as_asked_and_a_true_report_is_marked(reporter, tmp_path):
    ids = reporter[1]
    assert visible_text(page(reporter, tmp_path, "--show", "2", "--order", "worst")) == [ids[-1], ids[-2]]
    best = page(reporter, tmp_path, "--show", "2", "--order", "best")
    assert (
        visible_text(best) == ids[:2] and best.count('<dd class="same">') == 3
    )  # one of two recordings, three rows, equal columns joined
    assert "no fair sample" in best
    first, other = (visible_text(page(reporter, tmp_path, "--show", "5", "--seed", seed)) for seed in ("0", "1"))
    assert first != other and len(set(first)) == 5


def test_what_cannot_be_shown_is_one_clear_error(reporter, tmp_path, prepared_home, capsys):
    assert main(["reports", str(reporter[0]), "--show", "0"]) == 2
    assert main(["reports", str(reporter[0]), "--records", str(tmp_path / "none")]) == 5
    assert f"ecgarena run {reporter[0]}" in capsys.readouterr().err


def points(path):
    """The absolute corners of a trace ``M x y l dx dy ...``."""
    start, steps = re.fullmatch(r"M(.*?)l(.*)", path).groups()
    moves = np.array([[float(number) for number in start.split()], *np.array(steps.split(), float).reshape(-1, 2)])
    return np.cumsum(moves, axis=0)


def test_a_millivolt_is_a_centimetre_and_a_second_25_millimetres():
    ecg = np.zeros((12, 1000))
    ecg[LEADS.index("II"), 100] = 1.0
    ecg[LEADS.index("V6"), 900] = -0.5
    traces = [points(path) for path in re.findall(r'class="trace" d="(M[^"]*l[^"]*)"', draw(ecg, 100, 0, "x"))]
    assert len(traces) == 13
    second, rhythm, v6 = traces[4], traces[12], traces[11]
    for trace, row in ((second, 1), (rhythm, 3)):
        x, y = trace[trace[:, 1].argmin()]
        assert x == pytest.approx(MARGIN + PULSE + 25, abs=0.011)
        assert y == pytest.approx(MARGIN + (row + 0.5) * ROW_HEIGHT - 10, abs=0.011)
    x, y = v6[v6[:, 1].argmax()]
    assert x == pytest.approx(MARGIN + PULSE + 9 * 25, abs=0.011)
    assert y == pytest.approx(MARGIN + 2.5 * ROW_HEIGHT + 5, abs=0.011)
    assert rhythm[-1, 0] == pytest.approx(MARGIN + PULSE + 9.99 * 25, abs=0.011)


def test_short_recordings_and_odd_titles_are_drawn():
    svg = draw(np.full((12, 300), np.nan), 100, 1, 'a "title" <b>')
    assert "&quot;title&quot; &lt;b&gt;" in svg and "nan" not in svg
    assert len(re.findall(r'class="trace" d="M[^"]*l', svg)) == 7  # two of four columns, and the rhythm strip
