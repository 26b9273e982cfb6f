"""Links of the documents lead somewhere: files that exist, headings that are there, https for everything outside."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "results" / "README.md"])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|<(?:a|img)\s[^>]*?(?:href|src)=\"([^\"]+)\"")


def prose(page: Path) -> str:
    """A page without its code."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub and most forges make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    result: dict[str, int] = {}
    names = set()
    for heading in re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        names.add(f"{name}-{result[name]}" if name in result else name)
        result[name] = result.get(name, 0) + 1
    return names


def faults(page: Path) -> list[str]:
    wrong = []
    for target in (first or second for first, second in LINK.findall(prose(page))):
        where, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            wrong += [] if target.startswith("https://") else [f"{target} is no https link"]
            continue
        goal = (page.parent / where).resolve() if where else page
        if not goal.exists():
            wrong.append(f"{target} is not there")
        elif ROOT not in goal.parents and goal != ROOT:
            wrong.append(f"{target} leads out of the project")
        elif anchor and anchor not in anchors(goal):
            wrong.append(f"{where or page.name} has no heading #{anchor}")
    return wrong


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert not faults(page)


def test_every_page_is_reached_from_the_index_and_the_readme():
    index = set(re.findall(r"\]\(([\w-]+\.md)[)#]", (ROOT / "docs" / "index.md").read_text("utf-8")))
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"} <= index
    assert "](docs/index.md)" in (ROOT / "README.md").read_text("utf-8")


def test_a_dead_link_is_found(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("# A head\n[a](gone.md) [b](#a-head) [c](#tail) [d](http://x.org) `[e](code.md)`\n")
    monkeypatch.setitem(faults.__globals__, "ROOT", tmp_path)
    assert faults(page) == ["gone.md is not there", "page.md has no heading #tail", "http://x.org is no https link"]
