"""A small CPSC2018 in either of its layouts, from synthetic recordings of 6 to 60 seconds."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

from benchmark.api import RecordingEntry
from benchmark.datasets.cpsc2018 import REFERENCE
from benchmark.datasets.synthetic import Synthetic
from benchmark.testing.records import write_record

FINDINGS = {  # synthetic condition -> class
    "NORM": "NORM",
    "STACH": "NORM",
    "SBRAD": "NORM",
    "AFIB": "AFIB",
    "1AVB": "1AVB",
    "CLBBB": "CLBBB",
    "CRBBB": "CRBBB",
    "ASTE": "STE",
    "ISTE": "STE",
    "LSTD": "STD",
    "LVHT": "NORM",
    "PVB": "VPC",
    "PAB": "PAC",
}
WORDS = {
    "NORM": "Normal",
    "AFIB": "AF",
    "1AVB": "I-AVB",
    "CLBBB": "LBBB",
    "CRBBB": "RBBB",
    "PAC": "PAC",
    "VPC": "PVC",
    "STD": "STD",
    "STE": "STE",
}
CODES = {
    "NORM": "426783006",
    "AFIB": "164889003",
    "1AVB": "270492004",
    "CLBBB": "164909002",
    "CRBBB": "59118001",
    "PAC": "284470004",
    "VPC": "164884008",
    "STD": "429622005",
    "STE": "164931005",
}
LENGTHS = (6, 8, 10, 15, 30, 60)  # seconds


def write_cpsc2018(
    root: Path, patients: int = 12, seed: int = 0, original: bool = False, reference: bool = True
) -> int:
    """Write one recording per patient at 500 Hz and ``REFERENCE.csv``; return their number.

    `original` writes the MATLAB files of 2018, otherwise ``.hea`` and ``.mat`` of the challenges, whose headers name
    findings by words and SNOMED codes in turn.
    """
    root.mkdir(parents=True, exist_ok=True)
    rows = ["Recording,First_label,Second_label,Third_label"]
    index = Synthetic(patients=patients, seed=seed).entries(None)
    first = {entry.patient_id: entry for entry in reversed(index)}
    for number, entry in enumerate(reversed(first.values()), start=1):
        dataset = Synthetic(rate=500, patients=patients, seed=seed, seconds=LENGTHS[number % len(LENGTHS)])
        adc = dataset.read(entry, None).adc
        labels = _labels(entry)
        rows.append(
            ",".join([f"A{number:04d}", *[str(REFERENCE.index(label) + 1) for label in labels], "", "", ""][:4])
        )
        if original:
            content = matlab_file(adc / 1000.0, (entry.sex or "Male").capitalize(), int(entry.age or 0))
            (root / f"A{number:04d}.mat").write_bytes(content)
        else:
            names = WORDS if number % 2 else CODES
            comments = [f"#Age: {entry.age:.0f}", f"#Sex: {(entry.sex or 'unknown').capitalize()}"]
            comments += [f"#Dx: {','.join(names[label] for label in labels)}", "#Rx: Unknown"]
            write_record(root / f"A{number:04d}", adc, 500, gain="1000/mV", comments=comments, matlab=True)
    if reference:
        (root / "REFERENCE.csv").write_text("\n".join(rows) + "\n", "utf-8")
    return len(first)


def _labels(entry: RecordingEntry) -> list[str]:
    labels = list(dict.fromkeys(FINDINGS[condition] for condition in entry.labels["conditions"]))
    others = [label for label in labels if label != "NORM"]
    return (others or labels)[:3]


def matlab_file(millivolt: np.ndarray, sex: str, age: int) -> bytes:
    """Return a level 5 MATLAB file with one compressed struct ``ECG``: sex, age and (lead, time) doubles."""
    signal = millivolt.astype("<f8").ravel("F").tobytes()
    fields = [
        _matrix(4, (1, len(sex)), "", _element(4, sex.encode("utf-16-le"))),
        _matrix(9, (1, 1), "", _element(2, bytes([age]))),
        _matrix(6, millivolt.shape, "", _element(9, signal)),
    ]
    names = b"".join(name.encode().ljust(8, b"\0") for name in ("sex", "age", "data"))
    struct_parts = _element(5, struct.pack("<i", 8)) + _element(1, names) + b"".join(fields)
    content = zlib.compress(_matrix(2, (1, 1), "ECG", struct_parts))
    head = b"MATLAB 5.0 MAT-file".ljust(116) + bytes(8) + struct.pack("<H", 0x0100) + b"IM"
    return head + struct.pack("<II", 15, len(content)) + content


def _matrix(kind: int, shape: tuple[int, ...], name: str, values: bytes) -> bytes:
    flags, dimensions = struct.pack("<II", kind, 0), struct.pack(f"<{len(shape)}i", *shape)
    return _element(14, _element(6, flags) + _element(5, dimensions) + _element(1, name.encode()) + values)


def _element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)
