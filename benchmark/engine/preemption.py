"""An orderly stop of a training: its checkpoint is written after the current step, and the same command resumes it.

A cluster that is about to end a job sends a signal first. Its handler is `ask_to_stop`, which
``signal.signal(signal.SIGUSR1, ask_to_stop)`` accepts; the training loop checks after every optimiser step.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)  # what clusters send

_stop_request = [
    False
]  # a plain value: the lock of a threading.Event is held twice when a second signal interrupts the first


class Preempted(BaseException):
    """A training stopped because it was asked to; its checkpoint, if it has one, is complete.

    Not an `Exception`, so that nobody stores an interrupted cell as failed.
    """


def ask_to_stop(*_: object) -> None:
    """Ask the trainings of this process to stop; safe in a signal handler."""
    _stop_request[0] = True


def asked_to_stop() -> bool:
    return _stop_request[0]


def go_on() -> None:
    """Withdraw the request to stop."""
    _stop_request[0] = False


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Let `SIGNALS` ask to stop within this context; for the main thread."""
    before = {number: signal.signal(number, ask_to_stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
