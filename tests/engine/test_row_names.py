"""Lines of two rows of one method can be distinguished."""

from benchmark.engine.events import Event, naming_row


def test_progress_names_the_row_where_it_is_not_called_as_its_method():
    lines = []
    for row in ("merl", "merl (slow)"):
        on_event = naming_row(row, "merl", lambda event: lines.append(event.text))
        on_event(Event("step", "pre-training merl", 196, 1088))
        on_event(Event("cell", f"{row} linear_probe", status="done"))
    assert lines == [
        "pre-training merl",
        "merl linear_probe",
        "merl (slow): pre-training merl",
        "merl (slow) linear_probe",
    ]
