"""Planner of jobs: groups cells into units (one SLURM job each) and units into arrays, with their dependencies.

A unit of the stage `pretrain` trains weights. A unit of `features` runs the first cell of each task and condition of
a method on a dataset, which fills the cache for the others. The rest (`probe`, `train`, `report`) are packed into
jobs by resources and expected time. Dependencies are `afterany`: a job starts even if pre-training failed, and then
records its cells as failed with that reason.
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

SPARE = 0.8  # share of a job's time limit that the plan fills


@dataclass
class Unit:
    """Work of one SLURM job (or array task); `needs` are the numbers of units that must end before it starts."""

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
        """Key of the array: units with equal keys can share one."""
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
    """A planned submission; `left_out` are cells that exceed the user's limit of queued jobs for now."""

    units: list[Unit]
    arrays: list[Array]
    left_out: list[Cell] = field(default_factory=list)
    measured_cells: int = 0  # cells whose time is known from earlier records
    guessed_cells: int = 0


def lay_out(
    groups: Sequence[CellGroup],
    finished_cells: Sequence[Cell],
    profile: Profile,
    estimates: Estimates,
    home: Home,
    array_size: int,
    room: int | None = None,
) -> Layout:
    """Plan the `groups` of cells. `array_size` is the largest array, `room` the number of jobs that may be submitted.

    If the cells need more jobs than `room`, jobs become longer, up to their time limits. Cells that still do not fit
    are left out.
    """
    if room is not None and room < 1:
        return Layout([], [], [cell for group in groups for cell in group.cells])
    longer = 1.0
    while True:
        planner = _Planner(profile, estimates, home, finished_cells, longer)
        units = planner.units(groups)
        if room is None or len(units) <= room or not planner.stretchable:
            break
        longer *= 2
    left_out: list[Cell] = []
    if room is not None and len(units) > room:
        units, left_out = units[:room], [cell for unit in units[room:] for cell in unit.cells]
    return Layout(units, list(arrays(units, array_size)), left_out, planner.measured_cells, planner.guessed_cells)


def arrays(units: Sequence[Unit], array_size: int) -> Iterator[Array]:
    """Yield the fewest arrays: one per set of resources and dependencies, split only at `array_size`."""
    buckets: dict[str, list[Unit]] = {}
    for unit in units:
        buckets.setdefault(unit.array_key, []).append(unit)
    for bucket in buckets.values():
        for start in range(0, len(bucket), array_size):
            yield Array(bucket[start : start + array_size])


@dataclass
class _Part:
    """Cells of one group and one stage, with their expected seconds."""

    stage: str
    cells: list[Cell]
    seconds: list[float]
    resources: Resources
    needs: frozenset[int]


class _Planner:
    """Planner for one pass over the groups; `longer` multiplies the length of jobs."""

    def __init__(
        self, profile: Profile, estimates: Estimates, home: Home, finished_cells: Sequence[Cell], longer: float = 1.0
    ) -> None:
        self.profile, self.estimates, self.home, self.longer = profile, estimates, home, longer
        self._passes: dict[tuple[int, ...], tuple[str, list[Any]]] = {}  # holds the objects, so that no id is reused
        self.extracted = {self._pass(cell) for cell in finished_cells}
        self.units_made: list[Unit] = []
        self.pretrainings: dict[str, int] = {}
        self.measured_cells = self.guessed_cells = 0
        self.stretchable = False
        self._resources: dict[tuple[str, str], Resources] = {}
        self._cells: dict[str, Estimate] = {}

    def units(self, groups: Sequence[CellGroup]) -> list[Unit]:
        """Return the units in an order in which they can run."""
        waits = [self._pretraining(group.cells[0]) for group in groups]
        leads, rest = [], []
        for group, needs in zip(groups, waits, strict=True):
            first, others = self._split(group)
            leads += self._parts(first, "features", needs)
            rest.append((others, needs, {self._pass(cell) for cell in first}))
        self._pack(leads)
        units_by_stage = {
            self._pass(cell): unit.number for unit in self.units_made if unit.stage == "features" for cell in unit.cells
        }
        later: list[_Part] = []
        for others, needs, passes in rest:
            after = needs | {units_by_stage[entry] for entry in passes}
            for stage, cells in itertools.groupby(others, lambda cell: stage_of(cell)):
                later += self._parts(list(cells), stage, after)
        self._pack(later)
        return self.units_made

    def _pretraining(self, cell: Cell) -> frozenset[int]:
        """Return the number of the unit that trains a group's weights; empty if none is needed."""
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
            resources = self._of("pretrain", cell.row)
            gpus = resources.gpus * resources.nodes
            seconds = self.estimates.pretraining(spec, gpus).seconds
            unit = Unit("pretrain", cell.row, resources, recipe=recipe, seconds=seconds + STARTUP)
            self.pretrainings[folder.name] = self._add(unit)
        return frozenset({self.pretrainings[folder.name]})

    def _split(self, group: CellGroup) -> tuple[list[Cell], list[Cell]]:
        """Return the cells that fill the feature cache, and the others; the first list is empty if one job does all."""
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
        """Fill units of equal resources and dependencies one by one, and keep the cells of a group together."""
        buckets: dict[str, list[_Part]] = {}
        for part in sorted(parts, key=lambda part: ORDER[part.stage]):
            buckets.setdefault(dumps([part.stage, part.resources.model_dump(), sorted(part.needs)]), []).append(part)
        for bucket in buckets.values():
            budget = self._budget(bucket[0].resources)
            unit: Unit | None = None
            count = 0
            for part in bucket:
                current: CellGroup | None = None  # the cells of this part in the current unit
                for cell, seconds in zip(part.cells, part.seconds, strict=True):
                    full = unit is not None and (
                        unit.seconds + seconds > budget or count >= self.profile.limits.cells_per_job
                    )
                    if unit is None or full:
                        unit = Unit(part.stage, cell.row, part.resources, needs=part.needs, seconds=STARTUP)
                        self._add(unit)
                        current, count = None, 0
                    unit.seconds += seconds
                    if current is None:
                        current = CellGroup([])
                        unit.groups.append(current)
                    current.cells.append(cell)
                    count += 1

    def _pass(self, cell: Cell) -> str:
        """Return a digest shared by cells that read the same features, from one pass over the signals."""
        spec = cell.spec
        whole = [spec.method, spec.method_config, spec.weights, spec.pretraining, spec.limit]
        whole += [spec.task, spec.dataset, spec.dataset_config, spec.signal, spec.source]
        same = tuple(map(id, whole))  # as in `group_cells`
        if same not in self._passes:
            self._passes[same] = (digest(whole), whole)
        return self._passes[same][0]

    def _add(self, unit: Unit) -> int:
        unit.number = len(self.units_made)
        self.units_made.append(unit)
        return unit.number

    def _budget(self, resources: Resources, stretch: bool = True) -> float:
        """Return how many seconds of work to plan for a job with these resources."""
        most = max(STARTUP, SPARE * (resources.time * 60 - resources.signal_seconds))
        seconds = self.profile.limits.minutes_per_job * 60 * (self.longer if stretch else 1.0)
        self.stretchable = self.stretchable or (stretch and seconds < most)
        return min(seconds, most)

    def _expected(self, cell: Cell, count: bool = False) -> float:
        key = cell.spec.key
        if key not in self._cells:
            self._cells[key] = self.estimates.cell(cell, stage_of(cell))
        expected = self._cells[key]
        if count:
            self.measured_cells += expected.cells > 0
            self.guessed_cells += expected.cells == 0
        return expected.seconds

    def _of(self, stage: str, row: str) -> Resources:
        if (stage, row) not in self._resources:
            self._resources[stage, row] = self.profile.resources(stage, row)
        return self._resources[stage, row]


def stage_of(cell: Cell) -> str:
    """Return the stage of a cell, by its method, else by its task; cells that fill the cache run in `features`."""
    method: type[Method] = METHODS.get(cell.spec.method)
    if issubclass(method, SupervisedMethod):
        return "train"
    task: type[Task] = TASKS.get(cell.spec.task)
    if task.stage not in ORDER:
        raise UsageError(f"the task {cell.spec.task} names a stage {task.stage!r} that no profile knows")
    return task.stage
