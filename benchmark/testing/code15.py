"""A small CODE-15 % in its original layout, from synthetic recordings; it needs h5py."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmark.datasets.code15 import FLAGS, SAMPLES
from benchmark.datasets.synthetic import Synthetic

FINDINGS = {"STACH": "ST", "SBRAD": "SB", "AFIB": "AF", "1AVB": "1dAVb", "CLBBB": "LBBB", "CRBBB": "RBBB"}
HEADER = "exam_id,age,is_male,nn_predicted_age,1dAVb,RBBB,LBBB,SB,ST,AF,patient_id,death,timey,normal_ecg,trace_file"


def write_code15(root: Path, patients: int = 12, seed: int = 0, parts: int = 2) -> list[int]:
    """Write ``exams.csv`` and ``exams_partN.hdf5``; return the exam ids in the order of the table.

    As in the release, signals of 7 and 10 s lie between zeros, a part has its exams in another order than the table,
    and one row more, of zeros with id 0. Lengths alternate from exam to exam.
    """
    import h5py

    root.mkdir(parents=True, exist_ok=True)
    short, long = (Synthetic(rate=400, patients=patients, seed=seed, seconds=seconds) for seconds in (7, 10))
    lines, tracings, exams = [HEADER], {}, []
    for number, entry in enumerate(long.entries(None)):
        exam, part = 4_000_000 - 13 * number, number % parts
        signal = (short if number % 2 else long).read(entry, None).adc.T / 1000
        padded, start = np.zeros((SAMPLES, 12), np.float32), (SAMPLES - len(signal)) // 2
        padded[start : start + len(signal)] = signal
        tracings[exam] = (part, padded)
        flags = {FINDINGS[condition] for condition in entry.labels["conditions"] if condition in FINDINGS}
        truths = [str(flag in flags) for flag in ("1dAVb", "RBBB", "LBBB", "SB", "ST", "AF")]
        normal = str(entry.labels["conditions"] == ("NORM",))
        person = f"{exam},{entry.age:.0f},{entry.sex == 'male'},{entry.age:.3f}"
        lines.append(",".join([person, *truths, str(700 + int(entry.patient_id)), "", "", normal]))
        lines[-1] += f",exams_part{part}.hdf5"
        exams.append(exam)
    assert set(FLAGS) == set(FINDINGS.values())
    for part in range(parts):
        own = sorted(exam for exam, (place, _) in tracings.items() if place == part)  # the table falls, these rise
        with h5py.File(root / f"exams_part{part}.hdf5", "w") as file:
            file["exam_id"] = np.array([*own, 0])
            file["tracings"] = np.stack([*(tracings[exam][1] for exam in own), np.zeros((SAMPLES, 12), np.float32)])
    (root / "exams.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return exams
