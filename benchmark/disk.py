"""Failures of disks and folders, described in one sentence each: the path, the fault and the remedy.

Standard library alone: the command line imports this on its way to ``--help``.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.errors import DiskError
from benchmark.paths import Home

ROOM = "make room, or choose a home on another disk with --home"
TEMPORARY = "make room, or choose another folder: TMPDIR for temporary files, --home for what a run writes"
RIGHTS = "change its rights, or choose another home with --home"
PLACE = "move it away, or choose another home with --home"
HARDWARE = "look after the disk or its server, or choose a home on another one with --home"
STAYS = "what is finished is kept"
WORKER_EXIT = 74  # EX_IOERR: a worker process ended by a failing disk; its cells are still to do
WORKER_MARK = "ecgarena: disk: "  # begins the line on its standard error that says why
BROKEN = {  # wherever it happens, no work can go on
    errno.ENOSPC: ("the disk is full", ROOM),
    errno.EDQUOT: ("the quota on this disk is used up", ROOM),
    errno.EFBIG: ("it would be larger than the file system or `ulimit -f` allows", f"raise the limit, or {ROOM}"),
    errno.EROFS: ("the file system is read-only", "choose a home that can be written to with --home"),
    errno.EIO: ("the disk reports an input/output error", HARDWARE),
    errno.ESTALE: ("the file server has lost it (stale file handle)", HARDWARE),
    errno.EMFILE: ("this process has too many open files", "raise `ulimit -n`"),
    errno.ENFILE: ("this machine has too many open files", "end other programs"),
}
MISPLACED = {  # a matter of one path, which may be the user's or a plug-in's
    errno.EACCES: ("permission is denied", RIGHTS),
    errno.EPERM: ("permission is denied", RIGHTS),
    errno.ENOTDIR: ("a file is where a folder must be", PLACE),
    errno.EEXIST: ("a file is where a folder must be", PLACE),
    errno.EISDIR: ("a folder is where a file must be", PLACE),
    errno.ELOOP: ("its links lead in a circle", PLACE),
    errno.ENAMETOOLONG: ("the name is too long", "choose a home with a shorter path with --home"),
}
FAILURES = {**BROKEN, **MISPLACED}
_RUST = re.compile(r"\(os error (\d+)\)")  # how libraries written in Rust (safetensors, tokenizers) tell an errno
_NUMPY = re.compile(r"\d+ requested and \d+ written")  # numpy's short write has none
_TORCH = "inline_container"  # torch's failed write, which hides that of the file below it
_NO_TEMPORARY = "No usable temporary directory"  # Python's words where the folder of temporary files is full
_UNSUPPORTED = (errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL, errno.ENOSYS, errno.ENODEV)


def disk_error(error: BaseException, path: Path | str | None = None) -> DiskError | None:
    """Return `error` as one sentence with path and remedy; None for other errors.

    `path` was being written or read; it stands in for the file in errors that name none.
    """
    if isinstance(error, DiskError):
        return error
    number, file = _cause(error)
    return _sentence(number, file or path) if number else None


def ends_run(error: BaseException, home: Home) -> DiskError | None:
    """Return the error that ends a whole run; None where `error` is the failure of one cell.

    A full or broken disk ends a run wherever it is. A missing right or a file in the way does so only within `home`: a
    method may read and write elsewhere, and then the fault is its own. Causes of `error` count as well.
    """
    behind: BaseException | None = error
    while behind is not None:
        if isinstance(behind, DiskError):
            return behind
        number, file = _cause(behind)
        inside = file is not None and Path(file).is_relative_to(home.root)
        if number in BROKEN or (number and inside):
            return _sentence(number, file or home.root)
        behind = behind.__cause__
    return None


@contextmanager
def disk_errors(path: Path, *also: Path) -> Iterator[None]:
    """Raise `DiskError` for failures of `path`, a folder above it, the paths `also`, or an unnamed file.

    An error that names another file passes unchanged: it may come from a method at work.
    """
    try:
        yield
    except Exception as error:
        number, file = _cause(error)
        above = file is not None and path.is_relative_to(file)
        if number and (above or file in (None, *map(str, also))):
            raise _sentence(number, file if above else path) from error
        raise


def check_home(home: Home) -> None:
    """Raise `DiskError` where the home, or an existing part of it, is no readable folder."""
    for folder in home.folders:
        try:
            folder.stat()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise disk_error(error) or error from None
        if not folder.is_dir():
            raise _sentence(errno.ENOTDIR, folder)
        if not os.access(folder, os.R_OK | os.X_OK):
            raise _sentence(errno.EACCES, folder)


def end_worker(error: DiskError | OSError) -> int:
    """Say why this worker ends, and return its exit code; raise `error` if it is no failure of a disk."""
    failure = disk_error(error)
    if failure is None:
        raise error
    print(f"{WORKER_MARK}{failure}", file=sys.stderr)
    return WORKER_EXIT


def failure_of_worker(stderr: Iterable[str]) -> DiskError:
    """Return the error that a worker which ended with `WORKER_EXIT` wrote to its standard error."""
    lines = [line.removeprefix(WORKER_MARK).strip() for line in stderr if line.startswith(WORKER_MARK)]
    return DiskError(lines[-1] if lines else f"a disk failed a worker process, which could not say more; {STAYS}")


def allocate(file: int, size: int) -> None:
    """Reserve `size` bytes for an open file, so that a full disk is noticed before the work is done.

    A file system that cannot reserve space is left alone, and the writes will fail instead.
    """
    if size <= 0 or not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(file, 0, size)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def _sentence(number: int, path: Path | str | None) -> DiskError:
    problem, remedy = FAILURES[number]
    if remedy == ROOM and path is not None and str(path).startswith(_temporary_folder()):
        remedy = TEMPORARY
    return DiskError(f"{f'{path}: ' if path else ''}{problem}; {remedy}; {STAYS}")


def _cause(error: BaseException) -> tuple[int, str | None]:
    """Return errno and file of the failure behind an error, in whichever way its library tells it; 0 for none."""
    if isinstance(error, OSError):
        return _of_system(error)
    if isinstance(error, RuntimeError) and _TORCH in str(error) and isinstance(error.__context__, OSError):
        return _of_system(error.__context__)
    match = _RUST.search(str(error))
    return (int(match[1]), None) if match and int(match[1]) in BROKEN else (0, None)


def _of_system(error: OSError) -> tuple[int, str | None]:
    if _NO_TEMPORARY in str(error):
        return errno.ENOSPC, _temporary_folder()
    if error.errno is None:
        return (errno.ENOSPC, None) if _NUMPY.search(str(error)) else (0, None)
    file = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else None
    if error.errno == errno.EEXIST and (file is None or Path(file).is_dir()):
        return 0, None  # a name that is taken, not a file in the way of a folder
    return (error.errno, file) if error.errno in FAILURES else (0, None)


def _temporary_folder() -> str:
    tempfile = sys.modules.get("tempfile")  # it may name another folder only where it was imported
    return getattr(tempfile, "tempdir", None) or os.environ.get("TMPDIR") or "/tmp"
