"""Where a method's weights come from: a file, a file of a hub repository, or a tag of the method's card.

``/path/to/file`` · ``hub:org/repo/file@revision`` · ``tag:NAME``. A tag leads to ``$ECGARENA_WEIGHTS/METHOD/FILE``.
Only the second form asks the network, and a tag does when the card's source is of that form and the file is not there.
Nothing is fetched that the user did not name.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from benchmark.api import MethodCard, Weights
from benchmark.cache.checksums import sha256_of
from benchmark.errors import MissingError, UsageError, did_you_mean
from benchmark.paths import WEIGHTS_VARIABLE, is_file, weights_file

HUB, TAG = "hub:", "tag:"


def locate(reference: str, method: str, card: MethodCard) -> tuple[Path, str]:
    """Return the file that `reference` names, and its sha256; raise when it is not there or not the expected one."""
    if reference.startswith(TAG):
        return _tagged(reference, method, _of_card(reference, method, card))
    path = _from_hub(reference) if reference.startswith(HUB) else Path(reference)
    if not is_file(path):
        raise MissingError(
            f"the weights of {method} are missing: {path} is no file (give a path, {HUB}org/repo/file@revision or "
            f"{TAG}NAME{did_you_mean('', card.weights) if card.weights else ''})"
        )
    return path, sha256_of(path)


def absence(reference: str, method: str, card: MethodCard) -> str | None:
    """Return why a path or a tag leads to no file of this machine, and how to get it; None where it does.

    Asks no network, and names no folder of this machine: plans and tables travel. Raises `UsageError` for a tag that
    the card does not have.
    """
    if not reference.startswith(TAG):
        return None if is_file(Path(reference)) else f"{Path(reference).name} is not on this machine"
    weights = _of_card(reference, method, card)
    expected = weights_file(method, local_name(weights))
    if expected is not None and is_file(expected):
        return None
    return f"the weights {reference} are not on this machine: {_remedy(weights, method)}"


def local_name(weights: Weights) -> str:
    """Return the file's path below ``$ECGARENA_WEIGHTS/METHOD``; of a file of the hub, that inside its repository."""
    return weights.file or _hub_parts(weights.url)[1]


def _of_card(reference: str, method: str, card: MethodCard) -> Weights:
    tag = reference.removeprefix(TAG)
    if tag not in card.weights:
        raise UsageError(f"{method} has no weights with the tag {tag!r}{did_you_mean(tag, card.weights)}")
    return card.weights[tag]


def _tagged(reference: str, method: str, weights: Weights) -> tuple[Path, str]:
    """Return the file below ``$ECGARENA_WEIGHTS`` and its sha256; one of the hub is fetched where it is not there."""
    path = weights_file(method, local_name(weights))
    if path is None or not is_file(path):
        if not weights.url.startswith(HUB):
            raise MissingError(
                f"the weights {reference} of {method} are not on this machine: {_remedy(weights, method, path)}"
            )
        path = _from_hub(weights.url)
    sha256 = sha256_of(path)
    if weights.sha256 and sha256 != weights.sha256:
        raise MissingError(
            f"{path} is not what {reference} of {method} stands for: its sha256 is {sha256}, the card says "
            f"{weights.sha256}; get it again from {weights.url}, or name this file by its path if it is meant"
        )
    return path, sha256


def _remedy(weights: Weights, method: str, path: Path | None = None) -> str:
    """Say where to get the file and where to put it: at `path`, or as the variable has it."""
    name = local_name(weights)
    source = weights.url
    if source.startswith(HUB):
        repository, _, revision = _hub_parts(source)
        source = f"the hub's repository {repository}{f' ({revision})' if revision else ''}"
    unset = "" if os.environ.get(WEIGHTS_VARIABLE) else f" ({WEIGHTS_VARIABLE} is not set)"
    where = path or f"${WEIGHTS_VARIABLE}/{method}/{name}{unset}"
    return f"get {name} (licence {weights.licence}) from {source} and put it at {where}"


def _from_hub(reference: str) -> Path:
    """Fetch a file of a hub repository, or find it in the hub's cache."""
    repository, file, revision = _hub_parts(reference)
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, file, revision=revision))
    except Exception as error:  # the client raises OSError, ValueError and kinds of its own
        reason = (str(error).strip() or "no message").splitlines()[0]
        at = f" --revision {revision}" if revision else ""
        raise MissingError(
            f"{file} of the hub's repository {repository} ({revision or 'main'}) is not in the cache and cannot be "
            f"downloaded: on a machine with network access run `hf download {repository} {file}{at}`, then copy "
            f"the cache (HF_HOME) or name the file by its path ({type(error).__name__}: {reason})"
        ) from error


def _hub_parts(reference: str) -> tuple[str, str, str | None]:
    """Split ``hub:org/repo/file@revision`` into repository, file and revision."""
    parts = re.fullmatch(r"hub:([^/@]+/[^/@]+)/([^@]+)(?:@(.+))?", reference)
    if parts is None:
        raise UsageError(
            f"{reference!r} names no file of the hub: write {HUB}org/repo/file or {HUB}org/repo/file@revision"
        )
    repository, file, revision = parts.groups()
    return repository, file, revision
