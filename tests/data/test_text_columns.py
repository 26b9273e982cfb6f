"""Tables of a store keep every text as it is, and equal texts of a column once."""

import numpy as np

from benchmark.data.store.text_columns import distinct_texts, read_table
from benchmark.engine.pretraining import ReportedRecordings

CONTENT = b'record_id,report,age,samples\n1,"NA, ""q""",,5\n02,,61,5\n3,NA,,5\n4,a\rb,3.5,5\n'
KINDS = {"record_id": object, "report": object}


def test_texts_stay_what_they_are_and_numbers_are_numbers():
    table = read_table(CONTENT, KINDS)
    assert list(table["record_id"]) == ["1", "02", "3", "4"]
    assert list(table["report"]) == ['NA, "q"', "", "NA", "a\rb"]
    assert np.array_equal(table["age"], [np.nan, 61, np.nan, 3.5], equal_nan=True) and table["samples"].sum() == 20


def test_a_text_of_20000_recordings_is_one_object():
    lines = "".join(f"{row},report {row % 7} {'x' * 100},50,5\n" for row in range(20_000))
    reports = read_table(f"record_id,report,age,samples\n{lines}".encode(), KINDS)["report"].to_numpy()
    assert len(set(map(id, reports))) == len(distinct_texts(reports)) == 7


def test_a_rule_for_reports_is_asked_once_for_each_text(home, monkeypatch):
    from benchmark.api import SignalSpec
    from benchmark.data.store import prepared
    from benchmark.data.store.preparation import prepare
    from benchmark.engine import pretraining

    data = prepare("synthetic", {"patients": 20}, home)
    asked = []
    monkeypatch.setattr(prepared, "real_report", lambda text: asked.append(text) or text)
    monkeypatch.setattr(pretraining, "report_key", lambda text: asked.append(text) or text)
    corpus = ReportedRecordings(data, "train", SignalSpec())
    different = len(set(corpus.reports))
    assert corpus.texts == different < len(corpus) and len(asked) == len(set(data.reports)) + different


def test_placeholders_of_older_stores_are_no_reports(home):
    from benchmark.data.store.preparation import prepare
    from benchmark.data.store.prepared import PreparedDataset

    data = prepare("synthetic", {"patients": 3}, home)
    content = (data.path / "records.csv").read_text()
    report = next(text for text in data.reports if text)
    assert "" not in distinct_texts(data.reports)
    data.manifest.pop("parts")
    (data.path / "records.csv").write_text(content.replace(report, "None"))
    older = PreparedDataset.__new__(PreparedDataset)
    older.__dict__.update(path=data.path, manifest=data.manifest)
    assert "" in distinct_texts(older.reports) and "None" not in distinct_texts(older.reports)
