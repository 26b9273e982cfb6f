"""Tables of a store keep every text as it is, and equal texts of a column once."""

import hashlib

import numpy as np

from benchmark.api import SignalSpec
from benchmark.data.store.preparation import prepare
from benchmark.data.store.prepared import PreparedDataset
from benchmark.data.store.text_columns import distinct_texts, read_table
from benchmark.engine import pretraining
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
    data = prepare("synthetic", {"patients": 20}, home)
    data.table["report"] = np.array(["sinus rhythm", "atrial fibrillation", " "], object)[np.arange(len(data)) % 3]
    questions = []
    monkeypatch.setattr(pretraining, "report_key", lambda text: questions.append(text) or text)
    corpus = ReportedRecordings(data, "train", SignalSpec())
    assert corpus.texts == len(questions) == 2 and len(corpus) + corpus.without == (data.splits == "train").sum()
    assert corpus.without == sum(not text.strip() for text in data.reports[data.splits == "train"])


def test_placeholders_of_older_stores_are_no_reports(home, reseal):
    data = prepare("synthetic", {"patients": 3}, home)
    table = (data.path / "records.csv").read_text()
    assert "" not in distinct_texts(data.reports)
    content = table.replace(next(iter(data.reports)), "None").encode()
    (data.path / "records.csv").write_bytes(content)
    parts = data.manifest["parts"]
    parts["records.csv"] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    reseal(data.path, parts=parts)
    older = distinct_texts(PreparedDataset(data.path).reports)
    assert "" in older and "None" not in older
