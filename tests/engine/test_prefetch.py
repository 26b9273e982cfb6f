"""Reading ahead changes when a batch is read, never which one, and errors arrive with the batch.

The device "cuda" needs no GPU here: threads of the CPU read the batches.
"""

from __future__ import annotations

import threading
import time

import pytest
import torch

from benchmark.engine.prefetch import pinned, read_ahead, run_pipelined


@pytest.mark.parametrize("device", ["cpu", "cuda", "cuda:1"])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_the_same_items_in_the_same_order(device, count):
    assert list(read_ahead(lambda number: number**2, range(count), device)) == [n**2 for n in range(count)]


def test_a_slow_item_keeps_its_place():
    def read(number):
        time.sleep(0.05 if number == 1 else 0)
        return number

    assert list(read_ahead(read, range(40), "cuda")) == list(range(40))


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
    calls: list[int] = []
    items = read_ahead(lambda number: calls.append(number) or number, [0, 1], "cpu")
    assert next(items) == 0 and calls == [0]


def test_an_error_is_raised_where_its_batch_is_taken():
    items = read_ahead(lambda number: 1 // number, [1, 0, 1], "cuda")
    assert next(items) == 1
    with pytest.raises(ZeroDivisionError):
        next(items)


def test_results_come_in_order_as_float32_without_gradients_and_the_caller_keeps_its_own():
    scale = torch.tensor(2.0, requires_grad=True)
    batches = [torch.full((2, 3), float(number)).bfloat16() for number in range(3)]
    for number, result in enumerate(run_pipelined(lambda batch: scale * batch, iter(batches), "cpu")):
        assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
        assert result.dtype == torch.float32 and not result.requires_grad
        assert torch.equal(result, torch.full((2, 3), 2.0 * number))


@pytest.mark.parametrize("gpu", [False, True])
def test_a_gpu_is_given_the_next_batch_before_a_result_is_fetched(gpu, monkeypatch):
    monkeypatch.setattr("benchmark.engine.prefetch.on_gpu", lambda device: gpu)
    start = []

    def function(batch):
        start.append(int(batch))
        return batch

    batches = [torch.tensor(float(number)) for number in range(4)]
    calls = [(int(result), len(start)) for result in run_pipelined(function, batches, "cpu")]
    assert calls == ([(0, 2), (1, 3), (2, 4), (3, 4)] if gpu else [(0, 1), (1, 2), (2, 3), (3, 4)])


def test_nothing_is_pinned_for_a_cpu():
    tensor = torch.zeros(3)
    assert pinned(tensor, "cpu") is tensor
