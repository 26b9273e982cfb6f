"""Feed the readers broken files: seeds of every format, mutated at random. Only the project's own errors may come out.

    python tests/fuzz/readers.py [--inputs 50000] [--seed 0] [--only header matlab5 ...]

Watched for each input: any other exception, more than `SECONDS` of time, and the growth of the process.
"""

from __future__ import annotations

import argparse
import random
import resource
import shutil
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmark.api import Dataset, RecordingEntry
from benchmark.data.formats.csv_index import CsvFile, RowIndex
from benchmark.data.formats.matlab5 import read_matlab_ecg, read_matlab_person
from benchmark.data.formats.merl_files import read_merl
from benchmark.data.formats.tables import WrongCells
from benchmark.data.formats.wfdb_reader import parse_header, read_wfdb
from benchmark.data.store.quality_checks import screen
from benchmark.datasets.cpsc2018 import CPSC2018
from benchmark.datasets.csn import CSN
from benchmark.datasets.mimic_iv_ecg import MIMICIVECG
from benchmark.datasets.ptbxl import PTBXL
from benchmark.errors import DataError
from benchmark.testing import write_cpsc2018, write_csn, write_mimic_iv_ecg, write_ptbxl

SECONDS, MEGABYTES = 10, 400  # one input may take so long; the process may grow by so much
TOKENS = (  # that mean something to one of the formats
    *(
        b"\0",
        b"\n",
        b"\r",
        b'"',
        b",",
        b"#",
        b"/",
        b"(",
        b")",
        b"+24",
        b"-",
        b"0",
        b"-1",
        b"1e400",
        b"nan",
        b"inf",
        b" ",
    ),
    *(
        b"99999999999999999999",
        b"2147483648",
        b"-32768",
        b"16",
        b"212",
        b"8",
        b"24",
        b"32",
        b"61",
        b"80",
        b"160",
        b"310",
    ),
    *(b"311", b"508", b"516", b"524", b"16x2", b"16:5", b"16+999999999", b"mV", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3"),
    *(b"..", b"/dev/zero", b"~", b"{'A': 1}", b"[[[[", b"{[]: 1}", b"9" * 400, b"A0001", b"report_0", b"\x0f\0\0\0"),
)


def mutate(content: bytes, rng: random.Random) -> bytes:
    """One to six random edits: bits, bytes, tokens, cuts, repeats and moved blocks, numbers and lines."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        if not data:
            data = bytearray(rng.randbytes(rng.randrange(1, 64)))
        # text formats are decided in their heads: half of the edits fall there
        place = rng.randrange(min(len(data), 400) if rng.random() < 0.5 else len(data))
        length = min(len(data) - place, rng.choice((1, 1, 2, 4, 8, 40, 400)))
        kind = rng.randrange(8)
        if kind == 0:
            data[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[place : place + length] = rng.randbytes(length)
        elif kind == 2:
            data[place : place + rng.choice((0, length))] = rng.choice(TOKENS)
        elif kind == 3:
            del data[place : place + length]
        elif kind == 4:
            del data[place:]
        elif kind == 5:
            data[place:place] = data[place : place + length] * rng.choice((1, 2, 50))
        elif kind == 6:
            data = _swap_words(data, rng)
        else:
            data[place:place] = rng.choice(TOKENS)
    return bytes(data)


def _swap_words(data: bytearray, rng: random.Random) -> bytearray:
    """Exchange, double or empty a field of a text."""
    separator = rng.choice((b" ", b",", b"\n"))
    words = bytes(data[:100_000]).split(separator)
    one, two = rng.randrange(len(words)), rng.randrange(len(words))
    words[one], words[two] = rng.choice(((words[two], words[one]), (words[two], words[two]), (b"", words[two])))
    return bytearray(separator.join(words))


@dataclass
class Target:
    """A file to mutate, and what reads it."""

    file: Path
    read: Callable[[], object]


def targets(folder: Path) -> dict[str, Target]:
    """A small tree of each dataset and a reader per kind of file."""
    write_ptbxl(folder / "ptbxl", patients=2)
    write_cpsc2018(folder / "cpsc", patients=2)
    write_cpsc2018(folder / "original", patients=1, original=True)
    write_csn(folder / "csn", patients=1, rate=100)
    write_mimic_iv_ecg(folder / "mimic", patients=3, samples=40, odd=False)
    merl = folder / "merl"
    merl.mkdir()
    classes = ",".join(CPSC2018.label_sets["rhythm"])
    rows = f"ecg_id,filename,{classes}\n1,A0001,0,0,1,0,0,0,0,0,0\n2,A0002,1,0,0,0,0,0,0,0,1\n"
    for split in ("train", "val", "test"):
        (merl / f"icbeb_{split}.csv").write_text(rows)
    records = {
        "ptbxl": (PTBXL(), "records100/00000/00001_lr", ""),
        "cpsc": (CPSC2018(), "A0001", ".hea"),
        "csn": (CSN(), "WFDBRecords/01/010/JS00001", ".hea"),
        "mimic": (MIMICIVECG(), _first_stem(folder / "mimic"), ""),
    }

    def screened(name: str) -> object:
        dataset, stem, suffix = records[name]
        return screen(dataset, folder / name, [RecordingEntry("1", "1", "train", {}, locator=stem + suffix)])

    def index(dataset: Dataset, name: str) -> object:
        return list(dataset.entries(folder / name))

    def indexed_and_screened(name: str) -> object:
        return index(records[name][0], name), screened(name)

    stems = {name: folder / name / stem for name, (_, stem, _) in records.items()}
    original, reports = folder / "original" / "A0001.mat", folder / "mimic" / "machine_measurements.csv"
    by_merl = CPSC2018(labels="merl", merl_files=str(merl))
    return {
        "header": Target(hea(stems["ptbxl"]), lambda: parse_header(hea(stems["ptbxl"]))),
        "record": Target(hea(stems["ptbxl"]), lambda: screened("ptbxl")),
        "dat": Target(stems["ptbxl"].with_name("00001_lr.dat"), lambda: read_wfdb(stems["ptbxl"])),
        "cpsc header": Target(hea(stems["cpsc"]), lambda: indexed_and_screened("cpsc")),
        "cpsc mat": Target(stems["cpsc"].with_suffix(".mat"), lambda: read_wfdb(stems["cpsc"])),
        "csn header": Target(hea(stems["csn"]), lambda: indexed_and_screened("csn")),
        "matlab5": Target(original, lambda: read_matlab_ecg(original)),
        "matlab5 person": Target(original, lambda: read_matlab_person(original)),
        "reference": Target(folder / "cpsc" / "REFERENCE.csv", lambda: index(CPSC2018(), "cpsc")),
        "ptbxl table": Target(folder / "ptbxl" / "ptbxl_database.csv", lambda: index(PTBXL(), "ptbxl")),
        "ptbxl statements": Target(folder / "ptbxl" / "scp_statements.csv", lambda: index(PTBXL(), "ptbxl")),
        "mimic records": Target(folder / "mimic" / "record_list.csv", lambda: index(MIMICIVECG(), "mimic")),
        "mimic reports": Target(reports, lambda: index(MIMICIVECG(), "mimic")),
        "mimic header": Target(hea(stems["mimic"]), lambda: screened("mimic")),
        "csv index": Target(reports, lambda: _look_up(reports)),
        "merl": Target(merl / "icbeb_val.csv", lambda: index(by_merl, "cpsc")),
        "merl rows": Target(merl / "icbeb_val.csv", lambda: _merl_rows(merl)),
    }


def hea(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}.hea")


def _first_stem(root: Path) -> str:
    return str(next(root.rglob("*.hea")).relative_to(root).with_suffix(""))


def _merl_rows(folder: Path) -> None:
    wrong = WrongCells("")
    list(read_merl(folder, "icbeb", ("ecg_id", "filename"), wrong))
    wrong.refuse()


def _look_up(path: Path) -> None:
    with CsvFile(path, ("study_id",), WrongCells("")) as file:
        index = RowIndex(file, "study_id")
        for key in (*index.keys[:3].tolist(), -1, 2**62):
            index.get(key)


class Slow(BaseException):
    """An input took too long; no reader catches it."""


def _too_slow(*_: object) -> None:
    raise Slow


def fuzz(inputs: int, seed: int = 0, only: list[str] | None = None) -> tuple[Counter[str], list[str]]:
    """Run about `inputs` mutated files through the readers; return how they ended, and the faults."""
    rng, outcome, faults = random.Random(seed), Counter[str](), list[str]()
    folder = Path(tempfile.mkdtemp(prefix="fuzz"))
    signal.signal(signal.SIGALRM, _too_slow)
    try:
        selection = {name: target for name, target in targets(folder).items() if not only or name in only}
        start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for name, target in selection.items():
            original = target.file.read_bytes()
            for _ in range(inputs // len(selection)):
                target.file.write_bytes(mutate(original, rng))
                signal.alarm(SECONDS)
                try:
                    target.read()
                    outcome[f"{name}: read"] += 1
                except DataError:
                    outcome[f"{name}: refused"] += 1
                except (Exception, Slow):
                    rest = Path(tempfile.mkdtemp(prefix="fault")) / target.file.name
                    shutil.copy(target.file, rest)
                    faults.append(f"{name}: {rest}\n{traceback.format_exc(limit=-4)}")
                finally:
                    signal.alarm(0)
            target.file.write_bytes(original)
            growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) // 1024
            if growth > MEGABYTES:
                faults.append(f"{name}: the process grew by {growth} MB")
    finally:
        shutil.rmtree(folder)
    return outcome, faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+")
    options = parser.parse_args()
    start = time.perf_counter()
    outcome, faults = fuzz(options.inputs, options.seed, options.only)
    for how, count in sorted(outcome.items()):
        print(f"{how:30s} {count}")
    print("\n".join(faults[:20]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    seconds = time.perf_counter() - start
    print(f"{sum(outcome.values()) + len(faults)} inputs, {len(faults)} faults, {seconds:.0f} s, peak {peak} MB")
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
