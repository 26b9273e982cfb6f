"""The form of the documents: a README of a few screens, and lines that a diff can show."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "results" / "README.md"])
COLUMNS, README_LINES = 120, 150


def long_lines(text: str) -> list[int]:
    """Return the numbers of lines that are too long: tables, pictures and TOML tables cannot be wrapped."""
    code = {
        number
        for match in re.finditer(r"^```.*?^```", text, re.DOTALL | re.MULTILINE)
        for number in range(text[: match.start()].count("\n") + 1, text[: match.end()].count("\n") + 2)
    }
    lines = enumerate(text.splitlines(), 1)
    return [number for number, line in lines if len(line) > COLUMNS and number not in code and line[0] not in "|!"]


def test_the_readme_is_a_few_screens():
    text = (ROOT / "README.md").read_text("utf-8")
    assert text.count("\n") <= README_LINES, "move what is not the first thing to know to a page under docs/"
    first_screen = "\n".join(text.splitlines()[:40])
    assert "![" in first_screen and "```console" in first_screen and "```text" in first_screen


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_are_wrapped_so_that_the_diff_of_a_word_is_that_of_a_line(page):
    assert not long_lines(page.read_text("utf-8")), f"wrap these lines of {page.name} at {COLUMNS} columns"


def test_a_long_line_is_noticed():
    text = f"# A\n{'word ' * 30}\n| {'cell ' * 30}|\n```\n{'code ' * 30}\n```\nshort\n"
    assert long_lines(text) == [2]
