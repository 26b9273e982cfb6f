"""The script that measures training on a GPU runs on any machine, in miniature."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TINY = ("--tiny", "--device", "cpu", "--batch", "16", "--reports", "48", "--turns", "1", "--data", "nowhere")


@pytest.mark.slow
def test_all_methods_and_treatments_of_text_are_measured():
    command = [sys.executable, ROOT / "tests/speed/gpu_training.py", *TINY, "--variants", "resident"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    lines = output.splitlines()[1:]
    expected = {"merl bucketed", "merl cached", "deri bucketed", "deri cached", "cmelt bucketed", "cgdmer bucketed"}
    assert {f"{line.split()[0]} {line.split()[3]}" for line in lines} == expected
    assert len(lines) == 2 * len(expected) and all("times eager" in line for line in lines)
