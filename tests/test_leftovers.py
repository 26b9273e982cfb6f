"""Half-written files of killed runs are removed by the next run; files of running processes stay."""

import os
import subprocess
import sys
import time

import pytest

from benchmark.atomic import machine, temporary_path
from benchmark.leftovers import DAY, remove_leftovers


@pytest.fixture
def dead_process():
    """Return the number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def left(folder, process, name="x", suffix=".npy", where=None):
    where = machine() if where is None else where
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f".{name}.{where}{'-' if where else ''}{process}-0123abcd{suffix}"
    path.write_bytes(b"x")
    return path


def old(path):
    os.utime(path, (time.time() - 2 * DAY,) * 2)
    return path


def test_every_place_in_which_something_is_written_is_looked_at(home, dead_process):
    places = [home.root, home.features, home.fingerprints, home.subsets, home.decoders, home.leaderboards,
              home.pretrained / "merl-1", home.data / "ptbxl.partial", home.scratch / "k-d", home.slurm / "code",
              home.records / "task" / "method", home.slurm / "now"]  # fmt: skip
    files = [left(place, dead_process) for place in places]
    assert sorted(remove_leftovers(home)) == sorted(files) and not any(path.exists() for path in files)


def test_a_folder_goes_with_what_is_in_it(home, dead_process):
    folder = home.records / "task" / "method" / f".key.{machine()}-{dead_process}-0123abcd"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text("{")
    assert remove_leftovers(home) == [folder] and not folder.exists()


def test_a_name_as_it_is_given_is_a_name_as_it_is_looked_for(home):
    """This process has not written anything yet: what has its number is of one before it, in a container say."""
    path = temporary_path(home.features / "merl-features-0123.npy")
    path.parent.mkdir(parents=True)
    path.touch()
    assert remove_leftovers(home) == [path]


def test_what_a_process_is_at_stays(home):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        path = old(left(home.features, process.pid))
        assert remove_leftovers(home) == [] and path.exists()
        process.communicate(b"\n")
    assert remove_leftovers(home) == [path]


@pytest.mark.parametrize("where", ["ffffffff", ""])
def test_on_other_machines_and_of_older_code_only_what_has_not_changed_for_a_day_goes(home, dead_process, where):
    new, stale = (
        left(home.features, dead_process, "new", where=where),
        old(left(home.features, dead_process, "old", where=where)),
    )
    assert remove_leftovers(home) == [stale] and new.exists()


def test_everything_else_stays(home, dead_process):
    staying = [old(left(home.features, "kept", name=name, where="")) for name in ("a", "b")]
    for name in ("x.npy", ".hidden", ".set-aside", f"x.{machine()}-{dead_process}-0123abcd.npy", ".x.12-zzzzzzzz"):
        staying.append(home.features / name)
        staying[-1].touch()
        old(staying[-1])
    assert remove_leftovers(home) == [] and all(path.exists() for path in staying)


def test_a_home_that_is_not_there_has_no_leftovers(home):
    assert remove_leftovers(home) == []
