"""`new` writes what works at once, here and as a package of its own; `check` lists all that breaks the contract."""

import importlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.api import Predictions, Scores
from benchmark.cli import main
from benchmark.contract import failures
from benchmark.contract.datasets import dataset_checks
from benchmark.contract.methods import method_checks
from benchmark.contract.tasks import task_checks
from benchmark.data.store.preparation import open_dataset
from benchmark.registry import DATASETS, METHODS, TASKS
from benchmark.testing import FakeMethod, write_folder

ROOT = Path(__file__).resolve().parent.parent.parent
SITE = ["pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check", "--target"]


@pytest.fixture
def new(tmp_path, monkeypatch):
    """Runs ``new KIND NAME --out`` and imports what it wrote."""
    registries = {"method": METHODS, "task": TASKS, "dataset": DATASETS}
    names = []

    def make(kind, name):
        assert main(["new", kind, name, "--out", str(tmp_path / name)]) == 0
        monkeypatch.syspath_prepend(str(tmp_path / name))
        names.append((kind, name))
        return importlib.import_module(f"ecgarena_{name}")

    yield make
    for kind, name in names:
        registries[kind]._classes.pop(name, None)
        sys.modules.pop(f"ecgarena_{name}", None)


def test_a_new_method_keeps_the_contract_and_says_what_to_type_next(new, capsys, tmp_path):
    product = new("method", "spectra")
    assert failures(method_checks(product.Spectra(), product.Spectra())) == {}
    out = capsys.readouterr().out
    assert f"pip install --no-deps -e {tmp_path / 'spectra'}" in out and "ecgarena check spectra" in out
    user_lines = (tmp_path / "spectra" / "ecgarena_spectra.py").read_text().splitlines()
    assert len(user_lines) < 60
    assert 'spectra = "ecgarena_spectra:Spectra"' in (tmp_path / "spectra" / "pyproject.toml").read_text()


def test_a_new_task_and_a_new_dataset_keep_theirs(new):
    assert failures(task_checks(new("task", "nearest_mean").NearestMean())) == {}
    assert failures(dataset_checks(new("dataset", "own_records").OwnRecords(), write_folder)) == {}


def test_the_next_step_of_a_new_dataset_names_the_folder_that_its_check_needs(new, capsys):
    new("dataset", "own_records")
    out = capsys.readouterr().out
    assert "ecgarena check own_records --root FOLDER" in out and "index.csv" in out


def test_in_a_checkout_files_go_to_their_places(tmp_path, monkeypatch, capsys):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "ecgarena"\n')
    monkeypatch.chdir(tmp_path)
    for kind in ("method", "task", "dataset"):
        assert main(["new", kind, f"my_{kind}"]) == 0
    product = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*")} - {"pyproject.toml"}
    assert product == {
        "methods/my_method.py", "tests/methods/test_my_method.py", "tasks/suites/my_method_demo.toml",
        "tasks/my_task.py", "tests/tasks/test_my_task.py", "tasks/suites/my_task_demo.toml",
        "benchmark/datasets/my_dataset.py", "tests/datasets/test_my_dataset.py",
    }  # fmt: skip
    assert "from methods.my_method import MyMethod" in (tmp_path / "tests/methods/test_my_method.py").read_text()
    assert "tests/test_versions.py" in capsys.readouterr().out


def test_what_is_in_the_way_is_said_at_once_and_nothing_is_overwritten(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["new", "method", "merl"]) == 2
    error_text = capsys.readouterr().err
    assert "called 'merl' already (built-in)" in error_text and "--out DIR" in error_text
    assert main(["new", "task", "Not-A-Name", "--out", str(tmp_path)]) == 2
    assert "small letters" in capsys.readouterr().err
    (tmp_path / "pyproject.toml").write_text("mine")
    assert main(["new", "method", "spectra", "--out", str(tmp_path)]) == 2
    assert "nothing is overwritten" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pyproject.toml"]


def test_templates_are_tidy(tmp_path):
    for kind in ("method", "task", "dataset"):
        main(["new", kind, f"tidy_{kind}", "--out", str(tmp_path / kind)])
    ruff = [Path(sys.executable).parent / "ruff"]
    options = ["--isolated", "--config", "line-length = 120"]
    assert subprocess.run([*ruff, "check", "--select", "E,F,B,UP,N", *options, tmp_path]).returncode == 0
    assert subprocess.run([*ruff, "format", "--check", *options, tmp_path]).returncode == 0


class Careless(FakeMethod):
    """Looks at the rest of the batch, and fails where there is no signal."""

    def ecg_features(self, ecg):
        result = super().ecg_features(ecg)
        return result - result.mean(0)

    def ecg_embeddings(self, ecg):
        return torch.log(ecg.std(-1))


def test_every_failure_is_listed_with_what_was_expected():
    result = failures(method_checks(Careless()))
    assert set(result) == {"ecg_features", "ecg_embeddings", "text_embeddings"}
    assert "depends on the others in its batch" in result["ecg_features"]
    assert "flat at 0 mV" in result["ecg_embeddings"]


def test_a_task_that_draws_and_one_that_forgets_its_metric(new):
    fine = type(new("task", "nearest_mean").NearestMean())

    @dataclass(frozen=True)
    class Random(fine):
        def predict(self, context):
            scores = torch.rand(len(context.record_ids("test")), len(context.classes)).numpy()
            return Predictions({"scores": scores})

        def score(self, predictions, truth):
            return Scores({"other": float("inf")})

    result = failures(task_checks(Random()))
    assert set(result) == {"determinism", "score"} and "unseeded" in result["determinism"]

    @dataclass(frozen=True)
    class Peeking(fine):
        def predict(self, context):
            return Predictions({"scores": context.labels("test")})

    assert "test labels are for the scorer alone" in failures(task_checks(Peeking()))["predict"]


def test_a_dataset_that_shares_patients_or_gives_microvolt(new):
    fine = new("dataset", "own_records").OwnRecords

    class Sloppy(fine):
        def entries(self, root):
            from dataclasses import replace

            return [replace(entry, patient_id="one") for entry in super().entries(root)]

        def read(self, entry, root):
            from dataclasses import replace

            raw = super().read(entry, root)
            return replace(raw, gain=raw.gain / 1000)

    result = failures(dataset_checks(Sloppy(), write_folder))
    assert set(result) == {"patients", "signals"}
    assert "in 3 splits" in result["patients"] or "in 2 splits" in result["patients"]
    assert "units per millivolt" in result["signals"]


def test_check_on_the_command_line(capsys):
    assert main(["check", "handcrafted"]) == 0
    assert "passed  ecg_features" in capsys.readouterr().out
    assert main(["check", "synthetic", "--set", "patients=5", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["kind"] == "dataset" and all(check["passed"] for check in content["checks"].values())
    assert main(["check", "handcraftd"]) == 2 and "did you mean 'handcrafted'" in capsys.readouterr().err


def test_check_passes_over_what_a_configuration_leaves_out_and_says_so(capsys):
    options = ["--set", "width=8", "--set", "rate=100.0", "--set", "embed_dim=16"]
    assert main(["check", "merl", *options, "--set", "text_model=none"]) == 0
    out = capsys.readouterr().out
    assert "left out  text_embeddings: this MERL has no text model (text_model = 'none'" in out
    assert "passed  ecg_embeddings" in out and "FAILED" not in out
    assert main(["check", "merl", *options, "--set", "parts=encoder", "--json"]) == 0
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert "need the whole model" in checks["ecg_tokens"]["left_out"] and "left_out" not in checks["ecg_features"]


@pytest.mark.slow
def test_from_the_command_to_a_row_in_a_leaderboard(tmp_path):
    """A second distribution, installed by pip from its folder, as a newcomer would."""
    site, environment = tmp_path / "site", {**os.environ, "ECGARENA_HOME": str(tmp_path / "home")}
    environment["PYTHONPATH"] = f"{site}{os.pathsep}{ROOT}"

    def ecgarena(*words):
        command = [sys.executable, "-m", "benchmark", *words]
        return subprocess.run(command, cwd=tmp_path, env=environment, text=True, capture_output=True)

    assert ecgarena("new", "method", "spectra", "--out", "package").returncode == 0
    subprocess.run([sys.executable, "-m", *SITE, str(site), str(tmp_path / "package")], check=True)
    names = ecgarena("list", "methods").stdout
    assert re.search(r"^  spectra +\(plug-in ecgarena-spectra\)$", names, re.MULTILINE)
    assert ecgarena("check", "spectra").returncode == 0
    ran = ecgarena("run", "package/spectra_demo.toml", "-q")
    assert ran.returncode == 0, ran.stderr
    table = (tmp_path / "home" / "leaderboards" / "spectra_demo.md").read_text()
    assert "| spectra |" in table and "SYNTHETIC" in table
    test = [sys.executable, "-m", "pytest", "-q", "--rootdir", "package", "package/test_spectra.py"]
    assert subprocess.run(test, cwd=tmp_path, env=environment).returncode == 0


def test_a_broken_plug_in_is_named_with_its_distribution_and_stops_nobody(tmp_path, monkeypatch, capsys):
    (tmp_path / "broken_module.py").write_text("import no_such_package")
    (tmp_path / "other_module.py").write_text("class NoMethod: pass")
    info = tmp_path / "careless-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: careless\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[ecgarena.methods]\nbroken = broken_module:X\nwrong = other_module:NoMethod\nmerl = other_module:NoMethod\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["list", "methods"]) == 0
    printed_list = capsys.readouterr()
    assert (
        re.search(r"^  broken +\(plug-in careless\)$", printed_list.out, re.MULTILINE)
        and "handcrafted" in printed_list.out
    )
    assert "'merl' of the distribution careless is hidden by the built-in one" in printed_list.err
    assert main(["check", "broken"]) == 2
    output = capsys.readouterr().err
    assert "'broken' of the distribution careless is broken" in output and "no_such_package" in output
    assert main(["check", "wrong"]) == 2
    assert "no subclass of benchmark.api.Method" in capsys.readouterr().err


def test_a_task_is_checked_on_a_prepared_dataset(prepared_home, capsys):
    place = ["--dataset", "synthetic", "--data-set", "patients=120"]
    assert main(["check", "linear_probe", *place, "--label-set", "groups", "--set", "trials=2"]) == 0
    assert "passed  predict" in capsys.readouterr().out
    assert main(["check", "regression_probe", *place, "--label-set", "age"]) == 0
    assert main(["check", "linear_probe", *place, "--label-set", "age"]) == 3
    assert "skip_reason: the task skips all of these methods" in capsys.readouterr().out


def test_a_method_is_checked_on_recordings_of_a_prepared_dataset(prepared_home, capsys, monkeypatch):
    batches = []
    cls = METHODS.get("handcrafted")
    original = cls.ecg_features
    monkeypatch.setattr(cls, "ecg_features", lambda self, ecg: batches.append(ecg.clone()) or original(self, ecg))
    assert main(["check", "handcrafted", "--dataset", "synthetic", "--data-set", "patients=120"]) == 0
    assert "passed  ecg_features" in capsys.readouterr().out
    data = open_dataset("synthetic", {"patients": 120}, prepared_home)
    expected = data.read(np.arange(6), cls().signal)
    assert np.array_equal(batches[0].numpy(), expected)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["linear_probe", "--dataset", "syntetic", "--label-set", "groups"], 2, "did you mean 'synthetic'?"),
        (["linear_probe", "--dataset", "synthetic", "--label-set", "group"], 2, "did you mean 'groups'?"),
        (
            ["linear_probe", "--dataset", "synthetic"],
            2,
            "--dataset needs a --label-set; synthetic has conditions, groups",
        ),
        (["linear_probe", "--label-set", "groups"], 2, "name it with --dataset"),
        (["linear_probe", "--dataset", "synthetic", "--label-set", "groups"], 5, "data prepare synthetic"),
        (["handcrafted", "--dataset", "synthetic"], 5, "data prepare synthetic"),
        (["handcrafted", "--dataset", "synthetic", "--label-set", "groups"], 2, "--label-set is for tasks"),
        (["handcrafted", "--data-set", "patients=120"], 2, "name it with --dataset"),
        (["synthetic", "--dataset", "synthetic"], 2, "is a dataset"),
        (["finding_probe", "--dataset", "ptbxl", "--label-set", "super"], 2, "rotates over folds"),
    ],
)
def test_data_that_is_not_at_hand_is_refused(words, code, sentence, home, capsys):
    assert main(["check", *words]) == code
    assert sentence in capsys.readouterr().err
