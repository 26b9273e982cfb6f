"""Numbers are computed again from collected predictions, and whatever was changed on the way is noticed."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from benchmark import arena
from benchmark.api import DatasetCard
from benchmark.cli import main
from benchmark.errors import DataError, UsageError
from benchmark.metrics import few_patients
from benchmark.metrics.calibration import expected_calibration_error
from benchmark.metrics.classification import auroc, average_precision, brier, f1_at
from benchmark.records.archive import Archive, Row, write_archive
from benchmark.records.paths import PREDICTIONS
from benchmark.records.predictions_file import PredictionsFile, check_licence, write_predictions
from benchmark.records.record import parse_record, record_text
from benchmark.records.score_codes import encode
from benchmark.registry import DATASETS


def verify(files, capsys, *options):
    """Return the exit code and the one verified cell."""
    suite, records, predictions, home = files
    capsys.readouterr()
    places = ["--records", str(records), "--predictions", str(predictions), "--home", str(home)]
    code = main(["verify", str(suite), "--methods", "handcrafted", *places, "--json", *options])
    (cell,) = json.loads(capsys.readouterr().out)["cells"]
    return code, cell


def change_predictions(path, change):
    """Write the one cell of a file anew, changed, with all its checksums."""
    file = PredictionsFile(path)
    (cell,) = file.all_cells()
    write_predictions(path, [change(cell)], file.tests)


def test_every_metric_and_interval_is_computed_again(files, capsys):
    code, cell = verify(files, capsys)
    assert code == 0 and cell["state"] == "agrees" and not cell["unchecked"] and cell["largest_deviation"] < 1e-5
    assert cell["numbers"] > 1000 and cell["labels"] == "of the prepared dataset"
    suite, *_, home = files
    assert main(["verify", str(suite), "--methods", "handcrafted", "--home", str(home)]) == 0  # from beside the records
    assert "1 cells agree within 2e-05" in capsys.readouterr().out


def test_few_patients_have_no_interval_in_a_record_nor_when_it_is_computed_again(files, capsys, tmp_path, monkeypatch):
    """Records of older code have one, and agree as well."""
    monkeypatch.setattr(few_patients, "FEWEST", 10**6)
    code, cell = verify(files, capsys)
    assert code == 0 and cell["state"] == "agrees" and cell["numbers"] > 1000
    suite, *_, home = files
    options = {"trials": 3, "dataset_config": {"patients": 120}, "home": home}
    shutil.rmtree(home / "records")
    record = arena.run("handcrafted", "linear_probe", "synthetic", "groups", **options).record
    assert record.metrics and not record.intervals and not record.resampling
    assert main(["verify", str(suite), "--home", str(home)]) == 0


def test_without_the_dataset_the_labels_of_the_file_serve_and_the_answer_says_so(files, tmp_path, capsys):
    suite, records, predictions, _ = files
    code, cell = verify((suite, records, predictions, tmp_path / "empty"), capsys)
    assert code == 0 and cell["labels"] == "of the file"


@pytest.mark.parametrize("part", ["metrics", "intervals", "per_class", "resampled"])
def test_a_number_changed_by_hand_is_noticed_even_with_a_new_digest(files, capsys, part):
    path = files[1]
    rows = {row.name: row for row in Archive(path).all_rows()}
    row = rows["handcrafted"]
    record, resampled = parse_record(row.record), np.frombuffer(row.resampled, "<f4").copy()
    if part == "metrics":
        record.metrics["auroc_macro"] -= 0.001
    elif part == "intervals":
        record.intervals["brier_macro"] = (record.intervals["brier_macro"][0] - 0.001, 0.9)
    elif part == "per_class":
        next(iter(record.per_class.values()))["positives"] += 1
    else:
        record.files = {}
        resampled[7] += 0.001
    plan = Archive(path).plan_text()
    write_archive(path, [Row(row.place, record_text(record), resampled.tobytes(), row.name)], plan)
    code, cell = verify(files, capsys)
    assert code == 4 and cell["state"] == "differs" and 1 <= len(cell["different"]) <= 2


def test_a_prediction_that_was_moved_is_noticed(files, capsys):
    def move(cell):
        values = cell.columns[0].values.copy()
        values[[values.argmin(), values.argmax()]] = values[[values.argmax(), values.argmin()]]
        return replace(cell, columns=[replace(cell.columns[0], values=values), *cell.columns[1:]])

    change_predictions(files[2], move)
    code, cell = verify(files, capsys)
    assert code == 4 and "auroc_macro" in cell["different"]


def test_predictions_without_thresholds_leave_f1_unchecked_and_nothing_else(files, capsys):
    change_predictions(files[2], lambda cell: replace(cell, thresholds=None))
    code, cell = verify(files, capsys)
    assert code == 0 and all("f1" in name for name in cell["unchecked"]) and "f1_macro" in cell["unchecked"]


def test_predictions_of_another_cell_verify_nothing(files, capsys):
    change_predictions(files[2], lambda cell: replace(cell, key="0" * 16))
    code, cell = verify(files, capsys)
    assert code == 4 and cell["state"] == "not verified" and "has no predictions of it" in cell["problem"]


def test_labels_that_are_not_those_of_the_dataset_are_noticed(files, capsys):
    file = PredictionsFile(files[2])
    (cell,), (truth,) = file.all_cells(), file.tests.values()
    from benchmark.records.predictions_file import truth_digest

    wrong = replace(truth, labels=np.roll(truth.labels, 1, axis=0))
    write_predictions(files[2], [replace(cell, test=truth_digest(wrong))], {truth_digest(wrong): wrong})
    code, cell = verify(files, capsys)
    assert code == 4 and cell["state"] == "differs" and "the labels in" in cell["problem"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_gives_one_clear_error(files, capsys, share):
    suite, records, predictions, home = files
    content = predictions.read_bytes()
    predictions.write_bytes(content[: int(share * len(content))])
    places = ["--records", str(records), "--predictions", str(predictions), "--home", str(home)]
    assert main(["verify", str(suite), *places]) == 5
    error = capsys.readouterr().err.strip()
    assert "is damaged" in error and "fetch it again" in error and "\n" not in error


def test_bytes_changed_within_a_file_are_noticed(files):
    content = bytearray(files[2].read_bytes())
    content[len(content) // 4] ^= 255
    files[2].write_bytes(bytes(content))
    with pytest.raises(DataError, match="is damaged"):
        PredictionsFile(files[2]).all_cells()


def test_predictions_changed_at_home_are_not_collected(files, tmp_path, capsys):
    suite, *_, home = files
    (path,) = (home / "records").rglob(PREDICTIONS)
    path.write_bytes(path.read_bytes() + b" ")
    out = ["--out", str(tmp_path / "r" / "a.parquet"), "--predictions", str(tmp_path / "p.parquet")]
    assert main(["collect", str(suite), "--home", str(home), *out]) == 5
    assert "is not the one that was written with the record" in capsys.readouterr().err


def test_a_licence_that_forbids_it_keeps_predictions_where_they_were_made(files, tmp_path, monkeypatch, capsys):
    check_licence(["ptbxl", "synthetic"])
    with pytest.raises(UsageError, match="mimic_iv_ecg"):
        check_licence(["ptbxl", "mimic_iv_ecg"])
    monkeypatch.setattr(DATASETS.get("synthetic"), "card", DatasetCard("Closed", "nowhere", "all rights reserved"))
    suite, *_, home = files
    out = ["--out", str(tmp_path / "r" / "a.parquet"), "--predictions", str(tmp_path / "p.parquet")]
    assert main(["collect", str(suite), "--home", str(home), *out]) == 2
    assert "all rights reserved" in capsys.readouterr().err and not (tmp_path / "r").exists()


@pytest.mark.parametrize("scale", [1e-4, 1.0, 30.0])
def test_sixteen_bits_keep_ranks_calls_and_bins_and_nearly_the_probabilities(scale):
    random = np.random.default_rng(0)
    scores = (random.normal(-2, scale, (2000, 4)) + np.arange(4)).astype(np.float32)
    labels = random.random(scores.shape) < 1 / (1 + np.exp(-scores.astype(float)))
    labels[:2] = [[0] * 4, [1] * 4]
    thresholds = scores[17].astype(float)
    columns = [encode(scores[:, c], thresholds[c]) for c in range(4)]
    assert all(column.values.dtype == np.uint16 for column in columns)
    again, before = np.stack([column.scores() for column in columns], axis=1), scores.astype(float)
    for metric in (auroc, average_precision):
        assert np.array_equal(metric(labels, again), metric(labels, before))
    assert np.array_equal(f1_at(labels, again, thresholds), f1_at(labels, before, thresholds))
    p, q = (1 / (1 + np.exp(-values)) for values in (before, again))
    assert np.abs(brier(labels, p) - brier(labels, q)).max() < 1e-5
    assert np.abs(expected_calibration_error(labels, p) - expected_calibration_error(labels, q)).max() < 1e-5


def test_scores_without_room_in_sixteen_bits_stay_as_they_are():
    scores = np.append(np.arange(2000, dtype=np.float32) / 1e5, np.float32(1e30))
    codes = encode(scores, 0.01)
    assert codes.values.dtype == np.float32 and np.array_equal(codes.scores(), scores.astype(float))
    assert np.array_equal(encode(np.full(3, 2.5, np.float32)).scores(), [2.5] * 3)


def test_scores_that_lie_densely_are_not_all_moved_up_to_stay_apart():
    shares = np.append(np.random.default_rng(0).normal(0.02, 1e-6, 2000), 0.8).astype(np.float32)
    assert abs(encode(shares).scores().mean() - shares.astype(float).mean()) < 1e-6
