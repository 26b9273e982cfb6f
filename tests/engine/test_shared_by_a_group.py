"""What the cells of a group share is worked out once, and is right for each of them."""

import copy

import pytest
import torch

from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.data.store.preparation import open_dataset
from benchmark.engine import group_data, run, text_memory
from benchmark.engine.context import CellContext, CellInputs
from benchmark.engine.events import discard_event
from benchmark.engine.method_handle import MethodHandle
from benchmark.engine.outcome import full_config
from benchmark.engine.text_memory import remember_texts
from benchmark.planning.plan import group_cells
from benchmark.records.store import Store
from benchmark.registry import METHODS, TASKS
from benchmark.testing import FakeMethod


def test_options_signal_and_notes_are_worked_out_once_for_all_cells_of_a_label_set(plan, prepared_home, monkeypatch):
    calls = []
    for module, name in ((run, "full_config"), (run, "cached_signal"), (group_data, "signal_notes")):
        original = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *words, name=name, original=original: calls.append(name) or original(*words)
        )
    group = group_cells(plan.cells)[0]
    assert len({cell.spec.label_set for cell in group.cells}) == 1 and len(group.cells) > 1
    run.run_group(group, prepared_home, "cpu", discard_event)
    records = [Store(prepared_home.records).read(cell.spec) for cell in group.cells]
    assert sorted(calls) == ["cached_signal", "full_config", "signal_notes"]
    assert [record.config for record in records] == [full_config(cell.spec) for cell in group.cells]


@pytest.fixture
def calls(monkeypatch):
    """Return the texts of every call that the fake method, registered as "fake", has to answer itself."""
    calls = []
    original = FakeMethod.text_embeddings
    monkeypatch.setattr(
        FakeMethod, "text_embeddings", lambda self, texts: calls.append(tuple(texts)) or original(self, texts)
    )
    monkeypatch.setitem(METHODS._classes, "fake", FakeMethod)
    return calls


def test_prompts_and_reports_are_embedded_once_for_all_cells_of_the_same_weights(prepared_home, calls):
    data = open_dataset("synthetic", {"patients": 120}, prepared_home)
    view = LabelledRows.of(data, "groups", None)

    def predictions(handle, task, **options):
        cell = CellContext(CellInputs(data, view, handle, "synthetic", "groups", prepared_home))
        result = TASKS.get(task)(**options).predict(cell)
        return {**result.arrays, **result.scratch}

    questions = [("few_shot", {"shots": shots, "seed": seed}) for shots in (0, 1, 2) for seed in (0, 1)]
    questions += [("zero_shot", {}), ("zero_shot", {"centre": "classes"}), ("retrieval", {}), ("retrieval", {})]
    shared = MethodHandle("fake", {}, 1, None, None, "cpu")
    together = [predictions(shared, task, **options) for task, options in questions]
    assert len(calls) == len(set(calls)) > len(view.classes)
    for (task, options), first in zip(questions, together, strict=True):
        alone = predictions(MethodHandle("fake", {}, 1, None, None, "cpu"), task, **options)
        assert all((alone[name] == first[name]).all() for name in first), (task, options)


def test_remembered_embeddings_cannot_be_changed_and_a_copy_of_the_method_remembers_nothing(calls, monkeypatch):
    method = remember_texts(FakeMethod())
    with torch.inference_mode():
        first = method.text_embeddings(["sinus rhythm"])
        first.zero_()
        assert method.text_embeddings(["sinus rhythm"]).sum() > 0 and len(calls) == 1
        copy.deepcopy(method).text_embeddings(["sinus rhythm"])
        assert len(calls) == 2
        monkeypatch.setattr(text_memory, "MOST_NUMBERS", 60)  # two texts of 26 numbers
        for text in ("sinus rhythm", "pacing", "fibrillation", "sinus rhythm"):
            method.text_embeddings([text])
        assert len(calls) == 5
    method.text_embeddings(["sinus rhythm"])  # with gradients
    assert len(calls) == 6
