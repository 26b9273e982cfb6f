"""What a record keeps of an exception: where it happened in the code, and nothing of the machine."""

import json

import pytest

from benchmark.engine.outcome import _without_folder, error_of


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("/home/somebody/ecgarena/benchmark/engine/run.py", "benchmark/engine/run.py"),
        ("/data/venv/lib/python3.12/site-packages/torch/nn/modules/linear.py", "torch/nn/modules/linear.py"),
        ("/data/venv/lib/python3.12/site-packages/benchmark/cli.py", "benchmark/cli.py"),
        ("/home/somebody/my_method.py", "my_method.py"),
        ("<string>", "<string>"),
    ],
)
def test_a_path_is_kept_from_its_package_on(file, expected):
    assert _without_folder(file) == expected


def test_a_traceback_names_files_and_no_folder():
    with pytest.raises(json.JSONDecodeError) as fault:
        json.loads("{")
    text = error_of(fault.value)["traceback"]
    assert 'File "test_error_of.py"' in text and "JSONDecodeError" in text and 'File "/' not in text
