"""PTB-XL: the field's sizes and classes on the real tables; the same rules on a small made-up tree."""

import functools
import lzma
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.datasets.ptbxl import CLASSES, PTBXL, split_of_fold
from benchmark.errors import DataError, UsageError
from benchmark.testing import write_ptbxl

SIZES = {  # with MERL's label filter (protocol: data and splits)
    "super": (17084, 2146, 2158),
    "sub": (17084, 2146, 2158),
    "form": (7197, 901, 880),
    "rhythm": (16832, 2100, 2098),
}


@functools.cache
def entries_of(archive):
    """All 21,799 entries from the real tables."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("ptbxl_database.csv", "scp_statements.csv"):
            (Path(folder) / name).write_bytes(lzma.decompress((archive / f"{name}.xz").read_bytes()))
        return PTBXL().entries(Path(folder))


@pytest.fixture
def real(shared):
    return entries_of(shared / "data" / "ptb-xl")


def test_real_sizes_patients_and_oddities(real):
    assert len(real) == 21799 and len({entry.record_id for entry in real}) == 21799
    for name, sizes in SIZES.items():
        members = [entry.split for entry in real if entry.labels[name]]
        assert tuple(members.count(split) for split in ("train", "val", "test")) == sizes
    patients = {split: {e.patient_id for e in real if e.split == split} for split in ("train", "val", "test")}
    assert not patients["train"] & patients["val"] and not (patients["train"] | patients["val"]) & patients["test"]
    ages = [entry.age for entry in real if entry.age is not None]
    assert max(ages) == 90 and "." not in real[0].patient_id
    assert next(entry for entry in real if entry.record_id == "1").labels["super"] == ("NORM",)
    assert next(entry for entry in real if entry.record_id == "1").labels["form"] == ("LVOLT",)  # likelihood 0 counts


def test_the_real_statements_are_those_of_the_classic_benchmark(real):
    """71 statements in `all` and 44 in `diag`; Strodthoff et al., IEEE JBHI 2021, has the same counts."""
    further = PTBXL.further_label_sets
    assert len(further["all"]) == len(set(further["all"])) == 71 and len(further["diag"]) == 44
    assert set(further["all"]) == set(further["diag"]) | set(CLASSES["form"]) | set(CLASSES["rhythm"])
    assert set(further["diag"]) & set(CLASSES["form"]) == {"NDT", "NST", "DIG", "LNGQT"}
    for name, sizes in {"all": (17418, 2183, 2198), "diag": SIZES["sub"]}.items():
        members = [entry.split for entry in real if entry.labels[name]]
        assert tuple(members.count(split) for split in ("train", "val", "test")) == sizes
    counts = Counter(code for entry in real for code in entry.labels["all"])
    assert counts["SR"] == 16748 and counts["NORM"] == 9514 and min(counts.values()) == 10, counts
    for entry in real:  # what was there before follows from the statements
        assert set(entry.labels["form"]) | set(entry.labels["rhythm"]) <= set(entry.labels["all"])
        assert bool(entry.labels["diag"]) == bool(entry.labels["super"])


def test_the_real_categories_and_the_censored_ages(real):
    counts = Counter(
        label for entry in real for name in ("sex", "heart_axis", "quality") for label in entry.labels[name]
    )
    assert (counts["male"], counts["female"], counts["MID"], counts["SAG"]) == (11354, 10445, 7687, 3)
    assert counts["static_noise"] == 3260 and counts["burst_noise"] == 612 and counts["electrodes_problems"] == 30
    assert all(entry.labels["quality"] for entry in real), "a recording without remark is an example as well"
    stadiums = [entry.labels["infarction_stadium"] for entry in real if entry.labels["infarction_stadium"]]
    assert len(stadiums) == 2182 and max(map(len, stadiums)) == 2, "unknown is no stadium"
    ages = [entry.targets["age"] for entry in real]
    assert ages.count(300) == 293 and max(age for age in ages if age != 300) == 89
    assert sum(entry.split == "test" and entry.targets["age"] <= 89 for entry in real) == 2164


def test_real_devices_and_languages(real):
    assert len({entry.device for entry in real}) == 11 and all("  " not in entry.device for entry in real)
    counts = Counter(entry.language for entry in real)
    assert counts == {"de": 13961, "en": 7207, "sv": 599, None: 32}
    for entry in real:  # words that only one of the languages has
        output = entry.report.lower()
        if "lagetyp" in output or "sinusrhythmus" in output:
            assert entry.language in ("de", None)
        if "vänster" in output or "sinusrytm" in output:
            assert entry.language in ("sv", None)


def test_real_labels_equal_merls_files(shared, real):
    """Row by row, for all four label sets and three splits."""
    import io
    import tarfile

    import pandas as pd

    reference = {entry.record_id: entry for entry in real}
    folders = {"super": "super_class", "sub": "sub_class", "form": "form", "rhythm": "rhythm"}
    with tarfile.open(shared / "data" / "merl" / "merl_data_split.tar.xz") as archive:
        for name, folder in folders.items():
            for split in ("train", "val", "test"):
                path = f"finetune/data_split/ptbxl/{folder}/ptbxl_{folder}_{split}.csv"
                expected = pd.read_csv(io.BytesIO(archive.extractfile(path).read()))
                classes = tuple(expected.columns[-len(CLASSES[name]) :])
                assert sorted(classes) == sorted(CLASSES[name])
                actual = np.zeros((len(expected), len(classes)), int)
                for row, record_id in enumerate(expected["ecg_id"]):
                    entry = reference[str(record_id)]
                    assert entry.split == split
                    actual[row, [classes.index(label) for label in entry.labels[name]]] = 1
                assert np.array_equal(actual, expected[list(classes)].to_numpy(int)), (name, split)


def test_a_made_up_tree_is_read(tmp_path):
    count = write_ptbxl(tmp_path, patients=30)
    entries = PTBXL().entries(tmp_path)
    assert len(entries) == count
    raw = PTBXL().read(entries[0], tmp_path)
    assert raw.adc.shape == (12, 1000) and raw.rate == 100 and raw.leads[3] == "AVR"


def with_cells(root, cells, table="ptbxl_database.csv"):
    """Write other texts into the cells (row, column) of a table; return its path."""
    path = root / table
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    for (row, column), text in cells.items():
        rows.loc[row, column] = text
    rows.to_csv(path, index=False)
    return path


def test_wrong_cells_are_all_named_with_file_line_and_column(tmp_path):
    write_ptbxl(tmp_path, patients=20)
    cells = {
        (0, "report"): "two\nlines",  # what follows stands one line further down
        (0, "patient_id"): "oops",
        (1, "scp_codes"): "'NORM': 100.0}",
        (1, "age"): "old",
        (2, "strat_fold"): "11",
        (3, "sex"): "2",
        (4, "ecg_id"): "1",
        (5, "filename_lr"): "",
        (6, "scp_codes"): "{'WHAT': 0}",
    }
    path = with_cells(tmp_path, cells)
    statements = with_cells(tmp_path, {(1, "diagnostic"): "yes", (0, "diagnostic_class"): ""}, "scp_statements.csv")
    with pytest.raises(DataError) as raised:
        PTBXL().entries(tmp_path)
    heading, *problems = str(raised.value).splitlines()
    assert heading.startswith("10 wrong cells; download PTB-XL")
    assert problems == [
        f"  - {path}, line 7, column ecg_id: is '1' once more",
        f"  - {statements}, line 2, column diagnostic_class: is empty",
        f"  - {statements}, line 3, column diagnostic: is 'yes', it must be 0 or 1",
        f"  - {path}, line 2, column patient_id: is 'oops', it must be a whole number",
        f"  - {path}, line 4, column scp_codes: is \"'NORM': 100.0}}\", it must be a dict literal",
        f"  - {path}, line 4, column age: is 'old', it must be a number of years",
        f"  - {path}, line 5, column strat_fold: is 11, it must be 1 to 10",
        f"  - {path}, line 6, column sex: is '2', it must be 0 (male) or 1 (female)",
        f"  - {path}, line 8, column filename_lr: is empty",
        f"  - {path}, line 9, column scp_codes: holds WHAT, which scp_statements.csv lacks",
    ]


def test_of_very_many_wrong_cells_the_first_are_named_and_the_others_counted(tmp_path):
    count = write_ptbxl(tmp_path, patients=20)
    with_cells(tmp_path, {(row, "strat_fold"): "0" for row in range(count)})
    with pytest.raises(DataError, match=rf"{count} wrong cells(.|\n)*\.\.\. and {count - 20} more$"):
        PTBXL().entries(tmp_path)


def test_ages_that_nobody_has_are_unknown_and_said(home, tmp_path):
    from benchmark.data.store.preparation import prepare, read_preparation_log

    write_ptbxl(tmp_path, patients=20)
    ages = {"inf": None, "-5": None, "1000": None, "nan": None, "": None, "300": 90.0, "42.5": 42.5}
    with_cells(tmp_path, {(row, "age"): text for row, text in enumerate(ages)})
    data = prepare("ptbxl", {}, home, tmp_path)
    assert [None if np.isnan(age) else age for age in data.table["age"][: len(ages)]] == list(ages.values())
    ages = [(entry["record_id"], entry["detail"]) for entry in read_preparation_log(data).remarks]
    assert ages == [("1", "inf"), ("2", "-5"), ("3", "1000")]


def test_folds_and_rates():
    assert [split_of_fold(fold) for fold in range(1, 11)] == ["train"] * 8 + ["val", "test"]
    with pytest.raises(ValueError, match="is 11, it must be 1 to 10"):
        split_of_fold(11)
    with pytest.raises(UsageError, match="100 and 500 Hz"):
        PTBXL(rate=250)


def test_real_recordings_at_500_hz_and_21719_missing_ones(shared, home, tmp_path):
    """The reference material holds 80 recordings at 500 Hz: they are prepared, each other one is counted and named."""
    import wfdb

    from benchmark.data.store.preparation import prepare

    archive, root = shared / "data" / "ptb-xl", tmp_path / "ptbxl"
    root.mkdir()
    for name in ("ptbxl_database.csv", "scp_statements.csv"):
        (root / name).write_bytes(lzma.decompress((archive / f"{name}.xz").read_bytes()))
    (root / "records500").symlink_to(archive / "records500")
    data = prepare("ptbxl", {"rate": 500}, home, root)
    assert len(data) == 80 and data.manifest["left_out"] == 21799 - 80 and data.rate == 500
    for row in (0, 40, 79):
        record_id = data.record_ids[row]
        stem = next((archive / "records500").rglob(f"{int(record_id):05d}_hr.hea")).with_suffix("")
        expected = wfdb.rdrecord(str(stem)).p_signal.T
        assert np.abs(data.millivolt([row])[0] - expected).max() < 1e-5
