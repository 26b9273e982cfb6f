"""Peak memory of preparing MIMIC-IV-ECG at n and at 4 n recordings: it must not grow with their number.

    python tests/speed/memory.py [--recordings 10000] [--workers 1]

The trees are made up: whole tables, whose rows share one tiny recording. Each preparation is a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from figures import check_count, rate, show

from benchmark.testing import write_mimic_iv_ecg

CODE = """
import re, sys, time
from pathlib import Path
from benchmark.data.store.preparation import prepare
from benchmark.paths import Home
if __name__ == "__main__":
    start, folder = time.perf_counter(), Path(sys.argv[1])
    data = prepare("mimic_iv_ecg", {}, Home(folder / "home"), folder / "tree", workers=int(sys.argv[2]))
    seconds = time.perf_counter() - start
    # not ru_maxrss: that of a child begins with what its parent had
    peak = int(re.search(r"VmHWM:[^0-9]+([0-9]+)", Path("/proc/self/status").read_text())[1]) / 1024
    print(len(data), peak, seconds)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    for times in (1, 4):
        with tempfile.TemporaryDirectory() as folder:
            patients = round(times * options.recordings / 1.85)
            write_mimic_iv_ecg(Path(folder) / "tree", patients, samples=20, odd=False, same_signal=True)
            (Path(folder) / "prepare.py").write_text(CODE)
            command = [sys.executable, f"{folder}/prepare.py", folder, str(options.workers)]
            count, peak, seconds = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.split()
            with (Path(folder) / "tree" / "record_list.csv").open() as lines:
                check_count("recordings prepared", int(count), sum(1 for _ in lines) - 1)
            show(
                f"preparing a made-up MIMIC-IV-ECG of {int(count):,} recordings of 20 samples",
                f"peak {float(peak):.1f} MB, {rate(int(count), float(seconds)):,.0f} recordings/s",
            )


if __name__ == "__main__":
    main()
