"""Interrupts: the user may end a run by Ctrl-C, the code of a plug-in may not.

A method that raises `KeyboardInterrupt` or calls `os._exit` would otherwise end the run silently, and with an exit code
that means success.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

_interrupted = [False]


class PluginExitError(Exception):
    """Code of a method, task or dataset called `os._exit`."""


def user_interrupted() -> bool:
    """Whether SIGINT came within `guarding_the_end`; outside of it every interrupt counts as one."""
    return _interrupted[0] or not _guarded[0]


_guarded = [False]


@contextmanager
def guarding_the_end() -> Iterator[None]:
    """Let only a signal interrupt the run within this context; `os._exit` raises instead of ending the process."""
    process, leave = os.getpid(), os._exit
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT)

    def interrupt(number: int, frame: FrameType | None) -> None:
        _interrupted[0] = True
        if callable(before):
            before(number, frame)

    def refuse(status: int) -> NoReturn:
        if os.getpid() == process:  # a process that a method forked may end as it likes
            raise PluginExitError(f"its code called os._exit({status!r})")
        leave(status)

    takes_signals = in_main and callable(before)  # not so where SIGINT is ignored, as in the background of a shell
    _guarded[0], _interrupted[0] = True, False
    if takes_signals:
        signal.signal(signal.SIGINT, interrupt)
    patched: Any = os
    patched._exit = refuse
    try:
        yield
    finally:
        patched._exit = leave
        if takes_signals:
            signal.signal(signal.SIGINT, before)
        _guarded[0] = False
