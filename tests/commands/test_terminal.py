"""What a run looks like: colour on a terminal alone, plain lines in a log, -q, -v, and Ctrl-C."""

import io
import os
import pty
import re
import signal
import subprocess
import sys

import pytest

from benchmark.cli import main
from benchmark.engine.events import BarReporter, Event, LineReporter, describe, reporter

COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-7]|9[0-7])(?:;\d+)*m")
SHOW = """
import sys; from benchmark.engine.events import Event, reporter
with reporter() as on_event:
    on_event(Event("cell", "merl, 1 %", status="failed"))
    on_event(Event("step", "features", 1, 2))
"""


def on_a_terminal(**environment: str) -> str:
    """What `SHOW` writes when stderr is a terminal."""
    actual, expected = pty.openpty()
    options = {**os.environ, "TERM": "xterm-256color", **environment}
    subprocess.run([sys.executable, "-c", SHOW], stderr=expected, env=options, check=True)
    os.close(expected)
    calls = b""
    try:
        while part := os.read(actual, 4096):
            calls += part
    except OSError:  # the terminal has no writer left
        pass
    os.close(actual)
    return calls.decode()


def test_colour_on_a_terminal_unless_no_color_is_set(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert COLOUR.search(on_a_terminal())
    plain = on_a_terminal(NO_COLOR="1")
    assert "merl, 1 %" in plain and not COLOUR.search(plain)


def test_a_log_file_gets_plain_lines():
    done = subprocess.run([sys.executable, "-c", SHOW], stderr=subprocess.PIPE, text=True, check=True)
    assert "\x1b" not in done.stderr and "\r" not in done.stderr
    assert [line.split(maxsplit=1)[1] for line in done.stderr.splitlines()] == ["failed merl, 1 %", "features: 1/2"]


def lines_for(**how: bool) -> str:
    stream = io.StringIO()
    on_event = LineReporter(stream, **how)
    on_event(Event("note", "10 cells"))
    on_event(Event("begin", "merl, 1 %", status="3fa2"))
    for done in (1, 2, 3):
        on_event(Event("step", "features", done, 9))
    on_event(Event("cell", "merl, 1 %", status="done"))
    on_event(Event("cell", "merl, 10 %: no memory", status="failed"))
    return re.sub(r"^\S+ ", "", stream.getvalue(), flags=re.MULTILINE)


def test_quiet_and_verbose_lines():
    assert lines_for(quiet=True) == "10 cells\nfailed merl, 10 %: no memory\n"
    assert lines_for().splitlines() == ["10 cells", "features: 1/9", "done   merl, 1 %", "failed merl, 10 %: no memory"]
    loud = lines_for(verbose=True)
    assert "begin  merl, 1 % (3fa2)" in loud and loud.count("features: ") == 3


def test_a_message_of_others_steers_no_terminal():
    text = describe(Event("cell", "x: \x1b[2Jgone\r\nsecond\tline", status="failed"))
    assert "\x1b" not in text and "\r" not in text and text.splitlines()[1] == "second line"


def test_bars_need_a_terminal_and_no_quiet(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert isinstance(reporter(), BarReporter) and isinstance(reporter(quiet=True), LineReporter)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    assert isinstance(reporter(), LineReporter)


def test_verbose_shows_where_an_error_was_raised(home, capsys):
    assert main(["show", "merll", "-v"]) == 2
    loud = capsys.readouterr().err
    assert main(["show", "merll"]) == 2
    assert "Traceback" in loud and "inspection.py" in loud and "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_ctrl_c_leaves_no_failed_cell_and_says_how_to_go_on(prepared_home, two_methods, ecgarena, executor):
    """As a terminal sends it: to the command and to its workers."""
    command = ["run", str(two_methods), "--executor", executor, "--workers", "1"]
    running = subprocess.Popen(
        [sys.executable, "-u", str(ecgarena), *command], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert running.stderr is not None
    for line in running.stderr:
        if " done   " in line:
            os.killpg(running.pid, signal.SIGINT)
            break
    rest = running.stderr.read()
    assert running.wait() == 130 and "Traceback" not in rest
    assert f"go on with: ecgarena {' '.join(command)}" in rest
    content = list(prepared_home.records.rglob("record.json"))
    assert content and all('"status": "done"' in path.read_text() for path in content)
    assert main(["status", str(two_methods)]) == 4
