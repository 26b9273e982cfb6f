"""Reading ahead changes when a batch is read, never which, and an error arrives where the batch is taken."""

from __future__ import annotations

import threading

import pytest

from benchmark.engine.prefetch import read_ahead


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1"])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_the_same_items_in_the_same_order(device, count):
    assert list(read_ahead(lambda number: number**2, range(count), device)) == [n**2 for n in range(count)]


def test_on_a_gpu_the_next_one_is_read_before_it_is_asked_for():
    second = threading.Event()

    def read(number):
        if number == 1:
            second.set()
        return number

    items = read_ahead(read, [0, 1, 2], "cuda")
    assert next(items) == 0
    assert second.wait(10)


def test_on_a_cpu_nothing_is_read_ahead():
    seen: list[int] = []
    items = read_ahead(lambda number: seen.append(number) or number, [0, 1], "cpu")
    assert next(items) == 0 and seen == [0]


def test_an_error_is_raised_where_its_batch_is_taken():
    items = read_ahead(lambda number: 1 // number, [1, 0, 1], "cuda")
    assert next(items) == 1
    with pytest.raises(ZeroDivisionError):
        next(items)
