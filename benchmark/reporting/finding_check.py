"""The rule-based labeller of reports held against findings that were measured in the recordings themselves.

Its patterns were written beside PTB-XL's labels, which follow the reports. Those of a delineator do not; they are
silver labels, such as those of ECG-Reasoning-Benchmark (Oh et al., 2026, arXiv 2603.14326). A report need not mention
what is in the signal, so recall is given twice: over reports that speak of the subject, and over all recordings.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from benchmark.data.reports.report_cleaning import clean_reports
from benchmark.data.store.prepared import PreparedDataset
from benchmark.errors import UsageError, raise_all
from benchmark.metrics.text.statements import UMLAUTS, load_rules, statement_matrix

Answers = Iterable[tuple[str, str, bool]]  # record id, finding, whether it is there


@dataclass(frozen=True)
class FindingPair:
    """Statements of the labeller and findings with the same meaning; `words` tell that a report is about them."""

    title: str
    statements: tuple[str, ...]
    findings: tuple[str, ...]
    words: re.Pattern[str]


@dataclass(frozen=True)
class FindingCheck:
    """How the labeller does on one pair, counted over recordings that were asked for a finding of it."""

    title: str
    recordings: int  # that were asked for one of the findings
    present: int
    statements: int  # reports with the statement
    statements_present: int
    speaking_present: int  # recordings with the finding whose report speaks of the subject

    @property
    def base_rate(self) -> float:
        """Return the precision of a labeller that always states it."""
        return _share(self.present, self.recordings)

    @property
    def precision(self) -> float:
        return _share(self.statements_present, self.statements)

    @property
    def recall_where_spoken_of(self) -> float:
        return _share(self.statements_present, self.speaking_present)

    @property
    def recall(self) -> float:
        return _share(self.statements_present, self.present)


def check_findings(reports: Mapping[str, str], answers: Answers) -> list[FindingCheck]:
    """Hold the labeller against `answers` for the recordings with a report, by record id.

    A pair of several findings is there if one is, and absent if all that were asked of the recording are. Raises
    `UsageError` where two answers about one recording and finding contradict each other, which names all of them.
    """
    truth = _truth(reports, answers)
    ids = sorted({record for record, _ in truth})
    names = [statement.name for statement in load_rules().statements]
    matrix = statement_matrix([reports[record] for record in ids])
    texts = [reports[record].lower().translate(UMLAUTS) for record in ids]
    checks = []
    for pair in finding_pairs():
        columns = [names.index(name) for name in pair.statements]
        checks.append(_check(pair, ids, truth, np.asarray(matrix[:, columns].any(1)), texts))
    return checks


def check_label_set(data: PreparedDataset, name: str) -> list[FindingCheck]:
    """Hold the labeller against a sparse label set of a dataset; raise `UsageError` for one that is none."""
    if name not in data.sparse_label_sets:
        offer = ", ".join(data.sparse_label_sets) or "none"
        raise UsageError(f"{data.manifest['dataset']} has no findings called {name!r}; it has {offer}")
    labels = data.label_set(name)
    places = zip(*np.nonzero(~np.isnan(labels.matrix)), strict=True)
    ids = [str(data.record_ids[row]) for row in labels.rows]
    answers = [(ids[row], labels.classes[column], bool(labels.matrix[row, column])) for row, column in places]
    reports, _ = clean_reports([str(text) for text in data.reports[labels.rows]], data.manifest["dataset"])
    return check_findings(dict(zip(ids, reports, strict=True)), answers)


def format_checks(checks: Sequence[FindingCheck]) -> str:
    """Format the checks for reading, a line per pair."""
    head = f"{'':52s} asked present base  stated precision  recall where spoken of  recall"
    return "\n".join(
        [head]
        + [
            f"{c.title:52s} {c.recordings:5d} {c.present:7d} {c.base_rate:.2f} {c.statements:7d}     {c.precision:.3f}"
            f"            {c.recall_where_spoken_of:.3f} of {c.speaking_present:4d}   {c.recall:.3f}"
            for c in checks
        ]
    )


@functools.cache
def finding_pairs() -> tuple[FindingPair, ...]:
    """Read the pairs of this version (``finding_check.toml``)."""
    table = tomllib.loads(files("benchmark.reporting").joinpath("finding_check.toml").read_text("utf-8"))
    return tuple(
        FindingPair(entry["title"], tuple(entry["statements"]), tuple(entry["findings"]), re.compile(entry["words"]))
        for entry in table["pairs"]
    )


def _truth(reports: Mapping[str, str], answers: Answers) -> dict[tuple[str, str], bool]:
    truth: dict[tuple[str, str], bool] = {}
    problems = []
    for record, finding, is_present in answers:
        if not reports.get(record, "").strip():
            continue
        if truth.setdefault((record, finding), is_present) != is_present:
            problems.append(f"recording {record}: {finding} is answered with yes and with no")
    raise_all(problems, "the findings contradict each other:", UsageError)
    return truth


def _check(
    pair: FindingPair,
    ids: Sequence[str],
    truth: Mapping[tuple[str, str], bool],
    statements: np.ndarray,
    texts: Sequence[str],
) -> FindingCheck:
    answers = [[truth[record, name] for name in pair.findings if (record, name) in truth] for record in ids]
    is_asked = np.array([bool(values) for values in answers], bool)
    present = np.array([any(values) for values in answers], bool)
    speaking = np.array([pair.words.search(text) is not None for text in texts], bool) | statements
    counts = (is_asked, present, is_asked & statements, present & statements, present & speaking)
    return FindingCheck(pair.title, *(int(mask.sum()) for mask in counts))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
