"""Sealed files: what was written is noticed to be whole, or made anew, and old files without a seal stay usable."""

import logging
import os

import numpy as np
import pytest

from benchmark.cache import checksums
from benchmark.cache.arrays import ArrayWriter, is_usable, read_array
from benchmark.cache.checksums import DamagedFileError, is_sealed, seal, set_aside, usable


@pytest.fixture
def sealed(tmp_path):
    path = tmp_path / "x.npy"
    writer = ArrayWriter(path, np.dtype(np.float32), (50, 7))
    writer[0:50] = values()
    writer.finish()
    return path


def values():
    return np.random.default_rng(0).normal(size=(50, 7)).astype(np.float32)


def test_a_sealed_array_is_a_plain_npy_file_for_everybody_else(sealed):
    assert is_sealed(sealed)
    assert np.array_equal(np.load(sealed), values()) and np.array_equal(np.load(sealed, mmap_mode="r"), values())
    assert np.array_equal(read_array(sealed), values()) and not read_array(sealed).flags.writeable


def test_rows_come_in_any_order_and_number(tmp_path):
    writer = ArrayWriter(tmp_path / "x.npy", np.dtype(np.float16), (6, 3))
    rows = np.array([0, 2, 3, 5])
    writer[rows] = values()[rows, :3]
    writer[np.array([1, 4])] = values()[[1, 4], :3]
    assert np.array_equal(writer.finish(), values()[:6, :3].astype(np.float16))


@pytest.mark.parametrize("seed", range(48))
def test_no_damage_goes_unnoticed(sealed, damage, seed):
    """Damaged files are not usable, and say why; the place is free for a new one."""
    assert is_usable(sealed, 50)
    sentences = []
    kind = damage(sealed, seed)
    if is_usable(sealed, 50, sentences.append):
        assert kind == "truncate" and np.array_equal(read_array(sealed), values())  # of the seal alone
        return
    assert (
        str(sealed) in sentences[0]
        and "damaged" in sentences[0]
        and "made anew" in sentences[0]
        and len(sentences) == 1
    )
    writer = ArrayWriter(sealed.with_name("new"), np.dtype(np.float32), (50, 7))
    writer[0:50] = values()
    writer.finish()
    sealed.with_name("new").replace(sealed)
    assert is_usable(sealed, 50) and np.array_equal(read_array(sealed), values())
    if kind == "replace by a folder":
        (aside,) = (sealed.parent / ".set-aside").iterdir()
        assert (aside / "something").read_text() == "of somebody" and str(aside) in sentences[0]


def test_zeros_under_the_old_time_of_writing_are_noticed_by_another_process(sealed, monkeypatch):
    """After a power cut a file can have its size and time, and no content."""
    about, content = sealed.stat(), sealed.read_bytes()
    assert is_sealed(sealed)
    sealed.write_bytes(content[:200] + bytes(400) + content[600:])
    os.utime(sealed, ns=(about.st_atime_ns, about.st_mtime_ns))
    monkeypatch.setattr(checksums, "_verified", set())
    with pytest.raises(DamagedFileError, match="not what was written"):
        is_sealed(sealed)


def test_a_process_reads_a_file_once_as_long_as_it_is_the_same(sealed, monkeypatch):
    assert is_sealed(sealed)
    with monkeypatch.context() as patched:
        patched.setattr(checksums, "_checksum", lambda *_: pytest.fail("it was read again"))
        assert is_sealed(sealed)
    content = bytearray(sealed.read_bytes())
    content[300] ^= 1
    sealed.write_bytes(content)
    with pytest.raises(DamagedFileError):
        is_sealed(sealed)


def test_an_array_of_older_code_is_checked_and_gets_a_seal(tmp_path):
    path = tmp_path / "old.npy"
    np.save(path, values())
    assert not is_sealed(path)
    assert is_usable(path, 50) and is_sealed(path) and np.array_equal(read_array(path), values())


@pytest.mark.parametrize("old", ["short", "long", "other rows", "nan", "rubbish", "object"])
def test_an_array_of_older_code_that_cannot_be_right_is_made_anew(tmp_path, old):
    path, sentences = tmp_path / "old.npy", []
    array = values()
    array[3, 3] = np.nan if old == "nan" else 0
    np.save(path, np.array([{}] * 50) if old == "object" else array[:40] if old == "other rows" else array)
    content = path.read_bytes()
    path.write_bytes({"short": content[:-1], "long": content + b"x", "rubbish": b"rubbish"}.get(old, content))
    assert not is_usable(path, 50, sentences.append) and len(sentences) == 1


def test_what_is_absent_is_no_damage(tmp_path):
    assert not usable(tmp_path / "x", lambda sealed: None, lambda text: pytest.fail(text))
    with pytest.raises(FileNotFoundError):
        is_sealed(tmp_path / "x")


def test_readers_without_a_sink_tell_a_log(tmp_path, caplog):
    (tmp_path / "x.npy").write_bytes(b"")
    with caplog.at_level(logging.WARNING):
        assert not is_usable(tmp_path / "x.npy", 3)
    assert "x.npy is damaged" in caplog.text


def test_a_seal_covers_files_of_all_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr(checksums, "BLOCK", 64)
    for size in (0, 1, 63, 64, 65, 1000):
        path = tmp_path / str(size)
        path.write_bytes(bytes(range(256)) * 4)
        os.truncate(path, size)
        seal(path)
        assert is_sealed(path) and path.stat().st_size == size + checksums.SEAL_BYTES


def test_set_aside_never_takes_the_place_of_another(tmp_path):
    for text in ("one", "two"):
        (tmp_path / "x").write_text(text)
        set_aside(tmp_path / "x")
    assert sorted(path.read_text() for path in (tmp_path / ".set-aside").iterdir()) == ["one", "two"]
