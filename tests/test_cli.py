"""The command line as a user meets it: output, exit codes, errors of one message."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from benchmark.cli import main


@pytest.fixture
def ran(prepared_home, tiny_suite, capsys):
    code = main(["run", str(tiny_suite), "-q"])
    return code, capsys.readouterr().out, prepared_home


def test_run_then_status_then_leaderboard(ran, tiny_suite, capsys, tmp_path):
    code, out, home = ran
    assert code == 0 and "Linear probe on synthetic groups" in out and "SYNTHETIC" in out
    assert main(["status", str(tiny_suite)]) == 0
    assert main(["plan", str(tiny_suite)]) == 0
    assert "10 cells: 10 done, 0 failed, 0 to do" in capsys.readouterr().out
    assert main(["leaderboard", str(tiny_suite), "--out", str(tmp_path / "out")]) == 0
    first = (tmp_path / "out" / "tiny.md").read_bytes()
    assert main(["leaderboard", str(tiny_suite), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "tiny.md").read_bytes() == first  # pure: no time, no order of the file system
    assert (home.leaderboards / "tiny.csv").read_bytes() == (tmp_path / "out" / "tiny.csv").read_bytes()


def test_collected_records_make_the_same_leaderboard(ran, tiny_suite, tmp_path):
    home = ran[2]
    (tiny_suite.parent / "presentation.toml").write_text('suites = ["tiny"]\ndecimals = 3\n')
    assert main(["collect", str(tiny_suite), "--out", str(tmp_path / "kept")]) == 0
    assert (tmp_path / "kept" / "presentation.toml").is_file(), "tables look the same from there"
    arguments = ["leaderboard", str(tiny_suite), "--records", str(tmp_path / "kept"), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert (tmp_path / "out" / "tiny.md").read_bytes() == (home.leaderboards / "tiny.md").read_bytes()
    assert not list((tmp_path / "kept").rglob("*.safetensors"))
    assert "val_cma" in next((tmp_path / "kept" / "pretrained").rglob("history.csv")).read_text()


def test_incomplete_and_failed_have_their_exit_codes(prepared_home, tiny_suite, monkeypatch, capsys):
    assert main(["status", str(tiny_suite)]) == 4
    assert main(["leaderboard", str(tiny_suite)]) == 4
    assert f"cells are missing; run them with: ecgarena run {tiny_suite}\n" in capsys.readouterr().out
    monkeypatch.setattr("tasks.linear_probe.LinearProbe.predict", lambda *_: 1 / 0)
    assert main(["run", str(tiny_suite), "--methods", "handcrafted", "-q"]) == 3
    assert main(["status", str(tiny_suite), "--methods", "handcrafted"]) == 3
    out = capsys.readouterr().out
    assert "division by zero" in out and "--retry-failed" in out
    monkeypatch.undo()
    monkeypatch.setenv("ECGARENA_HOME", str(prepared_home.root))
    assert main(["run", str(tiny_suite), "--methods", "handcrafted", "-q", "--retry-failed"]) == 0


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["run", "demoo"], 2, "no suite 'demoo' (did you mean 'demo'?)"),
        (["run", "demo", "--methods", "merk"], 2, "did you mean 'merl'?"),
        (["run", "demo", "--executor", "slrum"], 2, "no executor 'slrum'"),
        (["run", "demo", "--set", "oops"], 2, "not of the form key=value"),
        (["run", "demo", "--limit", "0"], 2, "--limit is 0"),
        (["run", "ptbxl"], 5, "the original files of ptbxl are not known: set ECGARENA_DATA"),
        (["run", "demo", "--device", "cuda"], 5, "sees no GPU"),
        (["data", "prepare", "ptbxll"], 2, "did you mean 'ptbxl'?"),
        (["data", "prepare", "ptbxl", "--root", "/nowhere"], 5, "/nowhere is no folder"),
        (["show", "merll"], 2, "did you mean 'merl'?"),
        (["leaderboard", "demo", "--format", "pfd"], 2, "did you mean 'pdf'?"),
        (["pretrain", "handcrafted", "--data", "synthetic"], 2, "cannot be pre-trained"),
        (["pretrain", "merl", "--data", "synthetic", "--set", "widht=3"], 2, "did you mean 'width'?"),
    ],
)
def test_mistakes_are_one_clear_message(home, capsys, arguments, code, message):
    import torch

    if "cuda" in arguments and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert main(arguments) == code
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_list_and_show(capsys):
    assert main(["list", "--json"]) == 0
    names = json.loads(capsys.readouterr().out)
    assert "merl" in names["methods"] and "ptbxl" in names["datasets"] and "demo" in names["suites"]
    assert main(["show", "merl"]) == 0
    out = capsys.readouterr().out
    assert "Liu et al., ICML 2024" in out and "temperature = 0.07" in out
    for name in ("linear_probe", "demo"):
        assert main(["show", name]) == 0
        assert "a suite has this name" not in capsys.readouterr().out


def test_show_of_a_dataset_names_the_file_of_the_suite_with_the_same_name(capsys):
    assert main(["show", "ptbxl"]) == 0
    suite = capsys.readouterr().out.splitlines()[-1]
    assert suite.startswith("a suite has this name, too: ") and suite.endswith("tasks/suites/ptbxl.toml")


def test_pretrain_then_use_its_weights(prepared_home, tiny_suite, capsys):
    options = ["--set", "width=8", "--set", "rate=100.0", "--set", "embed_dim=16", "--set", "text_model=small"]
    command = ["pretrain", "merl", "--data", "synthetic", "--data-set", "patients=120", *options]
    assert main([*command, "--set", "training.epochs=2", "--set", "training.batch_size=32"]) == 0
    weights = capsys.readouterr().out.splitlines()[0]
    assert weights.endswith("weights.safetensors") and len(list(prepared_home.pretrained.iterdir())) == 1
    assert (
        main(["run", str(tiny_suite), "--methods", "merl", "-q"]) == 0
    )  # the suite's recipe is the same: no new training
    assert len(list(prepared_home.pretrained.iterdir())) == 1
    history = (prepared_home.pretrained / weights.split("/")[-2] / "history.csv").read_text()
    assert "val_cma" in history and len(history.splitlines()) == 3


def test_an_interrupt_keeps_what_is_finished(prepared_home, tiny_suite, monkeypatch, capsys):
    from tasks.linear_probe import LinearProbe

    original, calls = LinearProbe.predict, []

    def interrupted(self, context):
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        return original(self, context)

    monkeypatch.setattr(LinearProbe, "predict", interrupted)
    assert main(["run", str(tiny_suite), "-q"]) == 130
    assert f"go on with: ecgarena run {tiny_suite} -q" in capsys.readouterr().err
    assert main(["run", str(tiny_suite), "-q"]) == 0
    assert "2 done before, 8 to run" in capsys.readouterr().err


def test_another_projects_packages_are_named(tmp_path):
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "__init__.py").write_text("")
    code = "import sys; sys.path.insert(0, '.'); from benchmark.cli import main; sys.exit(main(['list']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 5 and f"the package 'tasks' comes from {tmp_path}" in done.stderr
