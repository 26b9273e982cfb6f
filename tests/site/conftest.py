"""A small site of made-up records with hostile names, beside documents of its own."""

import numpy as np
import pytest

EVIL = "<script>document.title='owned'</script>"
INDEX = """# Documents

Read the [README](../README.md#the-name), [this `page`](page.md#a-heading-twice-1),
[the table](../results/leaderboards/made_up.md), [the licence](../LICENSE)
or [more](https://example.org). [No link](javascript:alert(1)) <b>no markup</b>

![A picture](picture.svg)
"""
PAGE = "# A page\n\n## A heading twice\n\n## A heading twice\n\n| `a` | b |\n|---|---|\n| 1 | [up](#a-page) |\n"


@pytest.fixture
def checkout(tmp_path):
    """Return a folder with documents, as a checkout has them."""
    root = tmp_path / "checkout"
    (root / "docs").mkdir(parents=True)
    (root / "results" / "leaderboards").mkdir(parents=True)
    (root / "results" / "leaderboards" / "made_up.md").write_text("a table")
    (root / "LICENSE").write_text("MIT")
    (root / "README.md").write_text("# The name\n\n[Documents](docs/index.md)\n")
    (root / "docs" / "index.md").write_text(INDEX)
    (root / "docs" / "page.md").write_text(PAGE)
    (root / "docs" / "picture.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    return root


@pytest.fixture
def suite_records(tmp_path, tiny_suite, fill):
    """Return a folder with the records of one suite, in which a row is called as a script."""
    from benchmark.planning.plan import make_plan
    from benchmark.planning.plan_file import write_plan
    from benchmark.planning.suites import load_suite
    from benchmark.records.store import Store

    row = f'\n[[methods]]\nname = "handcrafted"\nlabel = "{EVIL}"\nconfig = {{rate = 99}}\n'
    tiny_suite.write_text(tiny_suite.read_text() + row)
    plan, store = make_plan(load_suite(str(tiny_suite))), Store(tmp_path / "records" / "made_up")
    noise = np.random.default_rng(0).normal(0, 0.02, 200).astype(np.float32)
    values = {"random_init": 0.6, "handcrafted": 0.75, "merl": 0.8, EVIL: 0.7}
    leak = {"state": "unknown", "reasons": [f"nobody compared {EVIL}"]}
    provenance = {"code": {"git": "0123abc", "dirty": True}, "environment": {"cpu": EVIL}, "weights": "ab12"}
    fill(
        plan, store, lambda cell: values[cell.row] + 0.01 * cell.question.get("seed", 0), lambda cell: noise,
        notes=[f"a note {EVIL}"], leak=leak, provenance=provenance, code={"method": "code1", "task": "code2"},
        details={"choice": {"C": 0.25, "balanced": EVIL}}, config={"method": {"width": 8}},
    )  # fmt: skip
    write_plan(plan, store.root)
    return store.root.parent


@pytest.fixture
def without_figures(monkeypatch):
    """Leave out the figures, which take most of the time and have tests of their own."""
    monkeypatch.setattr("benchmark.site.suite_pages.draw_all", lambda board: ({}, {}))
