"""TAB in a shell: commands, options and names; nothing heavy is imported for it."""

import os
import shutil
import subprocess
import sys

import pytest

BASH = """
eval "$(ecgarena completion bash)"
COMP_LINE={line!r} COMP_POINT={point} COMP_TYPE=9 _python_argcomplete ecgarena
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def offers(shell):
    """What bash offers after a line; its own function asks, as at TAB."""
    if shutil.which("bash") is None:
        pytest.skip("there is no bash on this machine")

    def ask(line: str) -> list[str]:
        done = shell("bash", "--norc\0-c\0" + BASH.format(line=line, point=len(line)))
        assert done.returncode == 0, done.stderr
        return [word.strip() for word in done.stdout.split()]

    return ask


@pytest.mark.parametrize(
    "line, some, none",
    [
        ("ecgarena ", {"run", "list", "completion"}, {"--version", "merl"}),
        ("ecgarena run --re", {"--retry-failed", "--resource"}, {"--set"}),
        ("ecgarena run pt", {"ptbxl", "ptbxl_floors"}, {"demo"}),
        ("ecgarena run demo --methods me", {"merl"}, {"byol"}),
        ("ecgarena show ", {"merl", "linear_probe", "csn", "demo"}, {"run"}),
        ("ecgarena data prepare c", {"csn", "cpsc2018"}, {"ptbxl"}),
        ("ecgarena completion ", {"bash", "zsh"}, {"fish"}),
    ],
)
def test_bash_offers_what_may_come_next(offers, line, some, none):
    result = set(offers(line))
    assert some <= result and not none & result


def test_keys_of_cells_are_offered(offers, home):
    (home.records / "linear_probe" / "merl" / "3fa2c0ffee").mkdir(parents=True)
    assert offers("ecgarena explain 3f") == ["3fa2c0ffee"]


def test_zsh_takes_the_function(shell):
    if shutil.which("zsh") is None:
        pytest.skip("there is no zsh on this machine")
    line = 'autoload -U compinit; compinit -D; eval "$(ecgarena completion zsh)"; print $_comps[ecgarena]'
    done = shell("zsh", f"-f\0-c\0{line}")
    assert done.stdout.split() == ["_python_argcomplete"], done.stderr


def test_a_tab_imports_nothing_heavy(ecgarena, tmp_path):
    line = "ecgarena show mer"
    requests = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    requests["_ARGCOMPLETE_STDOUT_FILENAME"] = str(tmp_path / "offered")
    command = [sys.executable, "-X", "importtime", str(ecgarena)]
    done = subprocess.run(command, env={**os.environ, **requests}, capture_output=True, text=True, check=False)
    imported = {row.rsplit("|", 1)[1].strip() for row in done.stderr.splitlines() if row.startswith("import time:")}
    assert (tmp_path / "offered").read_text().strip() == "merl" and "argcomplete" in imported
    assert not imported & {"torch", "pandas", "sklearn", "numpy", "scipy", "rich", "pydantic"}
