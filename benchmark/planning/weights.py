"""Where a method's weights come from: a file, a file of a hub repository, or a tag of the method's card.

``/path/to/file`` · ``hub:org/repo/file@revision`` · ``tag:NAME``. Only the second asks the network, and a tag does when
the card's source is of that form; nothing is fetched that the user did not name.
"""

from __future__ import annotations

import re
from pathlib import Path

from benchmark.api import MethodCard, Weights
from benchmark.canonical import file_sha256
from benchmark.errors import MissingError, UsageError, did_you_mean
from benchmark.paths import WEIGHTS_VARIABLE, is_file, weights_file

HUB, TAG = "hub:", "tag:"


def locate(reference: str, method: str, card: MethodCard) -> tuple[Path, str]:
    """Return the file that `reference` names, and its sha256; raise when it is not there or not the expected one."""
    if reference.startswith(TAG):
        tag = reference.removeprefix(TAG)
        if tag not in card.weights:
            raise UsageError(f"{method} has no weights with the tag {tag!r}{did_you_mean(tag, card.weights)}")
        return _tagged(tag, method, card.weights[tag])
    path = _from_hub(reference) if reference.startswith(HUB) else Path(reference)
    if not is_file(path):
        raise MissingError(
            f"the weights of {method} are missing: {path} is no file (give a path, {HUB}org/repo/file@revision or "
            f"{TAG}NAME{did_you_mean('', card.weights) if card.weights else ''})"
        )
    return path, file_sha256(path)


def _tagged(tag: str, method: str, weights: Weights) -> tuple[Path, str]:
    if weights.url.startswith(HUB):
        path = _from_hub(weights.url)
    else:
        expected = weights_file(method, weights.file)
        if expected is None or not expected.is_file():
            where = expected or f"${WEIGHTS_VARIABLE}/{method}/{weights.file} ({WEIGHTS_VARIABLE} is not set)"
            raise MissingError(
                f"the weights {TAG}{tag} of {method} are not on this machine: get {weights.file} (licence "
                f"{weights.licence}) from {weights.url} and put it at {where}"
            )
        path = expected
    sha256 = file_sha256(path)
    if weights.sha256 and sha256 != weights.sha256:
        raise MissingError(
            f"{path} is not what {TAG}{tag} of {method} stands for: its sha256 is {sha256}, the card says "
            f"{weights.sha256}; get it again from {weights.url}, or name this file by its path if it is meant"
        )
    return path, sha256


def _from_hub(reference: str) -> Path:
    """Fetch a file of a hub repository, or find it in the hub's cache."""
    parts = re.fullmatch(r"hub:([^/@]+/[^/@]+)/([^@]+)(?:@(.+))?", reference)
    if parts is None:
        raise UsageError(
            f"{reference!r} names no file of the hub: write {HUB}org/repo/file or {HUB}org/repo/file@revision"
        )
    repository, file, revision = parts.groups()
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(repository, file, revision=revision))
    except Exception as error:  # the client raises OSError, ValueError and kinds of its own
        reason = (str(error).strip() or "no message").splitlines()[0]
        at = f" --revision {revision}" if revision else ""
        raise MissingError(
            f"{file} of the hub's repository {repository} ({revision or 'main'}) is neither in the cache nor to be "
            f"had: on a machine with network access run `hf download {repository} {file}{at}`, then copy the cache "
            f"(HF_HOME) or name the file by its path ({type(error).__name__}: {reason})"
        ) from error
