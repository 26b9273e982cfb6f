"""Methods in another interpreter give the same numbers and one clear error, and import nothing of the harness."""

import ast
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

import benchmark.api
from benchmark.cli import main
from benchmark.contract import failures, outcome
from benchmark.contract.methods import method_checks
from benchmark.engine.building import build
from benchmark.engine.checkpoints import load_weights, read_state, save_weights
from benchmark.errors import BenchmarkError, MissingError, UsageError
from benchmark.external import worker
from benchmark.external.method import external_class
from benchmark.registry import METHODS

PLUGIN = '''
import os
import numpy as np
import old_library  # conflicts with what the harness needs: it is in that environment alone
from benchmark.api import AlignedMethod, Method, MethodCard, SignalSpec

print("a library that greets on the standard output")

class Moments(Method):
    """Mean and spread of each lead, in numpy."""

    card = MethodCard("Moments", "none", "MIT", version=3)

    def __init__(self, rate: float = 50.0, leads: tuple = ("I", "II", "V5")) -> None:
        self.rate, self.leads = rate, leads

    @property
    def signal(self):
        return SignalSpec(rate=self.rate, leads=self.leads)

    def ecg_features(self, ecg):
        return np.concatenate([ecg.mean(-1), ecg.std(-1)], axis=1) * old_library.SCALE

class Dies(Moments):
    def ecg_features(self, ecg):
        import sys
        print("out of something", file=sys.stderr, flush=True)
        os._exit(7)

class Raises(Moments):
    def ecg_features(self, ecg):
        raise RuntimeError("no such kernel")

class NotAMethod:
    pass

class Aligned(AlignedMethod, Moments):
    """Wrong on purpose where two embeddings are compared: a sum of absolute differences."""

    def ecg_embeddings(self, ecg):
        return ecg.mean(-1)

    def text_embeddings(self, texts):
        return np.array([[len(text), 1.0, 0.0] for text in texts], dtype=np.float32)

    def similarity(self, ecg, text):
        return -np.abs(ecg[:, None] - text[None]).sum(-1)

class LeftOut(Exception):
    """As in benchmark.errors, which that environment does not have."""

class Wordless(Aligned):
    def text_embeddings(self, texts):
        raise LeftOut("this one reads no text")
'''
ENTRY_POINTS = """[ecgarena.methods]
moments = plugin:Moments
dies = plugin:Dies
raises = plugin:Raises
no_method = plugin:NotAMethod
aligned_plugin = plugin:Aligned
wordless = plugin:Wordless
broken = not_installed_there:Method
"""
SUITE = """
name = "external"
title = "An external method"
version = "1.0"
[[datasets]]
name = "synthetic"
label_sets = ["groups"]
config = {{ patients = 120 }}
[[tasks]]
name = "linear_probe"
config = {{ fraction = 1.0, trials = 3 }}
[[methods]]
name = "{name}"
python = "{python}"
"""


def environment(folder: Path) -> tuple[Path, Path]:
    """Create an environment without packages; return its interpreter and the folder for packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    return folder / "bin" / "python", site


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The interpreter of an environment with numpy, a library and the plug-in, without torch and the harness."""
    python, site = environment(tmp_path_factory.mktemp("bare"))
    numpy = Path(find_spec("numpy").origin).parent
    for part in numpy.parent.glob("numpy*"):
        (site / part.name).symlink_to(part)
    (site / "old_library.py").write_text("SCALE = 2\n")
    (site / "plugin.py").write_text(PLUGIN)
    info = site / "plugin-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugin\nVersion: 1\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return str(python)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """An environment of its own that has all packages of this one, the harness among them."""
    python, site = environment(tmp_path_factory.mktemp("full"))
    (site / "ours.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")))
    root = Path(__file__).resolve().parents[2]
    (site / "harness.pth").write_text(str(root))
    return str(python)


@pytest.fixture(autouse=True)
def registry():
    """Nothing that a test registers stays."""
    yield
    for name in [name for name, cls in METHODS._classes.items() if hasattr(cls, "python")]:
        del METHODS._classes[name]


def suite(tmp_path, name, python, more=""):
    path = tmp_path / "external.toml"
    path.write_text(SUITE.format(name=name, python=python) + more)
    return str(path)


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_a_sweep_with_a_method_that_cannot_be_imported_here(bare, tmp_path, prepared_home, executor, capsys):
    assert find_spec("old_library") is None
    path = suite(tmp_path, "moments", bare)
    assert main(["run", path, "--executor", executor]) == 0
    (file,) = prepared_home.records.rglob("record.json")
    record = json.loads(file.read_text())
    assert record["spec"]["method_version"] == 3 and record["config"]["method"]["rate"] == 50.0
    assert set(record["provenance"]["elsewhere"]["packages"]) == {"numpy"}
    assert "python" not in json.dumps(record["spec"])  # where it runs is no part of the question
    (features,) = prepared_home.features.glob("moments-features-*.npy")
    assert np.load(features).shape[1] == 6 and 0.5 < record["metrics"]["auroc_macro"] <= 1
    assert main(["leaderboard", path, "--format", "md", "--out", str(tmp_path)]) == 0
    assert "moments" in next(tmp_path.glob("*.md")).read_text()


def test_numbers_cross_unchanged(bare):
    method = external_class("moments", bare)(leads=["V1", "V2"])
    ecg = torch.randn(5, 2, 500)
    expected = 2 * np.concatenate([ecg.numpy().mean(-1), ecg.numpy().std(-1)], axis=1)
    assert method.signal.leads == ("V1", "V2") and np.array_equal(method.ecg_features(ecg).numpy(), expected)
    assert failures(method_checks(external_class("moments", bare)())) == {}


def test_a_change_of_its_source_is_noticed(bare):
    (plugin,) = Path(bare).parents[1].rglob("site-packages/plugin.py")
    before = external_class("moments", bare).source_digest
    text = plugin.read_text()
    plugin.write_text(text.replace("np.concatenate([ecg.mean(-1)", "np.concatenate([ecg.max(-1)"))
    try:
        external_class.cache_clear()
        assert external_class("moments", bare).source_digest not in ("", before)
    finally:
        plugin.write_text(text)
        external_class.cache_clear()


def test_a_methods_own_similarity_is_computed_in_its_interpreter(bare):
    method = external_class("aligned_plugin", bare)()
    ecg = torch.tensor([[1.0, 2.0, 3.0]])
    assert method.similarity(ecg, method.text_embeddings(["four"])).tolist() == [[-(3.0 + 1.0 + 3.0)]]


def test_a_built_in_method_gives_the_same_in_another_interpreter(full, tmp_path):
    config = {"width": 8, "rate": 100.0, "embed_dim": 16, "text_model": "small"}
    local = build("merl", config, seed=3)
    local.start_pretraining(["sinus rhythm", "atrial fibrillation"])
    external = external_class("merl", full)(**config)
    path = tmp_path / "weights.safetensors"
    save_weights(local, path)
    external.start(state=read_state(path))
    ecg = torch.randn(4, 12, 1000)
    for name, inputs in [
        ("ecg_features", ecg),
        ("ecg_embeddings", ecg),
        ("ecg_tokens", ecg),
        ("text_embeddings", ["flutter"]),
    ]:
        with torch.inference_mode():
            expected = getattr(local, name)(inputs)
        assert torch.allclose(getattr(external, name)(inputs), expected, rtol=1e-4, atol=1e-5), name
    similar = external.similarity(external.ecg_embeddings(ecg), external.text_embeddings(["a", "b"]))
    assert similar.shape == (4, 2) and external.parameter_count == sum(p.numel() for p in local.parameters())


def test_random_weights_come_from_the_seed_and_foreign_ones_are_refused(full, tmp_path):
    config = {"width": 8, "rate": 100.0, "seed": 5}
    local = build("random_init", config)
    external = external_class("random_init", full)(**config)
    external.start(seed=5)
    ecg = torch.randn(2, 12, 1000)
    assert torch.allclose(external.ecg_features(ecg), local.ecg_features(ecg), rtol=1e-4, atol=1e-5)
    save_weights(build("random_init", {"width": 16, "rate": 100.0}), tmp_path / "wide.safetensors")
    with pytest.raises(MissingError, match=r"do not fit the method 'random_init' in (.|\n)*instead of"):
        external.start(state=read_state(tmp_path / "wide.safetensors"))
    with pytest.raises(MissingError):
        load_weights(external, tmp_path / "wide.safetensors")


class LocalInterpreter:
    """An interpreter whose worker runs in this process."""

    def __init__(self, name, python):
        self.who, self.worker = f"the method {name!r} in {python}", worker.Worker(name, benchmark.api)

    def ask(self, do, arrays=(), **request):
        """Handle one request."""
        return worker._handle(self.worker, {"do": do, **request}, list(arrays))


@pytest.mark.filterwarnings("ignore:Casting complex")
def test_weights_of_an_external_method_are_finite_and_of_the_right_kind(tmp_path, monkeypatch):
    """Also weights that the constructor reads, and weights that only the method's precision makes infinite."""
    monkeypatch.setattr("benchmark.external.method.Interpreter", LocalInterpreter)
    config = {"width": 8, "rate": 100.0}
    state = build("random_init", config).state_dict()
    name = "ecg_encoder.conv1.weight"
    size = state[name].numel()
    monkeypatch.setitem(METHODS._classes, "external", external_class("random_init", "/a/python"))
    for wrong, message in (
        (state[name], ""),
        (state[name] * torch.nan, f"{name} holds {size} NaN and 0 infinite values, of {size}"),
        (state[name].double() + 1e300, f"{name} holds 0 NaN and {size} infinite values"),
        (state[name].to(torch.complex64), f"{name} holds complex numbers"),
        (state[name].int(), f"{name} holds whole numbers"),
    ):
        torch.save({**state, name: wrong}, tmp_path / "w.pth")
        if not message:
            build("external", config, weights=tmp_path / "w.pth")
            continue
        with pytest.raises(MissingError, match=message) as error:
            build("external", config, weights=tmp_path / "w.pth")
        assert "w.pth" in str(error.value) and "the method 'random_init' in /a/python" in str(error.value)
    cls = type(METHODS.get("random_init")(**config))
    original = cls.__init__

    def broken(self, *args, **options):
        original(self, *args, **options)
        self.ecg_encoder.conv1.weight.data.fill_(torch.nan)

    monkeypatch.setattr(cls, "__init__", broken)
    with pytest.raises(MissingError, match=rf"in /a/python as built cannot be used(.|\n)*{name} holds {size} NaN"):
        build("external", config)


def test_what_a_configuration_leaves_out_is_no_failure(bare):
    result = outcome(method_checks(external_class("wordless", bare)()))
    assert not result.failures and "LeftOut: this one reads no text" in result.left_out["text_embeddings"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "no distribution there has an entry point 'nowhere'"),
        ("broken", "No module named 'not_installed_there'"),
        ("no_method", "is no subclass of benchmark.api.Method"),
    ],
)
def test_a_method_that_cannot_be_described_is_one_error_before_anything_runs(
    bare, tmp_path, prepared_home, capsys, name, message
):
    path = suite(tmp_path, name, bare, '[[methods]]\nname = "handcrafted"\n')
    assert main(["run", path]) == 2
    output = capsys.readouterr().err
    assert f"the method '{name}' in {bare} is broken" in output
    assert message in output
    assert main(["run", path, "--methods", "handcrafted"]) == 0  # the others are not stopped


def test_a_method_that_raises_or_dies_is_a_failed_cell_with_its_last_words(bare, tmp_path, prepared_home):
    with pytest.raises(BenchmarkError, match="no such kernel"):
        external_class("raises", bare)().ecg_features(torch.zeros(1, 3, 500))
    assert main(["run", suite(tmp_path, "dies", bare)]) == 3
    (file,) = prepared_home.records.rglob("record.json")
    message = json.loads(file.read_text())["error"]["message"]
    assert "died with exit code 7" in message and "out of something" in message


def test_mistakes_in_the_suite(bare, full, tmp_path, prepared_home, capsys):
    assert main(["run", suite(tmp_path, "moments", "/no/such/python")]) == 5
    assert "there is no interpreter; give the path of its bin/python" in capsys.readouterr().err
    assert main(["run", suite(tmp_path, "moments", bare, 'pretrain = { dataset = "synthetic" }\n')]) == 2
    assert "cannot be pre-trained" in capsys.readouterr().err
    assert main(["run", suite(tmp_path, "moments", bare, "config = { rat = 3 }\n")]) == 2
    assert "did you mean 'rate'?" in capsys.readouterr().err
    METHODS.get("random_init")
    assert main(["run", suite(tmp_path, "random_init", full)]) == 2
    assert "is in use from this interpreter already" in capsys.readouterr().err


def test_another_version_of_the_harness_is_refused(full, monkeypatch):
    monkeypatch.setattr("benchmark.__version__", "99.0")
    with pytest.raises(UsageError, match=r"is installed there and 99.0 here"):
        external_class("handcrafted", full)


def test_check_runs_an_external_method(bare, capsys):
    assert main(["check", "moments", "--python", bare]) == 0
    assert "passed  ecg_features" in capsys.readouterr().out


def test_the_process_ends_with_the_method(bare):
    method = external_class("moments", bare)()
    assert method.signal.rate == 50
    process = method._interpreter._process
    assert process.poll() is None
    del method
    assert process.poll() == 0


def test_the_worker_parses_on_python_3_8():
    for module in (worker, benchmark.api):
        ast.parse(Path(module.__file__).read_text(), feature_version=(3, 8))


def test_options_that_share_weights_are_known_of_external_methods(full):
    assert external_class("deri", full).readout_options == METHODS.get("deri").readout_options != ()
