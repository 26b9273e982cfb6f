"""Draw of the reports that an audit of metrics changes, with the changed texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmark.data.reports.report_cleaning import clean_reports
from benchmark.data.store.prepared import PreparedDataset
from benchmark.errors import MissingError
from benchmark.metrics.text.tokens import join_lines
from benchmark.reporting.audit.faults import FAULTS, Fault, Source, changed_words, harmless_counterpart
from benchmark.reporting.audit.phrases import LANGUAGES, cut

TRAIN, TEST = "train", "test"


@dataclass(frozen=True)
class Corpus:
    """The reports of a dataset as an audit reads them: cleaned, in lower case, each different text once per language.

    `training` has all training reports with how often each occurs, `test` those of the test split, which weigh the
    words of CIDEr as they do on the leaderboard.
    """

    texts: dict[str, list[str]]  # language -> different texts, in the order of the dataset
    patients: dict[str, list[str]]  # of the first recording with the text
    training: Counter[str]
    test: list[str]


@dataclass(frozen=True)
class Sample:
    """The reports that one fault was made in: lists of equal length."""

    fault: Fault
    language: str
    true: list[str]
    faulty: list[str]
    harmless: list[str]  # as many words misspelt as the fault changed; empty for faults that are harmless themselves
    patients: list[str]
    words: float  # that the fault changed, on average


def read_corpus(data: PreparedDataset, splits: Sequence[str]) -> Corpus:
    """Read the reports of `splits` in German and English; raise MissingError where there is none."""
    reports, _ = clean_reports([join_lines(str(text)) for text in data.reports], data.manifest["dataset"])
    lower = [text.lower() for text in reports]
    texts: dict[str, dict[str, str]] = {language: {} for language in LANGUAGES}
    for row in np.flatnonzero(np.isin(data.splits, list(splits))):
        language = str(data.languages[row])
        if lower[row] and language in texts:
            texts[language].setdefault(lower[row], str(data.patient_ids[row]))
    if not any(texts.values()):
        raise MissingError(
            f"{data.manifest['dataset']} has no German or English report in {', '.join(splits)}: there is nothing to "
            "put faults into"
        )
    of_split = {split: [lower[row] for row in np.flatnonzero(data.splits == split)] for split in (TRAIN, TEST)}
    return Corpus(
        {language: list(owners) for language, owners in texts.items()},
        {language: list(owners.values()) for language, owners in texts.items()},
        Counter(text for text in of_split[TRAIN] if text),
        [text for text in of_split[TEST] if text],
    )


def draw_samples(corpus: Corpus, count: int, seed: int, faults: Sequence[Fault] = FAULTS) -> list[Sample]:
    """Make each fault in up to `count` reports of each language, drawn among those that offer a place for it."""
    samples = []
    for language in LANGUAGES:
        findings = list(
            dict.fromkeys(
                piece.text for text in corpus.texts[language] for piece in cut(text, language) if piece.is_finding
            )
        )
        for fault in faults:
            samples.append(_draw(corpus, fault, language, findings, count, seed))
    return samples


def _draw(corpus: Corpus, fault: Fault, language: str, findings: Sequence[str], count: int, seed: int) -> Sample:
    """Draw one sample; its own generator makes it independent of which other faults are asked for."""
    rng = np.random.default_rng([seed, LANGUAGES.index(language), *fault.name.encode()])
    texts, owners = corpus.texts[language], corpus.patients[language]
    sample = Sample(fault, language, [], [], [], [], 0.0)
    words = []
    for place in rng.permutation(len(texts)):
        text = texts[int(place)]
        source = Source(text, language, findings)
        faulty = fault.make(source, rng)
        if faulty is None or faulty == text:
            continue
        if fault.group != "ignore":
            harmless = harmless_counterpart(source, faulty, rng)
            if harmless is None:
                continue
            sample.harmless.append(harmless)
        sample.true.append(text)
        sample.faulty.append(faulty)
        sample.patients.append(owners[int(place)])
        words.append(changed_words(text, faulty))
        if len(words) == count:
            break
    return replace(sample, words=float(np.mean(words)) if words else 0.0)
