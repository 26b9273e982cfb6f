"""Small JSON files: a checksum as the last field, damage made anew, files of older code taken over."""

import json

import pytest

from benchmark.cache.checksums import DamagedFileError
from benchmark.cache.json_files import keep_json, read_json, stored_json, write_json

CONTENT = {"name": 'Ärzte "x"', "nested": {"a": {"b": [1, 2.5, None]}}, "flag": True, "text": ',\n"crc32": "'}


@pytest.mark.parametrize("indent", [None, 1])
def test_what_is_written_is_read_and_is_plain_json(tmp_path, indent):
    path = tmp_path / "x.json"
    write_json(path, CONTENT, indent)
    assert read_json(path) == (CONTENT, True)
    plain = json.loads(path.read_text("utf-8"))
    assert plain.pop("crc32") and plain == CONTENT


@pytest.mark.parametrize("seed", range(48))
def test_damage_is_made_anew_with_one_sentence(tmp_path, damage, seed):
    path, sentences = tmp_path / "x.json", []
    write_json(path, CONTENT)
    damage(path, seed)

    def exactly(content):
        if set(content) != set(CONTENT):
            raise ValueError("other fields")
        return content

    assert stored_json(path, lambda: CONTENT, exactly, sentences.append) == CONTENT
    assert len(sentences) == 1 and str(path) in sentences[0] and "made anew" in sentences[0]
    assert stored_json(path, lambda: pytest.fail("made again"), exactly, sentences.append) == CONTENT


def test_a_file_of_older_code_gets_its_checksum(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(CONTENT), "utf-8")
    assert stored_json(path, lambda: pytest.fail("made anew"), dict) == CONTENT
    assert read_json(path) == (CONTENT, True)


@pytest.mark.parametrize("old", ["", "{", "[]", '"text"', "null", "[" * 100_000, '{"other": 1}'])
def test_what_cannot_be_read_or_is_of_another_kind_is_made_anew(tmp_path, old):
    path, sentences = tmp_path / "x.json", []
    path.write_text(old)
    assert (
        stored_json(path, lambda: {"a": 1}, lambda content: content["a"], sentences.append) == 1 and len(sentences) == 1
    )


def test_a_file_for_others_holds_what_it_should(tmp_path):
    path, sentences = tmp_path / "x.json", []
    keep_json(path, {"a": (1, 2)}, sentences.append)
    before = path.stat().st_mtime_ns
    keep_json(path, {"a": [1, 2]}, sentences.append)
    assert path.stat().st_mtime_ns == before and not sentences
    path.write_text('{"a": [1, 3]}')
    keep_json(path, {"a": [1, 2]}, sentences.append)
    assert read_json(path)[0] == {"a": [1, 2]} and len(sentences) == 1


def test_a_change_by_hand_is_damage(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, CONTENT)
    path.write_text(path.read_text("utf-8").replace("true", "false"), "utf-8")
    with pytest.raises(DamagedFileError, match="not what was written"):
        read_json(path)
