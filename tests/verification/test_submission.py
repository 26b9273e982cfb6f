"""A submission's problems are listed at once, and its flags reach the tables."""

import json
import shutil

import pytest

from benchmark.cli import main
from benchmark.records.archive import Archive, write_archive
from benchmark.records.record import signed_text

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


def change_archive(file, change_plan=lambda plan: None, change_record=lambda record: None):
    """Write a file of records anew with another plan and other records, which are signed again."""
    archive = Archive(file)
    plan, rows = json.loads(archive.plan_text()), archive.all_rows()
    change_plan(plan)
    texts = []
    for row in rows:
        record = json.loads(row.record)
        del record["sha256"]
        change_record(record)
        texts.append(row._replace(record=signed_text(record)))
    write_archive(file, texts, json.dumps(plan))


def test_a_record_that_answers_another_question_is_no_part_of_a_submission(folder, capsys):
    """Its key and its signature can be made to fit any cell; the question in it tells."""
    change_archive(folder / "one.parquet", change_record=lambda record: record["spec"]["task_config"].update(trials=9))
    text = " ".join(check(folder, capsys)[1]["problems"])
    assert "1 records answer another question than their key names: handcrafted linear_probe" in text


def test_a_plan_without_the_cells_that_went_badly_is_not_whole(folder, capsys):
    """Before, a plan was held against itself alone: cells that were taken out of it were missed by nobody."""

    def take_out(plan):
        plan["cells"] = [cell for cell in plan["cells"] if cell["row"] == "handcrafted"]
        plan["suite"]["tasks"][0]["config"]["seed"] = [0, 1]
        plan["suite"]["tasks"][0]["config"]["fraction"] = [0.1, 1.0]

    change_archive(folder / "one.parquet", take_out)
    text = " ".join(check(folder, capsys)[1]["problems"])
    assert "2 cells of the suite as this version lays it out are no part of the submission: handcrafted" in text


def test_the_cells_of_an_honest_submission_are_those_of_its_suite(folder, capsys):
    assert "as this version lays it out" not in " ".join(check(folder, capsys)[1]["problems"])


def test_a_number_of_the_authors_own_is_no_metric_of_a_task(folder, capsys):
    """A record whose primary metric nobody can compute again was counted among those that verify."""

    def rename(record):
        record["metrics"]["made_up"], record["primary"] = 0.99, "made_up"

    change_archive(folder / "one.parquet", change_record=rename)
    answer = check(folder, capsys)[1]
    text = " ".join(answer["problems"])
    assert "1 records show another metric than their task's: handcrafted" in text
    assert "its primary metric, made_up, is not computed from scores alone" in text
    assert not any("1 of" in fact for fact in answer["facts"])


def test_a_row_is_described_once_and_for_records_that_are_there(folder, capsys):
    """Of two descriptions the check read the first and tables the last; those of no suite were passed over."""
    (folder / "submission.toml").write_text(DESCRIPTION + DESCRIPTION.replace("true", "false"))
    assert "one: 'handcrafted' stands twice" in " ".join(check(folder, capsys)[1]["problems"])
    (folder / "submission.toml").write_text(DESCRIPTION + DESCRIPTION.replace('"one"', '"two"'))
    assert "describes rows of two, and no records of it are there" in " ".join(check(folder, capsys)[1]["problems"])
