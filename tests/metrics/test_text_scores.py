"""Text scores equal those of pycocoevalcap, and scores of resamples equal those of the repeated corpus."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.errors import BenchmarkError
from benchmark.metrics.text import java as java_module
from benchmark.metrics.text import meteor as meteor_module
from benchmark.metrics.text.java import java_path
from benchmark.metrics.text.meteor import MeteorError, MeteorProcess, meteor, meteor_counts
from benchmark.metrics.text.scores import bleu, score_texts
from benchmark.metrics.text.tokens import ptb_tokens, split_words

REFERENCES = [
    "sinusrhythmus normales ekg",
    "vorhofflimmern, linkstyp; qrs verbreitert",
    "sinus rhythm. st depression in v4,5,6",
    "linksschenkelblock, überhöhte t-wellen",
    "normal ecg",
    "ventricular pacemaker rhythm 70/min",
] * 3
HYPOTHESES = [
    "sinusrhythmus normales ekg",
    "vorhofflimmern; linkstyp",
    "sinus rhythm with st depression in v5",
    "",
    "normal ecg. sinus rhythm",
    "pacemaker",
] * 3
needs_java = pytest.mark.skipif(java_path() is None, reason="there is no Java on this machine")


def test_bleu_rouge_and_cider_are_those_of_the_package():
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    scores = score_texts(HYPOTHESES, REFERENCES, use_java=False)
    references = {i: [text] for i, text in enumerate(split_words(REFERENCES))}
    hypotheses = {i: [text] for i, text in enumerate(split_words(HYPOTHESES))}
    expected = Bleu(4).compute_score(references, hypotheses, verbose=0)[0]
    np.testing.assert_allclose([scores.metrics[f"bleu_{n}"] for n in (1, 2, 3, 4)], expected, rtol=1e-9)
    assert scores.metrics["rouge_l"] == pytest.approx(Rouge().compute_score(references, hypotheses)[0])
    assert scores.metrics["cider"] == pytest.approx(Cider().compute_score(references, hypotheses)[0])
    assert "meteor" not in scores.metrics and scores.signature["tokeniser"] == "ecgarena split_words"


def test_an_empty_text_scores_0_and_is_counted():
    scores = score_texts(HYPOTHESES, REFERENCES, use_java=False)
    assert scores.empty == 3 and scores.notes == ["3 of 18 written reports have no word; they score 0"]
    assert not scores.per_text["rouge_l"][[3, 9, 15]].any() and not scores.per_text["cider"][[3, 9, 15]].any()
    without = score_texts(
        [t for t in HYPOTHESES if t], [r for t, r in zip(HYPOTHESES, REFERENCES, strict=True) if t], use_java=False
    )
    assert scores.metrics["rouge_l"] == pytest.approx(without.metrics["rouge_l"] * 15 / 18)


def test_the_description_of_the_texts():
    metrics = score_texts(["a b", "a b", "c"], ["A  b", "a b c d", "d e f"], use_java=False).metrics
    assert metrics["length_ratio"] == pytest.approx(5 / 9)
    assert metrics["distinct"] == pytest.approx(2 / 3) and metrics["exact"] == pytest.approx(1 / 3)


def test_as_many_texts_as_references():
    with pytest.raises(ValueError, match="2 hypotheses for 1 references"):
        score_texts(["a", "b"], ["a"])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=18, max_size=18).filter(any))
def test_a_resample_scores_as_the_repeated_corpus(counts):
    rows = np.repeat(np.arange(18), counts)
    replicates = score_texts(HYPOTHESES, REFERENCES, use_java=False).resample(np.array([counts], float))
    direct = score_texts([HYPOTHESES[i] for i in rows], [REFERENCES[i] for i in rows], use_java=False)
    for name in ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l"):
        assert replicates[name][0] == pytest.approx(direct.metrics[name], abs=1e-12)


def test_bleu_of_nothing_is_0():
    assert (bleu(np.zeros(10)) < 1e-3).all()


# --- tokens --------------------------------------------------------------------------------------


@needs_java
def test_the_own_splitter_agrees_with_the_java_tokeniser_on_what_reports_use():
    assert split_words(REFERENCES[:6]) == ptb_tokens(REFERENCES[:6])
    assert split_words(["Cannot [rule out] (old) 0,45 s 1:1;", ""]) == ptb_tokens(
        ["Cannot [rule out] (old) 0,45 s 1:1;", ""]
    )


@needs_java
def test_no_text_shifts_those_after_it():
    texts = ["first\u2028line", "", "second\r\nline", "   ", "third"]
    assert ptb_tokens(texts) == ["first line", "", "second line", "", "third"]


@needs_java
def test_tokens_of_real_reports(shared):
    import pandas as pd

    reports = _reports(shared, pd)
    same = [a == b for a, b in zip(split_words(reports), ptb_tokens(reports), strict=True)]
    assert np.mean(same) > 0.97  # .975 of the 9,887 different reports


def _reports(shared, pd):
    table = pd.read_csv(shared / "data/ptb-xl/ptbxl_database.csv.xz", usecols=["report"])
    return sorted(set(table.report.fillna("")))


# --- METEOR --------------------------------------------------------------------------------------


@needs_java
def test_meteor_is_that_of_the_package_text_by_text_and_as_a_whole(monkeypatch):
    from pycocoevalcap.meteor.meteor import Meteor

    references, hypotheses = split_words(REFERENCES[:6]), split_words(HYPOTHESES[:6])
    counts = meteor_counts(hypotheses, references)
    package = Meteor()
    whole, by_text = package.compute_score(
        {i: [t] for i, t in enumerate(references)}, {i: [t] for i, t in enumerate(hypotheses)}
    )
    np.testing.assert_allclose(meteor(counts), by_text, atol=1e-12)
    assert float(meteor(counts.sum(0))) == pytest.approx(whole, abs=1e-12)
    scores = score_texts(HYPOTHESES[:6], REFERENCES[:6])  # the same process again
    assert scores.metrics["meteor"] == pytest.approx(whole, abs=0.02)
    assert scores.resample(np.ones((1, 6)))["meteor"][0] == pytest.approx(scores.metrics["meteor"])
    assert scores.signature["java"] and scores.signature["meteor"].startswith("METEOR 1.5")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["sleep", "60"], "gave no answer within 0.2 s"),
        (["sh", "-c", "echo no heap >&2"], "ended: no heap"),
        (["sh", "-c", "while read line; do echo Error; done"], "something other than numbers"),
        (["sh", "-c", "while read line; do echo 1 2 3; done"], "3 numbers for a pair"),
    ],
)
def test_a_process_that_hangs_dies_or_answers_nonsense_is_an_error(command, message):
    process = MeteorProcess(0.2 if "60" in command else 20.0, command)
    with pytest.raises(MeteorError, match=message):
        process.counts(["a"], ["a"])
    assert process.process.poll() is not None


def test_after_an_error_the_next_call_starts_a_new_process(monkeypatch):
    commands = iter([["sh", "-c", "exit 1"], ["sh", "-c", f"while read line; do echo {' '.join(['1'] * 23)}; done"]])
    monkeypatch.setattr(meteor_module, "_command", lambda: next(commands))
    meteor_module._process.cache_clear()
    with pytest.raises(MeteorError):
        meteor_counts(["a"], ["a"])
    assert meteor_counts(["a"], ["a"]).shape == (1, 23)
    meteor_module._process().stop()
    meteor_module._process.cache_clear()


def test_without_java_the_other_metrics_remain_and_a_note_says_what_to_install(monkeypatch):
    monkeypatch.setattr(java_module.shutil, "which", lambda name: None)
    java_module.java_path.cache_clear()
    try:
        scores = score_texts(HYPOTHESES, REFERENCES)
        assert {"bleu_4", "rouge_l", "cider"} <= scores.metrics.keys() and "meteor" not in scores.metrics
        assert "apt-get install default-jre-headless" in scores.notes[0]
        with pytest.raises(BenchmarkError, match="needs Java"):
            ptb_tokens(["a"])
    finally:
        java_module.java_path.cache_clear()
