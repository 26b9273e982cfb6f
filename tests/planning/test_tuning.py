"""Tuned rows of a suite: their search space is checked before anything runs, and a run is pinned to its choice."""

import pytest

from benchmark.cli import main
from benchmark.errors import UsageError
from benchmark.leaderboard.recipes import recipe_cells, recipe_notes
from benchmark.planning.choice_files import choice_path, write_choice
from benchmark.planning.plan import make_plan
from benchmark.planning.plan_file import read_plan, write_plan
from benchmark.planning.suite_files import suite_names
from benchmark.planning.suites import load_suite
from benchmark.planning.tuning import SEED, identity, tunings
from benchmark.registry import METHODS

SUITE = """
name = "fair"
title = "A row as is and tuned"
version = "1.0"

[tune]
trials = 8
rungs = [136, 408]
choose = "val_labels"

[[datasets]]
name = "synthetic"
label_sets = ["groups", "conditions"]
config = { patients = 120 }

[[tasks]]
name = "linear_probe"
config = { fraction = 0.1, trials = 3 }

[[methods]]
name = "random_init"
config = { width = 8, rate = 100.0 }

[[methods]]
name = "simclr"
label = "as is"
config = { width = 8, rate = 100.0 }
pretrain = { dataset = "synthetic", epochs = 2, batch_size = 32 }

[[methods]]
name = "simclr"
label = "tuned"
config = { width = 8, rate = 100.0 }
pretrain = { dataset = "synthetic", epochs = 2, batch_size = 32 }

[methods.tune.space]
"pretrain.lr" = { low = 1e-4, high = 3e-3, log = true }
"config.temperature" = [0.05, 0.1]
"""
SPACE = SUITE[SUITE.index("[methods.tune.space]") :]
TERMS = SUITE[SUITE.index("[tune]") : SUITE.index("[[datasets]]")]


@pytest.fixture
def suite_file(tmp_path):
    def write(*changes):
        text = SUITE
        for before, after in changes:
            assert before in text, before
            text = text.replace(before, after)
        path = tmp_path / "fair.toml"
        path.write_text(text, "utf-8")
        return path

    return write


def choose(path, values, **fields):
    suite = load_suite(str(path))
    block = next(block for block in suite.methods if block.tune)
    entry = {"row": block.row, "tuning": identity(suite, block), "values": values, "trials": 8, "trainings": 11}
    entry |= {"recordings": 73984, "measure": "a measure", "failed": 1, "is_own": False}
    write_choice(choice_path(path), entry | fields)


def plan_of(path):
    return make_plan(load_suite(str(path)))


def test_a_row_without_its_choice_is_planned_as_skipped_and_refused_by_run(suite_file, home, capsys):
    path = suite_file()
    plan = plan_of(path)
    assert {cell.row for cell in plan.cells} == {"random_init", "as is"}
    ((row, reason),) = plan.untuned.items()
    assert row == "tuned" and "not tuned yet: `ecgarena tune fair --methods tuned`" in reason
    assert main(["run", str(path), "-q"]) == 5
    assert f"ecgarena tune {path} --methods tuned" in capsys.readouterr().err
    assert main(["plan", str(path)]) == 0
    assert "tuned: trials: 8 of 136, then 3 of 408 steps, 11 trainings, 73,984 recordings; 0 of 11" in (
        capsys.readouterr().out
    )


def test_the_cells_of_a_tuned_row_are_those_of_a_row_with_its_values(suite_file):
    path = suite_file()
    choose(path, {"pretrain.lr": 0.002, "config.temperature": 0.05})
    tuned_plan = plan_of(path)
    tuned_keys = {cell.spec.key for cell in tuned_plan.cells if cell.row == "tuned"}
    by_hand = suite_file(
        (TERMS, ""),
        (SPACE, ""),
        ('label = "tuned"\nconfig = { width = 8,', 'label = "tuned"\nconfig = { temperature = 0.05, width = 8,'),
    )
    text = by_hand.read_text()
    head, _, tail = text.rpartition("batch_size = 32")
    by_hand.write_text(f"{head}batch_size = 32, lr = 0.002{tail}")
    plan = plan_of(by_hand)
    assert tuned_keys == {cell.spec.key for cell in plan.cells if cell.row == "tuned"} and len(tuned_keys) == 2
    others = [{cell.spec.key for cell in one.cells if cell.row != "tuned"} for one in (plan, tuned_plan)]
    assert others[0] == others[1] and len(others[0]) == 4


@pytest.mark.parametrize(
    "change",
    [
        ("high = 3e-3", "high = 1e-2"),
        ("[0.05, 0.1]", "[0.05, 0.2]"),
        ("trials = 8", "trials = 9"),
        ('"conditions"]', '"conditions"]\n# no change'),
        ('label_sets = ["groups", "conditions"]', 'label_sets = ["groups"]'),
        ("patients = 120", "patients = 130"),
    ],
)
def test_a_choice_of_another_search_is_refused(change, suite_file):
    path = suite_file()
    choose(path, {"pretrain.lr": 0.002, "config.temperature": 0.05})
    is_same = "# no change" in change[1]
    untuned = plan_of(suite_file(change)).untuned
    assert (untuned == {}) if is_same else "another search" in untuned["tuned"]


def test_label_length_and_seeds_of_the_final_training_leave_the_tuning_alone(suite_file):
    digests = []
    for change in (("fair", "fair"), ('"tuned"', '"merl, tuned"'), ("epochs = 2", "epochs = 20, seed = [0, 1, 2]")):
        (row,) = tunings(load_suite(str(suite_file(change))))
        digests.append(row.digest)
        recipe = row.training({"pretrain.lr": 1e-3, "config.temperature": 0.1}, 1).recipe["training"]
        assert recipe == {"batch_size": 32, "seed": SEED, "steps": 408}
    assert len(set(digests)) == 1


def test_a_choice_of_the_row_s_own_values_points_to_the_row_as_is(suite_file):
    path = suite_file()
    choose(path, {"pretrain.lr": 1e-3, "config.temperature": 0.1}, is_own=True)
    plan = plan_of(path)
    assert {cell.row for cell in plan.cells} == {"random_init", "as is"} and not plan.untuned
    (skip,) = plan.skips
    assert (skip.row, skip.reason) == (
        "tuned",
        "tuning chose the values that 'as is' has anyway; its numbers are those",
    )


def refusal_of(suite_file, space):
    with pytest.raises(UsageError) as refusal:
        plan_of(suite_file((SPACE, "[methods.tune.space]\n" + "\n".join(space))))
    return str(refusal.value)


def test_everything_wrong_with_the_form_of_a_search_is_told_at_once(suite_file):
    message = refusal_of(
        suite_file,
        [
            '"pretrain.epochs" = [1, 2]',
            '"config.warmth" = [1, 2]',
            '"config.width" = { low = 8, high = 8 }',
            '"pretrain.decay" = ["all"]',
            '"config.seed" = [1, 2]',
            "lr = { low = 1, high = 2 }",
        ],
    )
    for part in (
        "pretrain.epochs cannot be searched: the rungs",
        "config.warmth: there is no such option",
        "'lr' is no",
    ):
        assert part in message
    for part in ("config.width: a range needs low < high", "pretrain.decay must list two", "config.seed cannot be"):
        assert part in message


def test_every_value_that_cannot_be_tried_is_told_at_once(suite_file):
    space = ['"pretrain.lr" = { low = -1.0, high = 3e-3 }', '"pretrain.batch_size" = [64, 32]']
    message = refusal_of(suite_file, [*space, '"pretrain.schedule" = ["cosine", "sine"]'])
    for part in ("pretrain.lr = -1.0 cannot be tried", "'sine' cannot be tried", "larger batches would cost more"):
        assert part in message


@pytest.mark.parametrize(
    "changes, part",
    [
        ([(TERMS, "")], "the suite has no [tune]"),
        ([("rungs = [136, 408]", "rungs = [408, 136]")], "rungs must be positive and ascend"),
        ([('"val_labels"', '"val_loss"')], "cannot compare trials of other config.temperature"),
        ([('"val_labels"', '"val_retrieval"')], "needs a method with a space shared by recordings and texts"),
        (
            [('choose = "val_labels"', 'choose = "val_labels"\nlabel_sets = ["synthetic/group"]')],
            "did you mean 'synthetic/groups'?",
        ),
        ([('choose = "val_labels"', 'choose = "val_labels"\nlabel_sets = []')], "label_sets is an empty list"),
        (
            [
                ('choose = "val_labels"', 'choose = "val_labels"\nlabel_sets = ["synthetic/heart_rate"]'),
                ('"conditions"]', '"conditions", "heart_rate"]'),
            ],
            "the suite has no 'synthetic/heart_rate'",  # among what the judge can learn: it is a number
        ),
        ([("rungs = [136, 408]", 'rungs = [16]\nunit = "recordings"')], "no step with a batch of 32"),
        ([("trials = 8", "trial = 8")], "tune.trial is no key (did you mean 'trials'?)"),
        ([('label = "as is"', 'label = "as is"\nchoice = {}')], "methods.1.choice is no key"),
        ([('label = "as is"', 'label = "as is"\nrecipe = "good"')], "as published"),
        ([('name = "simclr"\nlabel = "tuned"', 'name = "handcrafted"\nlabel = "tuned"')], "cannot be pre-trained"),
    ],
)
def test_terms_that_cannot_be_met_are_refused(changes, part, suite_file):
    with pytest.raises(UsageError) as refusal:
        plan_of(suite_file(*changes))
    assert part in str(refusal.value)


def test_recordings_as_the_unit_make_batches_cost_the_same(suite_file):
    path = suite_file(
        ("rungs = [136, 408]", 'rungs = [4096, 16384]\nunit = "recordings"'),
        (SPACE, '[methods.tune.space]\n"pretrain.batch_size" = [32, 128]\n'),
    )
    (row,) = tunings(load_suite(str(path)))
    lengths = [row.training({"pretrain.batch_size": size}, 0) for size in (32, 128)]
    assert [(one.steps, one.recordings) for one in lengths] == [(128, 4096), (32, 4096)]


def test_tables_say_of_each_row_how_its_options_were_chosen(suite_file, tmp_path):
    path = suite_file(('label = "as is"', 'label = "as is"\nrecipe = "as published"'))
    choose(path, {"pretrain.lr": 0.002, "config.temperature": 0.05})
    plan = plan_of(path)
    notes = recipe_notes(plan.suite, {"as is", "tuned"})
    assert notes == [
        "As published (the recipe of the paper or its release): as is.",
        "tuned: tuned by 8 trials, 1 failed (11 trainings, 73,984 recordings), chosen by a measure: "
        "temperature = 0.05, lr = 0.002.",
    ]
    assert recipe_cells(plan.suite)["tuned"] == {"recipe": "tuned", "tuning_trials": 8, "tuning_recordings": 73984}
    write_plan(plan, tmp_path)  # and so do tables made from collected records
    assert recipe_notes(read_plan(tmp_path).suite, {"as is", "tuned"}) == notes
    assert recipe_notes(load_suite("ptbxl_methods"), {"merl, compact, PTB-XL"}) == []


def test_files_of_choices_are_no_suites(tmp_path, monkeypatch):
    from benchmark.planning import suite_files

    for name in ("a.toml", "a.choice.toml"):
        (tmp_path / name).write_text("")
    monkeypatch.setattr(suite_files, "_folder", lambda: tmp_path)
    assert suite_names() == ["a"]
    (tmp_path / "a.choice.toml").write_text("[[rows]]\nrow = 1\n")
    with pytest.raises(UsageError, match="is no file of choices"):
        load_suite(str(_with_text(tmp_path / "a.toml", SUITE)))


def _with_text(path, text):
    path.write_text(text, "utf-8")
    return path


def test_a_choice_by_trials_of_another_version_of_the_method_is_refused(suite_file):
    """Its trials no longer counted, but the values that they chose went on being used."""
    path = suite_file()
    choose(path, {"pretrain.lr": 0.002, "config.temperature": 0.05}, method_version=METHODS.get("simclr").card.version)
    assert plan_of(path).untuned == {}
    choose(path, {"pretrain.lr": 0.002, "config.temperature": 0.05}, method_version=99)
    assert "chosen with version 99 of simclr, installed is" in plan_of(path).untuned["tuned"]
    assert any("tuned by 8 trials" in note for note in recipe_notes(load_suite(str(path)), {"tuned"}))  # of its time


def test_the_data_by_which_trials_choose_their_epoch_is_part_of_a_search(suite_file):
    """Its options were not, so trials of other validation labels counted for the search at hand."""
    tuned = 'label = "tuned"\nconfig = { width = 8, rate = 100.0 }\npretrain = { dataset = "synthetic",'
    choice = 'select = "zero_shot_val", select_on = ["ptbxl/super"],'
    digests = set()
    for config in ("", "config = { rate = 500 }\n"):
        other = f'[[datasets]]\nname = "ptbxl"\nlabel_sets = ["super"]\n{config}\n[[tasks]]'
        changes = [("[[tasks]]", other), (tuned, f"{tuned} {choice}")]
        terms = ('choose = "val_labels"', 'choose = "val_labels"\nlabel_sets = ["synthetic/groups"]')
        suite = load_suite(str(suite_file(terms, *changes)))
        digests.add(identity(suite, suite.methods[-1]))
    assert len(digests) == 2
