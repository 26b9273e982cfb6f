"""A presentation changes what readers see in every format, never a number, and is refused where it does not fit."""

import csv
import io

import numpy as np
import pytest
from markdown_it import MarkdownIt

from benchmark.cli import main
from benchmark.errors import UsageError
from benchmark.leaderboard import breakdown_tables, latex, markdown, page, terminal, wide_table
from benchmark.leaderboard.figures import label_efficiency
from benchmark.leaderboard.presentation import PLAIN, read_presentation
from benchmark.leaderboard.spreadsheet import spreadsheet
from benchmark.leaderboard.tables import Leaderboard
from benchmark.leaderboard.words import metric_words, p_text, value_words

VALUES = {"random_init": 0.6, "handcrafted": 0.75, "merl": 0.8}
FILE = """
percent = true
interval = false
rows = ["merl"]
own = ["merl"]
baselines = []
[names.rows]
merl = "Ours"
[names.columns]
"100 %" = "all labels"
[names.label_sets]
"synthetic/groups" = "Two groups"
"""


@pytest.fixture
def records(plan, store, fill):
    noise = np.random.default_rng(0).normal(0, 0.02, 200).astype(np.float32)
    fill(plan, store, lambda cell: VALUES[cell.row] + 0.01 * cell.question.get("seed", 0), lambda cell: noise)
    return store


def look_of(tmp_path, text):
    path = tmp_path / "presentation.toml"
    path.write_text(text, "utf-8")
    return read_presentation(path)


def test_one_file_holds_for_every_format(plan, records, tmp_path, capsys):
    board = Leaderboard(plan, records, look=look_of(tmp_path, FILE))
    text = markdown.markdown(board, [])
    assert "## Linear probe on Two groups" in text and "| method | 10 % | all labels |" in text
    assert "| **Ours** | **80.5 ±0.7** | **80.0** |" in text and "macro AUROC (%)" in text
    assert text.index("| **Ours**") < text.index("| handcrafted |") and "| random_init |" not in text
    assert "Left out by the presentation: the baselines random_init." in text
    tex = latex.tables(board)
    assert r"\rowcolor{black!10}Ours & \textbf{80.5} $\pm$0.7 & \textbf{80.0} \\" in tex
    terminal.show(board)
    assert "Ours" in (out := capsys.readouterr().out) and "80.5 ±0.7" in out and "all labels" in out
    figure = label_efficiency.draw(board)["label_efficiency"]
    assert [one.get_text() for one in figure.legends[0].get_texts()] == ["Ours", "handcrafted"]


def test_the_csv_keeps_all_digits_and_the_names_of_the_suite(plan, records, tmp_path):
    look = look_of(tmp_path, FILE)
    line = next(csv.DictReader(io.StringIO(spreadsheet(Leaderboard(plan, records, look=look)))))
    assert line["method"] == "merl" and line["mean"] == "0.805000" and line["label_set"] == "groups"


def test_baselines_are_those_that_the_file_names(plan, records, tmp_path):
    board = Leaderboard(plan, records, look=look_of(tmp_path, 'baselines = ["handcrafted", "random_init"]'))
    assert (board.tables[0].rows, board.tables[0].baselines) == (["merl"], ["handcrafted", "random_init"])


def test_columns_are_chosen_and_ordered(plan, records, tmp_path):
    board = Leaderboard(plan, records, look=look_of(tmp_path, 'columns = ["100 %", "10 %"]'))
    assert [table.columns for table in board.tables] == [["100 %", "10 %"], ["en"]]


def test_every_wrong_key_and_value_is_named_at_once(tmp_path):
    text = 'decimal = 1\npercent = "much"\ndecimals = 9\n[names.row]\na = "b"\n[[wide]]\nlabels = "x"\n'
    with pytest.raises(UsageError) as error:
        look_of(tmp_path, text)
    for part in ("decimal is no key (did you mean 'decimals'?)", "percent", "decimals: ", "'rows'", "'label'"):
        assert part in str(error.value), part


@pytest.mark.parametrize("name", ['"a\\nb"', '" a"', '"_a"'])
def test_a_name_is_one_line(tmp_path, name):
    with pytest.raises(UsageError, match=r"names\.rows\.merl: .* is no name on one line"):
        look_of(tmp_path, f"[names.rows]\nmerl = {name}")


def test_two_rows_cannot_have_one_name(tmp_path):
    with pytest.raises(UsageError, match="two rows would be called 'A'"):
        look_of(tmp_path, '[names.rows]\nmerl = "A"\nhandcrafted = "A"')


def test_names_that_the_suite_does_not_have_are_refused_at_once(plan, records, tmp_path):
    text = 'own = ["mrl"]\ncolumns = ["1 %"]\n[names.tasks]\nprobe = "x"\n[[wide]]\nlabel_sets = ["groups"]'
    with pytest.raises(UsageError) as error:
        Leaderboard(plan, records, look=look_of(tmp_path, text))
    for part in ("no row 'mrl' (did you mean 'merl'?)", "no column '1 %'", "no task 'probe'", "no label set 'groups'"):
        assert part in str(error.value), part


def test_a_file_beside_the_suite_is_used_and_named_and_options_come_on_top(tiny_suite, records, tmp_path, capsys):
    (tiny_suite.parent / "presentation.toml").write_text("percent = true\n")
    arguments = ["leaderboard", str(tiny_suite), "--records", str(records.root), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--present", "decimals=2", "--methods", "merl", "handcrafted", "random_init"]) == 0
    assert f"presentation: {tiny_suite.parent / 'presentation.toml'}" in capsys.readouterr().out
    text = (tmp_path / "out" / "tiny.md").read_text()
    assert "80.50 ±0.71" in text and text.index("| merl |") < text.index("| handcrafted |")


def test_a_file_for_other_suites_is_not_used_unless_asked_for(tiny_suite, records, tmp_path, capsys):
    path = tiny_suite.parent / "presentation.toml"
    path.write_text('suites = ["other"]\npercent = true\n')
    arguments = ["leaderboard", str(tiny_suite), "--records", str(records.root), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0 and "presentation:" not in capsys.readouterr().out
    assert main([*arguments, "--presentation", str(path)]) == 2
    assert "is for other, not for tiny" in capsys.readouterr().err


def test_numbers_of_metrics_that_are_no_shares_are_no_percentages():
    look = read_presentation(None, {"percent": True})
    assert look.number(0.8834, "auroc_macro") == "88.3" and look.number(12.34567, "mae") == "12.346"
    assert PLAIN.number(0.8834, "auroc_macro") == "0.883"
    assert look.difference(0.8, 0.85, "auroc_macro") == ["85.0", "80.0", "-5.0"]


def test_words_for_readers():
    assert metric_words("auroc_macro") == "macro AUROC" and metric_words("bleu_4_new") == "BLEU-4, new"
    assert metric_words("label_f1_macro") == "label F1 macro" and metric_words("own_metric") == "own metric"
    assert [value_words("fraction", share) for share in (0.005, 0.01, 1.0)] == ["0.5 %", "1 %", "100 %"]
    assert [p_text(p) for p in (0.0, 9e-5, 0.0312, 1.0)] == ["< 0.0001", "< 0.0001", "0.0312", "1.0000"]


def test_a_narrow_terminal_shows_names_whole(plan, records, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "60")
    name = "a method with a name of fourty letters.."
    look = read_presentation(None, {"names": {"rows": {"merl": name}}})
    terminal.show(Leaderboard(plan, records, look=look))
    out = capsys.readouterr().out
    assert name in out and "0.805" in out and max(map(len, out.partition("SYNTHETIC")[0].splitlines())) <= 60


def test_texts_of_a_presentation_are_text_in_every_format(plan, records, tmp_path, capsys):
    evil = r"<script>alert(1)</script> \input{/etc/passwd} $x$ | [a](javascript:b)"
    choices = {
        "names": {"rows": {"merl": evil}, "columns": {"100 %": evil}, "label_sets": {"synthetic/groups": evil}},
        "wide": [{"caption": evil, "note": evil}],
    }
    board = Leaderboard(plan, records, look=read_presentation(None, choices))
    for tex in (latex.tables(board), wide_table.wide_tables(board), breakdown_tables.latex(board, "classes")):
        assert r"\input{" not in tex and "$x$" not in tex and r"\textbackslash{}input" in tex
    html = page.page(board, [], {}, tmp_path)
    assert "<script>alert" not in html and "&lt;script&gt;alert" in html
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown.markdown(board, []))
    parts = [*tokens, *(child for token in tokens for child in token.children or ())]
    assert not {"html_block", "link_open"} & {part.type for part in parts}
    assert {part.content for part in parts if part.type == "html_inline"} == {"<ins>", "</ins>"}
    terminal.show(board)
    assert evil[:20] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[names.rows]\nmerl = "handcrafted"', "the rows 'handcrafted' and 'merl' would both be called 'handcrafted'"),
        ('[names.columns]\n"10 %" = "100 %"', "the columns '10 %' and '100 %' would both be called '100 %'"),
        ('[names.tasks]\nzero_shot = "Linear probe"', "'linear_probe' and 'zero_shot' would both be called"),
    ],
)
def test_a_name_that_something_else_has_already_is_refused(plan, records, tmp_path, text, message):
    """Only two new names of rows were held against each other; a name that another row kept went through."""
    with pytest.raises(UsageError, match=message):
        Leaderboard(plan, records, look=look_of(tmp_path, text))
