"""Full, broken, read-only and misplaced disks and folders: one sentence with path and remedy, exit code 5, no trace."""

import errno
import os
import resource
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmark.atomic import atomic_path, write_text
from benchmark.cache.arrays import ArrayWriter
from benchmark.cli import main
from benchmark.disk import BROKEN, FAILURES, MISPLACED, check_home, disk_error, disk_errors, ends_run
from benchmark.engine.state_files import write_state
from benchmark.errors import COMPLETE, MISSING, DiskError, MissingError
from benchmark.paths import Home
from benchmark.records.paths import record_files


@pytest.mark.parametrize("number", [*BROKEN, *MISPLACED])
def test_each_failure_is_a_sentence_with_path_and_remedy(number, tmp_path):
    file = tmp_path / "file"
    file.touch()
    failure = disk_error(OSError(number, os.strerror(number), str(file)))
    assert isinstance(failure, DiskError) and failure.exit_code == MISSING
    assert str(file) in str(failure) and FAILURES[number][0] in str(failure) and "\n" not in str(failure)


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "no"), ValueError("x"), OSError("no number"),
                                   BrokenPipeError(errno.EPIPE, "pipe"), RuntimeError("CUDA error")])  # fmt: skip
def test_what_is_no_failure_of_a_disk_stays_what_it_is(error, tmp_path):
    assert disk_error(error) is None and ends_run(error, Home(tmp_path)) is None
    with pytest.raises(type(error)), disk_errors(tmp_path / "x"):
        raise error


def test_a_name_that_is_taken_is_no_file_in_the_way(tmp_path):
    with pytest.raises(FileExistsError) as raised:
        tmp_path.mkdir()
    assert disk_error(raised.value) is None


def test_a_full_folder_of_temporary_files_is_a_full_disk():
    failure = disk_error(FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp', '/var/tmp']"))
    assert "disk is full" in str(failure) and "TMPDIR" in str(failure)


def test_a_full_disk_ends_a_run_wherever_it_is_and_a_missing_right_only_within_the_home(tmp_path):
    home = Home(tmp_path / "home")
    assert ends_run(OSError(errno.ENOSPC, "full", "/elsewhere/x"), home)
    assert ends_run(OSError(errno.ENOSPC, "full"), home)
    assert ends_run(OSError(errno.EACCES, "no", str(home.features / "x")), home)
    assert ends_run(OSError(errno.EACCES, "no", "/a/plugin/of/somebody"), home) is None
    assert ends_run(DiskError("told"), home)
    try:
        raise MissingError("the method cannot be built") from OSError(errno.ENOSPC, "full", "/hub/cache")
    except MissingError as error:
        assert "/hub/cache: the disk is full" in str(ends_run(error, home))


def test_an_error_about_another_file_is_left_to_whoever_works_there(tmp_path):
    with pytest.raises(PermissionError), disk_errors(tmp_path / "x"):
        raise PermissionError(errno.EACCES, "no", "/a/plugin/of/somebody")
    with pytest.raises(DiskError, match=f"{tmp_path}: permission"), disk_errors(tmp_path / "a" / "x"):
        raise PermissionError(errno.EACCES, "no", str(tmp_path))


@pytest.fixture
def limited():
    """No file may become larger than 40 kB: what a disk with 40 kB left does, in one process and on any system."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _array(path):
    ArrayWriter(path, np.dtype(np.float32), (100, 1000))


def _torch(path):
    write_state(path, {"weights": torch.zeros(20_000)})


def _safetensors(path):
    with atomic_path(path) as temporary:
        save_file({"weights": torch.zeros(20_000)}, temporary)


def _numpy(path):
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.zeros(20_000))


def _figure(path):
    from matplotlib.figure import Figure

    with atomic_path(path) as temporary:
        Figure().savefig(temporary, format="raw")


WRITERS = [_array, _torch, _safetensors, _numpy, _figure, lambda path: write_text(path, "x" * 50_000)]


@pytest.mark.parametrize("write", WRITERS[1:])
def test_every_kind_of_writer_says_so_and_leaves_nothing(write, limited, tmp_path):
    with pytest.raises(DiskError, match=r"x\.bin: "):
        write(tmp_path / "x.bin")
    assert not list(tmp_path.iterdir())


def test_the_room_for_an_array_is_taken_before_the_work(limited, tmp_path):
    with pytest.raises(DiskError, match=r"x\.npy: it would be larger"), atomic_path(tmp_path / "x.npy") as temporary:
        _array(temporary)
        pytest.fail("the work began")
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_the_home_is_named_by_every_command(tmp_path, capsys, tiny_suite):
    file = tmp_path / "file"
    file.write_text("x")
    suite = str(tiny_suite)
    for home in (file, file / "below"):
        for command in (["run", suite], ["status", suite], ["leaderboard", suite], ["plan", suite],
                        ["data", "prepare", "synthetic"], ["data", "check", "synthetic"],
                        ["pretrain", "merl", "--data", "synthetic"], ["search", "abc"]):  # fmt: skip
            assert main([*command, "--home", str(home)]) == MISSING, command
            message = capsys.readouterr().err
            assert message.startswith(f"ecgarena: {file}") and "a file is where a folder must be" in message, command
            assert message.count("\n") == 1


@pytest.mark.parametrize("part", ["features", "records", "locks", "data"])
def test_a_file_in_the_place_of_a_part_of_the_home_is_named(part, tmp_path, capsys, tiny_suite):
    (tmp_path / part).write_text("x")
    assert main(["status", str(tiny_suite), "--home", str(tmp_path)]) == MISSING
    assert f"{tmp_path / part}: a file is where a folder must be" in capsys.readouterr().err


def test_a_home_that_cannot_be_read_is_named():
    """As an ordinary user: nothing is closed to the superuser."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        home = Home(Path(folder) / "home")
        home.records.mkdir(parents=True)
        home.records.chmod(0)
        assert f"{home.records}: permission is denied" in _as_nobody(lambda: check_home(home))
        home.records.chmod(0o755)
        assert _as_nobody(lambda: check_home(home)) == ""
        assert f"{home.root / 'x'}: permission is denied" in _as_nobody(lambda: write_text(home.root / "x" / "y", "z"))


def _as_nobody(action):
    """Return the error of an action for a user without special rights."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            action()
        except BaseException as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


def test_a_home_that_is_not_there_yet_is_fine(tmp_path):
    check_home(Home(tmp_path / "new"))


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_a_run_on_a_full_disk_ends_with_one_sentence_and_no_cell_has_failed(
    executor, prepared_home, tiny_suite, limited, capsys
):
    """It goes on where it was once there is room; what a worker process meets is told by the one that started it."""
    command = ["run", str(tiny_suite), "--methods", "handcrafted", "--tasks", "linear_probe", "--executor", executor]
    small = ["--set", "tasks.linear_probe.config.fraction=1.0", "--set", "tasks.linear_probe.config.seed=0"]
    assert main([*command, *small, "--workers", "1", "-q"]) == MISSING
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith(f"ecgarena: {prepared_home.features}") and "`ulimit -f`" in message
    assert not list(record_files(prepared_home.records)) and not list(prepared_home.features.glob("*.npy"))
    assert not list(prepared_home.features.glob(".*"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    if executor == "inline":
        assert main([*command, *small, "-q"]) == COMPLETE


@pytest.fixture
def small_disk(tmp_path):
    """Return the folder of a file system of 1 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_is_an_error_and_no_signal(small_disk):
    with pytest.raises(DiskError, match="disk is full"), atomic_path(small_disk / "x.npy") as temporary:
        ArrayWriter(temporary, np.dtype(np.float32), (1000, 1000))
    for write in (_torch, _safetensors, _numpy):
        (small_disk / "ballast").write_bytes(bytes((1 << 20) - 60_000))
        with pytest.raises(DiskError, match="disk is full"):
            write(small_disk / "x.bin")
        assert [path.name for path in small_disk.iterdir()] == ["ballast"]


def test_a_disk_that_fills_while_rows_are_written_is_an_error_too(small_disk, monkeypatch):
    """As on a file system that cannot take room ahead."""
    monkeypatch.setattr("benchmark.cache.arrays.allocate", lambda *_: None)
    with pytest.raises(DiskError, match="disk is full"), atomic_path(small_disk / "x.npy") as temporary:
        writer = ArrayWriter(temporary, np.dtype(np.float32), (1000, 1000))
        for start in range(0, 1000, 100):
            writer[start : start + 100] = np.ones((100, 1000), np.float32)
    assert not list(small_disk.iterdir())


def test_a_read_only_disk_is_named(small_disk):
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    with pytest.raises(DiskError, match="read-only"):
        write_text(small_disk / "features" / "x.json", "x")
