"""Worker process of a job: ``python -m slurm.worker REQUEST.json``, with events as JSON lines on stdout.

On a signal it stops cleanly (exit code `STOPPED`): a training after its next step, with its checkpoint written; other
work after the current cell. Heavy imports follow once the signal handlers are set.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Any

from benchmark.disk import end_worker
from benchmark.engine.event_stream import claim_stdout
from benchmark.engine.events import Event, ParentGoneError
from benchmark.engine.preemption import SIGNALS, Preempted, ask_to_stop, asked_to_stop
from benchmark.errors import DiskError

STOPPED = 75  # EX_TEMPFAIL
ORPHANED = 76  # the supervisor is gone, so nobody reads this code


def main(path: str) -> int:
    for number in SIGNALS:
        signal.signal(number, ask_to_stop)
    request: dict[str, Any] = json.loads(Path(path).read_text("utf-8"))

    on_event = claim_stdout()
    try:
        from benchmark.engine.run import limit_threads

        if asked_to_stop():
            raise Preempted("asked to stop before anything was begun")
        limit_threads(request["threads"])
        _pretrain(request, on_event) if request["stage"] == "pretrain" else _cells(request, on_event)
    except Preempted as stopped:
        on_event(Event("note", str(stopped)))
        return STOPPED
    except ParentGoneError:
        return ORPHANED
    except (DiskError, OSError) as error:
        return end_worker(error)
    return 0


def _pretrain(request: dict[str, Any], on_event: Any) -> None:
    from benchmark.engine import distributed, pretraining
    from benchmark.paths import Home

    recipe = request["recipe"]
    with distributed.process_group(request["device"]) as device:
        weights = pretraining.pretrain(
            recipe["method"],
            recipe["version"],
            recipe["config"],
            recipe["recipe"],
            Home(Path(request["home"])),
            on_event,
            device,
            request["checkpoint_every"],
        )
    on_event(Event("note", f"{weights.weights}, sha256 {weights.sha256}"))


def _cells(request: dict[str, Any], on_event: Any) -> None:
    from benchmark.engine.run import run_group
    from benchmark.paths import Home
    from benchmark.planning.plan import CellGroup

    home = Home(Path(request["home"]))
    for group in request["groups"]:
        job = CellGroup.from_json(group)
        if not _fail_without_weights(job, home, on_event):
            run_group(job, home, request["device"], on_event)


def _fail_without_weights(job: Any, home: Any, on_event: Any) -> bool:
    """Fail the cells if their pre-trained weights are missing; a probe job must not start training."""
    from benchmark.engine.outcome import failed_record
    from benchmark.planning.pretrained import read_card
    from benchmark.records.store import Store

    name = job.cells[0].weights_folder
    if name is None:
        return False
    folder = home.pretrained / name
    if read_card(folder) is not None:
        return False
    message = f"its weights are not there: the pre-training in {folder} did not finish; 'ecgarena retry' runs both"
    for cell in job.cells:
        record = failed_record(cell, {"kind": "PretrainingUnfinished", "message": message, "traceback": ""}, 0.0)
        Store(home.records).write(cell.spec, record)
        on_event(Event("cell", f"{cell.title}: {message}", status="failed"))
    return True


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
