"""Options by their annotations: which values fit, messages for the others, and final forms."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pytest

from benchmark.configuration import complete, distinct, options
from benchmark.errors import UsageError
from benchmark.option_types import converted, description, fits, option_types
from benchmark.registry import DATASETS, METHODS, TASKS

if TYPE_CHECKING:
    from somewhere import Unknown  # type: ignore[import-not-found]

REGISTERED = [registry.get(name) for registry in (METHODS, TASKS, DATASETS) for name in registry.names()]


class Example:
    def __init__(
        self,
        width: int | None = None,
        scale: float = 1.0,
        order: Literal["mimic", "standard"] = "mimic",
        band: tuple[float, float] | None = (0.5, 40.0),
        filters: tuple[int, ...] = (8, 16),
        name: str | None = "x",
        freeze: bool | None = None,
        odd: Unknown = 3,
        plain=2.5,  # no annotation: its default says what it is
        anything: Any = None,
    ) -> None: ...


@pytest.mark.parametrize(
    "config",
    [
        *({"width": 8}, {"width": 8.0}, {"width": None}, {"scale": 2}, {"scale": 0.5}, {"order": "standard"}),
        *({"band": [1, 2.5]}, {"band": None}, {"filters": [1, 2, 3.0]}, {"filters": []}, {"name": None}, {"name": "y"}),
        *({"freeze": True}, {"odd": 4}, {"plain": 1}, {"anything": [{"a": 1}]}),
    ],
)
def test_what_fits(config):
    assert complete(Example, config, "example") == {**options(Example), **config}


@pytest.mark.parametrize(
    "config, sentence",
    [
        ({"width": "wide"}, "width must be a whole number or none, it is 'wide'"),
        ({"width": 8.5}, "width must be a whole number or none"),
        ({"width": True}, "width must be a whole number or none"),
        ({"scale": "1"}, "scale must be a number, it is '1'"),
        ({"scale": float("nan")}, "scale must be a number, it is nan"),
        ({"scale": True}, "scale must be a number"),
        ({"order": "mimc"}, "order must be 'mimic' or 'standard', it is 'mimc'"),
        ({"band": [1.0]}, "band must be a list of 2: a number, a number or none"),
        ({"band": 3}, "band must be a list of 2"),
        ({"filters": [1, "a"]}, "filters must be a list, each a whole number"),
        ({"name": 5}, "name must be a text or none, it is 5"),
        ({"freeze": "no"}, "freeze must be true or false or none"),
        ({"odd": "x"}, "odd must be a whole number"),
        ({"plain": "x"}, "plain must be a number"),
    ],
)
def test_what_does_not_fit_is_said(config, sentence):
    with pytest.raises(UsageError) as error:
        complete(Example, config, "example")
    assert sentence in str(error.value)


def test_all_mistakes_are_one_message():
    with pytest.raises(UsageError) as error:
        complete(Example, {"widht": 3, "scale": "x", "band": [1]}, "example")
    assert str(error.value).count("\n") == 3


def test_whole_numbers_take_their_form_within_lists_too():
    config = complete(Example, {"width": 8.0, "filters": [1.0, 2]}, "example")
    assert repr(config["width"]) == "8" and repr(config["filters"]) == "[1, 2]"
    assert repr(converted([0.5, 1], tuple[float, float])) == "[0.5, 1]"


@pytest.mark.parametrize("cls", REGISTERED, ids=lambda cls: cls.__name__)
def test_every_default_of_ours_fits_its_annotation(cls):
    kinds = option_types(cls)
    values = {name: 1.0 for name, default in options(cls).items() if default is inspect.Parameter.empty}
    wrong = [name for name, default in {**options(cls), **values}.items() if not fits(default, kinds[name])]
    assert not wrong and all(description(kinds[name]) for name in kinds)
    changed_defaults = getattr(cls, "first_defaults", {})
    assert distinct(cls, values, "x").keys() == {*changed_defaults, *values}
    assert distinct(cls, {**changed_defaults, **values}, "x") == values


def test_a_dataclass_says_its_types_too():
    @dataclass(frozen=True)
    class Question:
        fraction: float = 1.0
        prompts: str = "en"

    assert fits(1, option_types(Question)["fraction"]) and not fits(3, option_types(Question)["prompts"])
