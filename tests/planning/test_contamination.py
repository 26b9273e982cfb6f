"""The gate: only a comparison makes a cell clean, and known test recordings are found under any name."""

import json
import shutil
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from benchmark.api import LEADS, DatasetCard, RawSignal, SignalSpec
from benchmark.configuration import distinct
from benchmark.data.formats.wfdb_reader import read_wfdb
from benchmark.data.labels.contamination import CONTAINED_IN
from benchmark.data.signals.signal import adapt, to_millivolt
from benchmark.data.store.preparation import prepare
from benchmark.datasets.synthetic import Synthetic
from benchmark.paths import Home
from benchmark.planning.contamination import Gate
from benchmark.planning.plan import Cell
from benchmark.records.spec import RunSpec
from benchmark.registry import DATASETS


class Base(Synthetic):
    """A dataset of 20 patients; with `moved`, the former validation split is test."""

    card = DatasetCard("Base", "synthetic", "none", derives_from=("collection",), synthetic=True)
    splits = MappingProxyType({"train": "train", "val": "test", "test": "train"})

    def __init__(self, rate: float = 100, moved: bool = False) -> None:
        super().__init__(rate=rate, patients=20)
        self.moved: bool = moved

    def entries(self, root=None):
        splits = self.splits if self.moved else {}
        return [replace(entry, split=splits.get(entry.split, entry.split)) for entry in super().entries(root)]


class Cut(Base):
    """A test set of training recordings of `base`, resampled, in other units and under other names."""

    card = DatasetCard("Cut", "base", "none", synthetic=True)
    splits = MappingProxyType({"train": "test", "val": "val", "test": "train"})

    def __init__(self, rate: int = 100, gain: float = 1000) -> None:
        super().__init__(moved=True)
        self.rate, self.gain = rate, gain

    def entries(self, root=None):
        return [
            replace(entry, record_id=f"c{entry.record_id}", patient_id=f"c{entry.patient_id}")
            for entry in super().entries(root)
        ]

    def read(self, entry, root=None):
        raw = Base().read(entry)
        ecg = to_millivolt(raw.adc, raw.gain, raw.baseline)[None]
        adc = np.round(adapt(ecg, 100, SignalSpec(rate=self.rate))[0] * self.gain).astype(np.int16)
        return RawSignal(adc, np.full(12, self.gain), np.zeros(12, int), self.rate, LEADS)


class Visits(Base):
    """First visits; with `moved`, later visits of the same patients, in test where the first ones are in train."""

    splits = Cut.splits

    def entries(self, root=None):
        return [entry for entry in super().entries(root) if entry.record_id.endswith("_0") != self.moved]


class Part(Base):
    """Every second recording of `base`, in its split."""

    card = DatasetCard("Part", "base", "none", derives_from=("base",), synthetic=True)

    def entries(self, root=None):
        return super().entries(root)[::2]


class Shifted(Part):
    """As `Part`, cut half a second later."""

    def read(self, entry, root=None):
        raw = super().read(entry, root)
        return replace(raw, adc=np.roll(raw.adc, 50, axis=1))


@pytest.fixture(autouse=True)
def plugins(monkeypatch):
    for name, cls in (("base", Base), ("cut", Cut), ("part", Part), ("shifted", Shifted), ("visits", Visits)):
        monkeypatch.setitem(DATASETS._classes, name, cls)
    monkeypatch.setitem(CONTAINED_IN, "collection", ())


def cell(dataset, *trained_on, config=None, **spec):
    question = RunSpec("handcrafted", 1, {}, "linear_probe", 1, {}, dataset, 1, config or {}, "groups", **spec)
    return Cell(question, "row", {}, trained_on=list(trained_on) or None)


def recipe(dataset, config=None, **training):
    return {"dataset": dataset, "dataset_config": config or {}, "training": training}


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """Return a home in which each dataset is prepared once for all tests."""
    return Home(tmp_path_factory.mktemp("stock"))


@pytest.fixture
def judge(home, stock):
    """Prepare datasets, with or without options, and return the verdict of a run (or of a plan) on a cell."""

    def verdict(cell, *datasets, quick=False):
        for dataset in datasets:
            name, config = dataset if isinstance(dataset, tuple) else (dataset, {})
            path = prepare(name, config, stock).path
            shutil.copytree(path, home.data / path.name, dirs_exist_ok=True)
        return Gate(home, quick).verdict(cell)

    return verdict


# --- test recordings that were seen ---


@pytest.mark.parametrize("rate, gain", [(100, 200.0), (500, 1000.0), (257, 4880.0)])
def test_a_test_set_cut_from_training_recordings_is_found(judge, stock, rate, gain):
    config = distinct(Cut, {"rate": rate, "gain": gain}, "cut")
    verdict = judge(cell("cut", "base:train", config=config, weights="abc"), "base", ("cut", config))
    data = prepare("cut", config, stock)
    count, first = (data.splits == "test").sum(), data.record_ids[data.splits == "test"][0]
    assert verdict.state == "contaminated"
    assert f"{count} of {count} test recordings have their signal there: {first} = {first[1:]}" in str(verdict)


@pytest.mark.parametrize(
    "cell",
    [
        cell("cut", pretraining=recipe("base")),
        cell("cut", source={"dataset": "base", "dataset_config": {}, "label_set": "groups"}),
        cell("cut", "base:train", weights="abc"),
        cell("cut", "base", weights="abc"),
        cell("cut", "collection", weights="abc"),
        cell("cut", "base:val", "base:train", weights="abc"),
        cell("cut", "base:train"),
    ],
)
def test_they_are_found_whatever_the_source_of_knowledge(judge, cell):
    assert judge(cell, "base", "cut").state == "contaminated"


def test_the_published_card_counts_with_what_chose_the_weights(judge, monkeypatch):
    from benchmark.registry import METHODS

    card = replace(METHODS.get("handcrafted").card, trained_on=("base:test",), selected_on=("base:train",))
    monkeypatch.setattr(METHODS.get("handcrafted"), "card", card)
    verdict = judge(cell("cut", weights="abc"), "base", "cut")
    assert verdict.state == "contaminated" and "chosen by labels of the train split of base" in verdict.reasons[0]


def test_within_a_dataset_patients_are_compared_too(judge):
    """The recordings of a patient are different signals, and still not independent."""
    later = {"moved": True}
    verdict = judge(cell("visits", config=later, pretraining=recipe("visits")), "visits", ("visits", later))
    assert verdict.state == "contaminated" and "(compared: patients of the test split who are there: " in str(verdict)


def test_validation_data_that_chose_the_epoch_are_compared(judge):
    options = {"moved": True}
    for select, state in (("last", "clean"), ("val_loss", "contaminated")):
        training = recipe("base", select=select)
        assert judge(cell("base", config=options, pretraining=training), "base", ("base", options)).state == state


# --- clean ---


def test_the_training_split_of_the_same_dataset_is_clean_because_it_was_compared(judge):
    verdict = judge(cell("base", "base:train", weights="abc"), "base")
    assert verdict.state == "clean"
    assert "no patient and no signal of the test split is among its" in str(verdict)


def test_a_part_with_the_same_splits_is_clean_in_both_directions(judge):
    for tested, other in (("part", "base"), ("base", "part")):
        verdict = judge(cell(tested, f"{other}:train", weights="abc"), "base", "part")
        assert verdict.state == "clean" and "no signal of the test split" in str(verdict)


def test_other_options_are_compared(judge):
    faster = {"rate": 250}
    verdict = judge(cell("base", config=faster, pretraining=recipe("base")), "base", ("base", faster))
    assert verdict.state == "clean"
    assert judge(cell("base", "base:train", config=faster, weights="abc")).state == "clean"


def test_another_dataset_is_clean_when_no_signal_is_equal(judge):
    verdict = judge(cell("synthetic", "base", config={"patients": 10, "seed": 5}, weights="abc"), "base",
                    ("synthetic", {"patients": 10, "seed": 5}))  # fmt: skip
    assert verdict.state == "clean" and "patient" not in str(verdict)


# --- unknown ---


@pytest.mark.parametrize(
    "cell, reason",
    [
        (cell("cut", "base:train", weights="abc"), "its weights saw the train split of base (not prepared here)"),
        (cell("cut", "heedb", weights="abc"), "its weights saw heedb (no loader here reads it)"),
        (cell("cut", "our_hospital", weights="abc"), "its weights saw our_hospital (nothing is known of it here)"),
        (cell("part", "base:train", weights="abc"),
         "its weights saw the train split of base, which contains part (not prepared here)"),
    ],
)  # fmt: skip
def test_where_nothing_was_compared_the_verdict_is_unknown_and_says_so(judge, cell, reason):
    assert judge(cell, cell.spec.dataset).reasons == ("only cards were compared", reason)
    assert judge(cell).state == "unknown"


def test_what_was_compared_in_part_says_with_whom_only_cards_were(judge):
    verdict = judge(cell("base", "base:train", "heedb", weights="abc"), "base")
    assert verdict.state == "unknown" and verdict.reasons[0] == "only cards were compared with heedb"
    assert "(compared: no patient and no signal" in verdict.reasons[-1]


def test_options_that_are_not_prepared_are_named(judge):
    verdict = judge(cell("cut", pretraining=recipe("base", {"moved": True})), "base", "cut")
    assert verdict.state == "unknown" and "(not prepared here with moved=True)" in str(verdict)


def test_a_part_that_is_not_found_again_in_the_whole_is_never_clean(judge):
    for tested, other, noun in (("shifted", "base", "test recordings"), ("base", "shifted", "recordings")):
        verdict = judge(cell(tested, f"{other}:train", weights="abc"), "base", "shifted")
        assert verdict.state == "unknown"
        assert f"{noun} are nowhere in base, perhaps shifted or cut elsewhere" in str(verdict)


def test_parts_of_a_collection_can_prove_contamination_and_no_more(judge):
    config = {"patients": 10, "seed": 5}
    verdict = judge(cell("synthetic", "collection", config=config, weights="abc"), "base", ("synthetic", config))
    assert verdict.state == "unknown" and "in the parts of it that are prepared here, base" in str(verdict)


def test_a_preparation_of_a_few_recordings_proves_nothing(judge, monkeypatch):
    monkeypatch.setattr(Base, "card", replace(Base.card, recordings=6877))
    config = {"patients": 10, "seed": 5}
    verdict = judge(cell("synthetic", "base", config=config, weights="abc"), "base", ("synthetic", config))
    assert verdict.state == "unknown" and "of all 6,877 recordings of it are prepared here" in str(verdict)
    assert judge(cell("base", pretraining=recipe("base"))).state == "clean"  # these few are what was seen


def test_weights_of_other_data_than_are_prepared_are_unknown(judge, stock, tmp_path):
    digest = prepare("base", {}, stock).digest
    question = replace(cell("base", weights="abc"), weights_file=str(tmp_path / "weights.safetensors"))
    for data_digest, state in ((digest, "clean"), ("another", "unknown")):
        card = {"sha256": "abc", "recipe": recipe("base"), "data_digest": data_digest}
        (tmp_path / "card.json").write_text(json.dumps(card))
        assert judge(question, "base").state == state


# --- plans ---


def test_a_plan_says_what_a_run_will_say_where_that_is_quick(judge):
    question = cell("cut", "base:train", weights="abc")
    assert judge(question, "base", "cut", quick=True) == judge(question)


def test_a_plan_leaves_long_comparisons_to_the_run_and_says_so(judge, monkeypatch):
    monkeypatch.setattr("benchmark.data.store.shared_recordings.QUICK_PAIRS", 10)
    question = cell("cut", "base:train", weights="abc")
    expected = ("only cards were compared", "its weights saw the train split of base (a run compares its recordings)")
    assert judge(question, "base", "cut", quick=True).reasons == expected
    assert judge(question).state == "contaminated"
    assert judge(question, quick=True) == judge(question)  # what was compared once is known


def test_a_plan_without_data_says_that_a_run_compares_what_it_prepares(judge):
    assert judge(cell("base", pretraining=recipe("base")), quick=True).reasons == (
        "only cards were compared",
        "its weights saw the train split of base (a run compares its recordings)",
    )


# --- real recordings ---


def test_real_recordings_are_found_at_another_rate(judge, monkeypatch, shared):
    stems = sorted((shared / "data" / "ptb-xl" / "records500").rglob("*.hea"))[:30]

    class Real(Base):
        """The first real recordings, as training data at 500 Hz or as test data at 100 Hz."""

        def __init__(self, rate: int = 500, moved: bool = False) -> None:
            super().__init__(moved=moved)
            self.rate = rate

        def entries(self, root=None):
            pairs = zip(super().entries(root), stems, strict=False)
            return [replace(entry, locator=stem.with_suffix("")) for entry, stem in pairs]

        def read(self, entry, root=None):
            raw, step = read_wfdb(entry.locator), int(500 / self.rate)
            return replace(raw, adc=raw.adc[:, ::step], rate=self.rate)

    class RealCut(Real):
        card, splits = Cut.card, Cut.splits

    monkeypatch.setitem(DATASETS._classes, "real", Real)
    monkeypatch.setitem(DATASETS._classes, "real_cut", RealCut)
    config = {"rate": 100, "moved": True}
    verdict = judge(cell("real_cut", "real:train", config=config, weights="abc"), "real", ("real_cut", config))
    assert verdict.state == "contaminated" and "28 of 28 test recordings have their signal there" in str(verdict)
