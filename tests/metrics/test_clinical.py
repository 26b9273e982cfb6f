"""Statements are found in both languages, negated and uncertain ones are distinguished, F1 is as by hand."""

import numpy as np
import pytest

from benchmark.data.reports.report_cleaning import clean_reports
from benchmark.metrics.text.clinical import Agreement, compare_with_labels, compare_with_reports
from benchmark.metrics.text.statements import (
    comparable_statements,
    find_statements,
    label_matrix,
    load_rules,
    statement_matrix,
)

CLASSES = tuple(dict.fromkeys(label for statement in load_rules().statements for label in statement.labels))


@pytest.mark.parametrize(
    "report, certainties",
    [
        ("Vorhofflimmern, Linkstyp.", {"atrial_fibrillation": "present"}),
        ("atrial fibrillation with rapid response", {"atrial_fibrillation": "present"}),
        ("kein Vorhofflimmern", {"atrial_fibrillation": "negated"}),
        ("atrial flutter cannot be excluded", {"atrial_flutter": "uncertain"}),
        ("Sinustachykardie. Normales EKG ausgeschlossen.", {"sinus_tachycardia": "present", "normal": "negated"}),
        ("sinus rhythm. normal ecg.", {"normal": "present"}),
        ("lagetyp normal", {}),
        ("", {}),
    ],
)
def test_statements_in_german_and_english(report, certainties):
    assert find_statements(report) == certainties


def test_a_cue_reaches_its_own_clause_only():
    assert find_statements("no acute changes. atrial fibrillation")["atrial_fibrillation"] == "present"
    said_twice = find_statements("possible atrial fibrillation. atrial fibrillation")
    assert said_twice["atrial_fibrillation"] == "present"  # the most certain counts


def test_uncertain_statements_count_unless_excluded():
    column = [statement.name for statement in load_rules().statements].index("atrial_flutter")
    report = ["moegliches Vorhofflattern"]
    assert statement_matrix(report)[0, column] and not statement_matrix(report, uncertain=False)[0, column]


def test_every_statement_has_a_title_labels_and_a_pattern_that_finds_something():
    names = [statement.name for statement in load_rules().statements]
    assert len(set(names)) == len(names) >= 20
    assert all("/" in label for statement in load_rules().statements for label in statement.labels)
    assert not any(statement.pattern.search("") for statement in load_rules().statements)


def test_labels_are_those_of_the_statements():
    fibrillation = [s.name for s in load_rules().statements].index("atrial_fibrillation")
    labels = np.zeros((2, len(CLASSES)), np.uint8)
    labels[1, CLASSES.index("rhythm/AFIB")] = 1
    matrix = label_matrix(labels, CLASSES)
    assert matrix[1, fibrillation] and matrix.sum() == 1
    assert comparable_statements(CLASSES)[fibrillation] and not comparable_statements(CLASSES[:0]).any()
    assert compare_with_labels(["x"], labels[:1, :0], ()) is None


def test_f1_equals_scikit_learn():
    from sklearn.metrics import f1_score

    draw = np.random.default_rng(0)
    hypotheses, references = draw.random((2, 50, 4)) < 0.4
    references[:, 3] = False  # never true: no part of the macro mean
    micro, macro = Agreement(hypotheses, references, tuple("abcd")).f1(np.ones((1, 50)))
    assert micro[0] == pytest.approx(f1_score(references, hypotheses, average="micro", zero_division=0))
    assert macro[0] == pytest.approx(f1_score(references[:, :3], hypotheses[:, :3], average="macro"))
    counts = draw.integers(0, 3, 50)
    again = Agreement(hypotheses.repeat(counts, 0), references.repeat(counts, 0), tuple("abcd")).f1(
        np.ones((1, counts.sum()))
    )
    np.testing.assert_allclose(Agreement(hypotheses, references, tuple("abcd")).f1(counts[None]), again)


def test_equal_reports_agree_and_a_missed_statement_lowers_recall_alone():
    true = ["vorhofflimmern", "sinustachykardie"]
    assert compare_with_reports(true, true).f1(np.ones((1, 2))) == (1, 1)
    half = compare_with_reports(["vorhofflimmern", "unauffällig"], true).by_statement()
    assert half["atrial_fibrillation"] == {"precision": 1, "recall": 1, "f1": 1, "n": 1}
    assert half["sinus_tachycardia"]["recall"] == 0


def test_cleaning_removes_what_says_nothing_of_the_recording_and_counts_it():
    reports = [
        "sinusrhythmus 4.46      unbestÄtigter bericht",
        "Trace only requested.",
        "af. Edit: AFIB, (m,19)",
        "a  b ",
    ]
    texts, removals = clean_reports(reports, "ptbxl")
    assert texts == ["sinusrhythmus", "", "af.", "a b"]
    assert removals == {
        "unconfirmed report": 1, "cart version": 1, "trace only": 1, "label note": 1,
        "outer blanks": 1, "inner blanks": 1,
    }  # fmt: skip
    assert clean_reports(reports[:1], "csn")[0] == ["sinusrhythmus 4.46 unbestÄtigter bericht"]
    assert clean_reports(["rr 14.46 ms"], "ptbxl")[0] == ["rr 14.46 ms"]
