"""The contract: what the harness asks of a method, a task and a dataset, and what it gives them.

Signals are ``(batch, lead, time)``, float32, millivolt, leads in the order of `LEADS` unless a method's `SignalSpec`
asks for another form. The harness converts recordings to that form, so no method has to resample. This is one long file
on purpose: it is all that an author has to read, and other interpreters get it as a file. It imports nothing of ours,
and needs only Python 3.8 and numpy.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
LEAD_ORDERS = {
    "standard": LEADS,
    "mimic": ("I", "II", "III", "aVR", "aVF", "aVL", "V1", "V2", "V3", "V4", "V5", "V6"),  # as MIMIC-IV-ECG stores them
}
SPLITS = ("train", "val", "test")
REPORTS = "reports"  # in place of a label set: all recordings with a report, for tasks that need no labels
PROTOCOL = "frozen-eval-1"  # named and versioned; a table never mixes two

Scaling = Literal["millivolt", "minmax_record", "zscore_record", "zscore_lead"]
Crop = Literal["start", "centre"]
Resampling = Literal["polyphase", "fourier", "linear"]
# features: the backbone's output; embeddings: pooled, in the space of the texts; tokens: their mean;
# sequence: the tokens themselves; short_sequence: few of them, each a mean of neighbours (`benchmark.layers`)
Layer = Literal["features", "embeddings", "tokens", "sequence", "short_sequence"]


# --- signals -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SignalSpec:
    """The form in which a method wants its signals; it travels with the weights.

    `rate` in Hz, `seconds` of signal (of longer recordings the part at `crop` is kept, shorter ones are padded with
    zeros at the end), `leads` in the wanted order, `band_pass` (low, high) and `notch` in Hz filter before resampling,
    `median_baseline` then subtracts a running median over so many seconds, `scaling` is applied last, per recording.
    `resampling` is by a polyphase filter, by the Fourier method (ST-MEM) or by linear interpolation (ECG-FM). A
    recording shorter than `min_seconds`, or flat in all of `leads`, is unusable: the method gets zeros in its place.
    """

    rate: float = 500.0
    seconds: float = 10.0
    leads: tuple[str, ...] = LEADS
    scaling: Scaling = "millivolt"
    crop: Crop = "start"
    band_pass: tuple[float, float] | None = None
    notch: float | None = None
    median_baseline: float = 0.0
    min_seconds: float = 0.0
    resampling: Resampling = "polyphase"

    @property
    def samples(self) -> int:
        return round(self.rate * self.seconds)


@dataclass(frozen=True)
class RawSignal:
    """A recording as its file holds it, in integers; millivolt = (adc - baseline) / gain."""

    adc: np.ndarray  # (lead, time) int16
    gain: np.ndarray  # (lead,) float, units per millivolt
    baseline: np.ndarray  # (lead,) int
    rate: float  # Hz
    leads: tuple[str, ...]  # as the file names them, in the file's order


# --- datasets ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class DatasetCard:
    """Description of a dataset: its origin, its licence, and the collections that hold the same recordings."""

    title: str
    source: str
    licence: str
    version: int = 1  # raise it when signals, labels or splits change; prepared copies are then made anew
    derives_from: tuple[str, ...] = ()  # larger collections that contain these recordings
    recordings: int | None = None  # of the complete distribution
    sizes: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)  # label set -> train, val, test
    synthetic: bool = False
    may_redistribute: bool = False  # the licence lets labels and predictions by recording be published


@dataclass(frozen=True)
class Target:
    """A number that a dataset gives for its recordings, such as an age or an interval.

    A value outside of `low` to `high` cannot be used, nor one that is missing or infinite: such recordings are counted
    and left out. `outside` says what a value beyond the range means, where the dataset uses one as a code.
    """

    unit: str
    low: float
    high: float
    about: str = ""
    outside: str = ""


@dataclass(frozen=True)
class Answer:
    """The label in a file of one recording for one class of a sparse label set."""

    record_id: str
    label: str
    is_present: bool
    leads: tuple[str, ...] = ()  # of `LEADS`: leads that show the class, if the file names them


@dataclass(frozen=True)
class SparseLabelSet:
    """A label set most of whose labels are unknown, because its file has labels for some recordings only.

    `kinds` maps its classes, in their order, to the kind of each ("rhythm"). The labels lie in a `file` of their own,
    at ``$ECGARENA_DATA/FILE``, which must have that `sha256`. `note` is printed below every table that uses it.
    """

    kinds: Mapping[str, str]
    file: str
    sha256: str
    remedy: str  # how to get the file
    note: str = ""

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(self.kinds)


@dataclass(frozen=True)
class RecordingEntry:
    """One recording in a dataset's index: everything but its signal.

    `labels` maps a label set to the positive classes; a recording without a positive class is left out of that label
    set. `targets` maps a target to its number as the files have it, codes for unknown values included. `locator` tells
    `Dataset.read` where the signal is.
    """

    record_id: str
    patient_id: str
    split: str  # one of SPLITS
    labels: Mapping[str, tuple[str, ...]]
    report: str = ""  # a text that only says that there is none ("nan", "None") is read as none
    locator: Any = None
    age: float | None = None  # years; one that nobody can have is read as unknown
    sex: str | None = None  # "female", "male" or None
    device: str | None = None  # the recorder, as the dataset names it
    language: str | None = None  # of the report: "de", "en" ... or None
    problem: str = ""  # what the index already says against it; such a recording is counted, named and never read
    excluded: bool = False  # the problem is a rule of the loader (a report too short), nothing is missing or broken
    targets: Mapping[str, float] = field(default_factory=dict)
    fold: int = 0  # 1 to `Dataset.folds`; 0 where the dataset has none


class Dataset(ABC):
    """Reads one dataset in its original layout; constructor arguments are its configuration."""

    card: ClassVar[DatasetCard]
    label_sets: ClassVar[Mapping[str, tuple[str, ...]]]  # label set -> its classes, in the field's order
    # these two lie beside the store, outside of its digest: a dataset may gain some without being prepared anew
    further_label_sets: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    targets: ClassVar[Mapping[str, Target]] = {}
    # of what lies beside the store, what comes from a table that may be absent (under another licence, say): its file
    optional_tables: ClassVar[Mapping[str, str]] = {}
    folds: ClassVar[int] = 0  # parts of about equal size, disjoint in patients, of which the splits are made; 0: none
    sparse_label_sets: ClassVar[Mapping[str, SparseLabelSet]] = {}  # read where they are used, no part of the store
    rate: float  # Hz of the signals that `read` returns
    leads: tuple[str, ...] = LEADS  # that its recordings have; a store holds 0 for the others, and no method gets them
    seconds: float = 10.0  # usual length of a recording: for the estimate of the disk that a preparation needs
    expected: int | None = None  # recordings with these options; None: those on the card without what is excluded
    warnings: tuple[str, ...] = ()  # shown under every table that uses this configuration (faulty labels, say)
    locations: ClassVar[tuple[str, ...]] = ()  # options that say where files lie; they never enter a key
    needs_root: ClassVar[bool] = True  # False: the dataset is generated, there is nothing to download
    remedy: ClassVar[str] = ""  # how to get the files

    @classmethod
    def all_label_sets(cls) -> dict[str, tuple[str, ...]]:
        """Return the classes of every label set, whether it is part of the store or lies beside it."""
        sparse = {name: about.classes for name, about in cls.sparse_label_sets.items()}
        return {**cls.label_sets, **cls.further_label_sets, **sparse}

    @classmethod
    def places(cls) -> tuple[str, ...]:
        """Return what a suite may name among its `label_sets`: every label set and every target."""
        return (*cls.all_label_sets(), *cls.targets)

    @abstractmethod
    def entries(self, root: Path | None) -> Iterable[RecordingEntry]:
        """Index the recordings under `root`; raise `DataError` naming every wrong file or column.

        The preparation takes one after the other, so that a generator serves where a list would not fit into memory.
        """

    @abstractmethod
    def read(self, entry: RecordingEntry, root: Path | None) -> RawSignal:
        """Read one recording; raise `RecordingError` when its files are missing or broken."""

    @classmethod
    def answers(cls, name: str, content: bytes) -> Iterable[Answer]:
        """Parse the file of a sparse label set, whose checksum is right; only needed where `sparse_label_sets` is."""
        raise NotImplementedError(f"{cls.__name__} declares the sparse label set {name!r} and cannot read it")


# --- methods -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weights:
    """A published checkpoint: where to get it, its checksum and its licence.

    `url` is ``hub:org/repo/file@revision`` (fetched on demand) or the page from which a person downloads `file`. Either
    is looked for at ``$ECGARENA_WEIGHTS/METHOD/FILE`` first. `sha256` is empty if none has been published.
    """

    url: str
    sha256: str
    licence: str
    file: str = ""


@dataclass(frozen=True)
class MethodCard:
    """Description of a method, with the data that its weights have seen; shown by ``ecgarena show``."""

    title: str
    paper: str
    licence: str
    version: int = 1  # raise it when results change; records of another version are not reused
    trained_on: tuple[str, ...] = ()  # what published weights have seen: a dataset, a collection, or "ptbxl:train"
    selected_on: tuple[str, ...] = ()  # whose labels chose between published weights, in the same words
    weights: Mapping[str, Weights] = field(default_factory=dict)  # by tag
    note: str = ""
    is_baseline: bool = False  # what any method must beat; tables show it below a rule


@dataclass
class Batch:
    """The input of `TrainableMethod.loss`; fields that the stage does not have are None."""

    ecg: Tensor  # (batch, lead, time), in the form of the method's SignalSpec
    record_ids: Sequence[str]
    reports: Sequence[str] | None = None
    labels: Tensor | None = None  # (batch, class) float, 0 or 1


def report_key(report: str) -> str:
    """Return a text that two reports share when they are the same report: case and blanks do not count.

    "" for a report without any text. The one rule of losses, tasks, scores and prompts alike.
    """
    return " ".join(report.casefold().split())


class Method(ABC):
    """A method under comparison; constructor arguments are its configuration.

    Features are not embeddings: `ecg_features` is what a probe sees (the backbone's output), while
    `AlignedMethod.ecg_embeddings` lives in the space shared with text.
    """

    card: ClassVar[MethodCard]
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)  # what `for_inference` knows
    cpu_batch_samples: int = 40_000  # per lead, in a batch whose features a CPU computes: more leave most CPUs' caches
    # options that do not change training: configurations that differ only here share their weights
    readout_options: ClassVar[tuple[str, ...]] = ()
    # entries of a checkpoint that hold this method's tensors, where its authors keep several networks in one file
    checkpoint_entries: ClassVar[tuple[str, ...]] = ()
    # options whose default changed, at the value that they had before: keys made then stay valid and keep their meaning
    first_defaults: ClassVar[Mapping[str, Any]] = {}

    @property
    @abstractmethod
    def signal(self) -> SignalSpec:
        """Return the form in which this method wants its signals."""

    @abstractmethod
    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return features for a probe: ``(batch, lead, time)`` -> ``(batch, dim)``."""

    def for_inference(self, precision: str) -> Method:
        """Return the form that extracts features, equal up to rounding in `precision`; itself if none is faster."""
        return self

    def checkpoint_state(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the part of a checkpoint that this configuration uses: all of it, unless a method overrides this."""
        return state


class SequenceMethod(Method):
    """A method that gives a sequence of tokens per recording: for attention probes and report decoders."""

    @abstractmethod
    def ecg_tokens(self, ecg: Tensor) -> Tensor:
        """Map ``(batch, lead, time)`` to ``(batch, token, dim)``; all recordings have the same number of tokens."""


class AlignedMethod(Method):
    """A method with a space shared by recordings and texts; able to do zero-shot."""

    @abstractmethod
    def ecg_embeddings(self, ecg: Tensor) -> Tensor:
        """Map ``(batch, lead, time)`` to ``(batch, dim)`` in the shared space."""

    @abstractmethod
    def text_embeddings(self, texts: Sequence[str]) -> Tensor:
        """Texts -> ``(len(texts), dim)`` in the shared space."""

    def similarity(self, ecg: Tensor, text: Tensor) -> Tensor:
        """Map ``(batch, dim), (class, dim)`` to ``(batch, class)``; cosine unless the method has its own."""
        from torch.nn.functional import normalize

        return normalize(ecg, dim=-1) @ normalize(text, dim=-1).T


class ReportingMethod(Method):
    """A method with its own report generator, as in its paper."""

    def start_reporting(self, reports: Sequence[str]) -> None:
        """Get the training reports, once, before the first report is written."""

    @abstractmethod
    def write_reports(self, ecg: Tensor) -> list[str]:
        """Map ``(batch, lead, time)`` to a report per recording; an empty text if it has nothing to report."""


class ConstantMethod(Method):
    """A baseline that never looks at a recording, so it has no features to probe."""

    @property
    def signal(self) -> SignalSpec:
        return SignalSpec(rate=100.0, seconds=1.0)  # as small as possible, since it is not used

    def ecg_features(self, ecg: Tensor) -> Tensor:
        """Return one constant: ``(batch, lead, time)`` -> ``(batch, 1)``."""
        return ecg.new_zeros(len(ecg), 1)


class BlindMethod(ConstantMethod, ReportingMethod):
    """A baseline of report generation: it writes without a look at the recording."""


class TrainableMethod(Method):
    """A method that the shared loop can pre-train; it must also be a ``torch.nn.Module``."""

    needs_reports: ClassVar[bool] = True  # False: recordings without a report are learnt from as well
    smallest_batch: ClassVar[int] = 1  # 2 where a loss tells the examples of a batch apart: one alone teaches nothing
    unused: ClassVar[tuple[str, ...]] = ()  # patterns of parameters that no loss reaches, which official files carry

    def start_pretraining(self, reports: Sequence[str]) -> None:
        """See the training reports once before the first step (to fit a tokeniser, say)."""

    @abstractmethod
    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the named scalar losses; the loop minimises their sum."""

    def after_step(self) -> None:
        """Called after every optimiser step of pre-training (to move a momentum encoder, say)."""


class SupervisedMethod(TrainableMethod):
    """A method trained end to end on a task's labelled subset, in place of a probe."""

    @abstractmethod
    def start_task(self, classes: int) -> None:
        """Attach a fresh output layer for that many classes."""

    @abstractmethod
    def class_scores(self, ecg: Tensor) -> Tensor:
        """Map ``(batch, lead, time)`` to logits ``(batch, class)``."""


# --- tasks ---------------------------------------------------------------------------------------


class SplitBatches(Protocol):
    """Recordings of a split as signals, read when asked for; `digest` is that of all that the batches hold."""

    @property
    def digest(self) -> str: ...
    def __len__(self) -> int: ...
    def batch(self, positions: np.ndarray) -> Batch:
        """Return the recordings at `positions`, on the CPU; without labels for test."""


class TokenSequences(Protocol):
    """Recordings of a split as sequences of tokens, read when asked for."""

    def __len__(self) -> int: ...
    def batch(self, positions: np.ndarray) -> Tensor:
        """Return ``(len(positions), token, dim)`` float32, on the CPU."""


class TaskContext(Protocol):
    """All that a task may use of a cell. Rows of a split have one order; what test hides raises TestSetLockedError."""

    dataset: str
    label_set: str
    classes: tuple[str, ...]
    target: Target | None  # in place of classes, where the label set is a number
    method_name: str
    method_class: type[Method]
    device: str  # as torch names it
    on_event: Callable[[Any], None]  # where the loops of `benchmark.reporting` tell their progress

    @property
    def method(self) -> Method:
        """Return the method with the cell's weights, in eval mode; built on first use."""

    @property
    def source_dataset(self) -> TaskContext:
        """Return the other dataset, of `Task.learns_from`; its test labels are locked too."""

    def labels(self, split: str) -> np.ndarray:
        """Return ``(recording, class)``, 0 or 1, of train or val; of a sparse label set NaN where it is unknown."""

    def target_values(self, split: str) -> np.ndarray:
        """Return the numbers of train or val, ``(recording,)`` float64 in the target's unit."""

    def reports(self, split: str) -> list[str]:
        """Return the reports of train or val as the dataset has them."""

    def record_ids(self, split: str) -> list[str]:
        """Return the ids of a split's recordings."""

    def candidate_reports(self) -> list[str]:
        """Return the different reports of test, sorted: nothing says which recording one belongs to."""

    def features(self, split: str, layer: Layer = "features", positions: np.ndarray | None = None) -> np.ndarray:
        """Return ``(recording, dim)`` float32 of a layer with one vector per recording, from the cache.

        With `positions`, of those recordings of the split alone. Embeddings of the others then need not be computed:
        see `Task.examples`.
        """

    def features_without(self, lead: str, split: str, layer: Layer = "features") -> np.ndarray:
        """Return `features` of the same recordings with one lead hidden: it reads 0 mV."""

    def tokens(self, split: str, layer: Layer = "sequence", positions: np.ndarray | None = None) -> TokenSequences:
        """Return the token sequences of a split, or of its recordings at `positions`; they stay on disk."""

    def signals(self, split: str, spec: SignalSpec, positions: np.ndarray | None = None) -> SplitBatches:
        """Return the signals of a split, or of its recordings at `positions`, in the form of `spec`."""

    def subset(self, fraction: float, seed: int, rule: str = "patients") -> tuple[np.ndarray, dict[str, Any]]:
        """Draw the labelled part of train: ascending positions in it, and a summary for ``details["subset"]``."""

    def first_of_each_class(self, count: int, seed: int) -> tuple[np.ndarray, dict[str, Any]]:
        """Draw `count` examples of every class from train, in the order of `subset`: ascending positions, a summary."""

    def fresh_method(self, seed: int) -> Method:
        """Return a new copy of the method that may be trained: with the cell's weights, or random ones from `seed`."""

    def train_and_choose(
        self,
        method: SupervisedMethod,
        rows: np.ndarray,
        options: Mapping[str, Any],
        val_score: Callable[[np.ndarray], float],
        groups: list[dict[str, Any]] | None = None,
        resumable: bool = False,
    ) -> tuple[dict[str, np.ndarray], list[dict[str, float]]]:
        """Train on `rows` of train and keep the best of a few epochs by `val_score` of the logits of val.

        `options` are those of `TrainingConfig`, before the suite's own; `groups` are torch's, of parameters. A
        `resumable` training goes on after a kill, to the same bits. Returns logits of val and test, and the history.
        """

    def scratch(self, name: str) -> Path | None:
        """Return a file for intermediate results, from which a killed cell resumes; None if none are kept."""

    def decoder_file(self, recipe: Mapping[str, Any]) -> Path:
        """Return the file for a decoder trained by `recipe` on train and val, which other cells may use."""

    def progress(self, text: str, done: int, total: int, values: Mapping[str, float] | None = None) -> None:
        """Report the progress of the work, with named values if there are any."""


@dataclass(frozen=True)
class Step:
    """One step from this project's protocol to another one: a question with one change from the one before."""

    change: str  # what differs, in words
    task: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Rotation:
    """One division of a dataset's folds, by number: those to train on, those to choose by, and those to predict."""

    train: tuple[int, ...]
    val: tuple[int, ...]
    test: tuple[int, ...]


@dataclass
class Predictions:
    """The predictions of a task, given to the scorer after all choices have been made.

    `arrays` hold one row per test recording and are kept beside the record, as are `texts`, a list per name;
    `thresholds` come from validation or are None; `details` go into the record as JSON (choices, trials, subset).
    `scratch` is for the scorer alone and not kept (a similarity of every recording with every report, say).
    """

    arrays: dict[str, np.ndarray]
    thresholds: np.ndarray | None = None
    details: dict[str, Any] = field(default_factory=dict)
    scratch: dict[str, np.ndarray] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Truth:
    """The test split as the scorer alone sees it."""

    record_ids: Sequence[str]
    patient_ids: Sequence[str]
    labels: np.ndarray  # (recording, class), 0 or 1; of a sparse label set NaN where it is unknown
    classes: tuple[str, ...]
    reports: Sequence[str]
    groups: Mapping[str, np.ndarray] = field(default_factory=dict)  # "sex" -> a text per recording, "" for unknown
    label_set: str = ""  # ptbxl/super
    target: Target | None = None  # in place of classes, where the label set is a number
    values: np.ndarray | None = None  # (recording,) float64, in the target's unit
    kinds: Mapping[str, str] = field(default_factory=dict)  # of the classes of a sparse label set
    leads: np.ndarray | None = None  # (recording, class, lead) bool, of a sparse label set: where a class is


@dataclass
class Scores:
    """Metrics of one cell, without NaN: a metric that cannot be computed has a reason instead.

    `subgroups` maps an attribute ("sex") to results for each of its values. `analysis` holds further results of the
    scorer (calibration bins, chance levels), as JSON. `per_recording` are arrays that only the scorer can compute (a
    rank per recording); they are stored with the predictions.
    """

    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)  # 95 %, over patients
    per_class: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    resampled: np.ndarray | None = None  # (resamples,) the primary metric on each resample of the patients
    resampling: dict[str, Any] = field(default_factory=dict)  # which resamples: equal ones can be compared in pairs
    subgroups: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    analysis: dict[str, Any] = field(default_factory=dict)
    per_recording: dict[str, np.ndarray] = field(default_factory=dict)


class Task(ABC):
    """One kind of question. Subclasses are frozen dataclasses whose fields are the grid.

    The harness calls `predict` with a context that cannot reach a test label, then `score` with the
    truth: the test set is locked by construction.
    """

    version: ClassVar[int] = 1
    protocol: ClassVar[str] = PROTOCOL  # another name marks every table of the task and keeps it out of summaries
    primary: ClassVar[str]
    higher_is_better: ClassVar[bool] = True
    grid_metrics: ClassVar[tuple[str, ...]] = ()  # shown in a grid beside the table, the primary one among them
    predicts_numbers: ClassVar[bool] = False  # True: it is asked of a dataset's targets, and of no classes
    reads_unknown: ClassVar[bool] = False  # True: it is asked of sparse label sets, and of no other
    needs_labels: ClassVar[bool] = True  # False: it can be asked of all recordings with a report ("reports")
    baselines: ClassVar[tuple[str, ...]] = ()  # methods that stand in every table of the task, in the suite or not
    stage: ClassVar[str] = "probe"  # what a cluster gives it: "probe" works on features, "report" trains a decoder

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "shown" in vars(cls):
            raise TypeError(f"{cls.__module__}.{cls.__qualname__}: shown is called grid_metrics since version 0.2.0")

    @abstractmethod
    def skip_reason(self, method: type[Method], dataset: str, label_set: str) -> str | None:
        """Return why this question is not asked of the method on that label set, in a sentence, else None."""

    def reproduction_steps(self) -> tuple[Step, ...]:
        """Return the steps from this question to the way in which the field asks it, for ``ecgarena explain``."""
        return ()

    def canonical_form(self) -> Task:
        """Return the canonical form: equal questions are run once (at 100 % every subset seed is the same)."""
        return self

    def learns_from(self) -> tuple[str, str] | None:
        """Another dataset and label set to learn from (`context.source_dataset`); None for the cell's own."""
        return None

    def rotations(self) -> tuple[Rotation, ...]:
        """Return the divisions of the dataset's folds to predict one after the other; empty to use train, val and test.

        `predict` is called once for each, with a context that has no label of the folds that it predicts. The rows of
        `arrays`, `texts` and `scratch` are then joined in this order, and scored together.
        """
        return ()

    def inputs(self, dataset: str, label_set: str, classes: tuple[str, ...]) -> dict[str, str]:
        """Return digests of the files that the fields name (a prompt set, say); they are part of the cell's key."""
        return {}

    def examples(self, context: TaskContext) -> np.ndarray | None:
        """Return the positions in train of the recordings that `predict` reads; None: it may read any of them.

        Cells of a group share one pass over all that they declare here, and run last: where another cell has embedded
        the whole split, they read from that. `predict` names its positions to `context.features`.
        """
        return None

    @abstractmethod
    def predict(self, context: TaskContext) -> Predictions:
        """Do the work: tune on validation, predict the test recordings."""

    @abstractmethod
    def score(self, predictions: Predictions, truth: Truth) -> Scores:
        """Compare the predictions with the truth; pure."""
