"""Profiles: what is special wins, the command line last, and every mistake is told at once."""

import pytest

from benchmark.errors import UsageError
from slurm.profiles import load_profile, megabytes, minutes, profile_names

PROFILE = """
[limits]
max_jobs = 50
[all]
partition = "long"
memory = "8G"
environment = { A = "1", B = 2 }
[stages.pretrain]
gpus = 1
time = "1-02:00:00"
[methods.merl]
memory = "32G"
environment = { B = "3" }
[methods.merl.pretrain]
nodes = 2
gpus = 4
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(PROFILE)
    return file


def test_what_is_special_wins_and_the_command_line_last(path):
    profile = load_profile(str(path), ["memory=64G", "pretrain.gpus=8", "limits.max_jobs=7"])
    plain, special = profile.resources("probe", "other"), profile.resources("pretrain", "merl")
    assert (plain.partition, plain.gpus, plain.memory, plain.where) == ("long", 0, "64G", "cpu")
    assert (special.gpus, special.nodes, special.time, special.memory) == (8, 2, 26 * 60, "64G")
    assert special.environment == {"A": "1", "B": "3"} and special.where == "cuda" and special.gpu_count == 16
    assert profile.limits.max_jobs == 7


def test_all_mistakes_at_once_with_the_nearest_names(path):
    path.write_text(
        PROFILE.replace("partition", "partitoin").replace("gpus = 1", 'gpus = "many"') + "\n[stages.prob]\n[alll]\n"
    )
    with pytest.raises(UsageError) as error:
        load_profile(str(path))
    for part in ("did you mean 'probe'", "did you mean 'all'"):
        assert part in str(error.value)
    path.write_text(
        PROFILE.replace("partition", "partitoin").replace("gpus = 1", 'gpus = "many"').replace('"32G"', '"32 apples"')
    )
    with pytest.raises(UsageError) as error:
        load_profile(str(path), ["probe.tiem=5"])
    for part in (
        "all.partitoin",
        "'partition'",
        "stages.pretrain.gpus",
        "methods.merl.memory",
        "32 apples",
        "--resource.probe.tiem",
    ):
        assert part in str(error.value), part


@pytest.mark.parametrize(
    "resource, message",
    [
        ("gpus", "write KEY=VALUE"),
        ("prob.gpus=1", "did you mean 'probe'"),
        ("probe.nodes=2", "nodes and tasks above 1 are for pretrain"),
        ("probe.time=1", "no warning before a limit of 1 min"),
        ("memory=lots", "write 500M or 16G"),
    ],
)
def test_what_cannot_be(path, resource, message):
    with pytest.raises(UsageError, match=message):
        load_profile(str(path), [resource])


def test_more_for_what_ran_out(path):
    profile = load_profile(str(path), ["memory=10G"]).heavier(["merl"], memory=2, time=1.5)
    assert megabytes(profile.resources("probe", "merl").memory) == 20 * 1024
    assert profile.resources("pretrain", "merl").time == 39 * 60
    assert profile.resources("pretrain", "merl").nodes == 2 and profile.resources("pretrain", "other").time == 26 * 60


def test_built_in_profiles_and_unknown_ones():
    assert {"cpu", "default"} <= set(profile_names())
    for name in profile_names():
        load_profile(name)
    with pytest.raises(UsageError, match="did you mean 'default'"):
        load_profile("defalt")


def test_times_and_memory_as_sbatch_reads_them():
    assert [minutes(text) for text in ("90", "1:30", "2:00:00", "1-0", "1-1:30", "0:0:1")] == [
        90,
        2,
        120,
        1440,
        1530,
        1,
    ]
    assert [megabytes(text) for text in ("500", "500M", "2G", "1T", "1024K")] == [500, 500, 2048, 1048576, 1]
