"""Findings in the file of answers: known, unknown and contradictory ones, and files that are refused."""

import hashlib

import numpy as np
import pytest

from benchmark.api import LEADS
from benchmark.data.formats import ecg_reasoning
from benchmark.data.formats.ecg_reasoning import FINDINGS, KINDS, read_answers
from benchmark.data.store.preparation import open_dataset
from benchmark.datasets.ptbxl import PTBXL
from benchmark.engine.without_test import WithoutTest
from benchmark.errors import DataError, MissingError
from tests.tasks.findings.small_findings import LONG_PR, ST, chain, compress, use_checksum_of


def test_what_was_not_asked_is_unknown_and_contradictions_are_counted(world, tree, tmp_path, monkeypatch):
    data, _ = world
    labels = data.label_set("findings")
    pr, st = (labels.classes.index(FINDINGS[name][0]) for name in (LONG_PR, ST))
    assert np.isnan(labels.matrix).sum() + np.isfinite(labels.matrix).sum() == labels.matrix.size
    assert np.isnan(np.delete(labels.matrix, [pr, st], axis=1)).all(), "nobody asked for the others"
    by_id = dict(zip(data.record_ids[labels.rows], labels.matrix, strict=True))
    assert by_id["3"][pr] == 1 and by_id["1"][pr] == 0 and np.isnan(by_id["5"][pr]) and np.isnan(by_id["3"][st])
    lead = {LEADS[place] for place in np.flatnonzero(labels.leads[list(by_id).index("1"), st])}
    assert lead == {"V2", "V3"} and not labels.leads[:, pr].any()
    other = tmp_path / "ecg-reasoning" / "ptbxl.jsonl.xz"
    other.parent.mkdir()
    answers = [(1, "Yes"), (1, "No"), (2, "No"), (2, "No"), (10**6, "Yes")]
    other.write_bytes(compress([chain(number, LONG_PR, answer) for number, answer in answers]))
    use_checksum_of(other, monkeypatch)
    monkeypatch.setenv("ECGARENA_DATA", str(tmp_path))
    sparse = open_dataset("ptbxl", {}, world[1]).sparse_labels("findings")
    assert sparse.contradictions == 1 and sparse.strangers == 1 and sparse.matrix[:, pr].tolist() == [0]
    note = sparse.note(PTBXL.sparse_label_sets["findings"])
    assert "silver labels" in note and "1 have contradictory answers" in note and "1 recordings of the file" in note


def test_the_real_file_has_the_findings_that_its_description_counts(shared):
    content = (shared / "data" / "ecg-reasoning" / "ptbxl.jsonl.xz").read_bytes()
    assert hashlib.sha256(content).hexdigest() == ecg_reasoning.PTBXL_FINDINGS.sha256
    answers = list(read_answers(content))
    assert len(answers) == 6964 and len({answer.record_id for answer in answers}) == 2868
    assert {answer.label for answer in answers} == set(KINDS) and len(KINDS) == 45 and len(FINDINGS) == 46
    signs = {}
    for answer in answers:
        signs.setdefault((answer.record_id, answer.label), set()).add(answer.is_present)
    assert not [entry for entry, values in signs.items() if len(values) > 1], "no recording contradicts itself"


@pytest.mark.parametrize("state", ["no variable", "no file", "other file"])
def test_an_absent_or_other_file_is_refused_in_one_sentence_and_breaks_nothing_else(
    state, world, tmp_path, monkeypatch
):
    data, _ = world
    if state == "no variable":
        monkeypatch.delenv("ECGARENA_DATA")
    else:
        monkeypatch.setenv("ECGARENA_DATA", str(tmp_path))
    if state == "other file":
        (tmp_path / "ecg-reasoning").mkdir()
        (tmp_path / "ecg-reasoning" / "ptbxl.jsonl.xz").write_bytes(compress([chain(1, LONG_PR, "Yes")]))
    kind, words = (DataError, "SHA-256") if state == "other file" else (MissingError, "ecg-reasoning/ptbxl.jsonl.xz")
    with pytest.raises(kind, match=words) as error:
        data.label_set("findings")
    assert "ECG-Reasoning-Benchmark" in str(error.value) and "\n" not in str(error.value)
    assert len(data.label_set("super").rows) and data.values_digest("findings")


def test_a_file_with_another_content_is_refused():
    with pytest.raises(DataError, match="cannot be read"):
        list(read_answers(compress([chain(1, "no such criterion", "Yes")])))
    with pytest.raises(DataError, match="cannot be read"):
        list(read_answers(b"no archive"))


def test_the_store_and_its_digest_stay_and_tuning_sees_no_label_of_test(world):
    data, _ = world
    assert not [path for path in data.path.rglob("*") if "finding" in path.name or path.suffix == ".xz"]
    assert set(data.folds) <= set(range(1, 11)) and (data.folds[data.splits == "test"] == 10).all()
    limited = WithoutTest(data)
    assert "test" not in set(limited.splits[limited.label_set("findings").rows])
