"""``ecgarena doctor --profile NAME``: check whether the cluster in the profile is fit for a run, with remedies."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock
from submitit.core.utils import FailedJobError

from benchmark.commands.options import home_of, print_json
from benchmark.errors import COMPLETE, MISSING, BenchmarkError
from benchmark.paths import DATA_VARIABLE, WEIGHTS_VARIABLE, Home
from slurm import queue
from slurm.executor import SlurmExecutor
from slurm.node_check import PACKAGES, NodeCheck, renames
from slurm.planner import Array, Unit
from slurm.profiles import STAGES, Profile, Resources, load_profile, minutes
from slurm.snapshot import snapshot

SKEW = 2.0  # tolerated difference between clocks, in seconds
COMMANDS = ("sbatch", "srun", "squeue", "scancel", "scontrol")


class Finding(NamedTuple):
    """Result of one check; `remedy` applies if it is not `good`. Warnings do not change the exit code."""

    name: str
    good: bool
    remedy: str = ""
    warning: bool = False

    @property
    def bad(self) -> bool:
        return not self.good and not self.warning


def _json_line(finding: Finding) -> dict[str, Any]:
    """Return a finding under the keys that scripts know: its name is called "what"."""
    fields = finding._asdict()
    return {"what": fields.pop("name"), **fields}


def examine(options: argparse.Namespace) -> int:
    """Print the findings here and on one node of each kind in the profile; return 5 if something is wrong."""
    home = home_of(options)
    profile = load_profile(options.profile or "default", options.resource)
    wrong = 0
    places: dict[str, list[dict[str, Any]]] = {}
    for title, findings in _all_findings(profile, home, options.patience):
        places[title] = [_json_line(finding) for finding in findings]
        wrong += sum(finding.bad for finding in findings)
        if options.json:
            continue
        print(f"{title}:")
        for finding in findings:
            mark = "ok   " if finding.good else ("note " if finding.warning else "WRONG")
            print(f"  {mark} {finding.name}" + ("" if finding.good else f"\n        -> {finding.remedy}"), flush=True)
    if options.json:
        print_json({"wrong": wrong, "places": places})
        return MISSING if wrong else COMPLETE
    print(f"{wrong} things are wrong" if wrong else "nothing is wrong")
    return MISSING if wrong else COMPLETE


def _all_findings(profile: Profile, home: Home, patience: float) -> Iterator[tuple[str, list[Finding]]]:
    on_this_machine = list(on_login(profile, home))
    yield "here", on_this_machine
    if any(finding.bad for finding in on_this_machine):
        return
    for title, resources in kinds(profile).items():
        yield f"a node for {title}", list(on_node(profile, resources, home, patience))


def kinds(profile: Profile) -> dict[str, Resources]:
    """Return the resources of each distinct kind of node, by the names of the stages that request it."""
    by_kind: dict[str, tuple[list[str], Resources]] = {}
    for stage in STAGES:
        resources = profile.resources(stage)
        kind = json.dumps(
            [resources.partition, resources.constraint, resources.gres, resources.on_gpu, resources.python]
        )
        by_kind.setdefault(kind, ([], resources))[0].append(stage)
    return {", ".join(stages): resources for stages, resources in by_kind.values()}


def on_login(profile: Profile, home: Home) -> Iterator[Finding]:
    """Yield the findings that need no job."""
    absent = [name for name in COMMANDS if shutil.which(name) is None]
    yield Finding("SLURM's commands are here", not absent, f"{', '.join(absent)} not found: run this on a login node")
    has_accounting = shutil.which("sacct") is not None
    yield Finding(
        "sacct is here",
        has_accounting,
        "without it 'retry --oom' and '--timeout' know only what jobs wrote themselves",
        warning=True,
    )
    folder = _folder(home)
    try:
        rename_results = renames(folder)
        for operation, good in rename_results.items():
            yield Finding(f"rename {operation}, in {home.root}", good, "put ECGARENA_HOME on another file system")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if absent:
        return
    partitions = _partitions()
    for stage in STAGES:
        resources = profile.resources(stage)
        if resources.partition is None:
            continue
        for name in resources.partition.split(","):
            names = ", ".join(sorted(partitions))
            yield Finding(f"{stage}: the partition {name} exists", name in partitions, f"the cluster has {names}")
            longest = partitions.get(name)
            yield Finding(
                f"{stage}: {resources.time} minutes fit the partition",
                longest is None or resources.time <= longest,
                f"its limit is {longest} minutes: lower 'time'; a cut training goes on from its checkpoint",
            )


def on_node(profile: Profile, resources: Resources, home: Home, patience: float) -> Iterator[Finding]:
    """Submit a small job with these resources and yield its findings."""
    folder = _folder(home)
    (folder / "login.txt").write_text("seen from here")
    small = resources.model_copy(update={"nodes": 1, "tasks": 1, "time": 5, "signal_seconds": 60})
    runner = SlurmExecutor(profile_given=profile).runner(
        folder, Array([Unit("doctor", "", small)]), home, snapshot(home), {}
    )
    with FileLock(folder / "held.lock"):
        try:
            job = runner.submit(NodeCheck(folder, resources.on_gpu))
        except FailedJobError as error:
            yield Finding("sbatch takes a job of this kind", False, str(error).strip().splitlines()[-1])
            return
        sent_at = time.time()
        answer, state = _result(folder, str(job.job_id), patience)
    if answer is None:
        log = _tail(folder)
        yield Finding(f"job {job.job_id} answered", False, state + (f"; its log ends: {log}" if log else ""))
        return
    yield Finding(f"job {job.job_id} ran on {answer['host']} after {time.time() - sent_at:.0f} s", True)
    yield from judge(answer, resources, folder, received_at=time.time())
    shutil.rmtree(folder, ignore_errors=True)


def judge(answer: dict[str, Any], resources: Resources, folder: Path, received_at: float) -> Iterator[Finding]:
    """Yield findings from a node's facts; `received_at` is when they arrived, by the local clock."""
    yield Finding(
        "the home is shared", answer["sees_token"], f"{folder} is not seen there: put ECGARENA_HOME on a shared folder"
    )
    late = answer["time"] - (folder / "node.json").stat().st_mtime if (folder / "node.json").is_file() else 0.0
    skew = max(abs(late), answer["time"] - received_at)
    yield Finding(
        f"clocks agree within {SKEW:g} s ({skew:.1f} s)",
        skew <= SKEW,
        "ask for NTP on that node: heartbeats go by clocks",
    )
    yield Finding(
        "a lock held here is held there",
        not answer["lock_was_free"],
        "locks do not cross machines on this file system (mount it with flock/local_lock=none): two jobs may extract "
        "or train the same thing at once; results stay whole, work is done twice",
        warning=True,
    )
    for operation, good in answer["renames"].items():
        yield Finding(f"rename {operation}, from the node", good, "put ECGARENA_HOME on another file system")
    if resources.on_gpu:
        yield from _gpu(answer)
    yield Finding(
        "Java is there", bool(answer["java"]), "only METEOR needs it: a 'module load' line in 'setup'", warning=True
    )
    for name in (DATA_VARIABLE, WEIGHTS_VARIABLE):
        if os.environ.get(name):
            good = answer["folders"].get(name, False)
            yield Finding(
                f"{name} is a folder there",
                good,
                f"{answer['variables'].get(name)} is not seen: mount it, or set it in 'environment'",
            )
    for name, good in answer["caches"].items():
        remedy = f"no cache of published models: fill it on a machine with a network, and set {name} in 'environment'"
        yield Finding(f"{name}'s cache is there", good, remedy, warning=True)
    offline = answer["variables"].get("HF_HUB_OFFLINE") == "1"
    yield Finding(
        "the hub is not asked from a node", offline, "set HF_HUB_OFFLINE = \"1\" in 'environment'", warning=True
    )
    yield from _versions(answer)


def _gpu(answer: dict[str, Any]) -> Iterator[Finding]:
    if answer["torch_cuda"] is None:
        yield Finding(
            "torch can use a GPU", False, "this torch is a CPU build: install the CUDA build in the job's environment"
        )
        return
    yield Finding(f"{answer['gpus']} GPUs are visible", answer["gpus"] > 0, "ask for them with 'gpus' or 'gres'")
    why = answer.get(
        "gpu_error", f"torch is built for CUDA {answer['torch_cuda']}: compare it with the driver (nvidia-smi)"
    )
    yield Finding(f"torch computes on {answer.get('gpu', 'a GPU')}", answer["gpu_works"], why)


def _versions(answer: dict[str, Any]) -> Iterator[Finding]:
    from importlib.metadata import version

    other = [
        f"{name} {answer['packages'][name]} there, {version(name)} here"
        for name in PACKAGES
        if answer["packages"][name] != version(name)
    ]
    yield Finding("the same libraries as here", not other, f"{'; '.join(other)}: use one environment")


def _result(folder: Path, job: str, patience: float) -> tuple[dict[str, Any] | None, str]:
    """Return the facts that the job wrote, or None and the reason why there are none."""
    deadline, misses = time.monotonic() + patience, 0
    state: queue.Queued | None = None
    while time.monotonic() < deadline:
        if (folder / "node.json").is_file():
            answer: dict[str, Any] = json.loads((folder / "node.json").read_text("utf-8"))
            return answer, ""
        state = queue.queue().get(job)
        misses = misses + 1 if state is None else 0
        if misses > 2:
            return None, "it ended without an answer"
        time.sleep(1.0)
    queue.cancel([job])
    return (
        None,
        f"it did not start within {patience:.0f} s ({state.reason if state else 'gone'}): --patience waits longer",
    )


def _tail(folder: Path) -> str:
    texts = [path.read_text("utf-8", "replace") for path in sorted(folder.glob("*_log.err"))]
    return " / ".join("".join(texts).strip().splitlines()[-3:])


def _folder(home: Home) -> Path:
    folder = home.slurm / "doctor" / secrets.token_hex(4)
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise BenchmarkError(f"{home.root} cannot be written to: {error}; name another folder with --home") from error
    return folder


def _partitions() -> dict[str, int | None]:
    """Return the time limit of each partition in minutes, by name; None means no limit."""
    limits: dict[str, int | None] = {}
    for line in queue.ask(["sinfo", "--noheader", "--format", "%R|%l"]).splitlines():
        name, _, limit = line.partition("|")
        limits[name] = None if limit == "infinite" else minutes(limit)
    return limits
