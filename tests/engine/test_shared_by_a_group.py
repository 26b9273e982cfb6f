"""What the cells of a group share is worked out once, and is right for each of them."""

from benchmark.engine import group_data, run
from benchmark.engine.events import discard_event
from benchmark.engine.outcome import full_config
from benchmark.planning.plan import group_cells
from benchmark.records.store import Store


def test_options_signal_and_notes_are_worked_out_once_for_all_cells_of_a_label_set(plan, prepared_home, monkeypatch):
    calls = []
    for module, name in ((run, "full_config"), (run, "cached_signal"), (group_data, "signal_notes")):
        original = getattr(module, name)
        monkeypatch.setattr(
            module, name, lambda *words, name=name, original=original: calls.append(name) or original(*words)
        )
    group = group_cells(plan.cells)[0]
    assert len({cell.spec.label_set for cell in group.cells}) == 1 and len(group.cells) > 1
    run.run_group(group, prepared_home, "cpu", discard_event)
    records = [Store(prepared_home.records).read(cell.spec) for cell in group.cells]
    assert sorted(calls) == ["cached_signal", "full_config", "signal_notes"]
    assert [record.config for record in records] == [full_config(cell.spec) for cell in group.cells]
