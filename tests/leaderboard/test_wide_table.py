"""The wide LaTeX table: grouped headings over the right columns, rows of equal width, and braces that close."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from benchmark.leaderboard import latex
from benchmark.leaderboard.presentation import read_presentation
from benchmark.leaderboard.tables import Leaderboard
from benchmark.leaderboard.wide_table import wide_tables
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite

VALUES = {"random_init": 0.6, "handcrafted": 0.7, "merl": 0.8}
CHOICES = {
    "own": ["merl"],
    "names": {"rows": {"merl": "Ours & co_"}},
    "wide": [
        {
            "tasks": ["linear_probe", "zero_shot"],
            "label_sets": ["synthetic/groups", "synthetic/conditions"],
            "columns": ["100 %", "en"],
            "interval": True,
            "caption": "Main results, 50 %.",
            "label": "tab:main",
            "note": "Our own note.",
        }
    ],
}


@pytest.fixture
def board_of(tiny_suite, store, fill):
    tiny_suite.write_text(tiny_suite.read_text().replace('["groups"]', '["groups", "conditions"]'))
    plan = make_plan(load_suite(str(tiny_suite)))
    noise = dict(zip(VALUES, np.random.default_rng(0).normal(0, 0.02, (3, 200)).astype(np.float32), strict=True))
    fill(plan, store, lambda cell: VALUES[cell.row] + 0.01 * cell.question.get("seed", 0), lambda cell: noise[cell.row])
    return lambda look: Leaderboard(plan, store, look=read_presentation(None, look))


def widths(tex: str) -> list[list[int]]:
    """Return for each tabular the columns that it declares, then those of each line, spans counted."""
    tables = []
    for alignment, body in re.findall(r"\\begin\{tabular\}\{(.*?)\}\n(.*?)\\end\{tabular\}", tex, re.DOTALL):
        column_count = len(re.sub(r"@\{.*?\}\}?", "", alignment.replace(r"@{\hspace{1em}}", "")))
        lines = [line for line in body.splitlines() if line.endswith(r"\\")]
        cells = [re.split(r"(?<!\\)&", line) for line in lines]
        spans = [[re.match(r"\s*\\multicolumn\{(\d+)\}", cell) for cell in line] for line in cells]
        tables.append([column_count, *(sum(int(span[1]) if span else 1 for span in line) for line in spans)])
    return tables


def assert_balanced(tex: str) -> None:
    plain = re.sub(r"\\[{}]", "", tex)
    assert plain.count("{") == plain.count("}")
    for name in set(re.findall(r"\\begin\{(.*?)\}", tex)):
        assert tex.count(rf"\begin{{{name}}}") == tex.count(rf"\end{{{name}}}")


def test_without_choices_there_is_a_table_per_task_over_all_label_sets(board_of):
    tex = wide_tables(board_of({}))
    assert_balanced(tex)
    probe, zero_shot = widths(tex)
    assert set(probe) == {5} and set(zero_shot) == {3}
    assert r"\multicolumn{2}{c}{Groups} & \multicolumn{2}{c}{Conditions} \\" in tex
    assert r"\cmidrule(lr){2-3}\cmidrule(lr){4-5}" in tex
    assert r"\caption{Linear probe, synthetic: macro AUROC.}" in tex and "SYNTHETIC DATA" in tex
    assert "2 label-subset seeds" in tex and "Holm" in tex


def test_choices_set_columns_caption_label_note_and_the_own_row(board_of):
    tex = wide_tables(board_of(CHOICES))
    assert_balanced(tex)
    assert widths(tex) == [[5] + [5] * (3 + 2 * 3)]  # three lines of headings, two lines per row
    assert r"\multicolumn{2}{c}{Linear probe} & \multicolumn{2}{c}{Zero-shot classification} \\" in tex
    assert "Method & 100 \\% & 100 \\% & en & en \\\\" in tex
    assert r"\caption{Main results, 50 \%.}" in tex and r"\label{tab:main}" in tex
    assert "Our own note. SYNTHETIC DATA" in tex, "a warning stands there whatever the author writes"
    assert r"\rowcolor{black!10}Ours \& co\_ & \textbf{0.800}" in tex and r"{\scriptsize {}[0." in tex


def test_the_number_alone_is_underlined(board_of):
    board = board_of({})
    for tex in (wide_tables(board), latex.tables(board)):
        assert r"\underline{0.705}" in tex and not re.search(r"\\underline\{[^}]*(pm|\[)", tex)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex (Debian: texlive-latex-recommended)")
def test_it_compiles(board_of, tmp_path):
    (tmp_path / "wide.tex").write_text(wide_tables(board_of(CHOICES)) + wide_tables(board_of({})))
    (tmp_path / "document.tex").write_text(latex.document(["wide"]))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "document.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
