"""Cells -> units (what one SLURM job runs) -> arrays, with what each waits for.

A unit of the stage `pretrain` makes weights. One of `features` runs the first cell of each task and condition of a
method on a dataset, which fills the cache that the others read. The rest (`probe`, `train`, `report`) are packed
into jobs by resources and expected time. A job waits for units, not for success: whoever finds that its weights
were not made leaves a record which says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmark.api import Method, SupervisedMethod, Task
from benchmark.canonical import digest, dumps
from benchmark.errors import UsageError
from benchmark.paths import Home
from benchmark.planning.plan import Cell, CellGroup
from benchmark.planning.pretrained import read_card
from benchmark.registry import METHODS, TASKS
from slurm.estimates import STARTUP, Estimate, Estimates
from slurm.profiles import ORDER, Profile, Resources

SPARE = 0.8  # share of a job's time limit that is planned with


@dataclass
class Unit:
    """What one SLURM job (or task of an array) runs; `needs` are numbers of units that must have ended before."""

    stage: str
    row: str  # of its first cell
    resources: Resources
    groups: list[CellGroup] = field(default_factory=list)
    recipe: dict[str, Any] | None = None  # of the stage pretrain: method, version, config, recipe
    needs: frozenset[int] = frozenset()
    seconds: float = 0.0
    number: int = -1

    @property
    def cells(self) -> list[Cell]:
        return [cell for group in self.groups for cell in group.cells]

    @property
    def title(self) -> str:
        if self.recipe is not None:
            return f"pretrain {self.row}"
        return f"{self.stage} {self.row}" + (f" and {len(self.groups) - 1} more" if len(self.groups) > 1 else "")

    @property
    def array_key(self) -> str:
        """Units with equal ones can be tasks of one array."""
        return dumps([self.stage, self.resources.model_dump(), sorted(self.needs)])


@dataclass
class Array:
    """Units that are submitted with one call of ``sbatch``."""

    units: list[Unit]

    @property
    def resources(self) -> Resources:
        return self.units[0].resources

    @property
    def stage(self) -> str:
        return self.units[0].stage

    @property
    def needs(self) -> frozenset[int]:
        return self.units[0].needs


@dataclass
class Layout:
    """A planned submission; `left_out` are cells that the user's cap of queued jobs has no room for now."""

    units: list[Unit]
    arrays: list[Array]
    left_out: list[Cell] = field(default_factory=list)
    measured: int = 0  # cells whose time is known from earlier records
    guessed: int = 0


def lay_out(
    groups: Sequence[CellGroup],
    done: Sequence[Cell],
    profile: Profile,
    estimates: Estimates,
    home: Home,
    array_size: int,
    room: int | None = None,
) -> Layout:
    """Plan the `groups` of cells. `array_size` is the largest array, `room` how many jobs may be submitted now.

    Where the cells need more jobs than there is room for, jobs become longer, up to their time limits; what does not
    fit even then is left out.
    """
    if room is not None and room < 1:
        return Layout([], [], [cell for group in groups for cell in group.cells])
    longer = 1.0
    while True:
        planner = _Planner(profile, estimates, home, done, longer)
        units = planner.units(groups)
        if room is None or len(units) <= room or not planner.stretchable:
            break
        longer *= 2
    left_out: list[Cell] = []
    if room is not None and len(units) > room:
        units, left_out = units[:room], [cell for unit in units[room:] for cell in unit.cells]
    return Layout(units, list(arrays(units, array_size)), left_out, planner.measured, planner.guessed)


def arrays(units: Sequence[Unit], array_size: int) -> Iterator[Array]:
    """The fewest arrays: one per resources and dependencies, split at `array_size` only."""
    buckets: dict[str, list[Unit]] = {}
    for unit in units:
        buckets.setdefault(unit.array_key, []).append(unit)
    for bucket in buckets.values():
        for start in range(0, len(bucket), array_size):
            yield Array(bucket[start : start + array_size])


@dataclass
class _Part:
    """Cells of one group that belong to one stage, with their expected seconds."""

    stage: str
    cells: list[Cell]
    seconds: list[float]
    resources: Resources
    needs: frozenset[int]


class _Planner:
    """One pass over the groups. `longer` stretches the length of jobs."""

    def __init__(
        self, profile: Profile, estimates: Estimates, home: Home, done: Sequence[Cell], longer: float = 1.0
    ) -> None:
        self.profile, self.estimates, self.home, self.longer = profile, estimates, home, longer
        self._passes: dict[tuple[int, ...], tuple[str, list[Any]]] = {}  # the objects too, so that no id is used again
        self.extracted = {self._pass(cell) for cell in done}
        self.made: list[Unit] = []
        self.pretrainings: dict[str, int] = {}
        self.measured = self.guessed = 0
        self.stretchable = False
        self._resources: dict[tuple[str, str], Resources] = {}
        self._cells: dict[str, Estimate] = {}

    def units(self, groups: Sequence[CellGroup]) -> list[Unit]:
        """In the order in which they can run."""
        waits = [self._pretraining(group.cells[0]) for group in groups]
        leads, rest = [], []
        for group, needs in zip(groups, waits, strict=True):
            first, others = self._split(group)
            leads += self._parts(first, "features", needs)
            rest.append((others, needs, {self._pass(cell) for cell in first}))
        self._pack(leads)
        filled = {
            self._pass(cell): unit.number for unit in self.made if unit.stage == "features" for cell in unit.cells
        }
        later: list[_Part] = []
        for others, needs, passes in rest:
            after = needs | {filled[entry] for entry in passes}
            for stage, cells in itertools.groupby(others, lambda cell: stage_of(cell)):
                later += self._parts(list(cells), stage, after)
        self._pack(later)
        return self.made

    def _pretraining(self, cell: Cell) -> frozenset[int]:
        """The unit that makes a group's weights, unless they are there."""
        spec = cell.spec
        if cell.weights_folder is None:
            return frozenset()
        folder = self.home.pretrained / cell.weights_folder
        if read_card(folder) is not None:
            return frozenset()
        if folder.name not in self.pretrainings:
            recipe = {
                "method": spec.method,
                "version": spec.method_version,
                "config": spec.method_config,
                "recipe": spec.pretraining,
            }
            seconds = self.estimates.pretraining(spec).seconds
            unit = Unit("pretrain", cell.row, self._of("pretrain", cell.row), recipe=recipe, seconds=seconds + STARTUP)
            self.pretrainings[folder.name] = self._add(unit)
        return frozenset({self.pretrainings[folder.name]})

    def _split(self, group: CellGroup) -> tuple[list[Cell], list[Cell]]:
        """The cells that fill the cache of features for the others, and these; none where one job does it all."""
        leads: dict[str, Cell] = {}
        for cell in group.cells:
            if stage_of(cell) != "train" and self._pass(cell) not in self.extracted:
                leads.setdefault(self._pass(cell), cell)
        row = group.cells[0].row
        stages = {stage_of(cell) for cell in group.cells}
        same = all(self._of(stage, row) == self._of("features", row) for stage in stages)
        whole = sum(self._expected(cell) for cell in group.cells)
        whole += self.estimates.features(group.cells[0].spec).seconds
        if not leads or (same and len(stages) == 1 and whole <= self._budget(self._of("features", row), stretch=False)):
            return [], group.cells
        first = {cell.spec.key for cell in leads.values()}
        return list(leads.values()), [cell for cell in group.cells if cell.spec.key not in first]

    def _parts(self, cells: list[Cell], stage: str, needs: frozenset[int]) -> list[_Part]:
        if not cells:
            return []
        extra = self.estimates.features(cells[0].spec).seconds / len(cells) if stage == "features" else 0.0
        seconds = [self._expected(cell, count=True) + extra for cell in cells]
        return [_Part(stage, cells, seconds, self._of(stage, cells[0].row), needs)]

    def _pack(self, parts: Sequence[_Part]) -> None:
        """Fill units of equal resources and dependencies one after the other, cells of a group side by side."""
        buckets: dict[str, list[_Part]] = {}
        for part in sorted(parts, key=lambda part: ORDER[part.stage]):
            buckets.setdefault(dumps([part.stage, part.resources.model_dump(), sorted(part.needs)]), []).append(part)
        for bucket in buckets.values():
            budget = self._budget(bucket[0].resources)
            unit: Unit | None = None
            count = 0
            for part in bucket:
                opened: CellGroup | None = None  # the cells of this part in the unit at work
                for cell, seconds in zip(part.cells, part.seconds, strict=True):
                    full = unit is not None and (
                        unit.seconds + seconds > budget or count >= self.profile.limits.cells_per_job
                    )
                    if unit is None or full:
                        unit = Unit(part.stage, cell.row, part.resources, needs=part.needs, seconds=STARTUP)
                        self._add(unit)
                        opened, count = None, 0
                    unit.seconds += seconds
                    if opened is None:
                        opened = CellGroup([])
                        unit.groups.append(opened)
                    opened.cells.append(cell)
                    count += 1

    def _pass(self, cell: Cell) -> str:
        """Cells with equal ones read the same features: one pass over the signals serves them all."""
        spec = cell.spec
        whole = [spec.method, spec.method_config, spec.weights, spec.pretraining, spec.limit]
        whole += [spec.task, spec.dataset, spec.dataset_config, spec.signal, spec.source]
        same = tuple(map(id, whole))  # as in `group_cells`
        if same not in self._passes:
            self._passes[same] = (digest(whole), whole)
        return self._passes[same][0]

    def _add(self, unit: Unit) -> int:
        unit.number = len(self.made)
        self.made.append(unit)
        return unit.number

    def _budget(self, resources: Resources, stretch: bool = True) -> float:
        """Seconds that a job of these resources is filled up to."""
        most = max(STARTUP, SPARE * (resources.time * 60 - resources.signal_seconds))
        wanted = self.profile.limits.minutes_per_job * 60 * (self.longer if stretch else 1.0)
        self.stretchable = self.stretchable or (stretch and wanted < most)
        return min(wanted, most)

    def _expected(self, cell: Cell, count: bool = False) -> float:
        key = cell.spec.key
        if key not in self._cells:
            self._cells[key] = self.estimates.cell(cell, stage_of(cell))
        found = self._cells[key]
        if count:
            self.measured += found.seen > 0
            self.guessed += found.seen == 0
        return found.seconds

    def _of(self, stage: str, row: str) -> Resources:
        if (stage, row) not in self._resources:
            self._resources[stage, row] = self.profile.resources(stage, row)
        return self._resources[stage, row]


def stage_of(cell: Cell) -> str:
    """The stage of a cell beside the first one of its features: by its method, else by its task."""
    method: type[Method] = METHODS.get(cell.spec.method)
    if issubclass(method, SupervisedMethod):
        return "train"
    task: type[Task] = TASKS.get(cell.spec.task)
    if task.stage not in ORDER:
        raise UsageError(f"the task {cell.spec.task} names a stage {task.stage!r} that no profile knows")
    return task.stage
