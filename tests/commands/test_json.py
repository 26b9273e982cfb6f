"""``--json``: one JSON value on stdout, and nothing else there."""

import json

import pytest

from benchmark.cli import main, parser
from benchmark.commands.completion import parsers


@pytest.fixture
def answer(capsys):
    """Run a command and return its exit code with what it said as JSON."""

    def ask(*arguments: str):
        capsys.readouterr()
        code = main([*arguments, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return ask


def test_which_commands_speak_json():
    takes = {command.prog for command in parsers(parser()) if "--json" in command._option_string_actions}
    assert takes >= {
        *("ecgarena list", "ecgarena show", "ecgarena plan", "ecgarena status", "ecgarena compare", "ecgarena doctor"),
        *("ecgarena data prepare", "ecgarena data check", "ecgarena pretrain", "ecgarena search", "ecgarena explain"),
    }


def test_what_there_is(answer):
    assert "merl" in answer("list", "methods")[1]["methods"]
    output = answer("show", "merl")[1]
    assert (
        output["kind"] == "method"
        and output["options"]["temperature"] == 0.07
        and "ICML 2024" in output["card"]["paper"]
    )
    dataset = answer("show", "csn")[1]
    assert len(dataset["label_sets"]["all"]) == 38 and dataset["required"] == []
    assert answer("show", "demo")[1]["suite"]["name"] == "demo"


def test_a_suite_from_its_data_to_a_comparison(answer, home, two_methods, capsys):
    code, preparation = answer("data", "prepare", "synthetic", "--set", "patients=120", "-q")
    assert code == 0 and preparation["recordings"] == sum(preparation["splits"].values())
    code, count = answer("data", "check", "synthetic", "--set", "patients=120")
    assert code == 0 and count["digest"] == preparation["digest"]

    code, before = answer("plan", str(two_methods))
    assert code == 0 and not before["done"] and len(before["skipped"]) == 2
    cell = before["todo"][0]
    assert (cell["method"], cell["task"], cell["dataset"], cell["state"]) == (
        *("random_init", "linear_probe", "synthetic", "missing"),
    )
    assert cell["question"]["seed"] == 0 and cell["key"] and cell["leak"]["state"]
    code, counts = answer("status", str(two_methods))
    assert code == 4 and sum(row["missing"] for row in counts) == len(before["todo"])
    assert main(["run", str(two_methods), "-q"]) == 0
    code, counts = answer("status", str(two_methods))
    assert code == 0 and sum(row["done"] for row in counts) == len(before["todo"])

    code, comparison = answer("compare", "handcrafted", "random_init", "--suite", str(two_methods))
    assert code == 0 and len(comparison["questions"]) == 2
    for line in comparison["questions"]:
        assert line["better"] in ("a", "b", "not separated") and 0 <= line["p_corrected"] <= 1
        assert line["difference"]["value"] == pytest.approx(line["a"] - line["b"])
    key = before["todo"][0]["key"]
    code, search = answer("search", key[:10], "--out", str(home.root / "search"))
    assert code == 0 and len(search["trials"]) == 3 and (home.root / "search" / f"search-{key}.json").is_file()


def test_weights_made_alone(answer, prepared_home):
    arguments = ["width=8", "rate=100.0", "embed_dim=16", "text_model=small", "training.epochs=1"]
    options = [part for text in arguments for part in ("--set", text)]
    code, product = answer("pretrain", "merl", "--data", "synthetic", "--data-set", "patients=120", "-q", *options)
    assert code == 0 and product["weights"].endswith("weights.safetensors") and len(product["sha256"]) == 64


def test_a_mistake_leaves_stdout_empty(home, capsys):
    assert main(["show", "merll", "--json"]) == 2
    output = capsys.readouterr()
    assert output.out == "" and "did you mean 'merl'?" in output.err
