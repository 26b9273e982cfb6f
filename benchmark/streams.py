"""Robust standard streams: closed ones, a full device, a reader that goes away or missing letters cost no result.

A command does its work, writes its files and returns its exit code even if its output is lost.
"""

from __future__ import annotations

import codecs
import errno
import functools
import io
import os
import select
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from benchmark.errors import COMPLETE, MISSING

LETTERS = {
    "≈": "~", "±": "+/-", "×": "x", "–": "-", "—": "-", "−": "-", "…": "...", "→": "->", "≤": "<=", "≥": ">=",
    "µ": "u", "μ": "u", "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "ß": "ss", "·": "*",
}  # fmt: skip
READABLE = "ecgarena-readable"  # name of the codec error handler


def readable(error: UnicodeError) -> tuple[str, int]:
    """Replace letters that an encoding lacks by ASCII that reads alike (``≈``: ``~``, ``é``: ``e``), else by ``?``."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_ascii, error.object[error.start : error.end])), error.end


def _ascii(letter: str) -> str:
    plain = unicodedata.normalize("NFKD", letter).encode("ascii", "ignore").decode()
    return LETTERS.get(letter) or plain or "?"


codecs.register_error(READABLE, readable)


class _Guarded(io.RawIOBase):
    """A stream whose first write error is kept in `error`; from then on everything written is dropped."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return int(self.raw.fileno())

    def isatty(self) -> bool:
        return bool(self.raw.isatty())

    def write(self, part: Any) -> int:
        while self.error is None:
            try:
                count = self.raw.write(part)
                if count is not None:
                    return int(count)
                select.select([], [self.raw], [])  # set to not block by another program that shares the terminal
            except OSError as error:
                self.error = error
        return len(part)


class Output:
    """The guards of stdout and stderr while `safe_streams` is open; None for a stream that has none."""

    def __init__(self, stdout: _Guarded | None, stderr: _Guarded | None) -> None:
        self.stdout, self.stderr = stdout, stderr

    @property
    def reader_gone(self) -> bool:
        """Whether stdout has lost its reader, so that a command that only prints may end."""
        return self.stdout is not None and self.stdout.error is not None

    @property
    def failure(self) -> OSError | None:
        """Return the error that lost a part of stdout or stderr; a reader that went away is no such error."""
        errors = (guard.error for guard in (self.stdout, self.stderr) if guard and guard.error)
        return next((error for error in errors if error.errno != errno.EPIPE), None)

    def exit_code(self, code: int) -> int:
        """Return `code`, or the code of a missing environment where a complete answer could not be written."""
        return MISSING if code == COMPLETE and self.failure else code


_outputs: list[Output] = []  # of the command that runs


def reader_gone() -> bool:
    """Whether the output of the running command has lost its reader (``ecgarena status --watch | head -3``)."""
    return any(output.reader_gone for output in _outputs)


@contextmanager
def safe_streams() -> Iterator[Output]:
    """Guard stdin, stdout and stderr of this process; streams that replace them stay unchanged."""
    _fill_closed_descriptors()
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 (as long as the process)
    sys.stdout, of_stdout = _guard(sys.stdout, sys.__stdout__)
    sys.stderr, of_stderr = _guard(sys.stderr, sys.__stderr__)
    output = Output(of_stdout, of_stderr)
    _outputs.append(output)
    try:
        yield output
    finally:
        sys.stdout.flush()
        if output.failure:
            print(f"ecgarena: the output cannot be written: {output.failure.strerror}", file=sys.stderr)
        sys.stderr.flush()
        _outputs.remove(output)
        sys.stdin, sys.stdout, sys.stderr = before


def guarded(command: Callable[..., int]) -> Callable[..., int]:
    """Decorate a command: run it within `safe_streams` and show a lost answer in its exit code."""

    @functools.wraps(command)
    def run(*arguments: Any) -> int:
        with safe_streams() as output:
            try:
                code = command(*arguments)
            except SystemExit as ending:  # argparse, after --help or a wrong option
                sys.stdout.flush()
                if ending.code == COMPLETE:
                    ending.code = output.exit_code(COMPLETE)
                raise
            sys.stdout.flush()
        return output.exit_code(code)

    return run


def _guard(stream: TextIO | None, own: TextIO | None) -> tuple[TextIO, _Guarded | None]:
    """Return `stream` over a guard, and the guard; a stream that is not this process's own stays unchanged."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8"), None  # noqa: PTH123 (as long as the process)
    if stream is not own or not isinstance(stream, io.TextIOWrapper):
        return stream, None
    stream.flush()
    raw = getattr(stream.buffer, "raw", stream.buffer)
    guard = _Guarded(raw)
    binary: Any = guard if stream.buffer is raw else io.BufferedWriter(guard)
    guarded_stream = io.TextIOWrapper(
        binary,
        encoding=stream.encoding,
        errors=READABLE,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    return guarded_stream, guard


def _fill_closed_descriptors() -> None:
    """Open closed standard descriptors as /dev/null: else the next file would take the number and receive output."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            os.set_inheritable(number, True)
