"""METEOR 1.5 (Denkowski & Lavie, WMT 2014) as captioning papers compute it, from one Java process kept for all calls.

The jar and its English tables are pycocoevalcap's. With a fresh scorer, 4.3 of 5 seconds go into loading the paraphrase
table. The process returns each pair's counts and the score is computed from them here, so that resampling patients
needs no Java. Precision and recall weigh exact, stem, synonym and paraphrase matches and function words, and their mean
is lowered by fragmentation.
"""

from __future__ import annotations

import atexit
import functools
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, Queue

import numpy as np

from benchmark.errors import BenchmarkError
from benchmark.metrics.text.java import MISSING, OPTIONS, java_path
from benchmark.metrics.text.tokens import join_lines

VERSION = "1.5"
TIMEOUT = 120.0  # seconds without an answer; loading the tables takes 5 to 30
COUNTS = 23  # numbers of a pair: lengths, function words, four stages of matches, chunks, matched words
# English parameters of the jar ("-l en", task rank): Denkowski & Lavie, table 2
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
STAGES = np.array([1.0, 0.6, 0.8, 0.6])  # exact, stem, synonym, paraphrase
BATCH = 200  # pairs sent before their answers are read, few enough for a pipe's buffer


class MeteorError(BenchmarkError):
    """The METEOR process hangs, dies or answers with something other than numbers."""


def meteor_counts(hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Return the counts of each pair, ``(pair, 23)``. Raises `MeteorError`; the next call starts a new process."""
    try:
        return _process().counts(hypotheses, references)
    except MeteorError:
        _process().stop()
        _process.cache_clear()
        raise


def meteor(counts: np.ndarray) -> np.ndarray:
    """Return the score of (sums of) counts: ``(..., 23)`` -> ``(...)``, between 0 and 1."""
    length, ref_length, function, ref_function = np.moveaxis(counts[..., :4], -1, 0)
    matches = counts[..., 4:20].reshape(*counts.shape[:-1], 4, 4)  # (stage, content/ref content/function/ref function)
    sums = np.einsum("s,...sk->...k", STAGES, matches)
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = _share(sums[..., 0], sums[..., 2], length - function, function)
        recall = _share(sums[..., 1], sums[..., 3], ref_length - ref_function, ref_function)
        mean = precision * recall / (ALPHA * precision + (1 - ALPHA) * recall)
        chunks, words, ref_words = np.moveaxis(counts[..., 20:], -1, 0)
        score = mean * (1 - GAMMA * (2 * chunks / (words + ref_words)) ** BETA)
    return np.where(np.isfinite(score), score, 0.0)


def _share(content: np.ndarray, function: np.ndarray, all_content: np.ndarray, all_function: np.ndarray) -> np.ndarray:
    return (DELTA * content + (1 - DELTA) * function) / (DELTA * all_content + (1 - DELTA) * all_function)


class MeteorProcess:
    """The jar in its interactive mode: one line in, one line out."""

    def __init__(self, timeout: float = TIMEOUT, command: Sequence[str] | None = None) -> None:
        self.timeout = timeout
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        self.process = subprocess.Popen(
            command or _command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stderr
        )
        self.lines: Queue[bytes] = Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def counts(self, hypotheses: Sequence[str], references: Sequence[str]) -> np.ndarray:
        """Return the counts of each pair, ``(pair, 23)``."""
        pairs = list(zip(map(_clean, hypotheses), map(_clean, references), strict=True))
        answers: list[bytes] = []
        for start in range(0, len(pairs), BATCH):
            part = pairs[start : start + BATCH]
            self._send("".join(f"SCORE ||| {reference} ||| {hypothesis}\n" for hypothesis, reference in part))
            answers += [self._receive() for _ in part]
        try:
            counts = np.array([[float(number) for number in answer.split()] for answer in answers])
        except ValueError:
            raise self._fail("answered with something other than numbers") from None
        if len(pairs) and counts.shape != (len(pairs), COUNTS):
            raise self._fail(f"answered {counts.shape[-1]} numbers for a pair, not {COUNTS}")
        return _drop_single_chunks(counts.reshape(len(pairs), COUNTS))

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def _send(self, text: str) -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(text.encode())
            self.process.stdin.flush()
        except OSError:
            raise self._fail("ended") from None

    def _receive(self) -> bytes:
        try:
            line = self.lines.get(timeout=self.timeout)
        except Empty:
            raise self._fail(f"gave no answer within {self.timeout:g} s") from None
        if not line:
            raise self._fail("ended")
        return line

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(b"")

    def _fail(self, event: str) -> MeteorError:
        self.stop()
        self.stderr.seek(0)
        log = self.stderr.read().decode("utf-8", "replace").strip()[-400:]
        return MeteorError(f"the METEOR process {event}{': ' + log if log else ''}; is there memory for its 2 GB heap?")


@functools.cache
def _process() -> MeteorProcess:
    """Return the process of this worker."""
    process = MeteorProcess()
    atexit.register(process.stop)
    return process


def _command() -> list[str]:
    program = java_path()
    if program is None:
        raise MeteorError(MISSING)
    from pycocoevalcap.meteor import meteor as package

    jar = Path(package.__file__).parent / package.METEOR_JAR
    return [program, "-Xmx2G", *OPTIONS, "-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"]


def _drop_single_chunks(counts: np.ndarray) -> np.ndarray:
    """Count no chunk where the whole of both texts is one chunk: such a pair is not fragmented at all."""
    length, ref_length, chunks, words, ref_words = counts[:, [0, 1, 20, 21, 22]].T
    counts[(words == length) & (ref_words == ref_length) & (chunks == 1), 20] = 0
    return counts


def _clean(text: str) -> str:
    """Return the text on one line, without the protocol's separator."""
    return join_lines(text.replace("|||", " "))
