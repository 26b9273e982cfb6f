"""Files before the terminal: whatever becomes of stdout and stderr, the files are there and the exit code is right."""

import io
import os
import subprocess
import sys

import pytest

from benchmark.cli import main
from benchmark.commands.options import print_json
from benchmark.streams import READABLE

COMPLETE, INCOMPLETE, MISSING = 0, 4, 5
COMMAND = """
import pathlib, sys
from benchmark.streams import guarded
@guarded
def main():
    pathlib.Path("file").write_text("done")
    for number in range(2000):
        print("0.8 ±0.1 ≈ étude", number)
    print("a note", file=sys.stderr)
    if "help" in sys.argv:
        sys.exit(0)
    return int(sys.argv[1])
sys.exit(main())
"""


@pytest.fixture
def command(tmp_path):
    """A command that writes a file, prints a lot, and returns its argument, run in a shell with its streams changed."""
    (tmp_path / "command.py").write_text(COMMAND)

    def run(argument, streams, **environment):
        line = f"{sys.executable} command.py {argument} {streams}"
        process = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, env={**os.environ, **environment}, capture_output=True
        )
        assert (tmp_path / "file").read_text() == "done"
        assert b"Traceback" not in process.stderr and b"Exception ignored" not in process.stderr
        return process

    return run


@pytest.mark.parametrize(
    "encoding, expected",
    [
        ("utf-8", "0.8 ±0.1 ≈ étude 0"),
        ("latin-1", "0.8 ±0.1 ~ étude 0"),
        ("cp1252", "0.8 ±0.1 ~ étude 0"),
        ("gbk", "0.8 ±0.1 ≈ étude 0"),
        ("ascii", "0.8 +/-0.1 ~ etude 0"),
    ],
)
def test_letters_that_the_terminal_lacks_are_replaced(command, encoding, expected):
    process = command(0, "", PYTHONIOENCODING=encoding)
    assert process.returncode == COMPLETE and process.stdout.decode(encoding).splitlines()[0] == expected


@pytest.mark.parametrize(
    "argument, streams, expected",
    [
        (0, ">&-", COMPLETE),
        (INCOMPLETE, "2>&-", INCOMPLETE),
        (0, "<&- >&- 2>&-", COMPLETE),
        (0, "| true; exit ${PIPESTATUS[0]}", COMPLETE),
        (INCOMPLETE, "2>&1 | head -1; exit ${PIPESTATUS[0]}", INCOMPLETE),
        ("help", "| true; exit ${PIPESTATUS[0]}", COMPLETE),
        (0, "> /dev/full", MISSING),
        (INCOMPLETE, "> /dev/full", INCOMPLETE),
        ("help", "> /dev/full", MISSING),
        (0, "2> /dev/full", MISSING),
    ],
)
def test_closed_full_and_deserted_streams_cost_no_file(command, argument, streams, expected):
    process = command(argument, streams)
    assert process.returncode == expected, process.stderr
    if "full" in streams and not streams.startswith("2"):
        assert process.stderr.endswith(b"ecgarena: the output cannot be written: No space left on device\n")


def test_no_file_takes_the_number_of_a_closed_stream(tmp_path):
    """What cron or a daemon closed would else be the next file that is opened, and output would land in it."""
    code = (
        "import os, sys; os.close(0); os.close(1); os.close(2); sys.stdin = sys.stdout = sys.stderr = None\n"
        "from benchmark.streams import safe_streams\n"
        "with safe_streams():\n"
        "    number = os.open('here', os.O_WRONLY | os.O_CREAT)\n"
        "    os.write(1, b'x'); print('y'); print('z', file=sys.stderr)\n"
        "os._exit(number)"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path)
    assert process.returncode > 2 and (tmp_path / "here").read_bytes() == b""


@pytest.mark.parametrize(
    "letter, alike", [("≈", "~"), ("±", "+/-"), ("é", "e"), ("Ω", "?"), ("ﬁ", "fi"), ("\udcff", "?")]
)
def test_letters_become_such_that_read_alike(letter, alike):
    assert letter.encode("ascii", READABLE) == alike.encode()


class Broken(io.StringIO):
    """A terminal that fails at the first letter."""

    encoding = "utf-8"

    def write(self, text):
        raise RuntimeError("the terminal is gone")


@pytest.mark.parametrize("arguments", [["leaderboard"], ["run"], ["compare", "handcrafted", "random_init", "--suite"]])
def test_tables_are_written_before_anything_is_printed(prepared_home, two_methods, tmp_path, monkeypatch, arguments):
    if arguments[0] != "run":
        assert main(["run", str(two_methods), "-q"]) == 0
    out = prepared_home.leaderboards if arguments[0] == "run" else tmp_path / "out"
    where = ["-q"] if arguments[0] == "run" else ["--out", str(out)]
    monkeypatch.setattr(sys, "stdout", Broken())
    with pytest.raises(RuntimeError, match="the terminal is gone"):
        main([*arguments, str(two_methods), *where])
    monkeypatch.undo()
    assert list(out.glob("tiny*.md"))


def test_json_keeps_its_letters_whatever_the_terminal_lacks(monkeypatch):
    for encoding, expected in (("ascii", b'"\\u00b5\\u2248"\n'), ("utf-8", '"µ≈"\n'.encode())):
        stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
        monkeypatch.setattr(sys, "stdout", stream)
        print_json("µ≈")
        stream.flush()
        assert stream.buffer.getvalue() == expected
    monkeypatch.undo()


def test_the_command_itself_is_guarded(ecgarena):
    line = f"{ecgarena} --help > /dev/full; echo $?; {ecgarena} list | true; echo ${{PIPESTATUS[0]}}"
    process = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert process.stdout == f"{MISSING}\n{COMPLETE}\n"
    assert process.stderr == "ecgarena: the output cannot be written: No space left on device\n"
