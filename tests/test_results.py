"""The committed leaderboards are what the committed records give, byte by byte."""

import csv
from pathlib import Path
from statistics import mean

import pytest

from benchmark.cli import main
from benchmark.records.files import files_at, records_in
from benchmark.records.paths import RECORD

RESULTS = Path(__file__).resolve().parent.parent / "results"
COMMITTED = sorted(path.stem for path in (RESULTS / "leaderboards").glob("*.md"))


def test_there_are_committed_leaderboards():
    assert COMMITTED


@pytest.mark.parametrize("suite", COMMITTED)
def test_committed_leaderboards_follow_from_committed_records(suite, tmp_path, capsys):
    records = records_in(RESULTS / "records")[suite]
    assert main(["leaderboard", suite, "--records", str(records), "--out", str(tmp_path)]) == 0
    names = {path.name for path in (RESULTS / "leaderboards").glob(f"{suite}[.-]*") if path.is_file()}
    assert names == {path.name for path in tmp_path.iterdir()}
    for name in sorted(names):
        expected = (RESULTS / "leaderboards" / name).read_bytes()
        assert (tmp_path / name).read_bytes() == expected, f"{name}: make it again from the records"


FIGURES = sorted((RESULTS / "leaderboards").glob("*-figures/*.svg"))


@pytest.mark.parametrize("path", FIGURES, ids=[path.stem for path in FIGURES])
def test_committed_figures_follow_from_the_committed_records(path):
    import matplotlib

    from benchmark.cli import parser
    from benchmark.commands.options import plan_of
    from benchmark.leaderboard.figures import label_efficiency, pretraining_curves, style
    from benchmark.leaderboard.tables import Leaderboard
    from benchmark.records.store import Store

    committed = path.read_bytes()
    if f"Matplotlib v{matplotlib.__version__}".encode() not in committed:
        pytest.skip(f"the figure was drawn by another matplotlib than {matplotlib.__version__}")
    suite = path.parent.name.removesuffix("-figures")
    plan = plan_of(parser().parse_args(["leaderboard", suite]))
    leaderboard = Leaderboard(plan, Store(RESULTS / "records" / f"{suite}.parquet"))
    module = next(
        one for one in (label_efficiency, pretraining_curves) if path.stem.startswith(one.__name__.split(".")[-1])
    )
    assert style.save(module.draw(leaderboard)[path.stem], "svg") == committed, "draw it again from the records"


OWN_INITIALISATION = {  # row of ptbxl_methods -> the row of ptbxl_untrained with its encoder
    f"{row}, compact, PTB-XL": f"{encoder}, untrained"
    for row, encoder in {
        **{name: name for name in ("merl", "deri", "cmelt", "simclr", "st_mem", "w2v_cmsc_rlm")},
        "cgdmer (after the abstract)": "cgdmer",
        **{f"ecg_clip ({loss})": "merl" for loss in ("InfoNCE", "SigLIP", "CoCa")},
        **dict.fromkeys(("moco_v3", "barlow_twins", "byol", "simsiam (AdamW)", "simsiam (SGD)"), "simclr"),
    }.items()
}


def test_every_method_beats_its_own_random_weights_on_real_recordings():
    """10 % probe, mean over the label sets of PTB-XL and five subset seeds; a method that does not is a fault."""
    lifts = {}
    trained, untrained = (_at_ten_percent(suite) for suite in ("ptbxl_methods", "ptbxl_untrained"))
    for row, own in OWN_INITIALISATION.items():
        lifts[row] = mean(trained[row][labels] - value for labels, value in untrained[own].items())
    assert set(trained) - set(lifts) == {"handcrafted", "random_init"}
    assert min(lifts.values()) > 0.01, lifts


def _at_ten_percent(suite):
    """Row -> label set -> the primary metric of the linear probe on 10 % of the labels."""
    result = {}
    with (RESULTS / "leaderboards" / f"{suite}.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if (row["task"], row["fraction"], row["metric"]) == ("linear_probe", "0.1", "auroc_macro"):
                result.setdefault(row["method"], {})[row["label_set"]] = float(row["mean"])
    assert all(len(values) == 4 for values in result.values())
    return result


def test_committed_records_name_no_person_and_no_machine():
    for path in (RESULTS / "records").rglob("*.json"):
        check_anonymous(path.read_text("utf-8"), path)
    for path in records_in(RESULTS / "records").values():
        files = files_at(path)
        check_anonymous(files.plan_text() or "", path)
        for place in files.places():
            check_anonymous(files.read(place, RECORD).decode("utf-8"), place)


def check_anonymous(text, where):
    assert not any(place in text for place in ("/home/", "/root/", "/tmp/", "/work/")), where


def test_the_repository_stays_small():
    """Records, tables, figures and predictions together; with the code the repository stays below 60 MB."""
    assert sum(path.stat().st_size for path in RESULTS.rglob("*") if path.is_file()) < 54e6
