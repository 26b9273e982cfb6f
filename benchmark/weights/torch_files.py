"""Checks of the declared content of a torch file before any of it is built.

``torch.load`` allocates the memory that a file asks for before it is known whether the method has such a tensor. A few
kilobytes can ask for any amount: by compressed records, storages larger than the file, or a call that makes zeros. Here
the pickles of a file are read with stand-ins for every name in them. Nothing is called, and the result shows what would
be built.
"""

from __future__ import annotations

import io
import pickle
import re
import struct
import zipfile
from _compat_pickle import IMPORT_MAPPING
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import torch

MOST_PICKLED = 16 << 20  # bytes that describe a file: enough for 100,000 tensors, but one byte may become 200
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
CHUNK = 1 << 22
LISTED_NAMES = 4
DAMAGED = "it is cut off or damaged: get it again"

DTYPES = {str(dtype) for dtype in vars(torch).values() if isinstance(dtype, torch.dtype)}
STORAGES = {  # bytes of a number, by the name of its storage; those in the last line are refused with their tensors
    "Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2, "Char": 1, "Byte": 1, "Bool": 1,
    "ComplexDouble": 16, "ComplexFloat": 8, "Untyped": 1,
    "QInt8": 1, "QUInt8": 1, "QInt32": 4, "QUInt4x2": 1, "QUInt2x4": 1,
}  # fmt: skip
BYTES, WRAPPED = "_codecs.encode", "torch._tensor._rebuild_from_type_v2"  # the latter: a tensor with attributes
BUILDERS = {f"torch._utils._rebuild_{kind}" for kind in ("tensor", "tensor_v2", "tensor_v3", "parameter")}
PLAIN_CALLS = {  # what a file of tensors and plain values calls
    *BUILDERS, BYTES, WRAPPED, "torch._utils._rebuild_parameter_with_state", "torch.nn.parameter.Parameter",
    "torch.Size", "torch.device", "torch.serialization._get_layout",
    "builtins.bytearray", "builtins.set", "builtins.complex", "collections.Counter",
    "numpy.dtype", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar",
    "argparse.Namespace",
}  # fmt: skip
USELESS_CALLS = {  # what torch would build, and no method computes with
    "torch._utils._rebuild_qtensor": "quantised tensors",
    "torch._utils._rebuild_sparse_tensor": "sparse tensors",
    "torch._utils._rebuild_nested_tensor": "nested tensors",
    "torch._utils._rebuild_meta_tensor_no_storage": "tensors without numbers",
}


class Unfit(Exception):  # noqa: N818 - it reads as what it says
    """A file is refused; the message completes a sentence that begins with its name."""


@dataclass(frozen=True)
class Storage:
    """A run of numbers in the file."""

    key: str
    numbers: int
    itemsize: int

    @property
    def bytes(self) -> int:
        return self.numbers * self.itemsize


@dataclass
class Contents:
    """The declared content of a file: its storages by key, and the names that it uses and calls."""

    storages: dict[str, Storage] = field(default_factory=dict)
    calls: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    @property
    def bytes(self) -> int:
        return sum(storage.bytes for storage in self.storages.values())


def check_zip(path: Path) -> None:
    """Check a file of torch 1.6 or later; raises `Unfit`."""
    size, contents = path.stat().st_size, Contents()
    try:
        with zipfile.ZipFile(path) as archive:
            records = {record.filename: record for record in archive.infolist()}
            for record in records.values():
                if record.CRC == 0:  # it was not kept: there is nothing to compare with
                    del record.CRC
            folder = next(iter(records), "").partition("/")[0]
            description = _description(records, folder)
            _check_records(archive.infolist(), size)
            _read_pickle(io.BytesIO(archive.read(description)), contents)
            _check_contents(contents, size)
            _check_content(archive)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, struct.error) as error:
        raise Unfit(DAMAGED) from error  # RuntimeError: encrypted
    sizes = {name: record.file_size for name, record in records.items()}
    for key, storage in contents.storages.items():
        if sizes.get(f"{folder}/data/{key}") != storage.bytes:
            raise Unfit(f"it is damaged (its storage {key} is not of the size that it announces): get it again")


def check_legacy(path: Path) -> None:
    """Check a file of torch before 1.6; raises `Unfit`."""
    size, contents = path.stat().st_size, Contents()
    with path.open("rb") as file:
        pickles = _Limited(file)
        if _read_pickle(pickles, contents) != LEGACY_MAGIC:
            raise Unfit(_foreign(contents) or "it is a pickle, but not one of torch.save")
        for _ in range(4):  # protocol, system, the objects, the order of the storages
            _read_pickle(pickles, contents)
        _check_contents(contents, size)
        if file.tell() + contents.bytes + 8 * len(contents.storages) > size:
            raise Unfit(f"it is cut off: it announces {human(contents.bytes)} of numbers. Get it again")


def human(count: float) -> str:
    """Return a number of bytes in words: ``"292 kB"``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


# --- the archive ---------------------------------------------------------------------------------


def _check_records(records: list[zipfile.ZipInfo], size: int) -> None:
    """Refuse compressed and repeated records, which torch does not write."""
    total = sum(record.file_size for record in records)
    if len({record.filename.casefold() for record in records}) < len(records):
        raise Unfit("it holds two records of one name, which torch does not write")
    if total > size or any(record.compress_type != zipfile.ZIP_STORED for record in records):
        raise Unfit(
            f"its {human(size)} are compressed and would become {human(total)}, and torch writes its files plain: "
            "unpack it first"
        )


def _description(records: dict[str, zipfile.ZipInfo], folder: str) -> zipfile.ZipInfo:
    """Return the record that describes the tensors."""
    description = records.get(f"{folder}/data.pkl")
    if description is None:
        raise Unfit("it is a zip archive, but not of torch: unpack it first")
    if f"{folder}/constants.pkl" in records:
        raise Unfit("it is a TorchScript program: load it where you trust it, and write its state dict as .safetensors")
    if description.file_size > MOST_PICKLED:
        size = human(description.file_size)
        raise Unfit(f"{size} of it describe its tensors, and at most {human(MOST_PICKLED)} are read")
    return description


def _check_content(archive: zipfile.ZipFile) -> None:
    """Verify all checksums by reading the whole file, which torch does not do; raises ``BadZipFile``."""
    for record in archive.infolist():
        with archive.open(record) as record_file:
            while record_file.read(CHUNK):
                pass


# --- the pickles ---------------------------------------------------------------------------------


class _StandIn:
    """A stand-in for a name in a pickle; when called it records the name and refuses harmful arguments."""

    name: ClassVar[str]
    contents: ClassVar[Contents]

    def __new__(cls, *arguments: Any, **options: Any) -> Any:
        cls.contents.calls.add(cls.name)
        if not _harmless(cls.name, arguments):
            raise Unfit("it asks for memory without any content")
        return object.__new__(cls)

    def __init__(self, *arguments: Any, **options: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Accept an item like a list; a pickle fills the objects that it makes."""

    def extend(self, values: Iterable[Any]) -> None:
        """Accept items like a list."""

    def add(self, value: Any) -> None:
        """Accept an item like a set."""


class _Unpickler(pickle.Unpickler):
    """An unpickler that resolves every name to a stand-in, so that no code runs."""

    def __init__(self, file: Any, contents: Contents) -> None:
        super().__init__(file, encoding="utf-8")
        self.contents = contents

    def find_class(self, module: str, name: str) -> Any:
        full = f"{IMPORT_MAPPING.get(module, module)}.{name}"  # Python 2 had other names
        if full == "collections.OrderedDict":
            return OrderedDict
        self.contents.names.add(full)
        return type(name, (_StandIn,), {"name": full, "contents": self.contents})

    def persistent_load(self, pid: Any) -> Any:
        """Record a storage, ``("storage", kind, key, device, numbers, ...)``; very old files wrap modules likewise."""
        if pid[0] == "module":
            return pid[1]
        kind, key, _, numbers = pid[1:5]
        itemsize = STORAGES.get(kind.name.rpartition(".")[2].removesuffix("Storage"))
        if itemsize is None or not isinstance(numbers, int) or numbers < 0:
            raise Unfit(f"it holds numbers of the kind {kind.name}, which is not known")
        storage = Storage(str(key), numbers, itemsize)
        self.contents.storages[storage.key] = storage
        return storage


def _harmless(name: str, arguments: tuple[Any, ...]) -> bool:
    """Whether a call needs no more memory than its arguments; a few letters may stand for gigabytes."""
    if name == BYTES:
        return isinstance(arguments[0], str) and arguments[1:] == ("latin1",)
    if name == "builtins.bytearray":
        return all(isinstance(value, str | bytes) or getattr(value, "name", "") == BYTES for value in arguments)
    if name == WRAPPED:  # torch calls the first argument with the third
        return getattr(arguments[0], "name", "") in BUILDERS
    if name == "numpy.dtype":
        return re.fullmatch(r"[fiub]\d{1,2}|\?", str(arguments[0])) is not None
    return not name.endswith("multiarray.scalar") or len(arguments) == 2


def _read_pickle(file: Any, contents: Contents) -> Any:
    try:
        return _Unpickler(file, contents).load()
    except Unfit:
        raise
    except Exception as error:  # a pickle can fail in any way
        raise Unfit(_foreign(contents) or DAMAGED) from error


def _check_contents(contents: Contents, size: int) -> None:
    kinds = sorted(words for name, words in USELESS_CALLS.items() if name in contents.calls)
    if kinds:
        raise Unfit(f"it holds {' and '.join(kinds)}, which no method computes with: write plain ones")
    if problem := _foreign(contents):
        raise Unfit(problem)
    if contents.bytes > size:
        raise Unfit(f"it announces {human(contents.bytes)} of numbers in a file of {human(size)}")


def _foreign(contents: Contents) -> str | None:
    """Return which names of a file are neither tensors nor plain values, as text; None if there are none."""
    plain = PLAIN_CALLS | DTYPES | {"torch.Tensor"}
    names = {name for name in contents.names - plain if not _is_storage(name)} | (contents.calls - PLAIN_CALLS)
    if not names:
        return None
    more = f" and {len(names) - LISTED_NAMES} more" if len(names) > LISTED_NAMES else ""
    listing = ", ".join(sorted(names)[:LISTED_NAMES]) + more
    return (
        f"it holds other objects than tensors and plain values ({listing}), and no code of a file is run; where you "
        "trust its source, open it there and write its state dict as .safetensors"
    )


def _is_storage(name: str) -> bool:
    module, _, kind = name.rpartition(".")
    return module in ("torch", "torch.storage") and kind.removesuffix("Storage") in (*STORAGES, "Typed")


class _Limited:
    """A file with a limit on the size of its pickles; without ``peek``, so that nothing is read ahead."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.left = file, MOST_PICKLED

    def read(self, count: int) -> bytes:
        """Read like a file, within the limit."""
        return self._count(self.file.read(min(count, self.left + 1)))

    def readline(self) -> bytes:
        """Read like a file, within the limit."""
        return self._count(self.file.readline(self.left + 1))

    def _count(self, part: bytes) -> bytes:
        self.left -= len(part)
        if self.left < 0:
            raise Unfit(f"more than {human(MOST_PICKLED)} of it describe its tensors")
        return part
