"""A few steps of each paper's recipe on made-up MIMIC-IV-ECG, in one process and in two, with small networks."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cache.json_files import write_json
from benchmark.cli import main
from benchmark.data.store.preparation import prepare
from benchmark.engine.events import discard_event
from benchmark.engine.pretraining import Pretrained, pretrain
from benchmark.errors import DataError
from benchmark.paths import Home
from benchmark.planning.plan import make_plan
from benchmark.planning.pretrained import CARD, WEIGHTS
from benchmark.planning.suites import load_suite
from benchmark.testing import write_csn, write_mimic_iv_ecg

ROOT = Path(__file__).resolve().parents[2]
SMALL = {  # overrides that shrink networks and batches, and leave the rest of a recipe as it is
    "merl": {"config": {"width": 16, "embed_dim": 16, "text_model": "tiny"}},
    "deri": {"config": {"width": 16, "embed_dim": 16, "decoder_heads": 1, "text_model": "tiny", "released": True,
                        "text_padding": "full", "text_tokens": 128}},
    "cmelt": {"config": {"width": 32, "depth": 1, "heads": 2, "channels": 16, "position_kernel": 8,
                         "position_groups": 2, "fusion_layers": 1, "mem_layer": 0, "decoder_width": 16,
                         "decoder_depth": 1, "decoder_heads": 2, "text_model": "tiny", "released": True}},
    "cgdmer": {"config": {"width": 32, "depth": 1, "heads": 2, "patch_seconds": 1.0, "decoder_width": 16,
                          "decoder_depth": 1, "decoder_heads": 2, "embed_dim": 16, "text_model": "tiny"}},
}  # fmt: skip


def request_of(name, epochs=2, steps=7, batch_size=8):
    """Method, version, configuration and recipe of a suite's row, small, for a few steps."""
    suite = load_suite(f"paper_{name}")
    (block,) = [block for block in suite.methods if block.pretrain]
    pretraining = {**block.pretrain, "epochs": epochs, "batch_size": batch_size}
    if "steps" in pretraining:
        pretraining["steps"] = steps
    if "select_on" in pretraining:
        pretraining["select_on"] = ["csn/all"]
    small = block.model_copy(update={**SMALL[name], "pretrain": pretraining})
    suite = suite.model_copy(update={"methods": [small]})
    spec = make_plan(suite).cells[0].spec
    return spec.method, spec.method_version, spec.method_config, spec.pretraining


@pytest.fixture(scope="module")
def mimic_home(tmp_path_factory):
    """A home with 32 patients of made-up MIMIC-IV-ECG and 40 of CSN."""
    folder = tmp_path_factory.mktemp("papers")
    write_mimic_iv_ecg(folder / "mimic_iv_ecg", patients=60, odd=False)
    write_csn(folder / "csn", patients=60)
    home = Home(folder / "home")
    for name in ("mimic_iv_ecg", "csn"):
        prepare(name, {}, home, folder / name)
    return home


@pytest.mark.parametrize("name", SMALL)
def test_a_recipe_runs_and_its_card_says_who_chose_the_epoch(mimic_home, name):
    weights = pretrain(*request_of(name), mimic_home, discard_event)
    card = weights.card
    assert card["synthetic"] is False and card["final"]["loss"] > 0
    assert card["steps"] == 7 if name == "cmelt" else card["steps"] >= 4
    chosen_by_labels = name in ("merl", "deri")
    assert [entry["dataset"] for entry in card["saw"]] == ["mimic_iv_ecg", *(["csn"] if chosen_by_labels else [])]
    assert ("selected on validation labels" in card["selection"]) == chosen_by_labels
    if chosen_by_labels:
        assert [entry["label_set"] for entry in card["selected_on"]] == ["all"]
        assert 0 <= card["final"]["val_zero_shot"] <= 1


def test_weights_that_other_labels_chose_are_refused(mimic_home):
    request = request_of("merl")
    weights = pretrain(*request, mimic_home, discard_event)
    path = weights.weights.with_name(CARD)
    card = path.read_text("utf-8")
    write_json(path, {**weights.card, "selected_on": [{**weights.card["selected_on"][0], "data_digest": "0" * 16}]})
    with pytest.raises(DataError, match=r"made from other data \(digest 0{16}\) than .*csn holds now"):
        pretrain(*request, mimic_home, discard_event)
    path.write_text(card, "utf-8")


def test_the_command_pretrain_prepares_the_data_whose_labels_choose(tmp_path, monkeypatch):
    write_mimic_iv_ecg(tmp_path / "mimic_iv_ecg", patients=4, odd=False)
    write_csn(tmp_path / "csn", patients=4)
    monkeypatch.setenv("ECGARENA_DATA", str(tmp_path))
    weights = Pretrained(tmp_path / WEIGHTS, {"sha256": ""})
    monkeypatch.setattr("benchmark.engine.pretraining.pretrain", lambda *_: weights)
    selection = ["--set", "training.select=zero_shot_val", "--set", 'training.select_on=["csn/all"]']
    home = Home(tmp_path / "home")
    assert (
        main(["pretrain", "merl", "--data", "mimic_iv_ecg", "--home", str(home.root), "--device", "cpu", *selection])
        == 0
    )
    assert {path.name for path in home.data.iterdir() if path.is_dir()} >= {"csn", "mimic_iv_ecg"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="gloo on loopback needs a POSIX system")
def test_two_processes_train_every_recipe_together(mimic_home, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    workers = []
    for rank in range(2):
        variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        environment = {**os.environ, **{key: str(value) for key, value in variables.items()}, "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, __file__, str(mimic_home.root), str(tmp_path / f"{rank}.json")]
        workers.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    errors = [worker.communicate(timeout=300)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], errors
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text("utf-8")) for rank in range(2))
    assert first == second and first == dict.fromkeys(SMALL, 2)


def train_all(root, file):
    """Train every recipe as one of two processes, and write how many processes each card counts."""
    from benchmark.engine import curves, distributed

    curves.draw = lambda *_: None  # importing the plotting libraries takes longer than the steps
    home = Home(Path(root))
    processes = {}
    with distributed.process_group("cpu") as device:
        for name in SMALL:
            method, version, config, recipe = request_of(name, epochs=1, steps=2, batch_size=32)
            training = {**recipe["training"], "seed": 1}  # weights of their own
            weights = pretrain(method, version, config, {**recipe, "training": training}, home, discard_event, device)
            processes[name] = weights.card["processes"]
    Path(file).write_text(json.dumps(processes), "utf-8")


if __name__ == "__main__":
    train_all(*sys.argv[1:])
