"""Events of a run at work, and two ways to show them: bars on a terminal, plain lines elsewhere.

Both write to stderr: stdout is for the result.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TextIO

from benchmark.names import one_line


class ParentGoneError(BaseException):
    """The process that started this worker has ended; not an `Exception`, so that no cell is stored as failed."""


@dataclass(frozen=True)
class Event:
    """One thing that happened during a run.

    `kind` is "note" (text), "step" (done of total in `text`, with named `values`), "begin" (a cell is at work, its key
    is the `status`) or "cell" (a finished one).
    """

    kind: str
    text: str
    done: int = 0
    total: int = 0
    values: dict[str, float] = field(default_factory=dict)
    status: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


EventSink = Callable[[Event], None]


def discard_event(event: Event) -> None:
    """Ignore an event."""


def notes_to(on_event: EventSink) -> Callable[[str], None]:
    """Return a function that sends a sentence as a note."""
    return lambda text: on_event(Event("note", text))


def _ignore(event: Event) -> None: ...


class LineReporter:
    """One plain line per event, for log files: no carriage returns, no colour, steps at most every few seconds.

    `quiet` leaves notes and failures; `verbose` adds each step and the beginning of each cell.
    """

    def __init__(
        self, stream: TextIO | None = None, every: float = 10.0, quiet: bool = False, verbose: bool = False
    ) -> None:
        self.stream, self.every, self.last = stream or sys.stderr, 0.0 if verbose else every, 0.0
        self.quiet, self.verbose, self.gone = quiet, verbose, False

    def __call__(self, event: Event) -> None:
        if event.kind == "begin" and not self.verbose:
            return
        if self.quiet and event.kind != "note" and event.status != "failed":
            return
        if event.kind == "step":
            if time.monotonic() - self.last < self.every and event.done < event.total:
                return
            self.last = time.monotonic()
        self._print(f"{time.strftime('%H:%M:%S')} {describe(event)}")

    def _print(self, line: str) -> None:
        """Print a line; when the stream is closed or has no reader, the run goes on without a log."""
        if self.gone:
            return
        try:
            print(line, file=self.stream, flush=True)
        except (OSError, ValueError):
            self.gone = True

    def __enter__(self) -> LineReporter:
        return self

    def __exit__(self, *_: object) -> None: ...


class BarReporter:
    """Progress bars of rich: one for the cells of the run, one for the stage at work. No colour under NO_COLOR."""

    def __init__(self, verbose: bool = False) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.progress = Progress(*columns, TextColumn("{task.fields[values]}"), console=Console(stderr=True))
        self.bars: dict[str, Any] = {}
        self.verbose = verbose

    def __enter__(self) -> BarReporter:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def __call__(self, event: Event) -> None:
        """Show an event; a terminal that is gone is no error of the run."""
        try:
            self._show(event)
        except (OSError, ValueError):
            self._show = _ignore  # type: ignore[method-assign]

    def _show(self, event: Event) -> None:
        from rich.markup import escape

        if event.kind == "begin" and not self.verbose:
            return
        if event.kind != "step":
            colour = {"failed": "red", "done": "green"}.get(event.status, "default")
            self.progress.console.print(f"[{colour}]{escape(describe(event))}[/]", highlight=False)
            return
        values = "  ".join(f"{name} {value:.4g}" for name, value in event.values.items())
        bar = self.bars.get(event.text)
        if bar is None:
            bar = self.bars[event.text] = self.progress.add_task(escape(event.text), total=event.total, values="")
        self.progress.update(bar, completed=event.done, total=event.total, values=values)
        if event.done >= event.total:
            self.progress.remove_task(self.bars.pop(event.text))


def naming_row(row: str, method: str, on_event: EventSink) -> EventSink:
    """Put the row before progress and notes where its name is not the method's: several rows may share one."""
    if row == method:
        return on_event

    def name(event: Event) -> None:
        own = event.kind in ("step", "note")
        on_event(replace(event, text=f"{row}: {event.text}") if own else event)

    return name


def counting_cells(on_event: EventSink, total: int) -> EventSink:
    """Follow each finished cell with a step of the whole run."""
    done = 0

    def count_cell(event: Event) -> None:
        nonlocal done
        on_event(event)
        if event.kind == "cell":
            done += 1
            on_event(Event("step", "cells", done, total))

    return count_cell


def describe(event: Event) -> str:
    """Return the event as text, without characters that could steer a terminal."""
    text = "\n".join(map(one_line, event.text.split("\n")))
    values = "  ".join(f"{name} {value:.4g}" for name, value in event.values.items())
    if event.kind == "step":
        return f"{text}: {event.done}/{event.total}  {values}".rstrip()
    if event.kind == "cell":
        return f"{event.status:6s} {text}  {values}".rstrip()
    if event.kind == "begin":
        return f"begin  {text} ({event.status})"
    return text


def reporter(quiet: bool = False, verbose: bool = False) -> LineReporter | BarReporter:
    """Return a reporter: bars on a terminal, lines elsewhere."""
    if not quiet and sys.stderr is not None and sys.stderr.isatty():
        return BarReporter(verbose)
    return LineReporter(quiet=quiet, verbose=verbose)
