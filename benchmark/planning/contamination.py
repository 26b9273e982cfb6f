"""The contamination gate: was a cell judged by anything that has seen the recordings it is tested on?

Each of the cell's exposures is held against its test split. Cards can prove contamination; clean is only what was
compared: patient by patient (within one dataset) and signal by signal. `plan` and `run` ask this gate, records keep
its verdict, and tables repeat it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass

from benchmark.api import SPLITS
from benchmark.canonical import digest
from benchmark.data.labels.contamination import (
    Exposure,
    State,
    Verdict,
    containers,
    describe_relation,
    proof,
    relation,
)
from benchmark.data.store.preparations import Preparations
from benchmark.data.store.prepared import PreparedDataset
from benchmark.data.store.shared_recordings import Shared, is_quick, shared_recordings, together
from benchmark.errors import DataError
from benchmark.paths import Home
from benchmark.planning.exposures import sources_of
from benchmark.planning.plan import Cell
from benchmark.registry import DATASETS

SEVERITY: tuple[State, ...] = ("clean", "unknown", "contaminated")
ONLY_CARDS = "only cards were compared"
LEFT_TO_RUN = "a run compares its recordings"
NAMED = 5  # pairs of equal recordings named in a reason
COMPLETE = 0.99  # of a dataset's recordings: so many make a preparation as good as whole


@dataclass(frozen=True)
class Finding:
    """What is known of one exposure, `name` its dataset or collection; `compared`: recordings were."""

    state: State
    reason: str
    name: str = ""
    compared: bool = False

    @property
    def by_cards(self) -> bool:
        return self.state == "unknown" and bool(self.name) and not self.compared


class Gate:
    """Judges cells by cards, and by whatever recordings are prepared under `home`.

    A comparison takes seconds, with a million recordings minutes, and is kept. With `quick`, as a plan wants it,
    the long ones are left to the run, and the verdict says so.
    """

    def __init__(self, home: Home, quick: bool = False) -> None:
        self._folder, self._quick = home.fingerprints, quick
        self._prepared = Preparations(home)
        self._verdicts: dict[str, Verdict] = {}

    def verdict(self, cell: Cell) -> Verdict:
        """Return whether the cell is clean, contaminated or unknown, with all reasons, the gravest first."""
        sources = sources_of(cell)
        key = digest([cell.spec.dataset, cell.spec.dataset_config, asdict(sources)])
        if key not in self._verdicts:
            findings = [self._judge(exposure, cell) for exposure in sources.exposures]
            remarks = [Finding(remark.state, remark.reason) for remark in sources.remarks]
            self._verdicts[key] = _join([*findings, *remarks])
        return self._verdicts[key]

    def verdicts(self, cells: Iterable[Cell]) -> dict[Verdict, list[Cell]]:
        """Group cells by their verdict."""
        groups: dict[Verdict, list[Cell]] = {}
        for cell in cells:
            groups.setdefault(self.verdict(cell), []).append(cell)
        return groups

    def _judge(self, exposure: Exposure, cell: Cell) -> Finding:
        tested = cell.spec.dataset
        if reason := proof(tested, exposure):
            return Finding("contaminated", reason, exposure.name)
        if relation(tested, exposure.name) == "unknown":
            return _by_cards(exposure, tested, "nothing is known of it here")
        data = self._prepared.find(tested, cell.spec.dataset_config)
        seen = self._find(exposure)
        if data is not None and seen is not None:
            return self._compare(exposure, data, seen)
        if data is not None and not exposure.splits and (finding := self._compare_parts(exposure, data)):
            return finding
        if self._quick and (exposure.here or seen is not None):
            return _by_cards(exposure, tested, LEFT_TO_RUN)
        if exposure.name in DATASETS.names():
            return _by_cards(exposure, tested, f"not prepared here{_options(exposure)}")
        return _by_cards(exposure, tested, "no loader here reads it")

    def _find(self, exposure: Exposure) -> PreparedDataset | None:
        """Return the recordings that were seen, if they are prepared; of a whole dataset any preparation serves."""
        seen = self._prepared.find(exposure.name, exposure.config or {}, exposure.digest)
        return seen or (None if exposure.splits else self._prepared.largest(exposure.name))

    def _compare(self, exposure: Exposure, data: PreparedDataset, seen: PreparedDataset) -> Finding:
        tested = data.manifest["dataset"]
        if self._quick and not is_quick(data, "test", seen, self._folder):
            return _by_cards(exposure, tested, LEFT_TO_RUN)
        try:
            by_split = shared_recordings(data, "test", seen, self._folder)
            doubt = _incomplete(exposure, seen) or self._not_located(exposure, data, seen, by_split)
        except DataError:
            return _by_cards(exposure, tested, "what is prepared of it here is damaged")
        except OSError:
            if not self._quick:
                raise
            return _by_cards(exposure, tested, LEFT_TO_RUN)  # a plan needs no room on the disk
        shared = together(by_split[split] for split in exposure.splits or SPLITS)
        same = tested == seen.manifest["dataset"]
        result = _overlap(shared, same, data.manifest["splits"].get("test", 0))
        state: State = "contaminated" if result else "unknown" if doubt else "clean"
        if not result:
            absent = f"no {'patient and no signal' if same else 'signal'} of the test split"
            result = f"{absent} is among its {shared.recordings:,} recordings" + (f", but {doubt}" if doubt else "")
        reason = f"{exposure}{describe_relation(tested, exposure.name)} (compared: {result})"
        return Finding(state, reason, exposure.name, compared=True)

    def _compare_parts(self, exposure: Exposure, data: PreparedDataset) -> Finding | None:
        """Compare what is prepared of a collection that no loader reads: it can prove contamination and no more."""
        findings = []
        for name in self._prepared.names():
            part = self._prepared.largest(name) if exposure.name in containers(name) else None
            if part is not None:
                findings.append(self._compare(Exposure(f"{exposure}, a part of which is", name), data, part))
        compared = [finding for finding in findings if finding.compared]
        proofs = [finding for finding in compared if finding.state == "contaminated"]
        if proofs or not compared:
            return proofs[0] if proofs else None
        parts = ", ".join(finding.name for finding in compared)
        result = f"no signal of the test split is in the parts of it that are prepared here, {parts}"
        return Finding("unknown", f"{exposure} (compared: {result})", exposure.name, compared=True)

    def _not_located(
        self, exposure: Exposure, data: PreparedDataset, seen: PreparedDataset, by_split: Mapping[str, Shared]
    ) -> str:
        """Return a doubt where one dataset holds the other's recordings and yet they are not found there.

        Then they were shifted or cut elsewhere on the way, and that no signal is equal proves nothing.
        """
        tested = data.manifest["dataset"]
        related = relation(tested, exposure.name)
        if related == "contains":
            total, whole, what = data.manifest["splits"].get("test", 0), exposure.name, "test recordings"
            located = set(together(by_split.values()).copies)
        elif related == "part":
            splits = exposure.splits or SPLITS
            total, whole, what = sum(by_split[split].recordings for split in splits), tested, "recordings that it saw"
            back = [shared_recordings(seen, split, data, self._folder) for split in splits]
            located = {name for parts in back for name in together(parts.values()).copies}
        else:
            return ""
        lost = total - len(located)
        where = f"are nowhere in {whole}, perhaps shifted or cut elsewhere"
        return f"{lost:,} of the {total:,} {what} {where}" if lost else ""


def _by_cards(exposure: Exposure, tested: str, why: str) -> Finding:
    return Finding("unknown", f"{exposure}{describe_relation(tested, exposure.name)} ({why})", exposure.name)


def _join(findings: list[Finding]) -> Verdict:
    """Return the gravest state with all reasons; an unknown one begins with what only cards speak of."""
    findings = sorted(findings, key=lambda finding: -SEVERITY.index(finding.state))
    state, reasons = findings[0].state, [finding.reason for finding in findings]
    names = dict.fromkeys(finding.name for finding in findings if finding.by_cards)
    if state == "unknown" and names:
        in_part = any(finding.compared for finding in findings)
        reasons.insert(0, f"{ONLY_CARDS} with {', '.join(names)}" if in_part else ONLY_CARDS)
    return Verdict(state, tuple(dict.fromkeys(reasons)))


def _overlap(shared: Shared, same_dataset: bool, tested: int) -> str:
    """Say which test recordings and, within one dataset, how many patients were seen; empty where none was."""
    parts = []
    if shared.copies:
        pairs = [f"{name} = {other}" for name, other in shared.copies.items()]
        more = f" and {len(pairs) - NAMED:,} more" if len(pairs) > NAMED else ""
        shown = f"{', '.join(pairs[:NAMED])}{more}"
        parts.append(f"{len(pairs):,} of {tested:,} test recordings have their signal there: {shown}")
    if shared.patients and same_dataset:
        parts.append(f"patients of the test split who are there: {shared.patients:,}")
    return "; ".join(parts)


def _incomplete(exposure: Exposure, seen: PreparedDataset) -> str:
    """Return a doubt where what is prepared here is less than what was seen, or perhaps something else."""
    if exposure.here or exposure.digest == seen.digest:
        return ""
    expected = DATASETS.get(exposure.name).card.recordings
    if expected is not None:
        few = len(seen) < COMPLETE * expected
        return f"{len(seen):,} of all {expected:,} recordings of it are prepared here" if few else ""
    return "other data than these were seen" if exposure.digest is not None else ""


def _options(exposure: Exposure) -> str:
    options = ", ".join(f"{name}={value}" for name, value in (exposure.config or {}).items())
    return f" with {options}" if options else ""
