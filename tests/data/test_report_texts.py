"""One rule says when two reports are the same, and which texts are no reports."""

import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmark.api import SignalSpec, report_key
from benchmark.data.labels.prompts import load_prompts
from benchmark.data.reports.report_texts import real_report, stored_report
from benchmark.data.store.preparation import prepare, read_preparation_log
from benchmark.data.store.prepared import RECORDS, PreparedDataset
from benchmark.datasets.synthetic import Synthetic
from benchmark.engine.pretraining import ReportedRecordings
from benchmark.errors import UsageError
from benchmark.metrics.text.scores import score_texts
from methods.nn.contrastive import equal_texts

ROOT = Path(__file__).resolve().parents[2]
GERMAN = "Großer  Vorhof", "GROSSER VORHOF"


def test_case_and_blanks_make_no_other_report():
    assert len({report_key(text) for text in (*GERMAN, " großer\tvorhof\n")}) == 1
    assert report_key(" \n") == ""


def test_a_store_keeps_composed_letters_on_one_line():
    report = "sinusrhythmus.\n überdrehter linkstyp"
    decomposed = unicodedata.normalize("NFD", report)
    assert decomposed != report and stored_report(decomposed) == "sinusrhythmus. überdrehter linkstyp"
    assert stored_report("<NA>") == ""


def test_loss_scorer_and_prompts_agree_on_equal_texts(tmp_path):
    assert equal_texts([report_key(text) for text in GERMAN], torch.device("cpu")).all()
    assert score_texts([GERMAN[0]], [GERMAN[1]], use_java=False).metrics["exact"] == 1
    path = tmp_path / "prompts.json"
    phrases = f'{{"d": {{"l": {{"C": ["{GERMAN[0]}", "{GERMAN[1]}"]}}}}}}'
    path.write_text(f'{{"name": "x", "language": "de", "version": "1", "about": "x", "classes": {phrases}}}', "utf-8")
    with pytest.raises(UsageError, match="stands there twice"):
        load_prompts(str(path))


def test_no_other_place_has_a_rule_of_its_own():
    own = re.compile(r"join\(.*\.(lower|casefold)\(\)\.split\(\)\)")
    files = [path for folder in ("benchmark", "methods", "tasks") for path in (ROOT / folder).rglob("*.py")]
    assert [path.name for path in files if own.search(path.read_text("utf-8"))] == ["api.py"]


def spellings(word):
    return [word, word.upper(), f" {word.capitalize()} "]


@pytest.mark.parametrize("text", [text for word in ("nan", "none", "<na>", "null", "n/a") for text in spellings(word)])
def test_what_programs_write_where_there_is_no_text_is_no_report(text):
    assert real_report(text) == "" and real_report(f"{text} found") == f"{text} found"


def test_no_consumer_of_a_prepared_dataset_sees_such_a_text(home, monkeypatch, as_prepared_before):
    """Not of a new store, and not of one whose table still holds them."""
    words = ["nan", "None", "<NA>", "null", "N/A"]

    class Odd(Synthetic):
        def entries(self, root=None):
            entries = super().entries(root)
            odd = [replace(entry, report=text) for entry, text in zip(entries, words, strict=False)]
            return [*odd, *entries[len(words) :]]

    monkeypatch.setattr("benchmark.data.store.preparation.DATASETS.get", lambda name: Odd)
    data = prepare("synthetic", {"patients": 20}, home)
    kinds = [remark["kind"] for remark in read_preparation_log(data).remarks]
    assert kinds.count("a report that only says there is none") == len(words)
    assert "nan" not in (data.path / RECORDS).read_text("utf-8").lower()
    assert len(data.reports) == len(data)  # of the new store, as it is
    table = (data.path / RECORDS).read_text("utf-8")
    table = table.replace(",male,,", ",male,None,").replace(",female,,", ",female,nan,")
    (data.path / RECORDS).write_text(table, "utf-8")
    as_prepared_before(data.path)
    for store in (data, PreparedDataset(data.path)):
        assert not any(store.reports[: len(words)]) and all(store.reports[len(words) :])
        assert store.label_set("reports").rows[0] == len(words)
        train = ReportedRecordings(store, "train", SignalSpec(rate=100))
        assert train.without == int((store.splits[: len(words)] == "train").sum()) > 0
