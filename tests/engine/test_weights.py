"""Weights by path, by hub id and by tag of a card: located and checked, or one error with a remedy."""

import hashlib

import pytest

from benchmark.api import MethodCard, Weights
from benchmark.cache import checksums
from benchmark.cache.checksums import sha256_of
from benchmark.cli import main
from benchmark.engine.method_handle import MethodHandle
from benchmark.errors import MissingError, UsageError
from benchmark.planning.plan import make_plan
from benchmark.planning.suites import Suite
from benchmark.planning.weights import absence, locate
from benchmark.registry import METHODS

CONTENT = b"the weights"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
PAGE = "https://example.org/weights"


def card(**weights):
    return MethodCard(title="Made up", paper="none", licence="MIT", weights=weights)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Return the hub's cache with one file in it, without a network."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "hub" / "models--org--repo"
    for path, content in {f"snapshots/{commit}/sub/w.safetensors": CONTENT, "refs/v1": commit.encode()}.items():
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_bytes(content)
    return repository


def test_a_file_of_the_hub(hub):
    path, sha256 = locate("hub:org/repo/sub/w.safetensors@v1", "any", card())
    assert path.read_bytes() == CONTENT and sha256 == SHA256
    tagged = card(best=Weights("hub:org/repo/sub/w.safetensors@v1", SHA256, "MIT"))
    assert locate("tag:best", "any", tagged) == (path, sha256)


def test_a_file_of_the_hub_that_a_person_put_beside_the_others_is_not_fetched(hub, tmp_path, monkeypatch):
    tagged = card(best=Weights("hub:org/other/sub/w.pth@v2", SHA256, "MIT"))
    monkeypatch.setenv("ECGARENA_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingError, match=r"hf download org/other sub/w\.pth"):
        locate("tag:best", "any", tagged)
    assert "get sub/w.pth (licence MIT) from the hub's repository org/other (v2)" in absence("tag:best", "any", tagged)
    (tmp_path / "any" / "sub").mkdir(parents=True)
    (tmp_path / "any" / "sub" / "w.pth").write_bytes(CONTENT)
    assert locate("tag:best", "any", tagged) == (tmp_path / "any" / "sub" / "w.pth", SHA256)
    assert absence("tag:best", "any", tagged) is None


def test_offline_the_error_names_repository_file_and_remedy(hub):
    with pytest.raises(
        MissingError, match=r"w.pth of the hub's repository org/other \(v2\).*hf download org/other w.pth --rev"
    ):
        locate("hub:org/other/w.pth@v2", "any", card())
    with pytest.raises(UsageError, match=r"'hub:org/w.pth' names no file.*hub:org/repo/file@revision"):
        locate("hub:org/w.pth", "any", card())


def test_tags_lead_to_files_that_a_person_fetched(tmp_path, monkeypatch):
    weights = card(best=Weights(PAGE, SHA256, "MIT", "w.pth"), unknown=Weights(PAGE, "", "MIT", "u.pth"))
    monkeypatch.delenv("ECGARENA_WEIGHTS", raising=False)
    with pytest.raises(MissingError, match=rf"get w.pth \(licence MIT\) from {PAGE}.*ECGARENA_WEIGHTS is not set"):
        locate("tag:best", "any", weights)
    monkeypatch.setenv("ECGARENA_WEIGHTS", str(tmp_path))
    with pytest.raises(MissingError, match=rf"put it at {tmp_path}/any/w.pth"):
        locate("tag:best", "any", weights)
    (tmp_path / "any").mkdir()
    (tmp_path / "any" / "w.pth").write_bytes(CONTENT)
    (tmp_path / "any" / "u.pth").write_bytes(b"whatever")
    assert locate("tag:best", "any", weights) == (tmp_path / "any" / "w.pth", SHA256)
    assert locate("tag:unknown", "any", weights)[1] == hashlib.sha256(b"whatever").hexdigest()
    (tmp_path / "any" / "w.pth").write_bytes(b"damaged")
    with pytest.raises(MissingError, match=rf"not what tag:best of any stands for.*{SHA256}"):
        locate("tag:best", "any", weights)
    with pytest.raises(UsageError, match=r"no weights with the tag 'bets' \(did you mean 'best'"):
        locate("tag:bets", "any", weights)


def test_a_missing_file_and_what_else_could_be_given(tmp_path):
    with pytest.raises(
        MissingError, match=r"nowhere.pth is no file \(give a path, hub:org/repo/file@revision or tag:NAME"
    ):
        locate(str(tmp_path / "nowhere.pth"), "any", card())


def test_show_prints_source_licence_and_checksum(capsys):
    assert main(["show", "merl"]) == 0
    output = capsys.readouterr().out
    for tag, weights in METHODS.get("merl").card.weights.items():
        assert f"weights tag:{tag}: {weights.file} from {weights.url}" in output
    assert "licence: MIT" in output and "sha256: not published" in output


def test_cards_are_complete_and_hold_no_made_up_checksum():
    for name in METHODS.names():
        for tag, weights in METHODS.get(name).card.weights.items():
            assert weights.url and weights.licence, (name, tag)
            assert weights.url.startswith("hub:") or weights.file, (name, tag)
            assert weights.sha256 == "" or len(weights.sha256) == 64, (name, tag)


def test_a_plan_hashes_a_file_of_weights_once_for_all_tasks_and_rows(tmp_path, monkeypatch):
    path, hashed = tmp_path / "w.pth", []
    path.write_bytes(CONTENT)
    monkeypatch.setattr(checksums, "file_sha256", lambda file: hashed.append(file) or SHA256)
    row = {"name": "merl", "weights": str(path)}
    suite = Suite(
        name="s",
        title="S",
        version="1",
        datasets=[{"name": "ptbxl", "label_sets": ["super"]}],
        tasks=[{"name": "linear_probe"}, {"name": "zero_shot"}, {"name": "knn"}],
        methods=[row, {**row, "label": "wider", "config": {"width": 32}}],
    )
    plan = make_plan(suite)
    assert len(plan.cells) == 6 and {cell.spec.weights for cell in plan.cells} == {SHA256}
    assert hashed == [path]
    path.write_bytes(b"other weights")
    assert locate(str(path), "any", card()) and len(hashed) == 2


def test_a_file_of_weights_that_changes_after_the_plan_is_refused(tmp_path, monkeypatch):
    """A job may begin days later: the new file once gave numbers under the digest of the old one."""
    file = tmp_path / "last.pt"
    file.write_bytes(b"as planned")
    handle = MethodHandle("random_init", {}, 1, file, sha256_of(file), "cpu")
    monkeypatch.setattr("benchmark.engine.method_handle.build_from_key", lambda *words: "a method")
    assert handle.fresh(0) == handle.method == "a method"
    monkeypatch.setattr("benchmark.engine.method_handle.build_from_key", lambda *words: file.write_bytes(b"meanwhile"))
    for _ in range(2):  # changed while it is read, and before
        with pytest.raises(MissingError, match="has changed since the run was planned"):
            handle.fresh(0)
