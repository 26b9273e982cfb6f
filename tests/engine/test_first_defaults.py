"""A changed default leaves old keys valid and with their meaning: the old value is named in `first_defaults`."""

import pytest

from benchmark.configuration import complete, distinct, from_key
from benchmark.engine.building import build, build_from_key
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite
from benchmark.registry import METHODS

DERI = {"width": 8, "rate": 100.0, "seconds": 4.0, "embed_dim": 16, "decoder_heads": 2, "text_model": "none"}


@pytest.mark.parametrize(
    ("name", "option", "old", "new"),
    [("deri", "token_mix", "places", "mean"), ("st_mem", "preparation", "filter_first", "official")],
)
def test_the_old_default_stays_out_of_a_key_and_comes_back_from_it(name, option, old, new):
    cls = METHODS.get(name)
    assert distinct(cls, {option: old}, name) == {} and distinct(cls, {}, name) == {option: new}
    for options in ({}, {option: old}):
        keyed = distinct(cls, options, name)
        assert complete(cls, from_key(cls, keyed), name) == complete(cls, options, name)


def test_a_method_is_built_from_a_key_as_it_was_when_the_key_was_made():
    assert build_from_key("deri", DERI).token_mix == "places"
    assert build("deri", DERI).token_mix == "mean"


def test_the_committed_suites_ask_for_the_forms_that_their_records_were_made_with():
    specs = [cell.spec for suite in ("ptbxl_methods", "ptbxl_untrained", "ptbxl_reports") for cell in cells(suite)]
    old = {"deri": "token_mix", "st_mem": "preparation"}
    assert {spec.method for spec in specs} >= set(old)
    assert not any(old.get(spec.method) in spec.method_config for spec in specs)


def cells(suite):
    return make_plan(load_suite(suite)).cells
