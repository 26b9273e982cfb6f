"""HeartLang's words: the heartbeats of a recording, cut out and lined up lead by lead.

Jin et al., ICLR 2025, section 3.1 (QRS-Tokenizer). Beats are detected by wfdb's XQRS; a word is the signal around a
beat, up to the middle of the way to its neighbours.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

RATE = 100  # Hz
WORD = 96  # samples of a word
SENTENCE = 256  # words; 22 or more beats in twelve leads lose words of the last leads

BeatsFrom = Literal["lead_I", "each_lead"]


class Sentence(NamedTuple):
    """A recording as words; padding is a word of zeros with the numbers 0."""

    words: np.ndarray  # (SENTENCE, WORD) float64
    leads: np.ndarray  # (SENTENCE,) int64, 1 for the first lead
    seconds: np.ndarray  # (SENTENCE,) int64, 1 for the first second


def detect_beats(ecg: np.ndarray, beats_from: BeatsFrom = "lead_I") -> list[np.ndarray]:
    """Return the beats of each lead of ``(lead, time)``, in samples: those of the first lead for all, or each its own.

    XQRS has thresholds in absolute units, so the scale of a recording can change which beats are detected.
    """
    from wfdb.processing import xqrs_detect

    if beats_from == "each_lead":
        return [np.asarray(xqrs_detect(sig=lead, fs=RATE, verbose=False), int) for lead in ecg]
    return [np.asarray(xqrs_detect(sig=ecg[0], fs=RATE, verbose=False), int)] * len(ecg)


def cut_words(lead: np.ndarray, beats: np.ndarray) -> list[np.ndarray]:
    """Return a word ``(WORD,)`` for each beat of a lead ``(time,)``, the beat in its middle where there is room."""
    middles = (beats[:-1] + beats[1:]) // 2
    words = []
    for number, beat in enumerate(beats):
        start, end = max(beat - WORD // 2, 0), min(beat + WORD // 2, len(lead))
        if number > 0:
            start = middles[number - 1]
        if number < len(middles):
            end = middles[number]
        elif number == 0:  # the only one
            end = min(start + WORD, len(lead))
        words.append(_place(lead, int(beat), int(start), int(end)))
    return words


def _place(lead: np.ndarray, beat: int, start: int, end: int) -> np.ndarray:
    """Put a stretch of a lead into a word of zeros; one that is too long is cut around the beat first."""
    if end - start > WORD:
        start = max(beat - WORD // 2, 0)
        end = min(start + WORD, len(lead))
    word = np.zeros(WORD)
    offset = max(WORD // 2 - (beat - start), 0)
    length = min(end - start, WORD - offset)
    word[offset : offset + length] = lead[start : start + length]
    return word


def make_sentence(ecg: np.ndarray, beats: list[np.ndarray]) -> Sentence:
    """Line up the words of ``(lead, time)``: all of the first lead, then those of the second, cut at `SENTENCE`."""
    words, leads, seconds = np.zeros((SENTENCE, WORD)), np.zeros(SENTENCE, np.int64), np.zeros(SENTENCE, np.int64)
    position = 0
    for number, (lead, own) in enumerate(zip(ecg, beats, strict=True), 1):
        for word, beat in zip(cut_words(lead, own)[: SENTENCE - position], own, strict=False):
            words[position], leads[position], seconds[position] = word, number, beat // RATE + 1
            position += 1
    return Sentence(words, leads, seconds)
