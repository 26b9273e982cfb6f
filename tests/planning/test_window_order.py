"""The order for stores larger than memory: each recording once, neighbours apart, and mixed as bounded here."""

import itertools

import numpy as np
import pytest

from benchmark.errors import BenchmarkError
from benchmark.planning.training_config import TrainingConfig, shuffled_batches
from benchmark.planning.window_order import windowed_order, windows

N, WINDOW, CHUNK, BATCH = 20_000, 2048, 32, 32  # windows of up to 64 chunks


def batches(epoch=0, **options):
    return shuffled_batches(N, TrainingConfig(batch_size=BATCH, **options), epoch)


def windowed(epoch=0, seed=0):
    return batches(epoch, window=WINDOW, chunk=CHUNK, seed=seed)


@pytest.mark.parametrize("window", [32, 100, 2048, 100_000])
@pytest.mark.parametrize("examples", [1, 31, 33, 5000])
def test_every_recording_comes_exactly_once_in_an_epoch(examples, window):
    order = windowed_order(examples, window, 32, 3, 5)
    assert np.array_equal(np.sort(order), np.arange(examples))
    assert all(sum(map(len, part)) <= window for part in windows(examples, window, 32, 3, 5))


def test_the_order_follows_from_seed_and_epoch_alone():
    first = np.concatenate(windowed())
    assert np.array_equal(first, np.concatenate(windowed()))
    assert not np.array_equal(first, np.concatenate(windowed(epoch=1)))
    assert not np.array_equal(first, np.concatenate(windowed(seed=1)))


def test_a_window_takes_its_recordings_from_its_chunks_alone():
    order, start = windowed_order(N, WINDOW, CHUNK, 0, 0), 0
    for chunks in windows(N, WINDOW, CHUNK, 0, 0):
        rows = np.concatenate(chunks)
        assert np.array_equal(np.sort(order[start : start + len(rows)]), np.sort(rows))
        assert all(np.array_equal(chunk, np.arange(chunk[0], chunk[-1] + 1)) for chunk in chunks)  # one piece of disk
        start += len(rows)


def test_no_two_recordings_of_a_batch_are_of_the_same_chunk():
    chunk_of = np.zeros(N, int)
    for number, chunk in enumerate(itertools.chain.from_iterable(windows(N, WINDOW, CHUNK, 0, 0))):
        chunk_of[chunk] = number
    assert all(len(set(chunk_of[batch])) == BATCH for batch in windowed())


def test_fewer_pairs_of_one_patient_meet_in_a_batch_than_in_a_random_order():
    patients = np.repeat(np.arange(N // 5), 5)  # neighbours in the store, as in MIMIC

    def pairs(orders):
        counts = [np.unique(patients[batch], return_counts=True)[1] for batch in orders]
        return sum(int((count * (count - 1) // 2).sum()) for count in counts)

    expected = len(windowed()) * BATCH * (BATCH - 1) / 2 * 4 / (N - 1)  # of a random order
    assert 0.7 * expected < pairs(batches()) < 1.3 * expected  # about 62
    # two chunks that share a patient fall into one window, seldom, and then rarely into one batch
    assert pairs(windowed()) < 0.3 * expected


def test_batches_are_spread_over_the_store_as_those_of_a_random_order():
    """The mean of a quantity that drifts along the store has no more variance between batches; a chunk is a stratum."""
    place = np.arange(N) / N

    def variance(orders):
        return np.var([place[batch].mean() for batch in orders])

    exact = 1 / 12 / BATCH
    random, windows_of_it = (np.mean([variance(draw(epoch=e)) for e in range(5)]) for draw in (batches, windowed))
    assert random == pytest.approx(exact, rel=0.15)
    assert windows_of_it == pytest.approx(exact, rel=0.25)


def test_batches_of_a_window_share_what_is_common_to_their_chunks():
    """The price: neighbouring batches have similar means of a quantity that is constant along a chunk."""
    place = np.arange(N) / N

    def correlation(orders):
        means = np.array([place[batch].mean() for batch in orders])
        return np.corrcoef(means[:-2], means[2:])[0, 1]  # every other batch: 64 chunks are two batches of 32

    assert abs(correlation(batches())) < 0.15
    assert correlation(windowed()) > 0.7


def test_recordings_of_a_chunk_do_not_stay_together_over_epochs():
    starts = {windows(N, WINDOW, CHUNK, 0, epoch)[0][1][0] % CHUNK for epoch in range(8)}
    assert len(starts) > 4


def test_a_window_too_small_for_a_batch_and_a_chunk_without_a_window_are_refused():
    with pytest.raises(BenchmarkError, match=r"window is 32, it must be 0 \(none\) or hold a batch and a chunk \(64\)"):
        TrainingConfig(window=32, batch_size=16)
    with pytest.raises(BenchmarkError, match="chunk is 8, but only a window has chunks"):
        TrainingConfig(chunk=8)
