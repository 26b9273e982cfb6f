"""Skipped questions of a suite, each with its reason: given once where it holds everywhere, else by place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmark.api import REPORTS, ConstantMethod, Method, Task
from benchmark.planning.suites import Suite, TaskBlock
from benchmark.registry import DATASETS, METHODS

ALL_ROWS = "all methods"  # the row of a reason that no method has a part in
ALL_TASKS = "all tasks"  # the task of a reason that no task has a part in: the row's weights are not there

Place = tuple[str, str]  # dataset and label set
SkipReasons = dict[tuple[int, Place], str]  # the number of a question in its grid, and where


@dataclass(frozen=True)
class Skip:
    """Cells that a suite asks for and that do not exist."""

    row: str
    task: str
    reason: str


def skip_reason_of(question: Task, method: str, dataset: str, label_set: str) -> str | None:
    """Return why a question is not asked of the method called `method` on that label set, else None.

    Considers the reasons of the question itself, and those that hold for every task.
    """
    method_class: type[Method] = METHODS.get(method)
    if issubclass(method_class, ConstantMethod) and method not in question.baselines:
        return "it never looks at a recording"
    is_number = label_set in DATASETS.get(dataset).targets
    if is_number and not question.predicts_numbers:
        return f"{label_set} is a number, and it predicts none"
    if question.predicts_numbers and not is_number:
        return f"it predicts numbers, and {label_set} is none"
    is_sparse = label_set in DATASETS.get(dataset).sparse_label_sets
    if is_sparse and not question.reads_unknown:
        return f"most labels in {label_set} are unknown, and it would take them for absent"
    if question.reads_unknown and not is_sparse:
        return f"it is about labels that may be unknown, and in {label_set} all are known"
    reason = question.skip_reason(method_class, dataset, label_set)
    if reason is None and label_set == REPORTS and question.needs_labels:
        return f"it learns from labels, and the label set {REPORTS!r} is all recordings with a report"
    return reason


def skip_reasons(questions: Iterable[Task], method: str, places: Sequence[Place]) -> SkipReasons:
    """Return the reason of every question and place that has one."""
    reasons = {}
    for number, question in enumerate(questions):
        for place in places:
            reason = skip_reason_of(question, method, *place)
            if reason is not None:
                reasons[number, place] = reason
    return reasons


def skips(row: str, task: str, reasons: SkipReasons, places: Sequence[Place]) -> list[Skip]:
    """Return each reason once: alone where it holds for the question at all `places`, else with its place before it."""
    unique: dict[Skip, None] = {}
    for at in places:
        for (number, place), reason in reasons.items():
            if place != at:
                continue
            everywhere = all(reasons.get((number, other)) == reason for other in places)
            unique[Skip(row, task, reason if everywhere else f"{'/'.join(place)}: {reason}")] = None
    return list(unique)


def unmet_label_sets(suite: Suite, task: TaskBlock) -> list[Skip]:
    """Return skips for a task's own `label_sets` that no dataset has, and for datasets that have none of them."""
    if task.label_sets is None:
        return []
    label_sets = {name for dataset in suite.datasets for name in dataset.label_sets}
    absent = [name for name in task.label_sets if name not in label_sets]
    reasons = [f"no dataset of the suite has {name!r} among its label_sets" for name in absent]
    if not task.label_sets or set(task.label_sets) - set(absent):
        needs = ", ".join(task.label_sets) or "none"
        reasons += [
            f"{dataset.name}: none of its label_sets ({', '.join(dataset.label_sets)}) is the task's ({needs})"
            for dataset in suite.datasets
            if not set(task.label_sets) & set(dataset.label_sets)
        ]
    return [Skip(ALL_ROWS, task.name, reason) for reason in reasons]
