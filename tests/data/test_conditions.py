"""Conditions: what enters a key, how a suite writes them, and signals read under them."""

import numpy as np
import pytest

from benchmark.api import LEADS, SignalSpec
from benchmark.data.signals.conditions import LEAD_SETS, ConditionedDataset, SignalCondition, expand_conditions
from benchmark.data.store.preparation import open_dataset
from benchmark.errors import UsageError


def test_the_default_enters_no_key():
    assert SignalCondition().to_json() is None and SignalCondition(leads=LEADS[::-1]).to_json() is None
    assert SignalCondition.from_json(None) == SignalCondition() and SignalCondition().title == "as recorded"


@pytest.mark.parametrize(
    ("condition", "content", "title"),
    [
        (SignalCondition(leads=("II", "I")), {"leads": ["I", "II"]}, "leads II, I"),
        (SignalCondition(leads=LEAD_SETS[6]), {"leads": list(LEADS[:6])}, "6 leads"),
        (SignalCondition(leads=("I",), splits="all"), {"leads": ["I"]}, "leads I"),
        (SignalCondition(leads=("I",), splits="test"), {"leads": ["I"], "splits": "test"}, "leads I in test only"),
        (SignalCondition(perturb="wander", strength=0.5), {"perturb": "wander", "strength": 0.5}, "wander 0.5 mV"),
        (
            SignalCondition(perturb="swap_arms", strength=0.5, splits="all"),
            {"perturb": "swap_arms", "strength": 0.5, "splits": "all"},
            "swap_arms 50 % of recordings in all splits",
        ),
        (
            SignalCondition(leads=("I",), perturb="white", strength=0.1),
            {"leads": ["I"], "perturb": "white", "strength": 0.1},
            "leads I with white 0.1 mV rms",
        ),
    ],
)
def test_stored_form_and_title(condition, content, title):
    assert condition.to_json() == content and condition.title == title
    assert SignalCondition.from_json(content).to_json() == content


def test_few_leads_hold_everywhere_and_noise_in_test():
    few, noisy = SignalCondition(leads=("I",)), SignalCondition(perturb="white", strength=0.1)
    assert [few.holds(split) for split in ("train", "val", "test")] == [True, True, True]
    assert [noisy.holds(split) for split in ("train", "val", "test")] == [False, False, True]
    assert SignalCondition(perturb="white", strength=0.1, splits="all").holds("train")
    assert not SignalCondition(leads=("I",), splits="test").holds("val") and not SignalCondition().holds("test")


def test_a_suite_writes_grids():
    texts = [{}, {"leads": [1, 6]}, {"leads": ["V1", "V2"]}, {"perturb": ["white", "wander"], "strength": [0.1, 1]}]
    result = list(expand_conditions(texts, "task x"))
    assert [condition.title for condition in result] == [
        *("as recorded", "leads I", "6 leads", "leads V1, V2"),
        *("white 0.1 mV rms", "white 1 mV rms", "wander 0.1 mV", "wander 1 mV"),
    ]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ({"lead": 2}, r"signal has no key 'lead' \(did you mean 'leads'\?\)"),
        ({"leads": 4}, r"no set of 4 leads by number \(1, 2, 3, 6, 12\)"),
        ({"leads": ["V7"]}, "no lead 'V7'"),
        ({"leads": ["I", "I"]}, "each once"),
        ({"leads": []}, "they are none"),
        ({"strength": 0.5}, "perturb is not"),
        ({"perturb": "white"}, "must lie above 0"),
        ({"perturb": "white", "strength": "much"}, "strength must be a number"),
        ({"leads": 1, "splits": "val"}, "'test' or 'all'"),
    ],
)
def test_a_wrong_condition_is_named(condition, message):
    with pytest.raises(UsageError, match=message):
        list(expand_conditions([condition], "task x"))


def test_signals_are_read_under_the_condition(synthetic_home):
    data = open_dataset("synthetic", {"patients": 120}, synthetic_home)
    rows, spec = np.arange(6), SignalSpec(rate=100)
    few = ConditionedDataset(data, SignalCondition(leads=("II", "V5")))
    ecg, plain = few.read(rows, spec), data.read(rows, spec)
    present = [LEADS.index("II"), LEADS.index("V5")]
    assert np.array_equal(ecg[:, present], plain[:, present])
    assert not np.delete(ecg, present, axis=1).any()
    noisy = ConditionedDataset(data, SignalCondition(perturb="white", strength=0.1))
    assert np.array_equal(noisy.read(rows, spec)[3:5], noisy.read(rows[3:5], spec))
    assert 0.05 < (noisy.read(rows, spec) - plain).std() < 0.2
    assert len({data.digest, few.digest, noisy.digest}) == 3


def test_missing_leads_are_missing_before_the_scaling(synthetic_home):
    data = open_dataset("synthetic", {"patients": 120}, synthetic_home)
    few = ConditionedDataset(data, SignalCondition(leads=("I",)))
    scaled = few.read(np.arange(2), SignalSpec(rate=100, scaling="minmax_record"))
    assert scaled[0, 0].max() == pytest.approx(1, abs=1e-4)  # lead I alone spans the range
    assert np.ptp(scaled[0, 1:]) == 0  # 0 mV, wherever the scaling puts it
