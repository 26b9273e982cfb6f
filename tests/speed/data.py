"""Preparing and reading PTB-XL, against the loop over wfdb that a user would write; one run, in turns.

    python tests/speed/data.py [--root PTBXL] [--recordings 3000] [--rounds 3]

Without --root (or $ECGARENA_DATA/ptbxl) it writes a synthetic tree in PTB-XL's layout. The `.mat` files of CPSC2018 and
CSN and the `.dat` files of MIMIC-IV-ECG, 500 Hz, come from made-up trees.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import wfdb
from figures import check_count, rate, ratio, show, spread

from benchmark.api import SignalSpec
from benchmark.data.store.preparation import prepare
from benchmark.paths import Home
from benchmark.testing import write_csn, write_mimic_iv_ecg, write_ptbxl

BATCH = 64
LOOPED = 1000  # recordings that the loop reads; its time is scaled to all


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(os.environ["ECGARENA_DATA"]) / "ptbxl" if "ECGARENA_DATA" in os.environ else None
    parser.add_argument("--root", type=Path, default=default)
    parser.add_argument("--recordings", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = excerpt(options.root, options.recordings, Path(folder) / "root")
        names = list(pd.read_csv(root / "ptbxl_database.csv")["filename_lr"])
        print(f"{len(names)} recordings of {'PTB-XL' if options.root else 'a SYNTHETIC tree'}, 12 x 1000")
        preparing, reading = [], []
        for number in range(options.rounds):
            home = Home(Path(folder) / f"home{number}")
            actual, expected = seconds(lambda h=home: prepare("ptbxl", {}, h, root)), seconds(lambda: loop(root, names))
            preparing.append((actual, expected))
            data = prepare("ptbxl", {}, home)
            check_count("ptbxl: recordings prepared, and read by the loop", len(data), len(names))
            order = np.random.default_rng(number).permutation(len(data))
            warm = seconds(lambda d=data, o=order: read(d, o), repeat=3)
            part = [names[i] for i in order[:LOOPED]]
            reading.append((warm, seconds(lambda p=part: loop(root, p)) * ratio(len(names), len(part))))
            shutil.rmtree(home.root)
        tree = f"{'PTB-XL' if options.root else 'a made-up PTB-XL'}, 12 x 1000"
        report(f"preparing {tree}", preparing, len(names))
        report(f"warm reading of {tree}, shuffled, to float32 millivolt", reading, len(names))
        other_formats(Path(folder) / "others", options.recordings // 5, options.rounds)


def other_formats(folder: Path, count: int, rounds: int) -> None:
    """Preparing the challenge's ``.mat`` (as CSN) and MIMIC's ``.dat``, 12 x 5000."""
    write_csn(folder / "csn", patients=1)
    source = next((folder / "csn").rglob("*.hea"))
    text, signal = source.read_text(), source.with_suffix(".mat").read_bytes()
    for number in range(2, count + 1):
        name = f"JS{number:05d}"
        source.with_name(f"{name}.hea").write_text(text.replace(source.stem, name))
        source.with_name(f"{name}.mat").write_bytes(signal)
    write_mimic_iv_ecg(folder / "mimic_iv_ecg", patients=round(count / 1.85), odd=False, same_signal=True)
    for dataset in ("csn", "mimic_iv_ecg"):
        root, result = folder / dataset, []
        names = recordings_of(root)
        for number in range(rounds):
            home = Home(folder / f"{dataset}{number}")
            actual = seconds(lambda h=home, d=dataset, r=root: prepare(d, {}, h, r))
            check_count(
                f"{dataset}: recordings prepared, and read by the loop", len(prepare(dataset, {}, home)), len(names)
            )
            result.append((actual, seconds(lambda r=root, n=names: loop(r, n))))
            shutil.rmtree(home.root)
        report(f"preparing {dataset}, made up, 12 x 5000", result, len(names))


def recordings_of(root: Path) -> list[str]:
    """The recordings of a tree, without their endings: those of MIMIC's list, or all headers."""
    index = root / "record_list.csv"
    if index.exists():  # made-up recordings share one file, which the list names for each of them
        return list(pd.read_csv(index)["path"])
    return sorted(str(path.relative_to(root).with_suffix("")) for path in root.rglob("*.hea"))


def excerpt(source: Path | None, count: int, root: Path) -> Path:
    """The first `count` rows of a PTB-XL, its signals linked; or a synthetic tree of about that size."""
    if source is None:
        write_ptbxl(root, patients=round(count / 1.85))
        return root
    root.mkdir()
    pd.read_csv(source / "ptbxl_database.csv", dtype=str).head(count).to_csv(root / "ptbxl_database.csv", index=False)
    shutil.copy(source / "scp_statements.csv", root)
    (root / "records100").symlink_to(source.resolve() / "records100")
    return root


def loop(root: Path, names: list[str]) -> None:
    """What one writes without a harness: wfdb, recording by recording, into one array."""
    signals = np.stack([wfdb.rdsamp(str(root / name), return_res=32)[0].T for name in names])
    check_count("recordings read by the loop", len(signals), len(names))


def read(data, order: np.ndarray) -> None:
    spec = SignalSpec(rate=100.0)
    parts = (data.read(order[start : start + BATCH], spec) for start in range(0, len(order), BATCH))
    check_count("recordings read", sum(len(part) for part in parts), len(order))


def seconds(work, repeat: int = 1) -> float:
    """Best of `repeat` runs."""
    result = []
    for _ in range(repeat):
        start = time.perf_counter()
        work()
        result.append(time.perf_counter() - start)
    return min(result)


def report(label: str, pairs: list[tuple[float, float]], count: int) -> None:
    actual, expected = np.median(np.array(pairs), axis=0)
    show(
        f"{label}, {count:,} recordings",
        f"{rate(count, actual):,.0f} recordings/s",
        f"wfdb loop {rate(count, expected):,.0f}/s",
        spread([ratio(b, a) for a, b in pairs]),
    )


if __name__ == "__main__":
    main()
