"""The audit of a prepared dataset, from its reports to the table."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.data.store.prepared import PreparedDataset
from benchmark.metrics.text.embedding import load_embedder, missing_model, training_centre
from benchmark.reporting.audit.audit import audit
from benchmark.reporting.audit.measures import Measures
from benchmark.reporting.audit.sampling import TRAIN, Corpus, draw_samples, read_corpus
from benchmark.reporting.audit.tables import AuditTable

NO_TRAINING_REPORT = f"there is no embedding score: it is centred on reports of {TRAIN}, and none has a word"


def make_table(
    data: PreparedDataset, splits: Sequence[str], count: int, seed: int, with_embedding: bool = True
) -> AuditTable:
    """Audit the metrics on up to `count` reports per fault and language; a metric that is missing has a note."""
    corpus = read_corpus(data, splits)
    absent = _absent(corpus) if with_embedding else "the embedding score was left out on request"
    embedder = None if absent else load_embedder()
    centre = None
    if embedder is not None:
        centre = training_centre(embedder, list(corpus.training), list(corpus.training.values()))
    measures = Measures(corpus.test or [text for texts in corpus.texts.values() for text in texts], embedder, centre)
    lines = audit(draw_samples(corpus, count, seed), measures)
    notes = [*measures.notes, *([absent] if absent else [])]
    if not corpus.test:
        notes.append("There is no report of test: CIDEr has the document frequencies of the reports at hand.")
    model = embedder.description if embedder is not None else None
    return AuditTable(data.manifest["dataset"], lines, count, splits, seed, data.synthetic, model, notes, data.warnings)


def _absent(corpus: Corpus) -> str | None:
    """Return why there is no embedding score; None where there is one."""
    return missing_model() or (None if corpus.training else NO_TRAINING_REPORT)
