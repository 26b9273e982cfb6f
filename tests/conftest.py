"""Shared fixtures: a small prepared world on synthetic data, made once per session."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")
ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("ECGARENA_SHARED", ROOT.parent / "shared"))

TINY_SUITE = """
name = "tiny"
title = "Tiny synthetic suite"
version = "1.0"

[[datasets]]
name = "synthetic"
label_sets = ["groups"]
config = { patients = 120 }

[[tasks]]
name = "linear_probe"
config = { fraction = [0.1, 1.0], seed = [0, 1], trials = 3 }

[[tasks]]
name = "zero_shot"

[[methods]]
name = "random_init"
config = { width = 8, rate = 100.0 }

[[methods]]
name = "handcrafted"

[[methods]]
name = "merl"
config = { width = 8, rate = 100.0, embed_dim = 16, text_model = "small" }

[methods.pretrain]
dataset = "synthetic"
epochs = 2
batch_size = 32
"""


@pytest.fixture(autouse=True, scope="session")
def interruptible():
    """Restore SIGINT, which shells ignore in background jobs, so that the tests of Ctrl-C pass in `make test &`."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def shared() -> Path:
    """Return the folder of real reference recordings; tests that need it skip where it is absent."""
    if not (SHARED / "data").is_dir():
        pytest.skip(f"needs the reference material: {SHARED} is not there (set ECGARENA_SHARED)")
    return SHARED


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Return an empty home, with no dataset folders known."""
    from benchmark.paths import DATA_VARIABLE, HOME_VARIABLE, Home

    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    return Home(tmp_path / "home")


@pytest.fixture(scope="session")
def synthetic_home(tmp_path_factory):
    """Return a home with the tiny suite's dataset prepared; tests copy it or only read it."""
    from benchmark.data.store.preparation import prepare
    from benchmark.paths import Home

    product = Home(tmp_path_factory.mktemp("synthetic"))
    prepare("synthetic", {"patients": 120}, product)
    return product


@pytest.fixture
def prepared_home(home, synthetic_home):
    """Return a separate home with the tiny suite's dataset prepared."""
    import shutil

    shutil.copytree(synthetic_home.data, home.data)
    return home


@pytest.fixture
def reseal():
    """Update a store's checksums, and set manifest fields, as if it had been prepared with the changed files."""
    import csv
    import json

    import numpy as np

    from benchmark.data.store import integrity
    from benchmark.data.store.checking import store_digest

    def work(folder: Path, **fields) -> None:
        manifest = json.loads((folder / integrity.MANIFEST).read_text("utf-8"))
        samples = np.fromfile(folder / integrity.SIGNALS, "<i2")
        with (folder / "records.csv").open(encoding="utf-8", newline="") as file:
            places = [(int(row["offset"]), int(row["samples"]) * 12) for row in csv.DictReader(file)]
        sums = [integrity.checksum(samples[start : start + size].data) for start, size in places]
        np.save(folder / integrity.CHECKSUMS, np.array(sums, "<u4"))
        manifest |= {"digest": store_digest(folder), "signal_bytes": 2 * samples.size, **fields}
        manifest[integrity.PARTS] = integrity.measure_parts(folder, manifest[integrity.PARTS])
        (folder / integrity.MANIFEST).write_text(json.dumps(integrity.seal(manifest)), "utf-8")

    return work


@pytest.fixture
def as_prepared_before():
    """Remove the parts of a store that older versions lacked: checksums, sizes, the manifest's seal, later counts."""
    import json

    def work(folder: Path, **fields) -> None:
        (folder / "checksums.npy").unlink()
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        later = ("parts", "seal", "excluded", "expected", "unlabelled")
        earlier = {name: value for name, value in manifest.items() if name not in later}
        (folder / "manifest.json").write_text(json.dumps(earlier | fields), "utf-8")

    return work


@pytest.fixture
def tiny_suite(tmp_path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY_SUITE, "utf-8")
    return path


# --- made-up records: a plan of the tiny suite, an empty store, and what fills it ---

CLASSES = ("NORM", "MI")


@pytest.fixture
def plan(tiny_suite):
    from benchmark.planning.plan import make_plan
    from benchmark.planning.suites import load_suite

    return make_plan(load_suite(str(tiny_suite)))


@pytest.fixture
def store(tmp_path):
    from benchmark.records.store import Store

    return Store(tmp_path / "records")


@pytest.fixture
def fill():
    """Store a record per cell with `value(cell)` as its metric (None: no record); `noise(cell)` adds resamples."""
    import numpy as np

    from benchmark.records.record import RunRecord

    def write_records(plan, store, value=lambda cell: 0.8, noise=None, **more):
        for cell in plan.cells:
            number = value(cell)
            if number is None:
                continue
            record = RunRecord(cell.spec.key, cell.spec.to_json(), cell.question, "done", {"auroc_macro": number})
            record.intervals, record.primary = {"auroc_macro": (number - 0.05, number + 0.04)}, "auroc_macro"
            record.data_digest, record.synthetic, record.n = "d1", True, {"train": 9, "test": 30}
            record.per_class = {name: {"auroc": number, "positives": 5} for name in CLASSES}
            for name, options in more.items():
                setattr(record, name, options)
            resampled = None
            if noise is not None and (draws := noise(cell)) is not None:
                record.resampling = {"resamples": 200, "seed": 0, "recordings": "r"}
                resampled = np.float32(number) + draws
            store.write(cell.spec, record, resampled=resampled)

    return write_records


@pytest.fixture
def damage():
    """Return a function that damages a file, by a seed, as disks, copies, kills and people do."""
    import numpy as np

    def apply(path: Path, seed: int) -> str:
        random = np.random.default_rng(seed)
        content = bytearray(path.read_bytes())
        first = int(random.integers(len(content)))
        kind = ("truncate", "zero a block", "flip a bit", "empty", "replace by a folder", "append")[seed % 6]
        if kind == "replace by a folder":
            path.unlink()
            path.mkdir()
            (path / "something").write_text("of somebody")
            return kind
        if kind == "truncate":
            del content[first:]
        elif kind == "zero a block":
            content[first : first + 512] = bytes(len(content[first : first + 512]))
        elif kind == "flip a bit":
            content[first] ^= 1 << int(random.integers(8))
        elif kind == "empty":
            content.clear()
        else:
            content += b"\x00" * 100
        path.write_bytes(content)
        return kind

    return apply


@pytest.fixture
def small_gpt2(tmp_path):
    """A folder with a random GPT-2 as on the hub: 260 positions, an end of text, no [BOS] and no [PAD]."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    library = Tokenizer(models.BPE())
    library.pre_tokenizer, library.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=300, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet)
    library.train_from_iterator(["sinus rhythm.", "atrial fibrillation, left axis deviation."] * 4, trainer)
    end, size = library.token_to_id("<|endoftext|>"), library.get_vocab_size()
    folder = tmp_path / "gpt2"
    PreTrainedTokenizerFast(tokenizer_object=library, eos_token="<|endoftext|>").save_pretrained(folder)
    config = GPT2Config(vocab_size=size, n_positions=260, n_embd=32, n_layer=1, n_head=2, eos_token_id=end)
    GPT2LMHeadModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def made_up_packages(tmp_path_factory):
    """A folder of packages with one made-up package, tiny-text, that holds a language model."""
    from tests.packaged_models import write_package

    site = tmp_path_factory.mktemp("site-packages")
    write_package(site)
    return site


@pytest.fixture
def tiny_text(made_up_packages, monkeypatch):
    """The option that names the made-up package, which is installed for one test."""
    monkeypatch.syspath_prepend(str(made_up_packages))
    return "package:tiny-text"


@pytest.fixture
def browser(tmp_path):
    """Return a driver of a browser; its tests carry `tests.browser.NEEDS_BROWSER`."""
    from tests.browser import started_browser

    with started_browser(tmp_path / "profile") as driver:
        yield driver
