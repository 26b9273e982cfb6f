"""The suites of papers: their recipes are the published ones; they plan, cost and lay themselves out without data."""

import json

import pytest

from benchmark.cli import main
from benchmark.configuration import complete
from benchmark.planning.plan import make_plan
from benchmark.planning.suite_files import suite_names
from benchmark.planning.suites import load_suite
from benchmark.planning.training_config import TrainingConfig, learning_rate
from benchmark.registry import METHODS

SIX = ["ptbxl/super", "ptbxl/sub", "ptbxl/form", "ptbxl/rhythm", "cpsc2018/rhythm", "csn/all"]
MERL_RELEASE = {  # configs and launch script of the release; 21 epochs, since its loop counts from 0 to 20 inclusive
    "training": {
        "optimiser": "adamw", "lr": 1e-3, "weight_decay": 1e-8, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8,
        "clip": 0.0, "schedule": "warm_restarts", "restart_every": 5000, "lowest_lr": 1e-8, "warmup": 0.0,
        "batch_size": 1024, "accumulate": 1, "epochs": 21, "decay": "all", "select": "zero_shot_val",
    },
    "method": {
        "rate": 500.0, "seconds": 10.0, "scaling": "minmax_record", "lead_order": "mimic", "encoder": "resnet18",
        "text_model": "ncbi/MedCPT-Query-Encoder", "freeze_text": None, "text_dropout_in_train": True,
        "temperature": 0.07,
    },
    "select_on": SIX,
}  # fmt: skip
PUBLISHED = {
    "merl": MERL_RELEASE,
    "deri": {
        "training": {**MERL_RELEASE["training"], "epochs": 51},
        "method": {**MERL_RELEASE["method"], "released": True, "text_padding": "full", "text_tokens": 256},
        "select_on": SIX,
    },
    "cmelt": {  # appendix of the paper, and the M3AE recipe of fairseq-signals that it starts from
        "training": {
            "optimiser": "adamw", "lr": 5e-5, "weight_decay": 0.01, "beta1": 0.9, "beta2": 0.98, "eps": 1e-6,
            "schedule": "tri_stage", "warmup": 0.1, "hold": 0.4, "first_rate": 0.01, "last_rate": 0.05,
            "batch_size": 128, "steps": 300_000, "clip": 0.0, "decay": "all", "select": "last",
        },
        "method": {
            "rate": 500.0, "seconds": 10.0, "released": True, "text_model": "google/flan-t5-base",
            "negative_model": None,  # with a text model of the hub: flan-t5-small
        },
        "select_on": None,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_recipe_is_the_published_one(name):
    (block,) = [block for block in load_suite(f"paper_{name}").methods if block.pretrain]
    options = {key: value for key, value in block.pretrain.items() if key not in ("dataset", "select_on")}
    training, config = complete(TrainingConfig, options, name), complete(METHODS.get(name), block.config, name)
    published = PUBLISHED[name]
    assert {key: training[key] for key in published["training"]} == published["training"]
    assert {key: config[key] for key in published["method"]} == published["method"]
    assert (block.name, block.pretrain["dataset"]) == (name, "mimic_iv_ecg")
    assert block.pretrain.get("select_on") == published["select_on"]


def test_rows_of_compact_retrainings_say_so_and_share_no_label_with_the_papers():
    compact, papers = set(), set()
    for suite in map(load_suite, suite_names()):
        for block in suite.methods:
            if not (block.pretrain and block.pretrain["dataset"] != "synthetic"):
                continue
            assert block.row.endswith(", compact, PTB-XL") == (block.pretrain["dataset"] == "ptbxl"), block.row
            (compact if block.pretrain["dataset"] == "ptbxl" else papers).add(block.row)
            assert block.name != "cgdmer" or "after the abstract" in block.row
    assert len(papers) == 4 and compact and not papers & compact


def test_cgdmer_has_no_published_recipe_and_its_row_says_so():
    (block,) = [block for block in load_suite("paper_cgdmer").methods if block.pretrain]
    assert "after the abstract" in block.label and not block.config


@pytest.mark.parametrize("name", [*PUBLISHED, "cgdmer"])
def test_a_suite_plans_without_data_and_names_the_splits_that_chose_its_epoch(name, home, capsys):
    plan = make_plan(load_suite(f"paper_{name}"))
    questions = {(cell.spec.dataset, cell.spec.label_set) for cell in plan.cells}
    assert questions == {tuple(place.split("/")) for place in SIX}
    assert main(["plan", f"paper_{name}"]) == 0
    printed = capsys.readouterr().out
    for dataset in ("ptbxl", "cpsc2018", "csn"):
        assert (f"chosen by labels of the val split of {dataset}" in printed) == (name in ("merl", "deri"))


GPU_HOURS = {  # eight times: steps, times 128 pairs, by the pairs per second of docs/performance.md; a minute to start
    "merl": 8 * (21 * 625 * 128 / 3444 + 60) / 3600,
    "deri": 8 * (51 * 625 * 128 / 1957 + 60) / 3600,
    "cmelt": 8 * (300_000 * 128 / 790 + 60) / 3600,
    "cgdmer": 8 * (50 * 2500 * 128 / 420 + 60) / 3600,
}


@pytest.mark.parametrize("name", [*PUBLISHED, "cgdmer"])
def test_a_suite_costs_itself_with_eight_gpus(name, home, capsys):
    assert main(["plan", f"paper_{name}", "--cost", "--profile", "eight_gpus", "--json"]) == 5  # the data is missing
    cost = json.loads(capsys.readouterr().out)
    stages = {stage["stage"]: stage for stage in cost["stages"]}
    assert stages["pretrain"]["jobs"] == 1
    assert stages["pretrain"]["gpu_hours"] == pytest.approx(GPU_HOURS[name], rel=0.05)
    assert any("mimic_iv_ecg" in line for line in cost["missing"])


def test_a_dry_run_gives_the_training_eight_processes_on_eight_gpus(home, capsys):
    pytest.importorskip("submitit")
    assert main(["run", "paper_merl", "--executor", "slurm", "--profile", "eight_gpus", "--dry-run"]) == 0
    script = capsys.readouterr().out.partition("# --- features")[0]
    assert "pretrain merl (paper recipe)" in script
    assert "--gpus-per-node=8" in script and "--ntasks-per-node=8" in script


def test_tri_stage_rises_holds_and_falls():
    config = TrainingConfig(lr=1.0, schedule="tri_stage", warmup=0.1, hold=0.4, first_rate=0.01, last_rate=0.05)
    rates = [learning_rate(step, 1000, config) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01) and rates[50] == pytest.approx(0.01 + 0.99 * 0.5)
    assert set(rates[100:501]) == {1.0}
    assert rates[750] == pytest.approx(0.05**0.5) and rates[999] == pytest.approx(0.05, rel=0.01)


def test_restarts_fall_to_the_lowest_rate():
    config = TrainingConfig(lr=1e-3, schedule="warm_restarts", warmup=0.0, restart_every=100, lowest_lr=1e-4)
    rates = [learning_rate(step, 1000, config) for step in range(201)]
    assert rates[0] == rates[100] == rates[200] == 1e-3 and min(rates) == pytest.approx(1e-4, rel=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hold": 0.2}, "hold is 0.2, but only tri_stage has one"),
        ({"schedule": "tri_stage", "warmup": 0.7}, r"hold is 0.4, it must lie in \[0, 1 - warmup\]"),
        ({"optimiser": "sgd", "eps": 1e-6}, "eps is 1e-06, but only adamw has one"),
        ({"lowest_lr": 1.0}, r"lowest_lr is 1.0, it must lie in \[0, lr\]"),
        ({"steps": 5, "min_steps": 5}, "steps is 5 and min_steps 5; keep one"),
        ({"beta1": 1.0}, r"beta1 is 1.0, it must lie in \[0, 1\)"),
        ({"last_rate": 0.0, "schedule": "tri_stage"}, r"last_rate is 0.0, it must lie in \(0, 1\]"),
    ],
)
def test_wrong_options_are_named(options, message):
    from benchmark.errors import UsageError

    with pytest.raises(UsageError, match=message):
        TrainingConfig(**options)


@pytest.mark.parametrize(
    ("pretrain", "message"),
    [
        ('select = "last", select_on = ["ptbxl/super"]', "select_on needs select = 'zero_shot_val'"),
        ('select = "zero_shot_val", select_on = []', "select_on is a list of label sets"),
        ('select = "zero_shot_val", select_on = ["ptbxl/supper", "nosuch/all"]', "'ptbxl/supper'(.|\n)*'nosuch/all'"),
    ],
)
def test_label_sets_that_cannot_choose_are_named_all_at_once(tmp_path, pretrain, message):
    from benchmark.errors import BenchmarkError

    path = tmp_path / "own.toml"
    path.write_text(
        'name = "own"\ntitle = "t"\nversion = "1"\n[[datasets]]\nname = "synthetic"\nlabel_sets = ["groups"]\n'
        '[[tasks]]\nname = "zero_shot"\n[[methods]]\nname = "merl"\n'
        f'pretrain = {{ dataset = "mimic_iv_ecg", {pretrain} }}\n',
        "utf-8",
    )
    with pytest.raises(BenchmarkError, match=message):
        make_plan(load_suite(str(path)))
