"""The page on data of one's own: every description on it is one that the harness reads."""

import re
from pathlib import Path

import pytest

from benchmark.datasets.folder.description import read_description

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "own-data.md").read_text("utf-8")
DESCRIPTION, SEEDED_SPLIT, MORE_LABELS, ARRAYS, _SUITE = re.findall(
    r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE
)


def with_table(text: str, name: str, table: str) -> str:
    """Return a description with another text for one of its tables."""
    return re.sub(rf"^\[{name}\].*?(?=^\[)", lambda _: f"{table}\n", text, flags=re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    "text",
    [
        DESCRIPTION,
        DESCRIPTION + MORE_LABELS,
        with_table(DESCRIPTION, "split", SEEDED_SPLIT),
        with_table(DESCRIPTION, "signals", ARRAYS),
    ],
    ids=["as written", "more label sets", "seeded split", "arrays"],
)
def test_the_descriptions_of_the_page_are_right(text, tmp_path):
    file = tmp_path / "dataset.toml"
    file.write_text(text, "utf-8")
    assert read_description(file).title == "Ward 7, 2019 to 2023"
