"""Reader of MERL's published split files, for experiments with its splits or labels, faults included.

`finetune/data_split` of github.com/cheliu-computation/MERL-ICML2024 (MIT), as a folder or as an archive of it.
Liu et al., ICML 2024, "Zero-Shot ECG Classification with Multimodal Learning and Test-time Clinical Knowledge".
"""

from __future__ import annotations

import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.api import SPLITS
from benchmark.data.formats.tables import Row, WrongCells, named_rows
from benchmark.errors import DataError, MissingError
from benchmark.paths import dataset_root

REMEDY = "take finetune/data_split of MERL's repository (github.com/cheliu-computation/MERL-ICML2024)"
MEMBER_BYTES = 1 << 26  # its largest file has 2 MB


def require_merl(folder: str) -> Path:
    """Return the folder or archive with MERL's files: the option `merl_files`, or else ``$ECGARENA_DATA/merl``."""
    path = Path(folder) if folder else dataset_root("merl")
    if path is None:
        raise MissingError(f"MERL's split files are not known: set merl_files to their place; {REMEDY}")
    if not path.exists():
        raise MissingError(f"merl_files: {path} does not exist; {REMEDY}")
    return path


def read_merl(source: Path, table: str, columns: Sequence[str], wrong: WrongCells) -> Iterator[tuple[str, Row]]:
    """Yield (split, row) of ``TABLE_train.csv``, ``..._val.csv`` and ``..._test.csv`` in the order of the files."""
    for split in SPLITS:
        name = f"{table}_{split}.csv"
        lines = io.StringIO(_content(source, name).decode("utf-8-sig", "replace"), newline="")
        for row in named_rows(f"{source}: {name}", lines, columns, wrong):
            yield split, row


def _content(source: Path, name: str) -> bytes:
    try:
        if source.is_dir():
            files = sorted(source.rglob(name))
            if files:
                return files[0].read_bytes()[:MEMBER_BYTES]
        else:
            with tarfile.open(source) as archive:
                for member in archive:
                    if member.name.rsplit("/", 1)[-1] == name and (file := archive.extractfile(member)):
                        return file.read(MEMBER_BYTES)
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError, zlib.error, ValueError) as error:
        raise DataError(f"{source} is neither a folder nor a readable archive: {error}; {REMEDY}") from None
    raise DataError(f"{source} holds no {name}; {REMEDY}")
