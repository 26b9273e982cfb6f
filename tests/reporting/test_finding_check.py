"""The labeller is counted against findings that were asked, by hand on a few reports."""

import math

import pytest

from benchmark.data.store.preparation import open_dataset
from benchmark.errors import UsageError
from benchmark.metrics.text.statements import load_rules
from benchmark.reporting.finding_check import check_findings, check_label_set, finding_pairs, format_checks

REPORTS = {
    "1": "sinusrhythmus linksschenkelblock",
    "2": "sinus rhythm. left bundle branch block.",
    "3": "sinus rhythm. no left bundle branch block.",
    "4": "sinus rhythm. normal ecg.",
    "5": "",
}
FINDING = "left bundle branch block"


def check(answers, title=FINDING):
    return next(check for check in check_findings(REPORTS, answers) if check.title == title)


def test_precision_and_both_recalls_are_those_counted_by_hand():
    answers = [("1", FINDING, True), ("2", FINDING, False), ("3", FINDING, True), ("4", FINDING, True)]
    result = check([*answers, ("5", FINDING, True), ("9", FINDING, True)])  # no report, and no such recording
    assert (result.recordings, result.present, result.statements, result.speaking_present) == (4, 3, 2, 2)
    assert result.base_rate == 3 / 4 and result.precision == 1 / 2
    assert result.recall_where_spoken_of == 1 / 2 and result.recall == 1 / 3


def test_a_pair_of_several_findings_is_there_if_one_is():
    answers = [("4", "ST depression inferior", False), ("4", "ST depression lateral", True)]
    answers += [("1", "ST depression inferior", False)]
    assert (check(answers, "ST depression").recordings, check(answers, "ST depression").present) == (2, 1)


def test_a_finding_that_was_not_asked_has_no_number():
    result = check([("1", "long PR interval", True)])
    assert result.recordings == 0 and math.isnan(result.precision) and math.isnan(result.recall)
    assert FINDING in format_checks([result])


def test_all_contradictions_are_named_at_once():
    answers = [("1", FINDING, True), ("1", FINDING, False), ("2", FINDING, True), ("2", FINDING, False)]
    with pytest.raises(UsageError, match=r"(?s)recording 1: .*recording 2: "):
        check(answers)


def test_each_pair_names_statements_of_the_labeller():
    names = {statement.name for statement in load_rules().statements}
    assert all(names.issuperset(pair.statements) for pair in finding_pairs())


def test_a_label_set_without_unknown_entries_is_refused(prepared_home):
    data = open_dataset("synthetic", {"patients": 120}, prepared_home)
    with pytest.raises(UsageError, match="synthetic has no findings called 'groups'; it has none"):
        check_label_set(data, "groups")
