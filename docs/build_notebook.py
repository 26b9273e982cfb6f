"""Execute the cells of docs/from-python.ipynb and write what they show into it: ``python docs/build_notebook.py``.

A cell is executed as in Jupyter: what it prints, then the value of its last expression. A test executes the notebook
again and compares. An empty folder is the working directory, so that nothing but the checkout is needed.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

NOTEBOOK = Path(__file__).resolve().parent / "from-python.ipynb"
VARIES = "varies"  # tag of a cell that computes: its last digits differ between processors


def execute(source: str, namespace: dict[str, Any]) -> list[dict[str, Any]]:
    """Run the code of a cell in `namespace`; return its outputs in the notebook's form (nbformat 4)."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    value, stream = None, io.StringIO()
    with contextlib.redirect_stdout(stream):
        exec(compile(tree, "<cell>", "exec"), namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), namespace)
    outputs: list[dict[str, Any]] = []
    if stream.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": _lines(stream.getvalue())})
    if value is not None:
        data = {"text/plain": _lines(repr(value))}
        if hasattr(value, "_repr_html_") and (html := value._repr_html_()) is not None:
            data["text/html"] = _lines(html)
        outputs.append({"output_type": "execute_result", "execution_count": None, "metadata": {}, "data": data})
    return outputs


def executed(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return the notebook with the outputs that its cells have now."""
    namespace: dict[str, Any] = {"__name__": "notebook"}
    cells = []
    for number, cell in enumerate(notebook["cells"], 1):
        if cell["cell_type"] == "code":
            outputs = execute("".join(cell["source"]), namespace)
            for output in outputs:
                output |= {"execution_count": number} if output["output_type"] == "execute_result" else {}
            cell = {**cell, "outputs": outputs, "execution_count": number}
        cells.append(cell)
    return {**notebook, "cells": cells}


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Return the source of each cell whose outputs differ, but for cells with the tag `VARIES`."""
    pairs = zip(then["cells"], now["cells"], strict=True)
    return [
        "".join(old["source"])
        for old, new in pairs
        if VARIES not in old["metadata"].get("tags", ()) and old.get("outputs") != new.get("outputs")
    ]


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["ECGARENA_HOME"] = folder
        result = executed(json.loads(NOTEBOOK.read_text("utf-8")))
    NOTEBOOK.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", "utf-8")
