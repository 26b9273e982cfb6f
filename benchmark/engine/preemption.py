"""Stop a training in good order: its checkpoint is written after the current step, and the same command goes on.

A cluster that is about to end a job sends a signal first. Its handler is `ask_to_stop`, which
``signal.signal(signal.SIGUSR1, ask_to_stop)`` takes as it is; the training loop looks after every optimiser step.
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
    """Forget the request."""
    _stop_request[0] = False


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """While this lasts, `SIGNALS` ask to stop; for the main thread."""
    before = {number: signal.signal(number, ask_to_stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
