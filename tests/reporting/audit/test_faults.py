"""Each fault changes what it says it changes, in both languages, and nothing where a report offers no place for it."""

import numpy as np
import pytest

from benchmark.reporting.audit.faults import FAULTS, Source, changed_words, harmless_counterpart, misspell
from benchmark.reporting.audit.phrases import cut, translate

MAKE = {fault.name: fault.make for fault in FAULTS}


def fault_in(name, text, language, others=(), seed=0):
    return MAKE[name](Source(text, language, others), np.random.default_rng(seed))


REPLACEMENTS = [
    ("side", "de", "sinusrhythmus linksschenkelblock", "sinusrhythmus rechtsschenkelblock"),
    ("side", "de", "ueberdrehter rechtstyp", "ueberdrehter linkstyp"),
    ("side", "en", "left bundle branch block.", "right bundle branch block."),
    ("side", "en", "this may be due to lv strain or ischaemia.", "this may be due to rv strain or ischaemia."),
    ("side", "en", "rightward axis.", "leftward axis."),
    ("site", "de", "anteroseptaler infarkt alter unbest.", "inferiorer infarkt alter unbest."),
    ("site", "de", "inferiore ischämie oder linksbelastung", "anteriore ischämie oder linksbelastung"),
    ("site", "de", "hinterwandinfarkt", "vorderwandinfarkt"),
    ("site", "en", "possible old inferior infarct.", "possible old anterior infarct."),
    ("negation", "de", "regelmässiger rhythmus, keine p-welle erkannt", "regelmässiger rhythmus, p-welle erkannt"),
    ("negation", "en", "otherwise no definite pathology.", "otherwise definite pathology."),
    ("negation", "en", "the cause is not evident.", "the cause is evident."),
    ("certainty", "de", "inferiorer infarkt wahrscheinlich alt", "inferiorer infarkt alt"),
    ("certainty", "de", "myokardschaden nicht auszuschliessen", "myokardschaden"),
    ("certainty", "de", "verdacht auf p-sinistrocardiale", "p-sinistrocardiale"),
    ("certainty", "en", "possible left atrial enlargement.", "left atrial enlargement."),
    ("certainty", "en", "myocardial ischaemia cannot be excluded.", "myocardial ischaemia is present."),
    ("severity", "de", "unvollständiger rechtsschenkelblock", "vollständiger rechtsschenkelblock"),
    ("severity", "de", "a-v block i", "a-v block iii"),
    ("severity", "en", "incomplete right bundle branch block.", "complete right bundle branch block."),
    ("severity", "en", "minor st depression.", "marked st depression."),
]


@pytest.mark.parametrize(("name", "language", "before", "after"), REPLACEMENTS)
def test_a_replacement_says_the_opposite(name, language, before, after):
    assert fault_in(name, before, language) == after


@pytest.mark.parametrize(
    ("name", "language", "text"),
    [
        ("side", "en", "sinus rhythm. normal ecg."),
        ("side", "de", "sinusrhythmus normales ekg"),
        ("site", "en", "left anterior fascicular block."),  # no region of the heart's wall
        ("site", "de", "linksanteriorer hemiblock"),
        ("negation", "de", "infarkt nicht auszuschliessen"),  # a possibility, not a negation
        ("negation", "en", "ischaemia cannot be excluded."),
        ("certainty", "en", "atrial fibrillation."),
        ("left_out", "de", "sinusrhythmus normales ekg"),
        ("left_out", "en", "atrial fibrillation."),  # nothing would remain
        ("left_out_all", "en", "sinus rhythm. atrial enlargement."),
        ("left_out_all", "de", "sinusrhythmus linksschenkelblock qt-verlängerung etwas anderes"),
        ("added", "en", "sinus rhythm. normal ecg."),  # there is no other report to take a finding from
        ("order", "de", "sinusrhythmus"),
        ("spelling", "en", "qt st"),
        ("language", "de", "sinusrhythmus mit etwas anderem"),
        ("language", "en", "sinus rhythm. suggest cardiological review."),
    ],
)
def test_a_report_without_a_place_for_a_fault_has_none(name, language, text):
    assert fault_in(name, text, language) is None


def test_one_place_is_changed_and_each_place_may_be():
    text = "linksschenkelblock linkshypertrophie"
    variants = {fault_in("side", text, "de", seed=seed) for seed in range(20)}
    assert variants == {"rechtsschenkelblock linkshypertrophie", "linksschenkelblock rechtshypertrophie"}


def test_a_finding_is_left_out_and_never_the_rhythm():
    german = {fault_in("left_out", "sinusrhythmus linksschenkelblock qt-verlängerung", "de", seed=s) for s in range(20)}
    assert german == {"sinusrhythmus qt-verlängerung", "sinusrhythmus linksschenkelblock"}
    english = {fault_in("left_out", "sinus rhythm. prolonged qt. normal axis.", "en", seed=s) for s in range(20)}
    assert english == {"sinus rhythm. normal axis."}


def test_all_findings_are_left_out_and_rhythm_and_remarks_stay():
    assert fault_in("left_out_all", "sinusrhythmus linksschenkelblock qt-verlängerung", "de") == "sinusrhythmus"
    text = "sinus rhythm. st segments are depressed in v5,6. prolonged qt. suggest exclude hypokalaemia."
    assert fault_in("left_out_all", text, "en") == "sinus rhythm. suggest exclude hypokalaemia."


def test_an_added_finding_shares_no_word_with_the_report():
    others = ["rechtsschenkelblock", "unvollständiger rechtsschenkelblock", "qt-verlängerung"]
    text = "sinusrhythmus rechtsschenkelblock"
    added = {fault_in("added", text, "de", others, seed=seed) for seed in range(30)}
    assert added == {
        "qt-verlängerung sinusrhythmus rechtsschenkelblock",
        "sinusrhythmus qt-verlängerung rechtsschenkelblock",
        "sinusrhythmus rechtsschenkelblock qt-verlängerung",
    }


def test_another_order_keeps_each_piece_and_a_remark_behind_its_finding():
    text = "sinus rhythm. st segments are depressed in v5,6. this may be due to lv strain or ischaemia."
    assert fault_in("order", text, "en") == (
        "st segments are depressed in v5,6. this may be due to lv strain or ischaemia. sinus rhythm."
    )
    assert fault_in("order", "sinusrhythmus qt-verlängerung", "de") == "qt-verlängerung sinusrhythmus"


def test_a_typing_error_swaps_two_letters_within_one_word():
    text = "sinusrhythmus linkstyp"
    for seed in range(20):
        wrong = misspell(Source(text, "de"), np.random.default_rng(seed))
        assert wrong != text and sorted(wrong) == sorted(text) and changed_words(text, wrong) == 1
    assert changed_words("sinus rhythm normal axis", fault_in("spelling_3", "sinus rhythm normal axis", "en")) == 3


@pytest.mark.parametrize(
    ("language", "text", "other"),
    [
        ("de", "sinusrhythmus lagetyp normal normales ekg", "sinus rhythm. normal axis. normal ecg."),
        ("de", "hochlateraler infarkt möglich", "possible high lateral infarct."),
        ("de", "st & t abnormal, wahrscheinlich inferiore ischämie oder linksbelastung",
         "abnormal st & t, probably inferior ischaemia or lv strain."),
        ("en", "atrial fibrillation. left axis deviation.", "vorhofflimmern ueberdrehter linkstyp"),
        ("en", "st segments are depressed in ii, iii, avf, v4-6.", "st-senkung in ii, iii, avf, v4-6"),
        ("en", "possible high lateral infarct.", "hochlateraler infarkt möglich"),
    ],
)  # fmt: skip
def test_a_report_that_the_book_knows_is_said_in_the_other_language(language, text, other):
    assert translate(text, language) == other


def test_the_longest_phrase_is_cut_out_of_a_german_report():
    pieces = cut("sinusrhythmus unvollständiger rechtsschenkelblock etwas anderes qt-verlängerung", "de")
    assert [(piece.text, piece.is_finding) for piece in pieces] == [
        ("sinusrhythmus", False),
        ("unvollständiger rechtsschenkelblock", True),
        ("etwas anderes", False),
        ("qt-verlängerung", True),
    ]


def test_the_harmless_counterpart_misspells_as_many_words_as_the_fault_changed():
    text = "sinus rhythm. left bundle branch block. normal axis."
    counterpart = harmless_counterpart(Source(text, "en"), "sinus rhythm. normal axis.", np.random.default_rng(0))
    assert changed_words(text, counterpart) == changed_words(text, "sinus rhythm. normal axis.") == 4
    short = harmless_counterpart(Source("sinus rhythm", "en"), "", np.random.default_rng(0))
    assert changed_words("sinus rhythm", short) == 2
    assert harmless_counterpart(Source("qt", "en"), "", np.random.default_rng(0)) is None


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_same_seed_makes_the_same_fault(fault):
    source = Source(
        "sinusrhythmus unvollständiger linksschenkelblock inferiorer infarkt möglich", "de", ["low voltage"]
    )
    first, second = (fault.make(source, np.random.default_rng(3)) for _ in range(2))
    assert first == second and first != source.text
