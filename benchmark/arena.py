"""The harness from Python and from notebooks: records as data frames, leaderboards for notebooks, single cells.

``from benchmark import arena``. The numbers are those of the command line, since both read the same records by
the same code. The page docs/python.md shows each function.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import benchmark
from benchmark.errors import UsageError, did_you_mean
from benchmark.paths import Home

if TYPE_CHECKING:
    import pandas

    from benchmark.api import Method
    from benchmark.leaderboard.tables import Leaderboard
    from benchmark.planning.plan import Plan
    from benchmark.planning.standing import AtHand
    from benchmark.records.record import RunRecord
    from benchmark.records.store import Store

COMMITTED = Path(benchmark.__file__).resolve().parent.parent / "results" / "records"  # of a checkout

__all__ = ["Answer", "Board", "leaderboard", "load", "run", "suites"]


def suites() -> list[str]:
    """Return the names of the suites whose records come with this checkout."""
    from benchmark.records.files import records_in

    return list(records_in(COMMITTED))


def load(records: str | Path, *, home: str | Path | None = None, resampled: bool = False) -> pandas.DataFrame:
    """Return a data frame with a row per cell: row, task, dataset, label set, fraction, seed, metrics, intervals.

    `records` is a Parquet file or a folder of records, or the name of a suite whose records come with this checkout
    (`suites`). With `home`, it is a suite, by name or path, and its records are those of that home. The column
    ``state`` says where a cell stands; cells without a number that a table would show have NaN. With `resampled`, a
    column holds the primary metric on each resample of the test patients, ``(resamples,)`` float32.
    """
    from benchmark.leaderboard.frames import cells_frame

    plan, store, now = _source(records, home)
    frame = cells_frame(plan, store, now, resampled)
    frame.attrs = {"suite": plan.suite.name, "records": str(store.root)}
    return frame


def leaderboard(
    records: str | Path,
    *,
    home: str | Path | None = None,
    methods: Collection[str] = (),
    tasks: Collection[str] = (),
) -> Board:
    """Return the leaderboard of a suite, as ``ecgarena leaderboard`` makes it; a notebook shows it as tables.

    `records` and `home` are those of `load`; `methods` and `tasks` choose rows and tasks.
    """
    from benchmark.leaderboard.tables import Leaderboard

    return Board(Leaderboard(*_source(records, home, methods, tasks)))


def run(
    method: str | type[Method],
    task: str,
    dataset: str,
    label_set: str | None = None,
    *,
    config: Mapping[str, Any] | None = None,
    dataset_config: Mapping[str, Any] | None = None,
    limit: int | None = None,
    home: str | Path | None = None,
    device: str | None = None,
    verbose: bool = False,
    block: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Answer:
    """Run one cell and return its answer; a record of the same question, data and code is used as it is.

    `method` is a name or a class: one from a notebook needs no file and is registered by its own name. `config` are
    the method's options and `fields` those of the task (``fraction=0.1, seed=0``). `block` takes further keys of a
    method's block in a suite: ``{"pretrain": {"dataset": "ptbxl"}}``, ``{"weights": "FILE"}``. `label_set` may be left
    out where the dataset has one. The record lies in `home` afterwards (default: ``$ECGARENA_HOME`` or ./runs).

    Raises `UsageError` for a question that cannot be asked, `MissingError` for absent data, and an error with the
    record's message where the cell fails.
    """
    from benchmark.engine.building import checked_device
    from benchmark.engine.events import reporter
    from benchmark.engine.one_cell import Question, name_of_class, run_cell

    name = method if isinstance(method, str) else name_of_class(method)
    question = Question(
        name,
        task,
        dataset,
        label_set or _only_label_set(dataset),
        {**(block or {}), "config": dict(config or {})},
        fields,
        dict(dataset_config or {}),
        limit,
    )
    with reporter(quiet=not verbose, verbose=False) as on_event:
        cell, record = run_cell(question, _home(home), checked_device(device), on_event)
    return Answer(cell.title, record)


@dataclass(frozen=True)
class Answer:
    """The result of one cell; `record` holds all of it."""

    title: str
    record: RunRecord

    @property
    def value(self) -> float | None:
        """Return the primary metric; None where it is undefined (the record's notes say why)."""
        return self.record.metrics.get(self.record.primary)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Return the 95 % interval of the primary metric over test patients."""
        return self.record.intervals.get(self.record.primary)

    @property
    def metrics(self) -> dict[str, float]:
        return dict(self.record.metrics)

    def to_frame(self) -> pandas.DataFrame:
        """Return one row, with the columns that `load` gives a cell."""
        import pandas

        from benchmark.records.tidy import tidy

        return pandas.DataFrame([tidy(self.record)])

    def __str__(self) -> str:
        bounds = "" if self.interval is None else " [{:.3f}, {:.3f}]".format(*self.interval)
        value = "undefined" if self.value is None else f"{self.value:.3f}"
        mark = "SYNTHETIC DATA. " if self.record.synthetic else ""
        return f"{mark}{self.title}: {self.record.primary} {value}{bounds}"

    __repr__ = __str__


class Board:
    """A leaderboard that shows itself in a notebook; `board` is the object that all formats are made from."""

    def __init__(self, board: Leaderboard) -> None:
        self.board = board

    def to_frame(self) -> pandas.DataFrame:
        """Return a row per entry of the tables: mean, spread over seeds, interval, p against the best, marks."""
        from benchmark.leaderboard.frames import entries_frame

        return entries_frame(self.board)

    def markdown(self) -> str:
        """Return the text of ``SUITE.md``, byte by byte."""
        from benchmark.leaderboard import markdown, published

        return markdown.markdown(self.board, published.beside(self.board.tables, published.load()))

    def _repr_html_(self) -> str:
        from benchmark.leaderboard.notebook import html

        return html(self.board)

    def _repr_markdown_(self) -> str:
        return self.markdown()

    def __repr__(self) -> str:
        return f"<leaderboard of {self.board.name}: {len(self.board.tables)} tables, {len(self.board.entries)} entries>"


def _source(
    records: str | Path, home: str | Path | None, methods: Collection[str] = (), tasks: Collection[str] = ()
) -> tuple[Plan, Store, AtHand]:
    """Return the plan and the records, and the present state to check them against where they are of a home."""
    from benchmark.planning.plan import make_plan
    from benchmark.planning.plan_file import read_plan
    from benchmark.planning.standing import RECORDS_ALONE, at_hand
    from benchmark.planning.suites import load_suite
    from benchmark.records.store import Store

    if home is not None:
        plan = make_plan(load_suite(str(records)), methods, tasks)
        return plan, Store(_home(home).records), at_hand(plan, _home(home))
    path = _place(records)
    own_plan = read_plan(path, methods, tasks)
    return own_plan or make_plan(load_suite(path.stem), methods, tasks), Store(path), RECORDS_ALONE


def _place(records: str | Path) -> Path:
    """Return the file or folder of records that a name or a path stands for."""
    from benchmark.records.files import records_in

    path, committed = Path(records), records_in(COMMITTED)
    if str(records) in committed:
        return committed[str(records)]
    if path.suffix == ".toml":
        raise UsageError(f"{path} is a suite and not records: name the home of the run that made them: home=...")
    if path.exists() or isinstance(records, Path) or path.name != str(records):
        return path
    raise UsageError(
        f"no suite {str(records)!r} has records in this checkout{did_you_mean(str(records), committed)}; "
        "name a file or folder of records, or the home of a run: home=..."
    )


def _home(home: str | Path | None) -> Home:
    return Home.default() if home is None else Home(Path(home).absolute())


def _only_label_set(dataset: str) -> str:
    """Return the one label set of a dataset; raise `UsageError` where there are several."""
    from benchmark.registry import DATASETS

    names = list(DATASETS.get(dataset).label_sets)
    if len(names) != 1:
        raise UsageError(f"name one of the label sets of {dataset}: {', '.join(names) or 'it has none'}")
    return names[0]
