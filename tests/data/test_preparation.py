"""Preparing: what goes in comes out, broken recordings are counted and named, a kill leaves nothing half-done."""

import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmark.api import LEADS, RawSignal, SignalSpec
from benchmark.data.store.preparation import PreparationLog, open_dataset, prepare
from benchmark.data.store.prepared import REPORT, PreparedDataset
from benchmark.data.store.recording_index import write_index
from benchmark.datasets.mimic_iv_ecg import MIMICIVECG
from benchmark.datasets.ptbxl import PTBXL
from benchmark.datasets.synthetic import Synthetic
from benchmark.errors import DataError, MissingError, UsageError
from benchmark.paths import Home
from benchmark.testing import write_mimic_iv_ecg, write_ptbxl


@pytest.fixture
def root(tmp_path):
    write_ptbxl(tmp_path / "ptbxl", patients=30)
    return tmp_path / "ptbxl"


def findings(data: PreparedDataset) -> PreparationLog:
    return PreparationLog.from_json(json.loads((data.path / REPORT).read_text("utf-8")))


def test_what_goes_in_comes_out(home, root):
    data = prepare("ptbxl", {}, home, root)
    entries = PTBXL().entries(root)
    assert len(data) == len(entries) and list(data.record_ids) == [entry.record_id for entry in entries]
    assert list(data.reports) == [entry.report for entry in entries]
    order = np.random.default_rng(0).permutation(len(data))
    ecg = data.millivolt(order)
    for row, position in enumerate(order):
        raw = PTBXL().read(entries[position], root)
        assert np.allclose(ecg[row], raw.adc / 1000.0, atol=1e-6)
    assert np.array_equal(data.read(order, SignalSpec(rate=100)), ecg)


def test_labels_and_members(home, root):
    data = prepare("ptbxl", {}, home, root)
    entries = PTBXL().entries(root)
    for name, classes in PTBXL.label_sets.items():
        result = data.label_set(name)
        assert result.classes == classes
        members = [i for i, entry in enumerate(entries) if entry.labels[name]]
        assert list(result.rows) == members
        for row, matrix in zip(result.rows, result.matrix, strict=True):
            assert tuple(np.array(classes)[matrix == 1]) == entries[row].labels[name]
    with pytest.raises(UsageError, match=r"no label set 'supper' \(did you mean 'super'\?\)"):
        data.label_set("supper")


def test_broken_recordings_are_left_out_and_named(home, root):
    records = sorted((root / "records100" / "00000").glob("*.dat"))
    records[0].write_bytes(records[0].read_bytes()[:-2])
    records[1].unlink()
    records[2].with_suffix(".hea").write_text("nonsense\n")
    data = prepare("ptbxl", {}, home, root)
    left_out = findings(data).left_out
    assert [result["record_id"] for result in left_out] == ["1", "2", "3"]
    assert data.manifest["left_out"] == 3 and len(data) == len(records) - 3 and "1" not in data.record_ids
    assert "00001_lr.dat" in left_out[0]["problem"] and "download it again" in left_out[0]["problem"]
    assert "3 recordings were left out:" in findings(data).summary()


class Odd(Synthetic):
    """Synthetic recordings with faults by position: flat leads, missing samples, a swap, another rate."""

    def read(self, entry, root):
        raw = super().read(entry, root)
        adc, number = raw.adc.copy(), int(self.numbers[entry.record_id])
        if number == 0:
            adc[:] = 7
        if number == 1:
            adc[3] = 0
        if number == 2:
            adc[6, 10:20] = -32768
        if number == 3:
            adc[[0, 1]] = adc[[1, 0]]
        if number == 4:
            return replace(raw, rate=50.0)
        if number == 5:
            return replace(raw, leads=("X", *LEADS[1:]))
        return RawSignal(adc, raw.gain, raw.baseline, raw.rate, raw.leads)

    def entries(self, root):
        result = super().entries(root)
        self.numbers = {entry.record_id: i for i, entry in enumerate(result)}
        return result


def test_oddities_are_noticed(home, monkeypatch):
    monkeypatch.setattr("benchmark.data.store.preparation.DATASETS.get", lambda name: Odd)
    data = prepare("synthetic", {"patients": 30}, home)
    ids = [entry.record_id for entry in Odd(patients=30).entries(None)]
    log = findings(data)
    assert [result["record_id"] for result in log.left_out] == [ids[0], ids[4], ids[5]]
    problems = " ".join(result["problem"] for result in log.left_out)
    assert "all leads are flat" in problems and "recorded at 50 Hz" in problems and "lead I is missing" in problems
    kinds = {result["record_id"]: result["kind"] for result in log.remarks}
    assert kinds[ids[1]] == "a flat lead" or "Einthoven" in kinds[ids[1]]
    assert "missing samples" in kinds[ids[2]] and "Einthoven" in kinds[ids[3]]
    row = list(data.record_ids).index(ids[2])
    assert not data.millivolt([row])[0, 6, 10:20].any() and np.isfinite(data.millivolt([row])).all()


def test_recordings_of_different_lengths(home, monkeypatch):
    class Uneven(Synthetic):
        def read(self, entry, root):
            raw = super().read(entry, root)
            return replace(raw, adc=raw.adc[:, : 600 + 100 * (len(entry.report) % 5)], gain=raw.gain * 2)

    monkeypatch.setattr("benchmark.data.store.preparation.DATASETS.get", lambda name: Uneven)
    data = prepare("synthetic", {"patients": 20}, home)
    rows = np.arange(len(data))[::-1]
    together = data.read(rows, SignalSpec(rate=100, seconds=8))
    alone = np.concatenate([data.read([row], SignalSpec(rate=100, seconds=8)) for row in rows])
    assert np.array_equal(together, alone)
    first = Uneven(patients=20).entries(None)[0]
    raw = Uneven(patients=20).read(first, None)
    assert np.allclose(data.millivolt([0])[0], raw.adc / 2000.0, atol=1e-6)


def test_one_patient_in_two_splits_is_refused(tmp_path):
    def check_entries(entries):
        return write_index("synthetic", iter(entries), tmp_path / "index", chunk=7)

    entries = Synthetic(patients=20).entries(None)
    variant = replace(entries[0], patient_id=next(e.patient_id for e in entries if e.split != entries[0].split))
    assert list(check_entries(entries)) == entries and check_entries(entries).recordings == len(entries)
    with pytest.raises(DataError, match=f"1 patients are in more than one split, patient '{variant.patient_id}' first"):
        check_entries([variant, *entries[1:]])
    with pytest.raises(DataError, match=r"record ids occur twice(.|\n)*splits are train, val and test; it has dev"):
        check_entries([*entries, entries[0], replace(entries[1], record_id="new", split="dev", patient_id="n")])
    with pytest.raises(DataError, match="it has no recordings"):
        check_entries([])


def test_a_second_preparation_is_free_and_equal(home, root, tmp_path):
    first = prepare("ptbxl", {}, home, root)
    stamp = (first.path / "manifest.json").stat().st_mtime_ns
    assert prepare("ptbxl", {}, home, root).digest == first.digest
    assert (first.path / "manifest.json").stat().st_mtime_ns == stamp
    assert prepare("ptbxl", {}, Home(tmp_path / "elsewhere"), root).digest == first.digest


def test_missing_roots_and_stores_say_what_to_do(home, tmp_path):
    with pytest.raises(MissingError, match=r"set ECGARENA_DATA .* or pass --root; download PTB-XL"):
        prepare("ptbxl", {}, home)
    with pytest.raises(MissingError, match=r"nowhere is no folder; download"):
        prepare("ptbxl", {}, home, tmp_path / "nowhere")
    with pytest.raises(MissingError, match="ecgarena data prepare ptbxl"):
        open_dataset("ptbxl", {}, home)


def test_tables_that_are_wrong_are_one_error(home, root):
    table = root / "ptbxl_database.csv"
    text = table.read_text("utf-8")
    table.write_text(text.replace("scp_codes", "scp_code", 1), "utf-8")
    with pytest.raises(DataError, match=r"lacks the column scp_codes \(did you mean 'scp_code'\?\)"):
        prepare("ptbxl", {}, home, root)
    lines = text.splitlines()
    lines[1] = lines[1].replace("{'", "['", 1)
    lines[2] = lines[2].replace("'SR'", "'XYZ'").replace("'NORM'", "'QQQ'")
    table.write_text("\n".join(lines), "utf-8")
    with pytest.raises(DataError, match=r"line 2, column scp_codes: is .*, it must be a dict literal"):
        prepare("ptbxl", {}, home, root)
    table.unlink()
    with pytest.raises(DataError, match=r"ptbxl_database.csv is missing; download PTB-XL"):
        prepare("ptbxl", {}, home, root)


def test_a_kill_while_preparing_leaves_nothing_that_counts(home):
    """SIGKILL in the middle; then the folder is no store, and a second preparation makes it whole."""
    code = (
        "import sys, time; from pathlib import Path\n"
        "from benchmark.data.store.preparation import prepare; from benchmark.paths import Home\n"
        "def slowly(done, total):\n"
        "    print(done, flush=True); time.sleep(0.3)\n"
        f"prepare('synthetic', {{'patients': 150}}, Home(Path({str(home.root)!r})), progress=slowly)"
    )
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    while int(worker.stdout.readline()) < 200:
        pass
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert list(home.data.glob("*.partial"))
    with pytest.raises(MissingError):
        open_dataset("synthetic", {"patients": 150}, home)
    whole = prepare("synthetic", {"patients": 150}, Home(home.root / "other"))
    assert prepare("synthetic", {"patients": 150}, home).digest == whole.digest
    assert not list(home.data.glob("*.partial"))


def killed(home, root, chunks):
    """Prepare a MIMIC tree and die after so many chunks, as by a kill: no clean-up runs."""
    code = (
        "import os; from pathlib import Path; from benchmark.paths import Home\n"
        "import benchmark.data.store.preparation as p\n"
        "p.CHUNK_RECORDINGS = 8\n"
        "def stop(done, total):\n"
        f"    if done >= 8 * {chunks}: os._exit(9)\n"
        f"p.prepare('mimic_iv_ecg', {{}}, Home(Path({str(home.root)!r})), Path({str(root)!r}), progress=stop)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9


def test_a_killed_preparation_goes_on_where_it_stopped(home, tmp_path, monkeypatch):
    """The resumed store equals one made in one go; half-written files are cut back; what was read is not read again."""
    monkeypatch.setattr("benchmark.data.store.preparation.CHUNK_RECORDINGS", 8)
    write_mimic_iv_ecg(tmp_path / "mimic", patients=20, samples=50)
    killed(home, tmp_path / "mimic", chunks=2)
    partial = home.data / "mimic_iv_ecg.partial"
    for name in ("signals.i16", "records.csv", "left_out.jsonl"):  # as if killed in the middle of the next chunk
        with (partial / name).open("ab") as file:
            file.write(b"half a line")
    read, output, of = [], [], MIMICIVECG.read
    monkeypatch.setattr(MIMICIVECG, "read", lambda self, entry, root: read.append(entry) or of(self, entry, root))
    resumed = prepare("mimic_iv_ecg", {}, home, tmp_path / "mimic", say=output.append)
    assert "going on after 16 recordings that are prepared already" in output
    assert [entry.record_id for entry in read] == list(resumed.record_ids[13:])  # 16, 3 of them left out
    whole = prepare("mimic_iv_ecg", {}, Home(tmp_path / "other"), tmp_path / "mimic")
    assert resumed.digest == whole.digest and resumed.manifest == whole.manifest
    assert (resumed.path / REPORT).read_bytes() == (whole.path / REPORT).read_bytes()
    assert sorted(path.name for path in resumed.path.iterdir()) == sorted(path.name for path in whole.path.iterdir())


def test_a_killed_preparation_of_other_files_begins_anew(home, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmark.data.store.preparation.CHUNK_RECORDINGS", 8)
    write_mimic_iv_ecg(tmp_path / "mimic", patients=20, samples=50)
    killed(home, tmp_path / "mimic", chunks=2)
    table = tmp_path / "mimic" / "machine_measurements.csv"
    table.write_text(table.read_text().replace("EKG machine", "ECG apparatus"))
    output = []
    data = prepare("mimic_iv_ecg", {}, home, tmp_path / "mimic", say=output.append)
    assert not [line for line in output if "going on" in line] and "apparatus" in data.reports[0]


def test_workers_change_nothing(home, root, tmp_path):
    records = sorted((root / "records100" / "00000").glob("*.dat"))
    records[5].unlink()
    alone = prepare("ptbxl", {}, home, root)
    together = prepare("ptbxl", {}, Home(tmp_path / "other"), root, workers=2)
    assert alone.manifest == together.manifest and findings(alone) == findings(together)
    with pytest.raises(UsageError, match="at least one worker, not 0"):
        prepare("ptbxl", {}, home, root, workers=0)


def test_a_disk_too_small_is_refused_before_and_survived_during(home, root, monkeypatch):
    from benchmark.data.store import preparation, store_writer

    output = []
    with monkeypatch.context() as patch:
        patch.setattr(preparation.shutil, "disk_usage", lambda path: type("Disk", (), {"free": 1_000_000})())
        with pytest.raises(MissingError, match=r"has 1.0 MB free, the preparation needs 1\.\d MB; make room"):
            prepare("ptbxl", {}, home, root, say=output.append)
    assert "the store needs about 1." in output[1]
    with monkeypatch.context() as patch:
        patch.setattr(
            store_writer, "write_text", lambda path, text: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full"))
        )
        with pytest.raises(MissingError, match="is full; make room and start the preparation again"):
            prepare("ptbxl", {}, home, root)
    assert len(prepare("ptbxl", {}, home, root)) == len(PTBXL().entries(root))


def test_recorders_and_languages_have_a_checksum_of_their_own(home, root, as_prepared_before):
    data = prepare("ptbxl", {}, home, root)
    entries = PTBXL().entries(root)
    assert list(data.devices) == [entry.device for entry in entries] and "SIM-12 E" in set(data.devices)
    assert list(data.languages) == [entry.language or "" for entry in entries] and "en" in set(data.languages)
    path = data.path / "metadata.csv"
    assert data.manifest["metadata_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    as_prepared_before(data.path)
    path.unlink()
    with pytest.raises(DataError, match="before recorders and languages were kept; remove"):
        _ = PreparedDataset(data.path).devices


def test_memory_does_not_grow_with_the_recordings(home, tmp_path):
    """Peak memory at four times as many recordings, in a process of its own each (tests/speed/memory.py has more)."""
    peaks = {}
    for patients in (500, 2000):
        root = tmp_path / str(patients)
        write_mimic_iv_ecg(root, patients=patients, samples=10, same_signal=True, odd=False)
        code = (
            "import re; from pathlib import Path\n"
            "from benchmark.data.store.preparation import prepare; from benchmark.paths import Home\n"
            f"prepare('mimic_iv_ecg', {{}}, Home(Path({str(root / 'home')!r})), Path({str(root)!r}))\n"
            "print(re.search('VmHWM:[^0-9]+([0-9]+)', Path('/proc/self/status').read_text())[1])"  # not its parent's
        )
        peaks[patients] = int(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
    assert peaks[2000] < 1.05 * peaks[500], peaks


def test_a_truncated_store_is_recognised(prepared_home):
    data = open_dataset("synthetic", {"patients": 120}, prepared_home)
    samples = data.path / "signals.i16"
    os.truncate(samples, samples.stat().st_size - 2)
    with pytest.raises(DataError, match=r"has \d+ bytes, its manifest says"):
        open_dataset("synthetic", {"patients": 120}, prepared_home)


def test_two_preparations_at_once_agree(home):
    code = (
        "from pathlib import Path; from benchmark.data.store.preparation import prepare\n"
        "from benchmark.paths import Home\n"
        f"print(prepare('synthetic', {{'patients': 60}}, Home(Path({str(home.root)!r}))).digest)"
    )
    workers = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    digests = {worker.communicate()[0].strip() for worker in workers}
    assert len(digests) == 1 and digests != {""}


def test_leads_are_stored_by_name_whatever_the_files_order(home, monkeypatch):
    """A file with other lead order and spelling gives the same store; by position, every lead would be swapped."""
    plain = prepare("synthetic", {"patients": 20}, home)
    order = np.random.default_rng(0).permutation(len(LEADS))

    class Permuted(Synthetic):
        def read(self, entry, root):
            raw = super().read(entry, root)
            names = tuple(LEADS[lead].upper() for lead in order)
            return replace(raw, adc=raw.adc[order], gain=raw.gain[order], baseline=raw.baseline[order], leads=names)

    monkeypatch.setattr("benchmark.data.store.preparation.DATASETS.get", lambda name: Permuted)
    permuted = prepare("synthetic", {"patients": 20, "seed": 0, "german": 1e-9}, home)
    rows = np.arange(len(plain))
    assert np.array_equal(plain.millivolt(rows), permuted.millivolt(rows))
