"""A worker process: ``python -m benchmark.engine.worker GROUP.json DEVICE THREADS``, events as JSON lines on stdout."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmark.disk import end_worker
from benchmark.engine.event_stream import claim_stdout
from benchmark.engine.events import ParentGoneError
from benchmark.engine.interrupts import guarding_the_end
from benchmark.engine.run import limit_threads, run_group
from benchmark.errors import DiskError
from benchmark.paths import Home
from benchmark.planning.plan import CellGroup

ORPHANED = 76  # exit code of a worker whose parent is gone; only a person who looks at the processes sees it


def main(request: str, device: str, threads: str) -> int:
    group = CellGroup.from_json(json.loads(Path(request).read_text("utf-8")))
    limit_threads(int(threads))
    try:
        with guarding_the_end():
            run_group(group, Home.default(), device, claim_stdout())
    except ParentGoneError:
        return ORPHANED
    except (DiskError, OSError) as error:
        return end_worker(error)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
