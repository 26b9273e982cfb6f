"""Hostile plug-ins: code that exits, prints bytes or raises other than `Exception` fails its own cells alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.records.store import Store

ROOT = Path(__file__).resolve().parents[2]

EVIL = """
import ctypes, os, sys
from benchmark.testing import FakeMethod

class Evil(FakeMethod):
    def __init__(self, mode: str = "") -> None:
        super().__init__()
        self.mode = mode

    def ecg_features(self, ecg):
        if self.mode == "exit":
            sys.exit(0)
        if self.mode == "os._exit":
            os._exit(0)
        if self.mode == "interrupt":
            raise KeyboardInterrupt
        if self.mode == "base":
            raise BaseException("of its own kind")
        if self.mode == "half a character":
            raise ValueError("bad \\ud800 text")
        if self.mode == "bytes":
            os.write(1, b"\\xff\\xfe\\n")
        if self.mode == "forged":
            print('{"kind": "cell", "text": "FORGED handcrafted 0.99", "status": "done"}', flush=True)
        if self.mode == "closes":
            sys.stdout.close()
        return super().ecg_features(ecg)
"""


@pytest.fixture
def evil(tmp_path):
    """Return the folder, for PYTHONPATH, of a plug-in that exits, floods the output or forges events."""
    (tmp_path / "evil.py").write_text(EVIL)
    info = tmp_path / "evil-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: evil\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ecgarena.methods]\nevil = evil:Evil\n")
    suite = tmp_path / "evil.toml"
    suite.write_text(
        'name = "evil"\ntitle = "t"\nversion = "1"\n'
        '[[datasets]]\nname = "synthetic"\nlabel_sets = ["groups"]\nconfig = { patients = 120 }\n'
        '[[tasks]]\nname = "knn"\nconfig = { fraction = [1.0] }\n'
        '[[methods]]\nname = "evil"\n[[methods]]\nname = "handcrafted"\n'
    )
    return tmp_path


def run_evil(folder, home, mode, *more):
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}", "ECGARENA_HOME": str(home.root)}
    command = [sys.executable, "-m", "benchmark", "run", str(folder / "evil.toml")]
    command += ["--set", f'methods.evil.config.mode="{mode}"', *more]
    return subprocess.run(command, env=environment, capture_output=True, timeout=120)


@pytest.mark.parametrize(
    "mode, message",
    [
        ("exit", "its code called sys.exit(0)"),
        ("os._exit", "its code called os._exit(0)"),
        ("interrupt", "KeyboardInterrupt"),
        ("base", "of its own kind"),
        ("half a character", "bad ? text"),
    ],
)
def test_code_that_ends_the_process_fails_its_own_cell_alone(evil, prepared_home, mode, message):
    outcome = run_evil(evil, prepared_home, mode)
    records = {record.spec["method"]: record for record in Store(prepared_home.records).records()}
    assert outcome.returncode == 3, outcome.stderr.decode()
    assert message in records["evil"].error["message"] and records["handcrafted"].done


@pytest.mark.parametrize("mode", ["bytes", "forged", "closes", "os._exit"])
def test_output_of_a_worker_is_no_event_and_takes_no_run_down(evil, prepared_home, mode):
    outcome = run_evil(evil, prepared_home, mode, "--executor", "processes", "--workers", "2")
    statuses = {record.spec["method"]: record.status for record in Store(prepared_home.records).records()}
    assert statuses == {"evil": "failed" if mode == "os._exit" else "done", "handcrafted": "done"}
    assert b"FORGED" not in outcome.stderr and outcome.returncode == (3 if mode == "os._exit" else 0)
