"""``--set``, suite files and published numbers at random end in nothing but the project's own errors.

A short run; ``ECGARENA_FUZZ=10000`` makes it a long one, as does tests/fuzz/user_input.py.
"""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from fuzz.user_input import fuzz

INPUTS = int(os.environ.get("ECGARENA_FUZZ", "60"))


def test_what_a_user_writes_is_taken_or_refused(home):
    endings, faults = fuzz(INPUTS, seed=int(os.environ.get("ECGARENA_FUZZ_SEED", "0")))
    assert not faults, "\n".join(faults[:5])
    assert sum(endings.values()) == 4 * INPUTS and len(endings) == 8
