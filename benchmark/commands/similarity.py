"""``similarity``: how alike the encoders of a suite are on the same recordings."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.commands.catalogue import add_command
from benchmark.commands.options import (
    add_device,
    add_json,
    add_quiet,
    add_suite,
    device_of,
    home_of,
    plan_of,
    print_json,
    reporter_of,
)
from benchmark.errors import COMPLETE, check_choice

if TYPE_CHECKING:
    from benchmark.engine.similarity import SuiteSimilarity
    from benchmark.leaderboard.similarity import Heading
    from benchmark.planning.plan import Plan

FORMATS = ("md", "csv", "svg", "pdf", "png")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sub = add_command(commands, "similarity")
    add_suite(sub)
    sub.add_argument("--dataset", help="dataset of the recordings (default: the first of the suite)")
    sub.add_argument("--split", default="test", help="test or val; no label is used (default: test)")
    sub.add_argument("--format", default="md,csv", help=f"any of {', '.join(FORMATS)} (default: md,csv)")
    sub.add_argument("--out", type=Path, help="folder to write to (default: HOME/similarity)")
    add_device(sub)
    add_json(sub)
    add_quiet(sub)
    sub.set_defaults(function=similarity)


def similarity(options: argparse.Namespace) -> int:
    """Write SUITE-DATASET.md and so on; print the table."""
    from benchmark.engine.similarity import suite_similarity
    from benchmark.leaderboard import similarity as printed

    formats = [name.strip() for name in options.format.split(",")]
    for name in formats:
        check_choice("similarity", "format", name, FORMATS)
    plan, home = plan_of(options), home_of(options)
    dataset = options.dataset or plan.cells[0].spec.dataset
    with reporter_of(options) as on_event:
        whole = suite_similarity(plan, dataset, options.split, home, device_of(options), on_event)
    heading = _heading(plan, whole)
    text = printed.markdown(whole.result, heading)
    paths = _write(formats, text, whole, heading, options.out or home.root / "similarity", plan.suite.name)
    if options.json:
        print_json(_to_json(whole, paths))
    else:
        print(text)
        print("written:", ", ".join(map(str, paths)))
    return COMPLETE


def _heading(plan: Plan, whole: SuiteSimilarity) -> Heading:
    from benchmark.leaderboard.similarity import Heading

    result = whole.result
    facts = (
        f"{whole.dataset}, {whole.split} split: {result.recordings} recordings of {result.patients} patients "
        f"(data {whole.data}"
    )
    facts += f"; {whole.left_out} more were left out)." if whole.left_out else ")."
    return Heading(f"{plan.suite.title}: how alike the encoders are", facts, whole.synthetic)


def _write(
    formats: list[str], text: str, whole: SuiteSimilarity, heading: Heading, folder: Path, suite: str
) -> list[Path]:
    from benchmark.atomic import write_bytes
    from benchmark.leaderboard import similarity as printed
    from benchmark.leaderboard.figures.style import save
    from benchmark.names import file_name

    folder.mkdir(parents=True, exist_ok=True)
    name = file_name(f"{suite}-{whole.dataset}")
    texts = {"md": text, "csv": printed.spreadsheet(whole.result, whole.synthetic)}
    figure = printed.draw(whole.result, heading) if set(formats) - set(texts) else None
    paths = []
    for form in formats:
        path = folder / f"{name}.{form}"
        write_bytes(path, texts[form].encode() if form in texts or figure is None else save(figure, form))
        paths.append(path)
    return paths


def _to_json(whole: SuiteSimilarity, paths: list[Path]) -> dict[str, object]:
    result = whole.result
    pairs = [
        {"a": a, "b": b, "cka": float(result.value[i, j]), "ci95": [float(result.low[i, j]), float(result.high[i, j])]}
        for i, a in enumerate(result.rows)
        for j, b in enumerate(result.rows)
        if i <= j and result.value[i, j] == result.value[i, j]
    ]
    facts = {"dataset": whole.dataset, "split": whole.split, "data": whole.data, "synthetic": whole.synthetic}
    return {**facts, "weights": dict(whole.weights), "pairs": pairs, "files": [str(path) for path in paths]}
