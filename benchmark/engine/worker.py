"""A worker process: ``python -m benchmark.engine.worker JOB.json DEVICE THREADS``, events as JSON lines on stdout."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmark.engine.events import Event
from benchmark.engine.run import limit_threads, run_group
from benchmark.paths import Home
from benchmark.planning.plan import CellGroup


def main(request: str, device: str, threads: str) -> None:
    job = CellGroup.from_json(json.loads(Path(request).read_text("utf-8")))
    limit_threads(int(threads))

    def on_event(event: Event) -> None:
        print(json.dumps(event.to_json()), flush=True)

    run_group(job, Home.default(), device, on_event)


if __name__ == "__main__":
    main(*sys.argv[1:])
