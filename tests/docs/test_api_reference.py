"""The API reference builds, and says what the docstrings say."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.slow
def test_the_reference_builds_without_a_warning(tmp_path, recwarn):
    spec = importlib.util.spec_from_file_location("build_api", ROOT / "docs" / "build_api.py")
    build_api = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build_api)
    pages = {str(page.relative_to(tmp_path)) for page in build_api.build(tmp_path)}
    assert {"index.html"} | {f"{name.replace('.', '/')}.html" for name in build_api.PUBLIC} <= pages
    contract = (tmp_path / "benchmark" / "api.html").read_text("utf-8")
    assert 'id="Method.ecg_features"' in contract and "Features are not embeddings" in contract
    assert not [str(warning.message) for warning in recwarn if "annotation" in str(warning.message)]


def test_every_public_name_has_a_docstring():
    import ast

    spec = importlib.util.spec_from_file_location("build_api", ROOT / "docs" / "build_api.py")
    build_api = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build_api)
    bare = []
    for module in build_api.PUBLIC:
        path = ROOT / (module.replace(".", "/") + ".py")
        tree = ast.parse((path if path.is_file() else path.with_suffix("") / "__init__.py").read_text("utf-8"))
        bare += [module] if not ast.get_docstring(tree) else []
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and not ast.get_docstring(node):
                bare.append(f"{module}.{node.name}")
    assert not bare
