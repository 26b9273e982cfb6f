"""The API reference, from the docstrings: ``python docs/build_api.py FOLDER`` (``make docs``), with pdoc."""

from __future__ import annotations

import sys
from pathlib import Path

import pdoc

PUBLIC = (  # what a plug-in or a script may build on; everything else may move
    *("benchmark.api", "benchmark.registry", "benchmark.errors", "benchmark.testing", "benchmark.paths"),
    *(
        "benchmark.records.record",
        "benchmark.records.store",
        "benchmark.engine.executors",
        "benchmark.probes.base_task",
    ),
    *("benchmark.data.store.prepared", "benchmark.data.labels.subsets", "benchmark.data.signals.signal"),
    *("benchmark.metrics.classification", "benchmark.metrics.statistics", "benchmark.metrics.paired"),
    *("benchmark.metrics.calibration", "benchmark.metrics.retrieval"),
)


def build(folder: Path) -> list[Path]:
    """Write one page per module and an index; return them."""
    pdoc.render.configure(docformat="markdown", show_source=False)
    pdoc.pdoc(*PUBLIC, output_directory=folder)
    return sorted(folder.rglob("*.html"))


if __name__ == "__main__":
    print(f"{len(build(Path(sys.argv[1])))} pages in {sys.argv[1]}")
