"""A lock is one process's at a time, goes with it, and leaves no file behind."""

import multiprocessing
import os
import signal
import time

from benchmark.locks import keys_held, locked


def test_a_second_holder_is_told_at_once(tmp_path):
    with locked(tmp_path, "a") as actual, locked(tmp_path, "a") as second, locked(tmp_path, "b") as other:
        assert actual and other and not second
        assert keys_held(tmp_path) == ["a", "b"]
    assert keys_held(tmp_path) == [] and not list(tmp_path.iterdir())


def hold(folder, key, ready):
    with locked(folder, key):
        ready.set()
        time.sleep(60)


def test_a_killed_holder_leaves_the_lock_free(tmp_path):
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    holder = context.Process(target=hold, args=(tmp_path, "a", ready))
    holder.start()
    assert ready.wait(10) and keys_held(tmp_path) == ["a"]
    os.kill(holder.pid, signal.SIGKILL)
    holder.join()
    assert keys_held(tmp_path) == []
    with locked(tmp_path, "a") as actual:
        assert actual


def count(folder, log, rounds):
    for _ in range(rounds):
        with locked(folder, "a") as actual:
            if actual:
                with log.open("a") as file:
                    file.write("in ")
                    file.flush()
                    file.write("out\n")


def test_sixteen_processes_never_hold_one_lock_together(tmp_path):
    context = multiprocessing.get_context("fork")
    log = tmp_path / "log"
    workers = [context.Process(target=count, args=(tmp_path / "locks", log, 200)) for _ in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert set(log.read_text().splitlines()) == {"in out"}


def test_a_folder_that_is_not_there_is_made_also_in_the_middle_of_a_run(tmp_path):
    folder = tmp_path / "home" / "locks"
    for _ in range(2):
        with locked(folder, "a") as actual:
            assert actual and keys_held(folder) == ["a"]
        folder.rmdir()
