"""Titles, rows, notes and numbers of others in files of ours: no format executes them, or lets them change its form."""

import csv
import io
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from benchmark.cli import main
from benchmark.inert import FORMULA, NUMBER, csv_text, markdown_row, markdown_text
from benchmark.leaderboard import latex, terminal
from benchmark.leaderboard.tables import Leaderboard
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite

PIECES = (
    *(
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n",
        "＝1",
        '"',
        "'",
        ",",
        ";",
        "-0.5",
        "+3e4",
    ),
    *(
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "</style>",
        "<!--",
        "-->",
        "<b>",
        "&lt;b&gt;",
        "&#60;",
    ),
    *(
        "[x](javascript:alert(1))",
        "![x](http://evil/x.png)",
        "[x]: http://evil",
        "<http://evil>",
        "|",
        "\\|",
        "\\",
        "`",
        "``",
    ),
    *(
        "**",
        "__",
        "# ",
        "> ",
        "- ",
        "1. ",
        "    ",
        "```",
        "---",
        "===",
        "\\input{/etc/passwd}",
        "\\end{document}",
        "$x$",
    ),
    *(
        "{",
        "}",
        "%",
        "^^5c",
        "~",
        "#",
        "[1cm]",
        "*",
        "(lr)",
        "\x1b[2J",
        "\x00",
        "\u202e",
        "\u2028",
        "≈",
        "心",
        "a",
        " ",
    ),
)
HOSTILE = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=5)), max_size=5).map("".join)
MARKDOWN = MarkdownIt("commonmark").enable("table")
COMMANDS = re.compile(r"\\([a-zA-Z]+|.)")
HARMLESS = {"textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar", "pm", "times"}
HARMLESS |= {"approx", "rightarrow", "leq", "geq", "neq", "cdot", "circ", "mu", "dots", *"&%$#_{}"}
HARMLESS |= {"ss", "ae", "AE", "oe", *"oOlL", *"`'^~=u.\"rHvc"}  # letters and accents


@settings(max_examples=150, deadline=None)
@given(st.lists(HOSTILE, min_size=1, max_size=3))
def test_no_cell_of_a_csv_is_a_formula_and_none_breaks_a_line(texts):
    table = csv_text(["a", *texts], [[1.5, *texts], [None, *texts]])
    assert table.count("\n") == 3
    for line in csv.reader(io.StringIO(table), strict=True):
        assert len(line) == 1 + len(texts)
        assert not any(cell.lstrip().startswith(FORMULA) and not NUMBER.fullmatch(cell) for cell in line)


def test_numbers_stay_numbers():
    assert csv_text(["x"], [["-0.5"], ["+3"], [-2.5], ["1e-9"], [".5"]]) == "x\n-0.5\n+3\n-2.5\n1e-9\n.5\n"


@settings(max_examples=150, deadline=None)
@given(HOSTILE, HOSTILE)
def test_markdown_keeps_its_form(one, other):
    one, other = markdown_text(one), markdown_text(other)
    table = "\n".join([markdown_row(["m", one]), "|---|---|", markdown_row([other, one])])
    document = f"# T {one}\n\n> **{one}**\n\n{table}\n\n- {one}\n- {other}\n"
    tokens = MARKDOWN.parse(document)
    inner = [child.type for token in tokens for child in token.children or ()]
    assert not {"html_block", "html_inline", "link_open", "image"} & {*inner, *(token.type for token in tokens)}
    counts = [
        sum(token.type == kind for token in tokens) for kind in ("heading_open", "th_open", "td_open", "table_open")
    ]
    assert counts[1:] == [2, 2, 1] and counts[0] >= 1 and len(MARKDOWN.parse(document)[0].tag) == 2


@settings(max_examples=150, deadline=None)
@given(HOSTILE)
def test_latex_gets_letters_and_no_commands(text):
    escaped = latex.escape(text)
    assert set(COMMANDS.findall(escaped)) <= HARMLESS and "\n" not in escaped
    plain = re.sub(r"\\[{}]", "", escaped)
    assert plain.count("{") == plain.count("}") and "%" not in re.sub(r"\\%", "", escaped)
    assert not escaped.lstrip().startswith(("[", "*", "("))  # an option of the rule or line end above
    assert escaped.isascii()


class Tags(HTMLParser):
    """The tags of a page with the attributes that could act."""

    def __init__(self):
        super().__init__()
        self.tags = []

    def handle_starttag(self, tag, attributes):
        self.tags.append(
            (tag, *sorted(name for name, _ in attributes if name.startswith("on") or name in ("src", "href")))
        )


NASTY = {
    "title": "<script>alert(1)</script> [x](javascript:alert(1)) \\\\input{/etc/passwd} =1+1",
    "about": "</style><script>alert(2)</script>\\n\\n# more | of | this",
    "version": "1`<b>",
}
ROWS = (
    '=HYPERLINK(\\"http://evil\\",\\"x\\")',
    "<img src=x onerror=alert(1)> | \\\\input{/etc/passwd} $x$ [bold]",
    "[1cm] *_x_*",
)


@pytest.fixture
def boards(tiny_suite, store, fill):
    """Two boards of one form: a plain one, and one whose texts are all hostile."""
    suites = {}
    for kind in ("plain", "hostile"):
        text = tiny_suite.read_text("utf-8") if kind == "plain" else suites["text"]
        if kind == "hostile":
            text = text.replace("Tiny synthetic suite", NASTY["title"]).replace(
                'version = "1.0"', f'version = "{NASTY["version"]}"\nabout = "{NASTY["about"]}"'
            )
            for name, label in zip(("random_init", "handcrafted", "merl"), ROWS, strict=True):
                text = text.replace(f'name = "{name}"', f'name = "{name}"\nlabel = "{label}"')
        suites["text"] = text
        path = tiny_suite.with_name(f"{kind}.toml")
        path.write_text(text, "utf-8")
        plan = make_plan(load_suite(str(path)))
        notes = ["<i>note</i> | with [a](http://b)\n\nlines"] if kind == "hostile" else ["a note with a lines"]
        suites[kind] = path, plan, notes
    return suites


def test_no_file_of_a_leaderboard_executes_what_a_suite_or_record_says(boards, store, fill, tmp_path, capsys):
    files = {}
    for kind in ("plain", "hostile"):
        path, plan, notes = boards[kind]
        records = type(store)(tmp_path / kind / "records")
        values = {row: 0.6 + 0.1 * number for number, row in enumerate(dict.fromkeys(cell.row for cell in plan.cells))}
        fill(plan, records, lambda cell, values=values: values[cell.row], notes=notes)
        out = tmp_path / kind / "out"
        arguments = ["leaderboard", str(path), "--records", str(records.root), "--out", str(out)]
        assert main([*arguments, "--format", "md,csv,tex,html,svg"]) == 0
        files[kind] = {file.name: file.read_text("utf-8") for file in out.rglob("*") if file.is_file()}
        assert sorted(path.name for path in out.parent.iterdir()) == ["out", "records"]
    plain, hostile = files["plain"], files["hostile"]
    assert plain.keys() == hostile.keys() and len(plain) >= 6

    tags = {}
    for kind, page in (("plain", plain["tiny.html"]), ("hostile", hostile["tiny.html"])):
        reader = Tags()
        reader.feed(page)
        tags[kind] = [tag for tag in reader.tags if tag[0] != "li"]
    assert tags["plain"] == tags["hostile"]
    shapes = [[token.type for token in MARKDOWN.parse(text["tiny.md"])] for text in (plain, hostile)]
    assert shapes[0] == shapes[1] and "html_block" not in shapes[1]
    for line in csv.reader(io.StringIO(hostile["tiny.csv"]), strict=True):
        assert not any(cell.startswith(FORMULA) and not NUMBER.fullmatch(cell) for cell in line)
    assert "'=HYPERLINK" in hostile["tiny.csv"]
    commands = [set(re.findall(r"\\[a-zA-Z]+", text["tiny.tex"])) for text in (plain, hostile)]
    assert commands[1] - commands[0] <= {r"\textbackslash", r"\textless", r"\textgreater", r"\textbar"}
    assert "\x1b" not in capsys.readouterr().out
    drawings = [text for name, text in hostile.items() if name.endswith(".svg")]
    assert not any("<script" in text or "<img" in text for text in drawings)
    assert any("$x$" in text for text in drawings)  # no formula of matplotlib's either


def test_the_terminal_takes_no_orders(boards, store, fill, capsys):
    _, plan, _ = boards["hostile"]
    fill(plan, store, notes=["\x1b[2J[bold]gone[/]\rx"])
    terminal.show(Leaderboard(plan, store))
    output = capsys.readouterr().out
    assert "\x1b" not in output and "\r" not in output and "[bold]gone[/]" in output
