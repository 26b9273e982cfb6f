"""The audit counts what it says: falls, ties with harmless changes, tables, figure, and what is missing."""

import csv
import io
import json
from collections import Counter

import numpy as np
import pytest

from benchmark.cli import main
from benchmark.metrics.text.scores import score_texts
from benchmark.reporting.audit import figure, tables
from benchmark.reporting.audit.audit import audit
from benchmark.reporting.audit.measures import Measures, cider_by_corpus, statement_f1
from benchmark.reporting.audit.sampling import Corpus, draw_samples

GERMAN = [
    "sinusrhythmus lagetyp normal linksschenkelblock",
    "sinusrhythmus ueberdrehter linkstyp qt-verlängerung inferiorer infarkt möglich",
    "vorhofflimmern rechtstyp anteriorer infarkt wahrscheinlich alt",
]
ENGLISH = ["sinus rhythm. left bundle branch block. possible old inferior infarct.", "sinus rhythm. normal ecg."]
CORPUS = Corpus(
    {"de": GERMAN, "en": ENGLISH}, {"de": ["1", "2", "3"], "en": ["4", "5"]}, Counter(GERMAN), [*GERMAN, *ENGLISH]
)


@pytest.fixture(scope="module")
def lines():
    return audit(draw_samples(CORPUS, 2, 0), Measures(CORPUS.test, None, None, use_java=False))


def find(lines, fault, metric, language="de"):
    return next(line for line in lines if (line.fault, line.metric, line.language) == (fault, metric, language))


def test_a_sample_has_reports_that_admit_the_fault_and_no_more_than_asked_for():
    samples = {(sample.fault.name, sample.language): sample for sample in draw_samples(CORPUS, 2, 0)}
    assert len(samples["side", "de"].true) == 2 and len(samples["side", "en"].true) == 1
    assert not samples["negation", "de"].true and samples["side", "de"].words == 1
    assert len(samples["site", "de"].harmless) == 2 and not samples["order", "de"].harmless
    again = {(sample.fault.name, sample.language): sample for sample in draw_samples(CORPUS, 2, 0)}
    assert again == samples


def test_words_that_stay_leave_single_words_alone_and_one_wrong_word_ties_with_a_typing_error(lines):
    assert find(lines, "order", "bleu_1").drop == pytest.approx(0)
    side = find(lines, "side", "rouge_l")
    assert 0 < side.low <= side.drop <= side.high and (side.below, side.tied, side.recognised) == (0, 1, 0.5)
    assert np.isnan(find(lines, "order", "rouge_l").below)
    assert find(lines, "language", "clinical_f1").drop == pytest.approx(0)
    assert not [line for line in lines if line.metric in ("meteor", "embedding")]


def test_cider_of_a_corpus_is_that_of_the_package_and_of_no_other_pair():
    hypotheses = ["sinusrhythmus lagetyp normal", GERMAN[1], "vorhofflimmern"]
    whole = score_texts(hypotheses, GERMAN, use_java=False).per_text["cider"]
    assert cider_by_corpus(hypotheses, GERMAN, GERMAN) == pytest.approx(whole)
    assert cider_by_corpus(hypotheses[1:2], GERMAN[1:2], GERMAN) == pytest.approx(whole[1:2])
    many = cider_by_corpus(hypotheses * 3, GERMAN * 3, GERMAN)
    assert many == pytest.approx(np.tile(whole, 3))


def test_the_f1_of_two_reports_without_a_statement_is_one():
    f1 = statement_f1(["", "left bundle branch block", "atrial fibrillation"], ["", "", "atrial fibrillation"])
    assert f1.tolist() == [1, 0, 1]


def test_tables_and_figure_have_all_faults_and_say_what_is_synthetic(lines):
    table = tables.AuditTable("made_up", lines, 2, ["train"], 0, True, None, ["no Java"])
    text = tables.markdown(table)
    assert "> **synthetic" in text and "- no Java" in text and "left for right (English): 1" in text
    rows = list(csv.DictReader(io.StringIO(tables.spreadsheet(table))))
    assert len(rows) == len(lines) and {row["synthetic"] for row in rows} == {"True"}
    assert json.loads(json.dumps(tables.as_json(table), allow_nan=False))["lines"]
    texts = {text.get_text() for axis in figure.draw(table).axes for text in axis.get_yticklabels()}
    assert "left for right (2)" in texts


def test_all_wrong_options_are_named_at_once(capsys):
    assert main(["audit-report-metrics", "synthetic", "--reports", "0", "--splits", "tset", "--seed", "-1"]) == 2
    error = capsys.readouterr().err
    assert all(option in error for option in ("--reports", "--splits", "--seed"))


def test_the_command_writes_table_csv_and_figure(prepared_home, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("benchmark.reporting.audit.measures.java_path", lambda: None)
    monkeypatch.setenv("ECGARENA_HOME", str(prepared_home.root))
    command = ["audit-report-metrics", "synthetic", "--set", "patients=120", "--reports", "2", "--without-embedding"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".md", ".csv", ".svg"}
    printed = capsys.readouterr().out
    assert "synthetic" in printed and "METEOR" in printed and "left out on request" in printed
