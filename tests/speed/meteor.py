"""What METEOR costs a cell: this project's kept process against a fresh scorer of pycocoevalcap, in turns.

python tests/speed/meteor.py [--pairs 2000] [--rounds 3]

Reports of the synthetic dataset against shuffled ones. The start of the kept process, once per worker, is
printed apart. Scores of both sides are compared.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from figures import check_close, check_count, ratio, show, spread

from benchmark.datasets.synthetic import Synthetic
from benchmark.metrics.text.meteor import meteor, meteor_counts
from benchmark.metrics.text.tokens import split_words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    reports = [entry.report for entry in Synthetic(patients=options.pairs).entries(None)][: options.pairs]
    true = split_words(reports)
    texts = [true[row] for row in np.random.default_rng(0).permutation(len(true))]
    start = time.perf_counter()
    meteor_counts(texts[:1], true[:1])
    show("start of the kept METEOR process, once per worker", f"{time.perf_counter() - start:.2f} s")
    reused, anew, errors = [], [], []
    for _ in range(options.rounds):
        start = time.perf_counter()
        actual = meteor_counts(texts, true)
        reused.append(time.perf_counter() - start)
        check_count("pairs counted", len(actual), options.pairs)
        start = time.perf_counter()
        whole, item = fresh(texts, true)
        anew.append(time.perf_counter() - start)
        check_count("pairs scored anew", len(item), options.pairs)
        errors.append(max(abs(float(meteor(actual.sum(0))) - whole), float(np.abs(meteor(actual) - item).max())))
    check_close("METEOR of both sides", max(errors), 1e-9)
    show(
        f"METEOR of {options.pairs:,} pairs by the kept process, difference {max(errors):.0e}",
        f"{spread(reused, '.2f')} s",
        f"a fresh scorer {spread(anew, '.2f')} s",
        spread([ratio(b, a) for a, b in zip(reused, anew, strict=True)]),
    )


def fresh(texts: list[str], true: list[str]) -> tuple[float, list[float]]:
    from pycocoevalcap.meteor.meteor import Meteor

    scorer = Meteor()
    return scorer.compute_score({i: [t] for i, t in enumerate(true)}, {i: [t] for i, t in enumerate(texts)})


if __name__ == "__main__":
    main()
