"""Answers about a small PTB-XL, and the views and truths that tests of findings make of them."""

import hashlib
import json
import lzma
from dataclasses import replace

import numpy as np

from benchmark.api import Truth
from benchmark.data.formats import ecg_reasoning
from benchmark.data.labels.labelled_rows import LabelledRows
from benchmark.datasets.ptbxl import PTBXL
from benchmark.engine.context import CellContext, CellInputs
from benchmark.engine.method_handle import MethodHandle

LONG_PR, ST = "Prolongation of the PR interval", "Presence of ST-segment elevation in anterior leads"
CLASSES = ("a", "b")


def chain(ecg_id, criterion, answer, leads=()):
    grounding = [{"question_type": "lead_grounding", "answer": [f"Lead {lead}" for lead in leads]}] if leads else []
    return {"ecg_id": ecg_id, "steps": [{"criterion": criterion, "answer": answer, "grounding": grounding}]}


def compress(chains):
    return lzma.compress("\n".join(map(json.dumps, chains)).encode())


def use_checksum_of(path, monkeypatch):
    about = replace(ecg_reasoning.PTBXL_FINDINGS, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    monkeypatch.setattr(PTBXL, "sparse_label_sets", {"findings": about})


def contexts(world, rotations, change=lambda view: view, method="random_init"):
    data, home = world
    handle = MethodHandle(method, {"rate": 100.0, "width": 8}, 1, None, None, "cpu")
    views = [change(LabelledRows.of_rotation(data, "findings", rotation, None)) for rotation in rotations]
    rows = np.unique(np.concatenate([view.rows[split] for view in views for split in view.rows]))
    return [
        CellContext(CellInputs(data, view, handle, "ptbxl", "findings", home, extracted=rows, is_rotation=True))
        for view in views
    ]


def sparse_data(n=160, dim=6, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, dim)) * 3 + 1
    labels = (features[:, :2] + rng.normal(size=(n, 2)) * 3 > 1).astype(float)
    labels[rng.random((n, 2)) < 0.4] = np.nan
    return features, labels


def truth_of(labels, patients=None, leads=None):
    names = [str(row) for row in range(len(labels))]
    patients = names if patients is None else patients
    kinds = {"a": "rhythm", "b": "axis"}
    return Truth(names, patients, labels, CLASSES, [""] * len(names), kinds=kinds, leads=leads)
