"""A seeded split without stored state: each patient's split follows from a hash of seed and id.

All recordings of a patient share a split, which does not depend on the other recordings: neither a
partial download nor the order of the files changes it. Shares are met on average.
"""

from __future__ import annotations

import hashlib


def hashed_split(seed: int, patient: str, val: float, test: float) -> str:
    """Return ``"train"``, ``"val"`` or ``"test"``; `val` and `test` are the shares of the latter two."""
    number = int.from_bytes(hashlib.blake2b(f"{seed}:{patient}".encode("utf-8", "replace"), digest_size=8).digest())
    place = number / 2**64
    return "test" if place < test else "val" if place < test + val else "train"
