"""The language of a report by its words."""

import pytest

from benchmark.data.reports.language import report_language


@pytest.mark.parametrize(
    "report, language",
    [
        ("sinus rhythm. normal ecg.", "en"),
        ("sinusrhythmus lagetyp normal normales ekg", "de"),
        ("SINUSRYTM VÄNSTER EL-AXEL", "sv"),
        ("sinusbradykardi eljest normalt ekg", "sv"),
        ("sinusrhythmus lagetyp normal qrs(t) abnormal normal", "de"),
        ("sinus rhythm. normal ecg. Edit: NORM 100", "en"),
        ("pacemaker ekg", None),
        ("", None),
        ("rhythm sinusrhythmus", None),
        ("4.46 () !", None),
    ],
)
def test_languages(report, language):
    assert report_language(report) == language


def test_english_translations_of_real_reports(shared):
    import csv

    with (shared / "data" / "ptb-xl" / "melp_ptbxl_report_test_en500.csv").open(encoding="utf-8", newline="") as file:
        assert all(report_language(row["report"]) == "en" for row in csv.DictReader(file))
