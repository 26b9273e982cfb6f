"""The synthetic dataset: reproducible, patient-disjoint, complete in every split, and described by its reports."""

from __future__ import annotations

import hashlib
import pickle
import re
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache
from itertools import combinations

import numpy as np
import pytest

from benchmark.api import LEADS, SPLITS, RecordingEntry
from benchmark.data.synthetic.diagnoses import CONDITIONS
from benchmark.data.synthetic.wording import ENGLISH, GERMAN
from benchmark.datasets.synthetic import GROUPS, OCCURRENCE, PRIMES, Synthetic
from benchmark.errors import RecordingError, UsageError
from benchmark.registry import DATASETS

MENTIONS = {  # what a reader would look for, in English and in German
    "NORM": r"(?<!ab)normal (ecg|tracing)|normal limits|unremarkable|no significant abn|no pathological find"
    r"|normales ekg|unauffällig|normalbefund|keine auffällig",
    "STACH": r"tachy|rapid sinus|sinus tach|schneller sinus",
    "SBRAD": r"brady|slow sinus|langsamer sinus",
    "AFIB": r"\baf\b|fibrillation|vorhofflimmern|\bvhf\b",
    "1AVB": r"degree (av|atrioventricular) block|\bpr\b.*prolong|prolonged pr|av-block|pq-zeit",
    "CLBBB": r"left bundle|\blbbb\b|linksschenkel|\blsb\b",
    "CRBBB": r"right bundle|\brbbb\b|rechtsschenkel|\brsb\b",
    "ASTE": r"anterior|v1-v4|v1,2,3,4|vorderwand",
    "ISTE": r"inferior|ii, iii|hinterwand",
    "LSTD": r"depress|senkung",
    "LVHT": r"ventricular hypertrophy|\blvh\b|\blv hypertrophy|linksventrikuläre hyper|linkshypertrophie",
    "PVB": r"(?<!supra)ventricular ecto|pvcs|(?<!supra)ventricular extra|premature ventricular"
    r"|(?<!supra)ventrikuläre extra|\bves\b",
    "PAB": r"atrial ecto|pacs|supraventricular|premature atrial|supraventrikulär|\bsves\b",
}


@cache
def default() -> list[RecordingEntry]:
    return Synthetic().entries(None)


def digest(dataset: Synthetic, entries: list[RecordingEntry]) -> dict[str, str]:
    return {entry.record_id: hashlib.sha256(dataset.read(entry, None).adc.tobytes()).hexdigest() for entry in entries}


# --- what it hands over --------------------------------------------------------------------------


def test_it_is_registered_and_says_that_it_is_made_up() -> None:
    assert DATASETS.get("synthetic") is Synthetic
    assert Synthetic.card.synthetic
    assert not Synthetic.needs_root


@pytest.mark.parametrize(("rate", "seconds"), [(100, 10), (500, 5)])
def test_a_recording_is_microvolt_in_the_standard_order(rate: float, seconds: float) -> None:
    dataset = Synthetic(rate=rate, seconds=seconds, patients=1)
    signal = dataset.read(dataset.entries(None)[0], None)
    assert (signal.adc.shape, signal.adc.dtype) == ((12, rate * seconds), np.int16)
    assert (signal.rate, dataset.rate, signal.leads) == (rate, rate, LEADS)
    millivolt = (signal.adc - signal.baseline[:, None]) / signal.gain[:, None]
    assert 0.3 < np.abs(millivolt).max() < 8


def test_record_names_are_unique_and_fit_for_files() -> None:
    names = [entry.record_id for entry in default()]
    assert len(set(names)) == len(names) > 1000
    assert all(re.fullmatch(r"[0-9_]+", name) for name in names)


def test_patients_have_one_to_four_recordings_and_plausible_ages() -> None:
    visits = Counter(entry.patient_id for entry in default())
    assert len(visits) == 700
    assert set(visits.values()) == {1, 2, 3, 4}
    assert all(18 <= entry.age <= 95 for entry in default())
    assert 0.4 < np.mean([entry.sex == "female" for entry in default()]) < 0.6


# --- reproducible --------------------------------------------------------------------------------


def test_order_does_not_matter_nor_does_a_fresh_instance() -> None:
    dataset = Synthetic(patients=12)
    forwards = digest(dataset, dataset.entries(None))
    fresh = Synthetic(patients=12)
    assert digest(fresh, fresh.entries(None)[::-1]) == forwards
    assert len(set(forwards.values())) == len(forwards)


def test_an_entry_can_travel_to_another_process() -> None:
    dataset = Synthetic(patients=3)
    entries = dataset.entries(None)
    code = (
        "import sys, pickle, hashlib; from benchmark.datasets.synthetic import Synthetic\n"
        "d = Synthetic(patients=3); sent = pickle.load(sys.stdin.buffer); assert sent == d.entries(None)\n"
        "for e in reversed(sent): print(e.record_id, hashlib.sha256(d.read(e, None).adc.tobytes()).hexdigest())"
    )
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(entries), capture_output=True, check=True)
    assert dict(line.split() for line in done.stdout.decode().splitlines()) == digest(dataset, entries)


def test_more_patients_leave_the_first_ones_as_they_are() -> None:
    few = Synthetic(patients=30).entries(None)
    assert default()[: len(few)] == few


def test_another_seed_gives_other_patients() -> None:
    one, other = (Synthetic(patients=20, seed=seed) for seed in (0, 1))
    assert {entry.locator.seed for entry in other.entries(None)} == {1}  # anatomy and noise, not labels alone
    assert [entry.labels for entry in one.entries(None)] != [entry.labels for entry in other.entries(None)]
    assert not set(digest(one, one.entries(None)).values()) & set(digest(other, other.entries(None)).values())


# --- splits and labels ---------------------------------------------------------------------------


def test_patients_never_cross_splits_and_folds_are_eight_to_one_to_one() -> None:
    splits = defaultdict(set)
    for entry in default():
        splits[entry.patient_id].add(entry.split)
    assert all(len(result) == 1 for result in splits.values())
    assert Counter(split for result in splits.values() for split in result) == {"train": 560, "val": 70, "test": 70}


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("label_set", Synthetic.label_sets)
def test_every_class_occurs_in_every_split(label_set: str, seed: int) -> None:
    entries = Synthetic(seed=seed).entries(None)
    for split in SPLITS:
        counts = Counter(code for entry in entries if entry.split == split for code in entry.labels[label_set])
        assert min(counts[code] for code in Synthetic.label_sets[label_set]) >= 3, (split, counts)


def test_conditions_are_neither_rare_nor_the_rule() -> None:
    counts = Counter(code for entry in default() for code in entry.labels["conditions"])
    shares = {code: counts[code] / len(default()) for code in CONDITIONS}
    assert all(0.05 < share < 0.40 for share in shares.values()), shares


def test_every_recording_has_a_label_and_normal_stands_alone() -> None:
    for entry in default():
        codes, groups = entry.labels["conditions"], entry.labels["groups"]
        assert codes and set(codes) <= set(Synthetic.label_sets["conditions"])
        assert "NORM" not in codes or codes == ("NORM",)
        assert set(groups) == {group for group, members in GROUPS.items() for code in codes if code in members}


def test_incompatible_findings_never_meet_and_compatible_ones_do() -> None:
    together = [set(entry.labels["conditions"]) for entry in default()]
    for one, other in combinations(("AFIB", "STACH", "SBRAD"), 2):
        assert not any({one, other} <= codes for codes in together), (one, other)
    for one, others in {
        "AFIB": ("1AVB", "PAB"),
        "CLBBB": ("CRBBB", "ASTE", "ISTE", "LSTD", "LVHT"),
        "LSTD": ("ASTE", "ISTE", "LVHT"),
        "ASTE": ("ISTE",),
        "PVB": ("PAB",),
    }.items():
        assert not [codes for codes in together if one in codes and codes & set(others)], one
    for pair in ({"AFIB", "LVHT"}, {"STACH", "CLBBB"}, {"CRBBB", "PVB"}, {"1AVB", "ISTE"}):
        assert any(pair <= codes for codes in together), pair


def test_chronic_findings_stay_with_a_patient_while_the_rate_changes() -> None:
    blocks, rates = defaultdict(set), defaultdict(set)
    for entry in default():
        blocks[entry.patient_id].add(frozenset({"CLBBB", "CRBBB"} & set(entry.labels["conditions"])))
        rates[entry.patient_id].add(entry.locator.rate)
    assert all(len(result) == 1 for result in blocks.values())
    assert max(map(len, rates.values())) == 4


def test_rates_fit_the_rhythm() -> None:
    for entry in default():
        codes, rate = entry.labels["conditions"], entry.locator.rate
        assert ("STACH" in codes) == (rate > 100) or "AFIB" in codes
        assert ("SBRAD" in codes) == (rate < 58) or "AFIB" in codes


def test_the_tables_are_complete() -> None:
    assert (
        set(OCCURRENCE) | {"NORM"} == set(CONDITIONS) == set(ENGLISH.findings) == set(GERMAN.findings) == set(MENTIONS)
    )
    assert sorted(code for members in GROUPS.values() for code in members) == sorted(CONDITIONS)
    assert len(PRIMES) == len(OCCURRENCE)


# --- reports -------------------------------------------------------------------------------------


@pytest.mark.parametrize("german", [0.0, 1.0])
def test_reports_mention_what_is_there_and_nothing_else(german: float) -> None:
    for entry in Synthetic(german=german).entries(None):
        result = {code for code, pattern in MENTIONS.items() if re.search(pattern, entry.report, re.IGNORECASE)}
        assert result == set(entry.labels["conditions"]), entry.report


def test_reports_never_hold_a_label_code() -> None:
    codes = {code for classes in Synthetic.label_sets.values() for code in classes}
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, codes))})\b", re.IGNORECASE)
    for german in (0.0, 1.0):
        for entry in Synthetic(german=german, patients=400).entries(None):
            assert not pattern.search(entry.report), entry.report


def test_wording_varies() -> None:
    reports = [entry.report for entry in default()]
    assert len(set(reports)) > 0.9 * len(reports)
    normal = [entry.report for entry in default() if entry.labels["conditions"] == ("NORM",)]
    assert len(set(normal)) > 0.75 * len(normal)
    whole_text = "\n".join(reports).lower()
    assert all(word in whole_text for word in ("possible", "cannot be excluded", "marked", "axis", "lbbb", "clinical"))
    assert 0.3 < np.mean([report.islower() for report in reports]) < 0.7


def test_a_rate_in_a_report_is_the_rate_of_its_recording() -> None:
    output = 0
    for entry in default():
        for number in re.findall(r"(?:rate|hr) (\d+)|(\d+)/min", entry.report, re.IGNORECASE):
            output += 1
            assert int("".join(number)) == round(entry.locator.rate)
    assert output > 0.2 * len(default())


@pytest.mark.parametrize(("german", "low", "high"), [(0.0, 0, 0), (0.25, 0.18, 0.32), (1.0, 1, 1)])
def test_the_share_of_german_reports(german: float, low: float, high: float) -> None:
    mixed, english = (Synthetic(german=share, patients=300).entries(None) for share in (german, 0.0))
    first = [(m.report, e.report) for m, e in zip(mixed, english, strict=True) if m.locator.number == 0]
    assert low <= np.mean([report != in_english for report, in_english in first]) <= high


def test_the_language_changes_the_words_only() -> None:
    english, german = (Synthetic(patients=20, german=share).entries(None) for share in (0.0, 1.0))
    plain = [[replace(entry, report="", language=None) for entry in result] for result in (english, german)]
    assert plain[0] == plain[1] and {e.language for e in english} == {"en"} and {e.language for e in german} == {"de"}
    assert all(one.report != other.report for one, other in zip(english, german, strict=True))


# --- mistakes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"patients": 0}, "patients must be a whole number from 1"),
        ({"patients": 2.5}, "patients must be a whole number"),
        ({"patients": True}, "patients must be a whole number"),
        ({"rate": 0}, "rate must be a number from 50"),
        ({"rate": float("nan")}, "rate must be a number"),
        ({"rate": "100"}, "not '100'"),
        ({"seconds": -1}, "seconds must be a number from 4"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"german": 1.5}, "german must be a number from 0 to 1"),
    ],
)
def test_a_wrong_argument_is_named(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=re.escape(words)):
        Synthetic(**wrong)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(UsageError) as error:
        Synthetic(patients=0, rate=-1, seed=-1, seconds=0, german=2)
    assert all(name in str(error.value) for name in ("patients", "rate", "seed", "seconds", "german"))


def test_numpy_numbers_are_numbers() -> None:
    assert Synthetic(patients=np.int64(2), rate=np.float32(100)).entries(None) == Synthetic(patients=2).entries(None)


def test_an_entry_of_another_dataset_is_refused() -> None:
    with pytest.raises(RecordingError, match="00001_hr"):
        Synthetic(patients=1).read(RecordingEntry("00001_hr", "1", "train", {}, locator="records500/00001_hr"), None)
