"""Cluster profiles: TOML files, without code, that set the resources for each stage of a method.

``[all]`` applies to every stage, ``[stages.NAME]`` to one, ``[methods.ROW]`` to a row of the suite and
``[methods.ROW.STAGE]`` to both. The more specific table wins; ``--resource`` on the command line overrides all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from benchmark.errors import UsageError, brief, did_you_mean, raise_all
from benchmark.paths import is_file
from benchmark.toml_values import parse_value, read_toml, value_problems

FOLDER = Path(__file__).parent / "profiles"
STAGES = ("pretrain", "features", "probe", "train", "report")
ORDER = {"pretrain": 0, "features": 1, "probe": 2, "train": 2, "report": 2}  # a stage waits for those of lower order
SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
DEFAULT_SIGNAL = 120  # seconds


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Resources(_Table):
    """Resources requested from ``sbatch`` for one job. Times are minutes or ``D-HH:MM:SS``, memory is ``16G``."""

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    nodelist: str | None = None
    gres: str | None = None
    gpus: int = Field(0, ge=0)  # per node
    nodes: int = Field(1, ge=1)
    tasks: int = Field(1, ge=1)  # per node; above 1 only for pretrain, where they are processes of one training
    cpus: int = Field(1, ge=1)  # per task
    memory: str = "8G"  # per node
    time: int = Field(60, ge=1)  # minutes
    signal_seconds: int = Field(DEFAULT_SIGNAL, ge=1)  # warning before the time limit
    cell_minutes: float | None = Field(None, gt=0)  # a cell that takes longer counts as hanging
    device: str | None = None  # default: cuda where gpus > 0 or gres names a gpu, else cpu
    python: str | None = None  # command that starts Python, e.g. ``apptainer exec image.sif python``
    setup: list[str] = []  # shell lines before the work: module load ...
    environment: dict[str, str] = {}
    sbatch: dict[str, Any] = {}  # further options of sbatch, by their long names

    @field_validator("time", mode="before")
    @classmethod
    def _minutes(cls, value: Any) -> Any:
        return minutes(value) if isinstance(value, str) else value

    @field_validator("memory", mode="after")
    @classmethod
    def _known_unit(cls, value: str) -> str:
        megabytes(value)
        return value

    @field_validator("environment", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        wrong = [name for name in value if not SHELL_NAME.fullmatch(name)]
        if wrong:
            raise ValueError(f"{', '.join(wrong)} cannot name a variable")
        return {name: str(entry) for name, entry in value.items()}

    @property
    def on_gpu(self) -> bool:
        return self.gpus > 0 or "gpu" in (self.gres or "")

    @property
    def gpu_count(self) -> int:
        """Number of GPUs of one job, for the cost estimate."""
        counts = re.findall(r"gpu(?::[^:,]+)?:(\d+)", self.gres or "")
        return self.nodes * max(self.gpus, sum(map(int, counts)), int(self.on_gpu))

    @property
    def where(self) -> str:
        """Device to compute on: ``cuda``, ``cpu`` or the one set in the profile."""
        return self.device or ("cuda" if self.on_gpu else "cpu")


class Limits(_Table):
    """Limits of the cluster, and how cells are packed into jobs."""

    max_array_size: int | None = Field(None, ge=1)  # MaxArraySize of slurm.conf; None: ask the scheduler
    max_jobs: int | None = Field(None, ge=1)  # queued jobs per user, array tasks counted singly; None: no limit
    array_parallelism: int = Field(100, ge=1)  # tasks of an array that run at a time
    minutes_per_job: float = Field(30, gt=0)  # target length when cells are packed into jobs
    max_requeues: int = Field(5, ge=0)  # how often a job that hit its time limit is requeued
    cells_per_job: int = Field(500, ge=1)


class Profile(_Table):
    """Profile of one cluster; `name` is the stem of its file."""

    name: str = ""
    about: str = ""
    limits: Limits = Field(default_factory=lambda: Limits.model_validate({}))
    all: dict[str, Any] = {}
    stages: dict[str, dict[str, Any]] = {}
    methods: dict[str, dict[str, Any]] = {}
    command_line: dict[str, Any] = {}

    def resources(self, stage: str, row: str = "") -> Resources:
        """Merge the resources for a stage of a row, from general to specific, the command line last."""
        of_method = self.methods.get(row, {})
        layers = [self.all, self.stages.get(stage, {})]
        layers += [_plain(of_method), of_method.get(stage, {})]
        layers += [_plain(self.command_line), self.command_line.get(stage, {})]
        table: dict[str, Any] = {}
        for layer in layers:
            variables = {**table.get("environment", {}), **layer.get("environment", {})}
            table |= {**layer, "environment": variables}
        return Resources.model_validate(table)

    def heavier(self, rows: Iterable[str], memory: float = 1.0, time: float = 1.0) -> Profile:
        """Return a copy with memory and time of `rows` multiplied by these factors, for cells that ran out."""
        methods = {row: dict(self.methods.get(row, {})) for row in {*self.methods, *rows}}
        for row in rows:
            for stage in STAGES:
                resources = self.resources(stage, row)
                larger = {
                    "memory": f"{round(megabytes(resources.memory) * memory)}M",
                    "time": math.ceil(resources.time * time),
                }
                methods[row][stage] = {**methods[row].get(stage, {}), **larger}
        over = {"memory", "time"}
        table = {
            key: {name: value for name, value in entry.items() if name not in over} if key in STAGES else entry
            for key, entry in self.command_line.items()
            if key not in over
        }
        return self.model_copy(update={"methods": methods, "command_line": table})


def load_profile(name: str, assignments: Sequence[str] = ()) -> Profile:
    """Load a profile by name or path; raise one error that lists the mistakes in it and in ``--resource``."""
    path = profile_path(name)
    raw = read_toml(path)
    raise_all(list(value_problems(raw)), f"the profile {path} is wrong:")
    problems = _unknown(raw)
    command_line = _command_line(assignments, problems)
    limits = command_line.pop("limits", {})
    if not problems:
        raw["limits"] = {**raw.get("limits", {}), **limits}
        problems = _faults(Limits, raw["limits"], "limits")
        problems += [
            fault
            for where, table in _tables({**raw, "command_line": command_line})
            for fault in _faults(Resources, table, where)
        ]
    raise_all(list(dict.fromkeys(problems)), f"the profile {path} (with --resource) is wrong:")
    profile = Profile.model_validate({**raw, "name": path.stem, "command_line": command_line})
    _check_combinations(profile, path)
    return profile


def profile_names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def profile_path(name: str) -> Path:
    path = Path(name) if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not is_file(path):
        hint = "" if name.endswith(".toml") else did_you_mean(name, profile_names())
        raise UsageError(f"no profile {name!r}{hint}; a path that ends in .toml works as well")
    return path


def minutes(text: str) -> int:
    """Parse ``90``, ``MM:SS``, ``HH:MM:SS``, ``D-HH``, ``D-HH:MM`` or ``D-HH:MM:SS`` as minutes, rounded up."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?", text.strip())
    if not match:
        raise ValueError(f"{text!r} is no time; write minutes, HH:MM:SS or D-HH:MM:SS")
    days, first, second, third = (int(part) if part else 0 for part in match.groups())
    if match[1] is not None:
        seconds = ((days * 24 + first) * 60 + second) * 60 + third
    elif match[4] is not None:
        seconds = (first * 60 + second) * 60 + third
    else:
        seconds = first * 60 + second
    return max(1, math.ceil(seconds / 60))


def megabytes(text: str) -> int:
    """Parse ``16G``, ``500M`` or ``8000`` (MB) as megabytes, as sbatch does."""
    match = re.fullmatch(r"(\d+)\s*([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if not match:
        raise ValueError(f"{text!r} is no amount of memory; write 500M or 16G")
    factor = {"K": 1 / 1024, "M": 1, "": 1, "G": 1024, "T": 1024 * 1024}[match[2].upper()]
    return max(1, math.ceil(int(match[1]) * factor))


def _plain(table: dict[str, Any]) -> dict[str, Any]:
    """Return the table without those of single stages."""
    return {key: value for key, value in table.items() if key not in STAGES}


def _tables(raw: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return every table of resources with its place in the file."""
    tables: list[tuple[str, dict[str, Any]]] = [("all", raw.get("all", {}))]
    tables += [(f"stages.{stage}", table) for stage, table in raw.get("stages", {}).items()]
    several = {f"methods.{row}": table for row, table in raw.get("methods", {}).items()}
    for where, table in {**several, "--resource": raw.get("command_line", {})}.items():
        tables.append((where, _plain(table)))
        tables += [(f"{where}.{stage}", table[stage]) for stage in STAGES if stage in table]
    return tables


def _unknown(raw: dict[str, Any]) -> list[str]:
    """Return a problem for each unknown key or stage, and each value that should be a table."""
    sections = ("about", "limits", "all", "stages", "methods")
    problems = [f"{key} is no key{did_you_mean(key, sections)}" for key in raw if key not in sections]
    nested = {"stages": raw.get("stages", {}), "methods": raw.get("methods", {})}
    flat = {**{key: raw.get(key, {}) for key in ("limits", "all")}, **nested}
    wrong = [f"{key} must be a table" for key, value in flat.items() if not isinstance(value, dict)]
    if wrong:
        return problems + wrong
    for key, tables in nested.items():
        problems += [f"{key}.{name} must be a table" for name, table in tables.items() if not isinstance(table, dict)]
    problems += [
        f"stages.{stage} is no stage{did_you_mean(stage, STAGES)}" for stage in nested["stages"] if stage not in STAGES
    ]
    return problems


def _faults(model: type[BaseModel], table: Any, where: str) -> list[str]:
    try:
        model.model_validate(table)
    except ValidationError as error:
        return [_explain(fault, model, where) for fault in error.errors()]
    return []


def _explain(fault: Any, model: type[BaseModel], where: str) -> str:
    place = ".".join([where, *map(str, fault["loc"])])
    if fault["type"] == "extra_forbidden":
        return f"{place} is no key{did_you_mean(str(fault['loc'][-1]), model.model_fields)}"
    return f"{place}: {fault['msg'].removeprefix('Value error, ')}, it is {brief(fault['input'])}"


def _command_line(assignments: Sequence[str], problems: list[str]) -> dict[str, Any]:
    """Parse ``gpus=2``, ``pretrain.time=8:00:00`` and ``limits.max_jobs=50`` into nested tables."""
    tables: dict[str, Any] = {}
    for pair in assignments:
        key, sign, value = pair.partition("=")
        *path, last = key.strip().split(".")
        if not sign or len(path) > 1:
            problems.append(f"--resource {pair}: write KEY=VALUE or STAGE.KEY=VALUE")
        elif path and path[0] not in (*STAGES, "limits"):
            problems.append(f"--resource {pair}: {path[0]} is no stage{did_you_mean(path[0], STAGES)}")
        else:
            table = tables.setdefault(path[0], {}) if path else tables
            try:
                parsed = parse_value(value.strip())
            except ValueError as error:
                problems.append(f"--resource {key.strip()}: {error}")
                continue
            problems += value_problems(parsed, f"--resource {key.strip()}")
            plain_text = last in ("memory", "time") and not isinstance(parsed, str)
            table[last] = value.strip() if plain_text else parsed
    return tables


def _check_combinations(profile: Profile, path: Path) -> None:
    """Raise for values that are valid alone but not together."""
    problems = []
    for stage in STAGES:
        for row in ("", *profile.methods):
            resources = profile.resources(stage, row)
            where = f"{stage} of {row}" if row else stage
            if resources.signal_seconds >= resources.time * 60:
                problems.append(
                    f"{where}: signal_seconds = {resources.signal_seconds} is no warning before a limit of "
                    f"{resources.time} min"
                )
            if stage != "pretrain" and (resources.nodes > 1 or resources.tasks > 1):
                problems.append(f"{where}: nodes and tasks above 1 are for pretrain, whose processes train together")
    raise_all(list(dict.fromkeys(problems)), f"the profile {path} (with --resource) is wrong:")
