"""The site of a few records: its links, its texts, its bytes, and what it refuses."""

import base64
import gzip
import json
import posixpath
import re
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest

from benchmark.cli import main
from benchmark.errors import DataError, MissingError, UsageError
from benchmark.site.addresses import Place, file_names, link
from benchmark.site.build import build_site
from benchmark.site.link_check import dead_links
from tests.site.conftest import EVIL

PAGES = {}
VOID = {"meta", "link", "img", "br", "input", "hr", "col"}


class Reader(HTMLParser):
    """Reads a page as browsers do: links, ids, elements, headings, and texts."""

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.tags, self.open, self.text, self.labels = [], [], [], [], "", set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.tags.append(tag)
        self.text += " " if tag in ("dt", "dd", "td", "th") else ""
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values[name] for name in ("href", "src") if name in values]
        self.labels |= {values[name] for name in ("aria-label", "title", "alt") if name in values}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        assert tag in VOID

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += "" if self.open[-1:] in (["script"], ["style"]) else data


@pytest.fixture
def build(tmp_path, suite_records, checkout, without_figures):
    def work(name="site"):
        build_site(suite_records, tmp_path / name, checkout, on_page=lambda page: None)
        return {
            path.relative_to(tmp_path / name).as_posix(): path.read_text("utf-8")
            for path in sorted((tmp_path / name).rglob("*.html"))
        }

    return work


@pytest.fixture
def pages(request):
    """Return the pages of the made-up records; equal records give equal pages, so that one build serves all tests."""
    if not PAGES:
        PAGES.update(request.getfixturevalue("build")())
    return dict(PAGES)


def records_of(pages, value):
    """The page of the row with this value, by the summary of its records."""
    return next(text for page, text in pages.items() if page.startswith("records/") and f": {value}" in text)


def test_every_link_of_a_site_leads_to_a_page_and_a_part_of_it(pages):
    readers = {page: Reader(text) for page, text in pages.items()}
    internal = 0
    for page, reader in readers.items():
        assert len(reader.ids) == len(set(reader.ids)), f"{page} has an id twice"
        for address in reader.links:
            if address.startswith(("https:", "data:")):
                continue
            where, _, anchor = address.partition("#")
            goal = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(where))) if where else page
            assert goal in readers, f"{page}: {address}"
            assert not anchor or unquote(anchor) in readers[goal].ids, f"{page}: {address}"
            internal += 1
    assert internal > 300 and not dead_links(pages)
    kinds = ["datasets", "docs", "index.html", "methods", "records", "suites"]
    assert sorted({page.partition("/")[0] for page in pages}) == kinds


def test_hostile_names_and_texts_stay_text(pages):
    scripts = {"suites/made_up.html": 5}
    for page, text in pages.items():
        reader = Reader(text)
        assert not reader.open and EVIL not in text.replace("&#39;", "'")
        assert "javascript:" not in "".join(address for address in reader.links)
        assert reader.tags.count("script") <= scripts.get(page, 3) and "b" not in reader.tags
    assert EVIL in Reader(pages["index.html"]).text


def test_equal_records_give_equal_bytes_and_a_second_build_writes_nothing(build, tmp_path):
    assert build("one") == build("two")
    assert (tmp_path / "one" / "site.json").read_bytes() == (tmp_path / "two" / "site.json").read_bytes()
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*.html")}
    build("one")
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*.html")} == times


def test_no_page_names_a_path_of_this_machine(build, tmp_path):
    assert not [page for page, text in build().items() if str(tmp_path) in text]


def test_a_number_leads_to_the_records_that_it_is_the_mean_of(pages):
    page, anchor = re.search(r'href="\./(records/[^"#]+)#([^"]+)">0\.805', pages["index.html"]).groups()
    section = pages[unquote(page)].partition(f'<section id="{anchor}">')[2].partition("</section>")[0]
    text = " ".join(Reader(f"<i>{section}</i>").text.split())
    assert "Linear probe on synthetic groups, 10 %" in text
    assert "seed 0: 0.8000 [0.7500, 0.8400]" in text and "seed 1: 0.8100 [0.7600, 0.8500]" in text


def test_a_record_shows_its_fields_and_itself(pages, suite_records):
    text = records_of(pages, "0.8000")
    words = " ".join(Reader(text).text.split())
    for fact in (
        "macro AUROC 0.8000 [0.7500, 0.8400]", f"C 0.25, balanced {EVIL}", "train 9, test 30",
        f"unknown: nobody compared {EVIL}", "method code1, task code2", "data d1", "sha256 ab12", "frozen-eval-1",
        "code git 0123abc", "code dirty true", f"environment cpu {EVIL}", "method width 8",
    ):  # fmt: skip
        assert fact in words, fact
    archive = re.search(r'id="packed">([^<]+)<', text)[1]
    texts = json.loads(gzip.decompress(base64.b64decode(archive)))
    files = {path.parent.name: path for path in suite_records.rglob("record.json")}
    assert texts and all(whole == files[key].read_text("utf-8") for key, whole in texts.items())


def test_synthetic_numbers_are_marked_on_every_page_that_has_them(pages):
    for page, text in pages.items():
        if page.startswith(("suites/", "records/")) or page in ("index.html", "methods/merl.html"):
            assert "SYNTHETIC DATA" in text, page
    assert "SYNTHETIC DATA" not in pages["methods/melp.html"]


def test_the_page_of_a_method_has_card_options_numbers_and_a_place_for_the_card_of_its_weights(pages):
    reader = Reader(pages["methods/merl.html"])
    for fact in ("ICML 2024", "licence", "text_model", "res18_best_ckpt.pth", "0.805", "not collected"):
        assert fact in reader.text, fact
    assert any(name.startswith("weights-merl-") for name in reader.ids)


def test_the_page_of_a_dataset_has_splits_classes_and_suites(pages):
    assert "Silver labels: findings come from an automatic" in pages["datasets/ptbxl.html"]
    assert "17,084" in Reader(pages["datasets/ptbxl.html"]).text and "None yet" in pages["datasets/ptbxl.html"]
    reader = Reader(pages["datasets/synthetic.html"])
    assert "./../suites/made_up.html#table-0-title" in reader.links


def test_documents_keep_their_links_among_themselves_and_to_the_tables(pages):
    reader = Reader(pages["docs/index.html"])
    assert {"./README.html#the-name", "./page.html#a-heading-twice-1", "./../suites/made_up.html"} <= {*reader.links}
    assert "in the repository: ../LICENSE" in reader.labels and "<b>no markup</b>" in reader.text
    assert any(address.startswith("data:image/svg+xml;base64,") for address in reader.links)
    assert '<div class="scroll" tabindex="0"><table>' in pages["docs/page.html"]


def test_dead_links_of_documents_stop_the_build_with_all_of_them(build, checkout):
    with (checkout / "docs" / "page.md").open("a") as file:
        file.write("\n[gone](gone.md) ![none](none.png)\n")
    with pytest.raises(DataError, match=r"gone\.md is not there(.|\n)*none\.png is not there"):
        build()


def test_a_dead_anchor_is_noticed(build, checkout):
    with (checkout / "docs" / "page.md").open("a") as file:
        file.write("\n[no heading](index.md#none)\n")
    with pytest.raises(DataError, match=r"docs/page\.html: docs/index\.html has no part #none"):
        build()


def test_pages_that_are_gone_are_removed_and_foreign_folders_are_refused(build, tmp_path, checkout):
    assert "docs/page.html" in build()
    (checkout / "docs" / "page.md").unlink()
    (checkout / "docs" / "index.md").write_text("# Documents\n")
    (tmp_path / "site" / "notes.txt").write_text("of the user")
    assert "docs/page.html" not in build() and (tmp_path / "site" / "notes.txt").is_file()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("of the user")
    with pytest.raises(UsageError, match=r"other holds files that are no site"):
        build("other")


def test_a_list_of_files_that_leads_out_of_the_folder_removes_nothing(build, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "keep.html").write_text("of the user")
    (tmp_path / "site" / "site.json").write_text('{"files": {"../keep.html": "", "/keep.html": "", "x.txt": ""}}')
    (tmp_path / "site" / "x.txt").write_text("of the user")
    build()
    assert (tmp_path / "keep.html").is_file() and (tmp_path / "site" / "x.txt").is_file()


def test_records_of_a_method_that_is_not_installed_have_a_page_without_its_card(build, suite_records):
    plan = suite_records / "made_up" / "plan.json"
    changed_text = plan.read_text("utf-8").replace('"handcrafted"', '"of_somebody"')
    plan.write_text(changed_text, "utf-8")
    (suite_records / "made_up" / "linear_probe" / "handcrafted").rename(
        suite_records / "made_up" / "linear_probe" / "of_somebody"
    )
    assert "its card is not known" in build()["methods/of_somebody.html"]


def test_a_folder_without_records_is_named_with_the_remedy(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingError, match="ecgarena collect SUITE --out"):
        build_site(tmp_path / "empty", tmp_path / "site")


def test_the_command_says_where_the_site_begins(suite_records, tmp_path, monkeypatch, without_figures, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["site", "--records", str(suite_records), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["index"] == "build/site/index.html" and (tmp_path / answer["index"]).is_file()
    assert answer["suites"] == ["made_up"]


def test_the_documents_of_this_project_have_no_link_that_leads_nowhere(suite_records, tmp_path, without_figures):
    """The links that `tests/docs` checks, as the site has them."""
    site = build_site(suite_records, tmp_path / "site", on_page=lambda page: None)
    assert site.has_documents and (tmp_path / "site" / "docs" / "protocol.html").is_file()


def test_addresses_are_relative_and_have_no_scheme():
    assert link("records/a/b c.html", Place("records/a/x:y#z.html", "k 1")) == "./x%3Ay%23z.html#k%201"
    assert (
        link("a/b.html", Place("a/b.html", "part")) == "#part" and link("index.html", Place("a/b.html")) == "./a/b.html"
    )
    assert len({name.casefold() for name in file_names(["Row", "row", "ROW", "a/b"]).values()}) == 4
