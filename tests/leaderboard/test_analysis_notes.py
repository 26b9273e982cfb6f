"""Notes on the wording of prompts: one line per entry, whatever the number of its trainings."""

from benchmark.leaderboard.analysis_notes import _spread


def phrases(low, high, sd):
    return {"min": low, "max": high, "sd": sd, "values": [low, high]}


def test_one_training_has_its_own_range():
    assert _spread([phrases(0.5, 0.7, 0.1)], 1) == "0.500 to 0.700 (sd 0.100, 2 wordings)"


def test_several_trainings_share_a_line_with_the_widest_range_and_the_mean_deviation():
    several = [phrases(0.5, 0.7, 0.1), phrases(0.4, 0.6, 0.2)]
    assert _spread(several, 2) == "0.400 to 0.700 (sd 0.150, 2 wordings, 2 trainings)"
