"""Events from a worker process to the one that started it, as JSON lines over the worker's standard output.

The worker keeps that stream for itself: output of methods and libraries goes to its standard error, so that no printed
line is taken for an event.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable

from benchmark.engine.events import Event, EventSink, ParentGoneError


def claim_stdout() -> EventSink:
    """Return a sink that writes to this process's standard output, and send all other output to standard error.

    The sink raises `ParentGoneError` when its reader has ended.
    """
    stream = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    parent = os.getppid()

    def send(event: Event) -> None:
        try:
            print(json.dumps(event.to_json()), file=stream, flush=True)
        except OSError as error:
            raise ParentGoneError("nobody reads the events of this worker") from error
        if os.getppid() != parent:
            raise ParentGoneError("the process that started this worker has ended")

    return send


def parse_event(line: str) -> Event | None:
    """Return the event of a line, or None for a line that is none."""
    try:
        return Event(**json.loads(line))
    except (ValueError, TypeError):
        return None


def forward(line: str, on_event: Callable[[Event], None]) -> None:
    """Forward the event of a line; a line that is no event is shown as a note."""
    on_event(parse_event(line) or Event("note", line.rstrip()))
