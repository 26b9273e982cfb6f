"""A server in another interpreter: started on demand, asked in turn, gone with whoever asked."""

from __future__ import annotations

import os
import subprocess
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from benchmark.errors import BenchmarkError, MissingError, UsageError
from benchmark.external import worker as server
from benchmark.paths import user_path

API = Path(server.__file__).parents[1] / "api.py"
OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")  # would lead the other one to our packages
LOG_TAIL = 20  # lines shown of a process that died


class Interpreter:
    """The method `name` in the interpreter at `python`; every fault of it is an error that names both."""

    def __init__(self, name: str, python: str) -> None:
        self.who = f"the method {name!r} in {python}"
        path = user_path(python)
        if not os.access(path, os.X_OK) or path.is_dir():
            raise MissingError(f"{self.who}: there is no interpreter; give the path of its bin/python")
        self._log: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        environment = {key: value for key, value in os.environ.items() if key not in OURS}
        try:
            self._process = subprocess.Popen(
                [str(path), server.__file__, name, str(API)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=environment,
            )
        except OSError as error:
            raise MissingError(f"{self.who} does not start: {error}") from error
        self._end = weakref.finalize(self, _stop, self._process, self._log)

    def ask(self, do: str, arrays: Sequence[np.ndarray] = (), **request: Any) -> tuple[Any, list[np.ndarray]]:
        """Send a request and wait for its answer: a JSON value and arrays."""
        assert self._process.stdin is not None and self._process.stdout is not None
        try:
            server.send(self._process.stdin, {"do": do, **request}, arrays)  # type: ignore[arg-type]
            answer, found = server.receive(self._process.stdout)  # type: ignore[arg-type]
        except (EOFError, BrokenPipeError):
            code = self._process.wait()
            raise BenchmarkError(f"{self.who} died with exit code {code}; its last lines:\n{self._tail()}") from None
        except ValueError as error:
            raise BenchmarkError(f"{self.who} does not speak as it should: {error}\n{self._tail()}") from None
        if "error" in answer:
            kind = BenchmarkError if do == "call" else UsageError
            raise kind(f"{self.who} is broken: {answer['error']}\n{answer['traceback']}")
        return answer["value"], found

    def _tail(self) -> str:
        self._log.seek(0)
        return "\n".join(self._log.read().decode(errors="replace").splitlines()[-LOG_TAIL:])


def _stop(process: subprocess.Popen[bytes], log: BinaryIO) -> None:
    """End of input is the sign to leave; one that does not listen is killed."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except BrokenPipeError:  # it had died
                continue
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    log.close()
