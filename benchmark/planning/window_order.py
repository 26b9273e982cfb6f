"""An order of recordings for stores larger than memory: chunks are read whole, and shuffled within a window of them.

An epoch cuts the recordings, in the order of the store, into chunks, draws the chunks at random and puts them into
windows. Within a window the chunks take turns: each gives one of its recordings, drawn without replacement, before any
gives a second one. So as many consecutive recordings as a window has whole chunks come from as many different chunks.
A window drawn at random would instead have put neighbours, which are often one patient's, into a batch
`recordings / window` times as often as a random order does.

Everything follows from the seed and the epoch, so that a resumed training sees the same order.
"""

from __future__ import annotations

import numpy as np


def windows(examples: int, window: int, chunk: int, seed: int, epoch: int) -> list[list[np.ndarray]]:
    """Return the chunks of each window: arrays of consecutive positions, every position of ``range(examples)`` once.

    A window has at most `window` positions, and a chunk at most `chunk`. Where chunks begin differs between epochs, so
    that no two recordings stay together.
    """
    draw = _draw(seed, epoch)
    first = int(draw.integers(chunk))  # the first chunk is shorter by this
    borders = np.arange(chunk - first, examples, chunk)
    chunks = np.split(np.arange(examples), borders)
    order = draw.permutation(len(chunks))
    parts = np.array_split(order, -(-len(chunks) // max(window // chunk, 1)))  # of nearly equal sizes
    return [[chunks[number] for number in part] for part in parts]


def windowed_order(examples: int, window: int, chunk: int, seed: int, epoch: int) -> np.ndarray:
    """Return all positions of ``range(examples)``, each once, in the order in which an epoch takes them."""
    draw = _draw(seed, epoch, 1)
    return np.concatenate([_interleaved(part, draw) for part in windows(examples, window, chunk, seed, epoch)])


def _interleaved(chunks: list[np.ndarray], draw: np.random.Generator) -> np.ndarray:
    """Return the positions of `chunks`, which take turns.

    A chunk of c positions has them at the places (j + u) / c of the window, with one u of its own. Between two of them
    lies one of every chunk of c or more positions.
    """
    places = [(np.arange(len(chunk)) + draw.random()) / len(chunk) for chunk in chunks]
    positions = [draw.permutation(chunk) for chunk in chunks]
    return np.concatenate(positions)[np.argsort(np.concatenate(places), kind="stable")]


def _draw(*entropy: int) -> np.random.Generator:
    return np.random.default_rng(entropy)
