"""A real SLURM for the tests of this folder, a pretended one where the real would be too slow, and chores to run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
SCRIPT = FOLDER / "cluster.sh"
FAKES = """#!{python}
import pathlib, sys
state = pathlib.Path({state!r})
command, arguments = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
with (state / "calls").open("a") as file:
    file.write(" ".join([command, *arguments]) + "\\n")
if (state / "down").exists():
    sys.exit("slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
if command == "sbatch":
    script = pathlib.Path(arguments[-1]).read_text()
    number = 1 + len(list(state.glob("*.sh")))
    if (state / "full").exists() and number > int((state / "full").read_text()):
        sys.exit("sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit)")
    (state / f"{{number}}.sh").write_text(script)
    print(f"Submitted batch job {{number}}")
elif command == "squeue":
    queue = state / "queue"
    print(queue.read_text() if queue.exists() else "", end="")
elif command == "scontrol":
    print("MaxArraySize            = 1001")
"""


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """A folder whose sbatch, squeue, scontrol, scancel and sacct write down what they are asked; calls, 1.sh, queue."""
    state, bin = tmp_path / "pretended", tmp_path / "bin"
    state.mkdir()
    bin.mkdir()
    for name in ("sbatch", "squeue", "scontrol", "scancel", "sacct", "srun"):
        (bin / name).write_text(FAKES.format(python=sys.executable, state=str(state)))
        (bin / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{bin}{os.pathsep}{os.environ['PATH']}")
    return state


def plug_in(folder: Path) -> None:
    """Install the chores into a folder, as an entry point of a distribution of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(FOLDER / "chores.py", folder)
    info = folder / "chores-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: chores\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[ecgarena.methods]\nplain = chores:Plain\nslow = chores:Slow\n[ecgarena.tasks]\nchore = chores:Chore\n"
    )


@pytest.fixture
def chores(tmp_path, monkeypatch):
    """The chores for this process and for the processes that it starts; the folder where they look for their cure."""
    from benchmark.registry import METHODS, TASKS

    plug_in(tmp_path / "plugin")
    monkeypatch.syspath_prepend(str(tmp_path / "plugin"))
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / 'plugin'}{os.pathsep}{ROOT}")
    monkeypatch.setenv("CHORES", str(tmp_path))
    yield tmp_path
    for registry, names in ((METHODS, ("plain", "slow")), (TASKS, ("chore",))):
        for name in names:
            registry._classes.pop(name, None)
    sys.modules.pop("chores", None)


class Cluster:
    """A running SLURM; commands are given to it in the environment `variables`."""

    def __init__(self, folder: Path, plugin: Path) -> None:
        self.folder, self.plugin = folder, plugin
        search = f"{plugin}{os.pathsep}{ROOT}"
        conf = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
        self.variables = {**os.environ, **conf, "PYTHONPATH": search, "CHORES": str(plugin), "OMP_NUM_THREADS": "1"}

    def script(self, *arguments: str, **shape: str) -> None:
        subprocess.run([str(SCRIPT), *arguments], check=True, env={**os.environ, **shape}, timeout=120)

    def down(self, name: str) -> None:
        self.script("down", str(self.folder), name)

    def up(self, name: str) -> None:
        self.script("up", str(self.folder), name)

    def ask(self, *command: str) -> str:
        return subprocess.run(
            command, check=True, capture_output=True, text=True, env=self.variables, timeout=60
        ).stdout

    def ecgarena(
        self, *arguments: str, timeout: float = 200, code: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "benchmark", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, env=self.variables, cwd=ROOT, timeout=timeout)
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done

    def start_ecgarena(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "benchmark", *arguments]
        pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=self.variables, cwd=ROOT, **pipe)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A real SLURM with two nodes and arrays of at most four, ended with the session."""
    if not (shutil.which("slurmctld") and shutil.which("munged")):
        pytest.skip("needs slurmctld and munged: 'tests/slurm/cluster.sh install' brings them (Debian, as root)")
    if os.geteuid():
        pytest.skip("needs root: a SLURM on this machine runs its daemons as root")
    folder = tmp_path_factory.mktemp("slurm")
    plug_in(folder / "plugin")
    product = Cluster(folder / "cluster", folder / "plugin")
    try:
        product.script("start", str(product.folder), ARRAY="4", PORT=str(26900 + os.getpid() % 1000 * 20))
        yield product
    finally:
        product.script("stop", str(product.folder))
