"""One rule says when two reports are the same, and which texts are no reports."""

import re
from pathlib import Path

import pytest
import torch

from benchmark.api import report_key
from benchmark.data.labels.prompts import load_prompts
from benchmark.errors import UsageError
from benchmark.metrics.text.scores import score_texts
from methods.nn.contrastive import equal_texts

ROOT = Path(__file__).resolve().parents[2]
GERMAN = "Großer  Vorhof", "GROSSER VORHOF"


def test_case_and_blanks_make_no_other_report():
    assert len({report_key(text) for text in (*GERMAN, " großer\tvorhof\n")}) == 1
    assert report_key(" \n") == ""


def test_loss_scorer_and_prompts_agree_on_equal_texts(tmp_path):
    assert equal_texts([report_key(text) for text in GERMAN], torch.device("cpu")).all()
    assert score_texts([GERMAN[0]], [GERMAN[1]], use_java=False).metrics["exact"] == 1
    path = tmp_path / "prompts.json"
    phrases = f'{{"d": {{"l": {{"C": ["{GERMAN[0]}", "{GERMAN[1]}"]}}}}}}'
    path.write_text(f'{{"name": "x", "language": "de", "version": "1", "about": "x", "classes": {phrases}}}', "utf-8")
    with pytest.raises(UsageError, match="stands there twice"):
        load_prompts(str(path))


def test_no_other_place_has_a_rule_of_its_own():
    own = re.compile(r"join\(.*\.(lower|casefold)\(\)\.split\(\)\)")
    files = [path for folder in ("benchmark", "methods", "tasks") for path in (ROOT / folder).rglob("*.py")]
    assert [path.name for path in files if own.search(path.read_text("utf-8"))] == ["api.py"]
