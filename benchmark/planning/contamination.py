"""The contamination gate: has anything behind a cell's predictions seen the recordings that it is tested on?

Each exposure of the cell is compared with its test split. Cards can prove contamination; only a comparison can prove
a cell clean: patient by patient (within one dataset) and signal by signal. `plan` and `run` ask this gate, records
keep its verdict, and tables repeat it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from benchmark.api import SPLITS
from benchmark.data.labels.contamination import (
    Exposure,
    Relation,
    State,
    Verdict,
    containers,
    describe,
    proof,
    relation,
)
from benchmark.data.store.completeness import lacking
from benchmark.data.store.fingerprints import COMPARED_LEADS
from benchmark.data.store.preparations import Preparations
from benchmark.data.store.prepared import PreparedDataset
from benchmark.data.store.shared_recordings import Shared, is_quick, merge_overlaps, shared_recordings
from benchmark.errors import BenchmarkError, DataError, MissingError
from benchmark.paths import Home
from benchmark.planning.exposures import sources_of
from benchmark.planning.plan import Cell
from benchmark.planning.tested import Tested
from benchmark.registry import DATASETS

SEVERITY: tuple[State, ...] = ("clean", "unknown", "contaminated")
ONLY_CARDS = "only cards were compared"
LEFT_TO_RUN = "a run compares its recordings"
MOST_NAMES = 5  # pairs of equal recordings named in a reason


@dataclass(frozen=True)
class Judgement:
    """The verdict on one exposure; `name` is its dataset or collection, `compared` means by recordings."""

    state: State
    reason: str
    name: str = ""
    compared: bool = False

    @property
    def by_cards(self) -> bool:
        return self.state == "unknown" and bool(self.name) and not self.compared


@dataclass(frozen=True)
class Pair:
    """A tested dataset and an exposed one, both prepared; `subject` begins the sentence about them."""

    exposure: Exposure
    subject: str
    related: Relation
    data: PreparedDataset
    other: PreparedDataset
    tested: Tested

    @property
    def splits(self) -> tuple[str, ...]:
        return self.exposure.splits or SPLITS

    @property
    def same_dataset(self) -> bool:
        """Whether patient ids mean the same in both."""
        return bool(self.data.manifest["dataset"] == self.other.manifest["dataset"])

    @property
    def tests(self) -> int:
        """Return the number of test recordings."""
        return self.tested.count(self.data)


class Gate:
    """The judge of cells, by cards and by the recordings that are prepared under `home`.

    A comparison takes seconds, with a million recordings minutes, and is kept. With `quick`, as a plan wants it,
    the long ones are left to the run, and the verdict says so.
    """

    def __init__(self, home: Home, quick: bool = False) -> None:
        self._folder, self._quick = home.fingerprints, quick
        self._preparations = Preparations(home)
        self._verdicts: dict[bytes, Verdict] = {}

    def verdict(self, cell: Cell) -> Verdict:
        """Return whether the cell is clean, contaminated or unknown, with all reasons, the gravest first."""
        sources = sources_of(cell)
        tested = Tested.by(cell)
        key = msgspec.json.encode([cell.spec.dataset, cell.spec.dataset_config, sources, tested.key])
        if key not in self._verdicts:
            judgements = [self._judge(exposure, cell, tested) for exposure in sources.exposures]
            remarks = [Judgement(remark.state, remark.reason) for remark in sources.remarks]
            self._verdicts[key] = _join([*judgements, *remarks])
        return self._verdicts[key]

    def verdicts(self, cells: Iterable[Cell]) -> dict[Verdict, list[Cell]]:
        """Group cells by their verdict."""
        groups: dict[Verdict, list[Cell]] = {}
        for cell in cells:
            groups.setdefault(self.verdict(cell), []).append(cell)
        return groups

    def _judge(self, exposure: Exposure, cell: Cell, tested: Tested) -> Judgement:
        name = cell.spec.dataset
        related = relation(name, exposure.name)
        subject = f"{exposure}{describe(related, name)}"
        data = self._preparations.find(name, cell.spec.dataset_config)
        try:
            splits = tested.splits(data)
        except MissingError as error:  # of the folds, or of the labels
            return _by_cards(exposure, subject, f"what is tested is not known: {error}")
        if reason := proof(exposure, related, name, splits):
            return Judgement("contaminated", reason, exposure.name)
        if related == "unknown":
            return _by_cards(exposure, subject, "nothing is known of it here")
        other = self._find(exposure)
        if data is not None and other is not None:
            return self._compare(Pair(exposure, subject, related, data, other, tested))
        if data is not None and not exposure.splits and (judgement := self._compare_parts(exposure, data, tested)):
            return judgement
        if self._quick and (exposure.here or other is not None):
            return _by_cards(exposure, subject, LEFT_TO_RUN)
        if exposure.name in DATASETS.names():
            return _by_cards(exposure, subject, f"not prepared here{_options(exposure)}")
        return _by_cards(exposure, subject, "no loader here reads it")

    def _find(self, exposure: Exposure) -> PreparedDataset | None:
        """Return the recordings that were seen, if they are prepared; of a whole dataset any preparation serves."""
        other = self._preparations.find(exposure.name, exposure.config or {}, exposure.digest)
        return self._preparations.largest(exposure.name) if other is None and not exposure.splits else other

    def _compare(self, pair: Pair) -> Judgement:
        exposure, data = pair.exposure, pair.data
        if self._quick and not is_quick(data, pair.tested.part(data), pair.other, self._folder):
            return _by_cards(exposure, pair.subject, LEFT_TO_RUN)
        try:
            state, result = self._result(pair)
        except DataError:
            return _by_cards(exposure, pair.subject, "what is prepared of it here is damaged")
        except (OSError, BenchmarkError):
            if not self._quick:
                raise
            return _by_cards(exposure, pair.subject, LEFT_TO_RUN)  # a plan must not need space on the disk
        return Judgement(state, f"{pair.subject} (compared: {result})", exposure.name, compared=True)

    def _result(self, pair: Pair) -> tuple[State, str]:
        """Compare the tested recordings with the exposure, and say in words what both have in common."""
        by_split = shared_recordings(pair.data, pair.tested.part(pair.data), pair.other, self._folder)
        shared = merge_overlaps(by_split[split] for split in pair.splits)
        if overlap := _overlap(shared, pair):
            return "contaminated", overlap
        absent = f"no {'patient and no signal' if pair.same_dataset else 'signal'} of {pair.tested.words}"
        result = f"{absent} is among its {shared.recordings:,} recordings"
        doubt = _other_leads(pair) or _incomplete(pair.exposure, pair.other) or self._not_located(pair, by_split)
        return ("unknown", f"{result}, but {doubt}") if doubt else ("clean", result)

    def _not_located(self, pair: Pair, by_split: Mapping[str, Shared]) -> str:
        """Return a doubt where one dataset should hold the other's recordings but some are not found.

        They were then shifted or cut differently, and the lack of an equal signal proves nothing.
        """
        if pair.related == "contains":
            total, noun, whole = pair.tests, "test recordings", pair.other
            matches = set(merge_overlaps(by_split.values()).copies)
        elif pair.related == "part":
            total, noun, whole = sum(by_split[split].recordings for split in pair.splits), "recordings", pair.data
            back = [shared_recordings(pair.other, split, pair.data, self._folder) for split in pair.splits]
            matches = {name for parts in back for name in merge_overlaps(parts.values()).copies}
        else:
            return ""
        missing = total - len(matches)
        where = f"are nowhere in {whole.manifest['dataset']}, perhaps shifted or cut elsewhere"
        return f"{missing:,} of the {total:,} {noun} {where}" if missing else ""

    def _compare_parts(self, exposure: Exposure, data: PreparedDataset, tested: Tested) -> Judgement | None:
        """Compare the prepared parts of a collection without a loader: they can prove contamination and no more."""
        judgements = []
        for name in self._preparations.names():
            part = self._preparations.largest(name) if exposure.name in containers(name) else None
            if part is not None:
                subject = f"{exposure}, a part of which is {name}"
                pair = Pair(Exposure(exposure.how, name), subject, "none", data, part, tested)
                judgements.append(self._compare(pair))
        comparisons = [judgement for judgement in judgements if judgement.compared]
        proofs = [judgement for judgement in comparisons if judgement.state == "contaminated"]
        if proofs or not comparisons:
            return proofs[0] if proofs else None
        parts = ", ".join(judgement.name for judgement in comparisons)
        result = f"no signal of {tested.words} is in the parts of it that are prepared here, {parts}"
        return Judgement("unknown", f"{exposure} (compared: {result})", exposure.name, compared=True)


def _by_cards(exposure: Exposure, subject: str, why: str) -> Judgement:
    return Judgement("unknown", f"{subject} ({why})", exposure.name)


def _join(judgements: list[Judgement]) -> Verdict:
    """Return the gravest state with all reasons; those of an unknown one begin with what only cards could tell."""
    judgements = sorted(judgements, key=lambda judgement: -SEVERITY.index(judgement.state))
    state, reasons = judgements[0].state, [judgement.reason for judgement in judgements]
    names = dict.fromkeys(judgement.name for judgement in judgements if judgement.by_cards)
    if state == "unknown" and names:
        in_part = any(judgement.compared for judgement in judgements)
        reasons.insert(0, f"{ONLY_CARDS} with {', '.join(names)}" if in_part else ONLY_CARDS)
    return Verdict(state, tuple(dict.fromkeys(reasons)))


def _overlap(shared: Shared, pair: Pair) -> str:
    """Say which test recordings and, within one dataset, how many patients were seen; "" where none was."""
    parts = []
    if shared.copies:
        pairs = [f"{name} = {other}" for name, other in shared.copies.items()]
        more = f" and {len(pairs) - MOST_NAMES:,} more" if len(pairs) > MOST_NAMES else ""
        names = f"{', '.join(pairs[:MOST_NAMES])}{more}"
        parts.append(f"{len(pairs):,} of {pair.tests:,} test recordings have their signal there: {names}")
    if shared.patients and pair.same_dataset:
        parts.append(f"patients of {pair.tested.words} who are there: {shared.patients:,}")
    return "; ".join(parts)


def _other_leads(pair: Pair) -> str:
    """Return a doubt where one side lacks leads by which equal signals are found, and the other has them."""
    apart = [lead for lead in COMPARED_LEADS if (lead in pair.data.leads) != (lead in pair.other.leads)]
    return f"one of the two has no lead {', '.join(apart)}, and copies are found by it" if apart else ""


def _incomplete(exposure: Exposure, other: PreparedDataset) -> str:
    """Return a doubt where the prepared data is less than the exposure, or may differ from it."""
    if exposure.here or exposure.digest == other.digest:
        return ""
    expected = DATASETS.get(exposure.name).card.recordings
    if expected is not None:
        few = f"{len(other):,} of all {expected:,} recordings of it are prepared here"
        return few if lacking(len(other), expected) else ""
    return "other data than these were seen" if exposure.digest is not None else ""


def _options(exposure: Exposure) -> str:
    options = ", ".join(f"{name}={value}" for name, value in (exposure.config or {}).items())
    return f" with {options}" if options else ""
