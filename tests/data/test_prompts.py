"""Prompt sets: the project's own cover every class; a wrong file is refused with all its faults."""

from __future__ import annotations

import csv
import json
import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from benchmark.data.labels.prompts import builtin_prompts, load_prompts
from benchmark.errors import UsageError
from benchmark.registry import DATASETS

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("ECGARENA_SHARED") or ROOT.parent / "shared")

DIAGNOSTIC = (
    "NDT NST DIG LNGQT NORM IMI ASMI LVH LAFB ISC IRBBB 1AVB IVCD ISCAL CRBBB CLBBB ILMI LAO/LAE AMI ALMI ISCIN INJAS "
    "LMI ISCIL LPFB ISCAS INJAL ISCLA RVH ANEUR RAO/RAE EL WPW ILBBB IPLMI ISCAN IPMI SEHYP INJIN INJLA PMI 3AVB INJIL "
    "2AVB"
)
# written out here, not read from the loaders: a class that vanishes from both sides must be seen
LABEL_SETS = {
    ("ptbxl", "super"): "HYP NORM MI CD STTC",
    ("ptbxl", "sub"): "AMI LAFB/LPFB LVH STTC IMI SEHYP CRBBB WPW LAO/LAE NORM ISC AVB RAO/RAE LMI ISCI ISCA NST CLBBB "
    "ILBBB IRBBB PMI RVH IVCD",
    ("ptbxl", "form"): "PAC DIG HVOLT STD LPR QWAVE VCLVH NDT TAB LOWT ABQRS LNGQT PRC(S) NT STE NST PVC INVT LVOLT",
    ("ptbxl", "rhythm"): "SVARR BIGU STACH SARRH SBRAD TRIGU AFIB SR SVTAC PSVT AFLT PACE",
    ("ptbxl", "diag"): DIAGNOSTIC,
    ("ptbxl", "all"): f"{DIAGNOSTIC} ABQRS PVC STD VCLVH QWAVE LOWT NT PAC LPR INVT LVOLT HVOLT TAB STE PRC(S) SR AFIB "
    "STACH SARRH SBRAD PACE SVARR BIGU AFLT SVTAC PSVT TRIGU",
    ("cpsc2018", "rhythm"): "AFIB VPC NORM 1AVB CRBBB STE PAC CLBBB STD",
    ("csn", "all"): "AQW UW SR WPW 2AVB AT VB ARS STTC SA STE VPB TWO STTU ALS APB 2AVB1 PRIE CCR CR AF AVB QTIE LBBB "
    "VEB SVT RBBB 1AVB STDD MI AFIB TWC PWC ERV RVH LVH ST JEB",
    ("synthetic", "conditions"): "NORM STACH SBRAD AFIB 1AVB CLBBB CRBBB ASTE ISTE LSTD LVHT PVB PAB",
    ("synthetic", "groups"): "NORM ARR CD STC HYP ECT",
}
REAL = {key: codes for key, codes in LABEL_SETS.items() if key[0] != "synthetic"}
OWN = [(name, *key) for name in ("en", "de") for key in LABEL_SETS]


def own_table(name: str, dataset: str, label_set: str) -> dict[str, tuple[str, ...]]:
    return dict(load_prompts(name).classes[dataset][label_set])


def small() -> dict[str, Any]:
    """A correct prompt set, for the tests to break."""
    classes = {"ptbxl": {"super": {"MI": ["old infarct", "infarction"], "CD": ["block"]}}}
    return {"name": "small", "language": "en", "version": "1", "about": "for tests", "classes": classes}


def write(folder: Path, document: object, name: str = "small.json") -> str:
    path = folder / name
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return str(path)


def refusal(path: str) -> str:
    with pytest.raises(UsageError) as error:
        load_prompts(path)
    return str(error.value)


# --- the project's own sets ----------------------------------------------------------------------


@pytest.mark.parametrize(("name", "dataset", "label_set"), OWN)
def test_every_class_has_three_to_six_phrases(name: str, dataset: str, label_set: str) -> None:
    codes = LABEL_SETS[dataset, label_set].split()
    phrases = load_prompts(name).phrases(dataset, label_set, codes)
    assert {code: len(texts) for code, texts in zip(codes, phrases, strict=True) if not 3 <= len(texts) <= 6} == {}
    assert set(own_table(name, dataset, label_set)) == set(codes), "a class that the label set does not have"


@pytest.mark.parametrize(("name", "dataset", "label_set"), OWN)
def test_no_phrase_stands_for_two_classes(name: str, dataset: str, label_set: str) -> None:
    owners: dict[str, list[str]] = {}
    for code, texts in own_table(name, dataset, label_set).items():
        for text in texts:
            owners.setdefault(text, []).append(code)
    assert {text: codes for text, codes in owners.items() if len(codes) > 1} == {}


@pytest.mark.parametrize(("name", "dataset", "label_set"), OWN)
def test_phrases_are_short_lower_case_and_trimmed(name: str, dataset: str, label_set: str) -> None:
    texts = [text for table in own_table(name, dataset, label_set).values() for text in table]
    assert [text for text in texts if text != " ".join(text.lower().split()) or len(text) > 90] == []


def test_the_languages_name_themselves_and_share_no_file() -> None:
    assert set(builtin_prompts()) == {"en", "de"}
    for name in ("en", "de"):
        prompts = load_prompts(name)
        assert (prompts.name, prompts.language) == (name, name)
    german = {text for table in own_table("de", "ptbxl", "super").values() for text in table}
    english = {text for table in own_table("en", "ptbxl", "super").values() for text in table}
    assert not german & english
    assert any("ä" in text for text in german), "umlauts were lost on the way"


def test_the_label_sets_above_are_those_of_the_synthetic_dataset() -> None:
    names = {label_set: tuple(codes.split()) for (name, label_set), codes in LABEL_SETS.items() if name == "synthetic"}
    assert DATASETS.get("synthetic").label_sets == names, "add the new classes to every tasks/prompts/*.json"


def test_a_code_means_what_its_label_set_says() -> None:
    prompts = load_prompts("en")
    assert prompts.phrases("ptbxl", "super", ["STTC"]) != prompts.phrases("ptbxl", "sub", ["STTC"])
    [rows] = prompts.phrases("csn", "all", ["AF"])
    assert all("flutter" in text for text in rows), "in CSN, AF is flutter and AFIB fibrillation"


@pytest.mark.parametrize("name", ["en", "de"])
def test_a_statement_with_a_class_of_its_own_elsewhere_has_that_class_phrases(name: str) -> None:
    document = json.loads((ROOT / "tasks" / "prompts" / f"ecgarena_{name}.json").read_text("utf-8"))
    classes = document["classes"]["ptbxl"]
    assert all(isinstance(phrases, str) for phrases in classes["all"].values()), "two owners of one phrase"
    assert not [code for code, phrases in classes["diag"].items() if code in classes["form"] and phrases[:5] != "form/"]
    prompts = load_prompts(name)
    for label_set in ("form", "rhythm", "diag"):
        codes = list(prompts.classes["ptbxl"][label_set])
        assert prompts.phrases("ptbxl", "all", codes) == prompts.phrases("ptbxl", label_set, codes)


def test_a_class_that_names_another_one_has_its_phrases_and_the_same_digest(tmp_path: Path) -> None:
    document, written_out = small(), small()
    document["classes"]["ptbxl"]["all"] = {"MI": "super/MI", "A/B": "all/MI"}
    written_out["classes"]["ptbxl"]["all"] = {code: ["old infarct", "infarction"] for code in ("MI", "A/B")}
    one, other = load_prompts(write(tmp_path, document)), load_prompts(write(tmp_path, written_out, "b.json"))
    assert one.phrases("ptbxl", "all", ["A/B"]) == [["old infarct", "infarction"]] and one.digest == other.digest


def test_a_name_of_no_class_and_a_circle_are_refused_together(tmp_path: Path) -> None:
    document = small()
    document["classes"]["ptbxl"]["all"] = {"MI": "super/M", "CD": "all/X", "X": "all/CD"}
    text = refusal(write(tmp_path, document))
    assert "classes.ptbxl.all.MI: there is no class 'super/M' in ptbxl" in text
    assert "classes.ptbxl.all.CD: names itself: all/CD -> all/X -> all/CD" in text


def test_phrases_come_in_the_order_asked_for() -> None:
    prompts = load_prompts("en")
    assert prompts.phrases("ptbxl", "super", ["CD", "MI"]) == prompts.phrases("ptbxl", "super", ["MI", "CD"])[::-1]


# --- digests -------------------------------------------------------------------------------------


def test_the_digest_ignores_layout_and_about_but_not_a_phrase(tmp_path: Path) -> None:
    first = load_prompts(write(tmp_path, small())).digest
    reordered = dict(reversed(small().items())) | {"about": "other words"}
    assert load_prompts(write(tmp_path, json.dumps(reordered, indent=7))).digest == first
    variant = small()
    variant["classes"]["ptbxl"]["super"]["MI"][0] = "old infarction"
    assert load_prompts(write(tmp_path, variant)).digest != first
    shifted_rows = small()
    shifted_rows["classes"] = {"csn": shifted_rows["classes"]["ptbxl"]}
    assert load_prompts(write(tmp_path, shifted_rows)).digest != first


def test_the_digest_is_the_one_that_anyone_can_compute(tmp_path: Path) -> None:
    # printf '%s' '{"ptbxl":{"super":{"CD":["block"],"MI":["old infarct","infarction"]}}}' | sha256sum
    expected = "8eaa2eb5b881b9d92ab1945359f9f7392c92ddbcbb7a7e6563f6c15473b726a5"
    assert load_prompts(write(tmp_path, small())).digest == expected


def test_a_prompt_set_travels_to_another_process_and_hashes() -> None:
    prompts = load_prompts("en+de")
    again = pickle.loads(pickle.dumps(prompts))
    assert again == prompts
    assert hash(again) == hash(prompts)


# --- joined sets ---------------------------------------------------------------------------------


def test_joined_sets_concatenate_and_have_a_digest_of_both() -> None:
    both, english, german = load_prompts("en+de"), load_prompts("en"), load_prompts("de")
    [texts] = both.phrases("ptbxl", "super", ["MI"])
    assert texts == [*english.phrases("ptbxl", "super", ["MI"])[0], *german.phrases("ptbxl", "super", ["MI"])[0]]
    assert (both.name, both.language) == ("en+de", "en+de")
    assert len({both.digest, english.digest, german.digest, load_prompts("de+en").digest}) == 4
    assert both.classes["ptbxl"]["super"]["MI"] == tuple(texts)


def test_a_class_missing_from_one_part_is_not_covered_up_by_the_other(tmp_path: Path) -> None:
    both = load_prompts(f"en+{write(tmp_path, small())}")
    assert len(both.phrases("ptbxl", "super", ["MI", "CD"])) == 2
    with pytest.raises(UsageError) as error:
        both.phrases("ptbxl", "super", ["MI", "HYP"])
    assert "'small' has no phrases for HYP" in str(error.value)
    assert "'en'" not in str(error.value)


def test_a_phrase_of_both_parts_counts_once(tmp_path: Path) -> None:
    first = write(tmp_path, small(), "first.json")
    second = write(tmp_path, small(), "second.json")
    assert load_prompts(f"{first}+{second}").phrases("ptbxl", "super", ["CD"]) == [["block"]]


def test_a_file_whose_name_has_a_plus_is_one_file(tmp_path: Path) -> None:
    assert load_prompts(write(tmp_path, small(), "en+mine.json")).parts == ()


def test_naming_a_set_twice_is_refused() -> None:
    assert "twice" in refusal("en+en")


# --- missing classes -----------------------------------------------------------------------------


def test_all_missing_classes_the_file_and_the_remedy_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, small())
    with pytest.raises(UsageError) as error:
        load_prompts(path).phrases("ptbxl", "super", ["HYP", "MI", "NORM"])
    message = str(error.value)
    assert "HYP, NORM" in message
    assert path in message
    assert "classes.ptbxl.super" in message
    assert "(it has MI, CD)" in message


@pytest.mark.parametrize(
    ("dataset", "label_set", "part"),
    [
        ("ptb-xl", "super", "does not know the dataset 'ptb-xl' (did you mean 'ptbxl'?)"),
        ("ptbxl", "supper", "does not know the label set 'supper' (did you mean 'super'?)"),
    ],
)
def test_a_wrong_dataset_or_label_set_is_named(dataset: str, label_set: str, part: str) -> None:
    with pytest.raises(UsageError) as error:
        load_prompts("en").phrases(dataset, label_set, ["MI", "CD"])
    assert part in str(error.value)
    assert "MI, CD" in str(error.value)


# --- files that are no prompt sets ---------------------------------------------------------------


def test_an_unknown_name_says_which_are_known() -> None:
    message = refusal("fr")
    assert "no prompt set is called 'fr' (known: de, en)" in message
    assert ".json" in message


def test_all_faults_of_a_file_are_listed_at_once(tmp_path: Path) -> None:
    document = small() | {"verion": "2", "language": "", "about": None}
    document["classes"]["ptbxl"]["super"] |= {"MI": [], "CD": ["block", " Block"], "HYP": ["big", 3, "  "]}
    document["classes"]["csn"] = {"all": ["AF"]}
    path = write(tmp_path, document)
    message = refusal(path)
    expected = [
        f"{path} is not a valid prompt set:",
        "verion: unknown field (did you mean 'version'?)",
        'language: must be a non-empty string, not ""',
        "about: must be a non-empty string, not nothing",
        "classes.ptbxl.super.MI: must be a list of phrases, not []",
        "classes.ptbxl.super.CD[1]: ' Block' stands there twice; keep one",
        "classes.ptbxl.super.HYP[1]: must be a non-empty string, not 3",
        'classes.ptbxl.super.HYP[2]: must be a non-empty string, not "  "',
        'classes.csn.all: must be an object of classes, not ["AF"]',
    ]
    assert [line for line in expected if line not in message] == []
    assert len(message.splitlines()) == len(expected), "a fault is told twice, or one more is told"


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ('{"MI": ', "is not JSON in UTF-8"),
        ("[]", "must hold an object, not []"),
        ("{}", "is empty"),
        ('{"MI": "infarct", "MI": "infarction"}', "MI: stands twice in one object"),
        ('{"MI": ["infarct"], "CD": ""}', "CD: must be a non-empty string"),
        ('{"MI": [], "CD": "x"}', "MI: must be a non-empty string or a list"),
        ('{"name": "x", "language": "en", "version": "1", "about": "a"}', "classes: must be an object of datasets"),
        (json.dumps(small() | {"classes": {"csn": {}}}), "classes.csn: must be an object of label sets, not {}"),
    ],
)
def test_a_malformed_file_is_refused_by_name(tmp_path: Path, content: str, part: str) -> None:
    path = write(tmp_path, content)
    message = refusal(path)
    assert path in message
    assert part in message


def test_a_file_in_another_encoding_or_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.json").write_bytes('{"MI": "ischämie"}'.encode("latin-1"))
    assert "UTF-8" in refusal(str(tmp_path / "latin.json"))
    assert "cannot be read" in refusal(str(tmp_path / "nowhere.json"))


# --- the flat format -----------------------------------------------------------------------------


def test_a_flat_file_holds_for_every_label_set_with_one_phrase_per_class(tmp_path: Path) -> None:
    path = write(tmp_path, {"MI": "infarct, old infarct", "CD": "block"}, "flat.json")
    prompts = load_prompts(path)
    assert (prompts.name, prompts.language) == ("flat", "und")
    for dataset, label_set in (("ptbxl", "super"), ("anything", "at all")):
        assert prompts.phrases(dataset, label_set, ["CD", "MI"]) == [["block"], ["infarct, old infarct"]]
    with pytest.raises(UsageError, match=r"no phrases for HYP, NORM; add them to .*flat\.json at its top level"):
        prompts.phrases("ptbxl", "super", ["HYP", "MI", "NORM"])


def test_merls_own_file_covers_every_label_set_or_says_what_it_lacks() -> None:
    path = SHARED / "data" / "merl" / "merl_CKEPE_prompt.json"
    if not path.is_file():
        pytest.skip(f"MERL's prompt file is not at {path}; set ECGARENA_SHARED to the folder that holds data/merl")
    prompts = load_prompts(str(path))
    for (dataset, label_set), codes in REAL.items():
        assert all(len(texts) == 1 for texts in prompts.phrases(dataset, label_set, codes.split()))


def test_csn_codes_are_those_of_the_datasets_own_table() -> None:
    path = SHARED / "data" / "csn" / "ConditionNames_SNOMED-CT.csv"
    if not path.is_file():
        pytest.skip(
            f"CSN's table of conditions is not at {path}; set ECGARENA_SHARED to the folder that holds data/csn"
        )
    with path.open(encoding="utf-8-sig", newline="") as file:
        reference = {row["AcronymName"].strip() for row in csv.DictReader(file)}
    assert set(own_table("en", "csn", "all")) - reference == set()
