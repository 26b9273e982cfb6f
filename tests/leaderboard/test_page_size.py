"""A page can be mailed: what its records share is in it once, and its figures are short."""

import base64
import gzip
import json
import re

import numpy as np

from benchmark.cli import main
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import load_suite

SUITE = """
name = "many"
title = "Thirty methods"
version = "1"
[[datasets]]
name = "synthetic"
label_sets = ["conditions", "groups"]
[[tasks]]
name = "linear_probe"
config = {{ fraction = [0.01, 0.1, 1.0], seed = [0, 1, 2, 3, 4] }}
{methods}"""
ROW = '[[methods]]\nname = "handcrafted"\nlabel = "method-{0:02d}"\nconfig = {{ rate = {1} }}\n'
PROVENANCE = {
    "code": {"git": "0123456789abcdef" * 2, "dirty": False},
    "environment": {"cpu": "a processor with a rather long name", "packages": {"torch": "2.9.0"}},
}


def test_the_page_of_thirty_methods_is_under_three_megabytes(tmp_path, store, fill):
    path = tmp_path / "many.toml"
    path.write_text(SUITE.format(methods="".join(ROW.format(row, 50 + row) for row in range(30))))
    plan, rng = make_plan(load_suite(str(path))), np.random.default_rng(0)
    per_class = {f"class {number}": {"auroc": 0.5 + number / 200, "positives": 9} for number in range(44)}
    fill(
        plan, store, lambda cell: 0.6 + int(cell.row[-2:]) / 100, lambda cell: rng.normal(0, 0.02, 200),
        per_class=per_class, provenance=PROVENANCE, notes=["one class has no positives, so it has no AUROC"],
    )  # fmt: skip
    main(["leaderboard", str(path), "--records", str(store.root), "--format", "html", "--out", str(tmp_path)])

    page = (tmp_path / "many.html").read_text()
    assert len(page.encode()) < 3e6
    archive = re.search(r'id="data">([^<]*)<', page)
    text = gzip.decompress(base64.b64decode(archive[1])).decode()
    data = json.loads(text)

    # every record is there, with its folder and its provenance; what all share stands there once
    assert len(data["origins"]) == 1 and text.count(PROVENANCE["code"]["git"]) == 1 == len(data["notes"])
    records = [record for entry in data["entries"] for record in entry["records"]]
    assert {record[0] for record in records} == {cell.spec.key for cell in plan.cells}
    for key, _seed, _value, _seconds, origin in records:
        assert (tmp_path / data["origins"][origin]["folder"] / key / data["file"]).is_file()
