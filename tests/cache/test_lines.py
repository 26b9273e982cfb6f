"""Journals: whatever happens to the file, what counts of it is a beginning of what was written."""

import json

import numpy as np
import pytest

from benchmark.cache import lines
from benchmark.probes.journal import Journal

IDENTITY = {"search": "x", "trials": 3}
ANSWERS = [{"trials": [{"C": 0.1 * number, "text": 'a "crc32": b'}], "seconds": float(number)} for number in range(6)]


@pytest.fixture
def path(tmp_path):
    journal = Journal(tmp_path / "search.jsonl", IDENTITY)
    for answer in ANSWERS:
        assert journal.next() is None
        journal.add(answer)
    return tmp_path / "search.jsonl"


def answers_of(path, identity=IDENTITY, say=None):
    journal = Journal(path, identity, *([say] if say else []))
    return list(iter(journal.next, None))


def test_a_journal_is_plain_lines_of_json(path):
    first, *rest = map(json.loads, path.read_text().splitlines())
    assert (
        first.items() >= IDENTITY.items() and [line | ANSWERS[i] == line for i, line in enumerate(rest)] == [True] * 6
    )
    assert answers_of(path) == ANSWERS and answers_of(path, {**IDENTITY, "trials": 4}) == []


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_journal_counts_up_to_the_damage(path, damage, seed):
    sentences = []
    damage(path, seed)
    answers = answers_of(path, say=sentences.append)
    assert answers == ANSWERS[: len(answers)]
    journal = Journal(path, IDENTITY)  # and is whole again, to be gone on with
    while journal.next() is not None:
        pass
    for answer in ANSWERS[len(answers) :]:
        journal.add(answer)
    assert answers_of(path) == ANSWERS


@pytest.mark.parametrize("change", ["delete", "swap", "repeat"])
def test_a_line_that_is_missing_or_moved_ends_what_counts(path, change):
    lines_before, sentences = path.read_bytes().splitlines(keepends=True), []
    lines_after = {
        "delete": [*lines_before[:3], *lines_before[4:]],
        "swap": [*lines_before[:3], lines_before[4], lines_before[3], *lines_before[5:]],
        "repeat": [*lines_before[:4], lines_before[3], *lines_before[4:]],
    }[change]
    path.write_bytes(b"".join(lines_after))
    assert answers_of(path, say=sentences.append) == ANSWERS[: 3 if change == "repeat" else 2]
    assert len(sentences) == 1 and "goes on from what stands before it" in sentences[0]


def test_a_line_that_a_kill_cut_short_is_dropped_without_a_word(path):
    path.write_bytes(path.read_bytes()[:-5])
    assert answers_of(path, say=lambda text: pytest.fail(text)) == ANSWERS[:5]


def test_a_journal_of_older_code_goes_on_and_is_protected_from_then(path):
    path.write_text("".join(f"{json.dumps(line)}\n" for line in (IDENTITY, *ANSWERS)))
    assert not lines.decode(path.read_bytes()).protected
    assert answers_of(path, say=lambda text: pytest.fail(text)) == ANSWERS
    assert lines.decode(path.read_bytes()).protected
    path.write_text(f"{json.dumps(IDENTITY)}\n{json.dumps(ANSWERS[0])}\n\x00\x00\n{json.dumps(ANSWERS[1])}\n")
    assert answers_of(path) == ANSWERS[:1]


def test_rubbish_of_any_kind_is_no_crash():
    random = np.random.default_rng(0)
    for _ in range(500):
        content = random.bytes(int(random.integers(200)))
        assert all(isinstance(entry, dict) for entry in lines.decode(content).entries)
    assert lines.decode(b"").entries == [] and not lines.decode(b"").damaged
