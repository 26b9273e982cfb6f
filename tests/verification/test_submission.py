"""A submission's problems are listed at once, and its flags reach the tables."""

import json
import shutil

import pytest

from benchmark.cli import main

DESCRIPTION = """
[[rows]]
suite = "one"
row = "handcrafted"
licence = "MIT"
paper = "A <b>paper</b>"
code = "https://example.org"
leak_known = true
"""


@pytest.fixture
def folder(files):
    """Return a folder with records and predictions of a whole suite, and a description."""
    suite, records, _, _ = files
    (suite.parent / "submission.toml").write_text(DESCRIPTION)
    return records.parent


def check(folder, capsys):
    capsys.readouterr()
    code = main(["submission", "check", str(folder), "--home", str(folder / "home"), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_a_whole_submission_is_ready_but_for_the_cells_that_are_missing(folder, capsys):
    code, answer = check(folder, capsys)
    assert code in (0, 4) and "handcrafted: leak verdict clean" in answer["facts"]
    assert all("no finished record" in line or "there is no record" in line for line in answer["problems"])


def test_all_problems_are_listed_at_once_with_their_remedies(folder, capsys):
    (folder / "submission.toml").write_text(DESCRIPTION.replace('row = "handcrafted"', 'row = "other"'))
    shutil.rmtree(folder / "predictions")
    code, answer = check(folder, capsys)
    text = " ".join(answer["problems"])
    assert code == 4 and "has no row 'other'" in text and "collect --predictions" in text
    (folder / "submission.toml").write_text("[[rows]]\nsuite = 3\nmade_up = true\n")
    text = " ".join(check(folder, capsys)[1]["problems"])
    assert "rows.0.made_up" in text and "rows.0.licence" in text and "rows.0.suite" in text


def test_a_folder_without_records_is_an_error(tmp_path, capsys):
    assert main(["submission", "check", str(tmp_path)]) == 5
    assert "holds no records" in capsys.readouterr().err


def test_flags_stand_in_every_table_and_nowhere_without_the_file(folder, tmp_path, capsys):
    arguments = ["leaderboard", str(folder / "one.toml"), "--records", str(folder / "one.parquet")]
    main([*arguments, "--format", "md,csv,html", "--out", str(tmp_path / "with")])
    (folder / "submission.toml").unlink()
    main([*arguments, "--format", "md,csv,html", "--out", str(tmp_path / "without")])
    for name in ("one.md", "one.html"):
        text = (tmp_path / "with" / name).read_text()
        assert "replicated by us" in text and "<b>paper</b>" not in text
        assert "replicated by us" not in (tmp_path / "without" / name).read_text()
    assert "leak_known,replicated,confirmed" in (tmp_path / "with" / "one.csv").read_text()
    assert "leak_known" not in (tmp_path / "without" / "one.csv").read_text()
