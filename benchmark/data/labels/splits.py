"""A seeded split that needs no memory: each patient's place comes from a hash of seed and id.

So a patient stays whole, and where it goes does not depend on which other recordings are there: neither a
partial download nor the order of the files moves anybody. Shares are met on average.
"""

from __future__ import annotations

import hashlib


def hashed_split(seed: int, patient: str, val: float, test: float) -> str:
    """``"train"``, ``"val"`` or ``"test"``; `val` and `test` are the shares of the latter two."""
    number = int.from_bytes(hashlib.blake2b(f"{seed}:{patient}".encode("utf-8", "replace"), digest_size=8).digest())
    place = number / 2**64
    return "test" if place < test else "val" if place < test + val else "train"
