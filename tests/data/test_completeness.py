"""A preparation that holds clearly fewer recordings than there are marks whatever is made from it."""

import pytest

from benchmark.api import RecordingEntry
from benchmark.cli import main
from benchmark.data.store.completeness import expected_recordings, lacking
from benchmark.data.store.preparation import open_dataset, prepare
from benchmark.datasets.cpsc2018 import CPSC2018
from benchmark.datasets.csn import CSN
from benchmark.datasets.mimic_iv_ecg import MIMICIVECG
from benchmark.datasets.ptbxl import PTBXL
from benchmark.datasets.synthetic import Synthetic
from benchmark.testing import write_mimic_iv_ecg

SUITE = """
name = "cpsc"
title = "Part of CPSC2018"
version = "1.0"

[[datasets]]
name = "cpsc2018"
label_sets = ["rhythm"]

[[tasks]]
name = "linear_probe"
config = { trials = 2 }

[[methods]]
name = "handcrafted"
"""


def test_what_a_rule_excludes_is_no_lack():
    assert expected_recordings(MIMICIVECG(), 28_342) == 771_693
    assert not lacking(771_690, expected_recordings(MIMICIVECG(), 28_342))
    assert lacking(700_000, expected_recordings(MIMICIVECG(), 28_342))
    assert expected_recordings(CSN(), 0) == 45_152 and expected_recordings(CSN(split="merl"), 22_126) == 23_026
    assert expected_recordings(CPSC2018(labels="merl"), 0) == 6_877 and expected_recordings(PTBXL(), 0) == 21_799
    assert expected_recordings(Synthetic(), 0) is None and not lacking(1, None)


@pytest.mark.parametrize("recordings, marks", [(6877, False), (6809, False), (6808, True), (73, True), (0, True)])
def test_one_in_a_hundred_may_be_broken(recordings, marks):
    assert lacking(recordings, 6877) is marks


class Small(Synthetic):
    """Some recordings whose card knows how many there are, of which some are excluded and some missing."""

    total, excluded, missing = 0, 0, 0

    def entries(self, root=None):
        entries = super().entries(root)
        type(self).card = type(self).card.__class__(
            **{**vars(Synthetic.card), "recordings": self.total or len(entries)}
        )
        for number, entry in enumerate(entries):
            if number < self.excluded:
                yield RecordingEntry(**{**vars(entry), "problem": "too short", "excluded": True})
            elif number < self.excluded + self.missing:
                yield RecordingEntry(**{**vars(entry), "problem": "its files are missing"})
            else:
                yield entry


@pytest.mark.parametrize(
    "total, excluded, missing, warnings",
    [
        (0, 0, 0, []),
        (0, 9, 0, []),
        (0, 9, 4, ["INCOMPLETE DATA: synthetic was prepared with 40 of its 44 recordings"]),
        (100, 9, 0, ["INCOMPLETE DATA: synthetic was prepared with 44 of its 91 recordings"]),
    ],
)
def test_the_store_says_it(home, monkeypatch, as_prepared_before, total, excluded, missing, warnings):
    loader = type("Made", (Small,), {"total": total, "excluded": excluded, "missing": missing})
    monkeypatch.setattr("benchmark.data.store.preparation.DATASETS.get", lambda name: loader)
    data = prepare("synthetic", {"patients": 30}, home)
    assert data.warnings == warnings == open_dataset("synthetic", {"patients": 30}, home).warnings
    if not excluded:  # an older manifest does not say what was excluded
        as_prepared_before(data.path)
        assert open_dataset("synthetic", {"patients": 30}, home).warnings == warnings


def test_short_reports_of_an_older_store_are_no_lack(home, tmp_path, monkeypatch, as_prepared_before):
    studies = write_mimic_iv_ecg(tmp_path, patients=12, samples=50)
    card = MIMICIVECG.card.__class__(**{**vars(MIMICIVECG.card), "recordings": len(studies)})
    monkeypatch.setattr(MIMICIVECG, "card", card)
    warnings = [
        f"INCOMPLETE DATA: mimic_iv_ecg was prepared with {len(studies) - 3} of its {len(studies) - 2} recordings"
    ]
    data = prepare("mimic_iv_ecg", {}, home, tmp_path)
    assert data.manifest["excluded"] == 2 and data.warnings == warnings  # one has no row among the reports
    as_prepared_before(data.path)
    assert open_dataset("mimic_iv_ecg", {}, home).warnings == warnings


def test_records_tables_and_strict_say_it(shared, home, tmp_path, capsys):
    """The reference material has 73 of the 6,877 recordings of CPSC2018."""
    warning = "INCOMPLETE DATA: cpsc2018 was prepared with 73 of its 6,877 recordings"
    suite = tmp_path / "cpsc.toml"
    suite.write_text(SUITE, "utf-8")
    assert main(["data", "prepare", "cpsc2018", "--root", str(shared / "data" / "cpsc2018"), "-q"]) == 0
    assert warning in capsys.readouterr().out
    assert main(["run", str(suite), "-q"]) == 0
    assert warning in capsys.readouterr().out.replace("\n", " ")
    assert main(["leaderboard", str(suite), "--format", "md,csv,tex", "--out", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    for name in ("cpsc.md", "cpsc.tex"):
        assert (tmp_path / "out" / name).read_text("utf-8").count(warning) == 1, name
    _, *lines = (tmp_path / "out" / "cpsc.csv").read_text("utf-8").splitlines()
    assert lines and all(line.count(warning) == 1 for line in lines)  # each may be read alone
    assert main(["leaderboard", str(suite), "--strict", "--out", str(tmp_path / "strict")]) == 4
    assert f"{warning}; get the missing files" in capsys.readouterr().err
    assert main(["data", "check", "cpsc2018"]) == 5 and warning in capsys.readouterr().out
