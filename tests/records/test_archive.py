"""One Parquet file holds what a folder per record held: the same bytes, the same tables, the same complaints."""

import hashlib
import json
import shutil

import numpy as np
import pyarrow.parquet
import pytest

from benchmark.cli import main
from benchmark.errors import DataError, MissingError, UsageError
from benchmark.records.archive import Archive, Row, write_archive
from benchmark.records.files import files_at, records_in
from benchmark.records.index import read_entry
from benchmark.records.paths import RECORD, RESAMPLED
from benchmark.records.record import RunRecord, UnusableRecordError
from benchmark.records.store import Store, place_of
from benchmark.records.table_fields import read_resampled, read_result

FORMATS = ("--format", "md,csv,tex")


@pytest.fixture
def source(plan, store, fill):
    """A store of the tiny suite's records, some with resamples."""
    noise = np.random.default_rng(0).normal(0, 0.01, (len(plan.cells), 100)).astype(np.float32)
    fill(plan, store, lambda cell: 0.8 + len(cell.row) / 100, lambda cell: noise[plan.cells.index(cell)])
    return store


@pytest.fixture
def archive(source, tiny_suite, tmp_path):
    """The same records in one file, collected from the folder."""
    return collect(tiny_suite, source.root, tmp_path / "tiny.parquet")


def collect(suite, source, out, *options):
    assert main(["collect", str(suite), "--records", str(source), "--out", str(out), *options]) in (0, 4)
    return out


def tables(suite, records, out):
    """Return the content of every table by its file's name, and the exit code."""
    code = main(["leaderboard", str(suite), "--records", str(records), "--out", str(out), *FORMATS])
    return {path.name: path.read_bytes() for path in out.iterdir()}, code


def test_tables_from_the_file_are_those_from_the_folder_byte_by_byte(tiny_suite, source, archive, tmp_path, capsys):
    assert tables(tiny_suite, archive, tmp_path / "a") == tables(tiny_suite, source.root, tmp_path / "b")
    capsys.readouterr()
    for command in (["status", str(tiny_suite)], ["compare", "merl", "handcrafted", "--suite", str(tiny_suite)]):
        outputs = [
            (main([*command, "--records", str(place)]), capsys.readouterr().out) for place in (archive, source.root)
        ]
        assert outputs[0] == outputs[1]


def test_nothing_is_lost_on_the_way_there_and_back(tiny_suite, source, archive, tmp_path):
    back = collect(tiny_suite, archive, tmp_path / "back")
    names = {path.relative_to(source.root) for path in source.root.rglob("*") if path.is_file()}
    assert names and all((back / name).read_bytes() == (source.root / name).read_bytes() for name in names)
    assert (back / "plan.json").read_text() == Archive(archive).plan_text()


def test_equal_records_give_equal_bytes_in_any_order(archive, tmp_path):
    rows = Archive(archive).all_rows()
    write_archive(tmp_path / "again.parquet", reversed(rows), Archive(archive).plan_text())
    assert (tmp_path / "again.parquet").read_bytes() == archive.read_bytes()


def test_other_programs_read_the_columns(plan, archive):
    frame = pyarrow.parquet.read_table(archive).to_pandas()
    assert list(frame[["task", "method", "key"]].apply(tuple, axis=1)) == list(Archive(archive).places())
    row = frame[frame.key == plan.cells[0].spec.key].iloc[0]
    record = json.loads(row.record)
    assert row["row"] == plan.cells[0].row and row.fraction == record["question"]["fraction"]
    assert row.auroc_macro == row.value == record["metrics"]["auroc_macro"]
    assert [row.auroc_macro_low, row.auroc_macro_high] == record["intervals"]["auroc_macro"]
    assert row.resampled.dtype == np.float32 and len(row.resampled) == 100
    assert row.record_sha256 == hashlib.sha256(row.record).hexdigest()


def test_a_row_that_was_changed_is_unusable_and_named(plan, archive, tiny_suite, tmp_path):
    table = pyarrow.parquet.read_table(archive)
    contents = table["record"].to_pylist()
    contents[3] = contents[3].replace(b'"synthetic": true', b'"synthetic": false')
    digests = table["record_sha256"].to_pylist()
    digests[3] = hashlib.sha256(contents[3]).hexdigest()  # a careful forger: the record's own digest still tells
    for name, column in (("record", contents), ("record_sha256", digests)):
        table = table.set_column(table.column_names.index(name), name, [column])
        pyarrow.parquet.write_table(table, archive)
        place = list(Archive(archive).places())[3]
        cell = next(cell for cell in plan.cells if place_of(cell.spec) == place)
        assert "it was changed" in read_entry(archive, cell.spec).message
        assert read_result(Store(archive), cell.spec)[1] is None and Store(archive).get(cell.spec) is None
        texts, code = tables(tiny_suite, archive, tmp_path / name)
        assert code == 4 and b"UNUSABLE: 1 records count as missing: it was changed" in texts["tiny.md"]
    with pytest.raises(UnusableRecordError, match="it was changed"):
        write_archive(archive, Archive(archive).all_rows())


def test_resamples_of_another_record_are_unusable(plan, archive):
    table = pyarrow.parquet.read_table(archive)
    swapped = table["resampled"].to_pylist()[::-1]
    table = table.set_column(table.column_names.index("resampled"), "resampled", [swapped])
    pyarrow.parquet.write_table(table, archive)
    spec = plan.cells[0].spec
    _, result = read_result(Store(archive), spec)
    with pytest.raises(UnusableRecordError, match=RESAMPLED):
        read_resampled(Store(archive), spec, result.resampled_sha256)
    assert not read_entry(archive, spec).usable


def test_a_flipped_bit_anywhere_is_noticed(plan, archive):
    """Page by page: a reader gets the very bytes that were written, or a complaint that names the file."""
    original = archive.read_bytes()
    expected = {place: Archive(archive).read(place, RECORD) for place in Archive(archive).places()}
    complaints = 0
    for position in np.random.default_rng(0).integers(0, len(original), 60):
        damaged = bytearray(original)
        damaged[position] ^= 1 << int(position % 8)
        copy = archive.with_name(f"damaged-{position}.parquet")
        copy.write_bytes(damaged)
        try:
            for place in (files := Archive(copy)).places():
                assert files.read(place, RECORD) == expected[place]
                files.read(place, RESAMPLED)
        except (UnusableRecordError, DataError) as error:
            complaints += 1
            assert str(copy) in str(error)
        copy.unlink()
    assert complaints > 5  # the other bits lie in tidy columns, which no table is made from


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all" * 20])
def test_what_is_no_file_of_records_is_refused(archive, tiny_suite, content, capsys):
    archive.write_bytes(content)
    assert main(["leaderboard", str(tiny_suite), "--records", str(archive)]) == 5
    assert f"{archive} is no file of records, or is damaged" in capsys.readouterr().err


def test_a_parquet_file_of_something_else_is_refused(tmp_path):
    pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(DataError, match="is no file of records"):
        Archive(tmp_path / "other.parquet")


def test_a_missing_file_or_folder_names_the_other_form(archive, source, tiny_suite, capsys):
    with pytest.raises(MissingError, match="there is no file"):
        files_at(archive.with_name("none.parquet"))
    assert main(["leaderboard", str(tiny_suite), "--records", str(archive.with_suffix(""))]) == 5
    assert f"its records are in {archive}" in capsys.readouterr().err
    with pytest.raises(MissingError, match=f"in the folder {source.root}"):
        files_at(source.root.with_suffix(".parquet"))


def test_a_set_in_both_forms_is_refused(archive, source, tmp_path):
    both = tmp_path / "both"
    shutil.copytree(source.root, both / "one")
    assert records_in(both) == {"one": both / "one"}
    shutil.copy(archive, both / "two.parquet")
    assert records_in(both) == {"one": both / "one", "two": both / "two.parquet"}
    shutil.copy(archive, both / "one.parquet")
    with pytest.raises(DataError, match="both hold records"):
        records_in(both)


def test_collecting_again_keeps_what_lies_there(tiny_suite, source, archive, plan, tmp_path, capsys):
    before = archive.read_bytes()
    for cell in plan.cells[:3]:
        source.set_aside(cell.spec)
    collect(tiny_suite, source.root, archive)
    assert archive.read_bytes() == before
    part = ["collect", str(tiny_suite), "--records", str(source.root), "--out", str(archive), "--methods", "merl"]
    assert main(part) == 2 and "holds records of more than" in capsys.readouterr().err


def test_a_damaged_record_is_not_collected(source, plan, tmp_path):
    place = place_of(plan.cells[0].spec)
    with pytest.raises(UnusableRecordError, match="it is no record"):
        write_archive(tmp_path / "x.parquet", [Row(place, b"{")])
    content, resampled = (source.files.read(place, name) for name in (RECORD, RESAMPLED))
    with pytest.raises(UnusableRecordError, match="not the one that was written with it"):
        write_archive(tmp_path / "x.parquet", [Row(place, content, resampled[:-4])])
    assert not list(tmp_path.glob("*.parquet"))


def test_old_records_without_digest_and_failures_are_kept_too(plan, tmp_path):
    spec = plan.cells[0].spec
    failure = RunRecord(spec.key, spec.to_json(), {}, "failed", error={"kind": "ValueError", "message": "no\nmore"})
    old = json.dumps({name: value for name, value in failure.to_json().items() if value or name == "question"}).encode()
    write_archive(tmp_path / "x.parquet", [Row(place_of(spec), old)])
    record = Store(tmp_path / "x.parquet").read(spec)
    assert record.status == "failed" and not record.sha256
    assert pyarrow.parquet.read_table(tmp_path / "x.parquet")["error"].to_pylist() == ["ValueError: no"]


def test_records_show_prints_the_bytes_of_a_record(archive, source, plan, capsys):
    place = place_of(plan.cells[0].spec)
    for records in (archive, source.root):
        assert main(["records", "show", place[2][:8], "--records", str(records)]) == 0
        assert capsys.readouterr().out.encode() == source.files.read(place, RECORD)
    with pytest.raises(UsageError, match="no records under"):
        Store(archive).find("zzz")


def test_the_page_names_the_command_that_shows_a_record(archive, source, tiny_suite, tmp_path):
    import base64
    import gzip
    import re

    for records, has_links in ((archive, False), (source.root, True)):
        main(["leaderboard", str(tiny_suite), "--records", str(records), "--format", "html", "--out", str(tmp_path)])
        code = re.search(r'id="data">([^<]*)<', (tmp_path / "tiny.html").read_text()).group(1)
        data = json.loads(gzip.decompress(base64.b64decode(code)))
        assert all((origin["folder"] is not None) is has_links for origin in data["origins"])
        expected = None if has_links else f"ecgarena records show --records {archive}"
        assert data["command"] == expected


def test_collecting_replaces_the_plan_of_no_other_suite(tiny_suite, source, archive, capsys):
    """Its records stayed in the file, but no table could be made of them any more."""
    before = archive.read_bytes()
    other = tiny_suite.with_name("other.toml")
    other.write_text(tiny_suite.read_text().replace('name = "tiny"', 'name = "other"'))
    out = ["--out", str(archive)]
    assert main(["collect", str(other), "--records", str(source.root), *out]) == 2
    assert "holds records of the suite tiny, and their plan" in capsys.readouterr().err
    assert main(["collect", str(tiny_suite), "--records", str(source.root), "--limit", "5", *out]) == 2
    assert archive.read_bytes() == before


def test_collecting_says_which_records_no_table_shows(tiny_suite, source, archive, plan, capsys):
    """A cell that fails when it is made anew keeps its older record in the file, which tables go on showing."""
    spec = plan.cells[0].spec
    source.set_aside(spec)
    source.write(spec, RunRecord(spec.key, spec.to_json(), {}, "failed", error={"message": "no"}))
    tiny_suite.write_text(tiny_suite.read_text().replace("seed = [0, 1]", "seed = [0]"))
    capsys.readouterr()
    assert main(["collect", str(tiny_suite), "--records", str(source.root), "--out", str(archive)]) == 3
    text = capsys.readouterr().out
    assert "OLDER: 1 cells that failed or are stale here keep an older record there: random_init" in text
    assert "3 records there are of no cell of this plan" in text


def test_tables_of_collected_records_say_that_the_suite_has_changed(tiny_suite, archive, tmp_path, capsys):
    """The plan beside the records is what they answer; without a word, old numbers stood for the new options."""
    text = tiny_suite.read_text().replace("epochs = 2", "epochs = 3").replace("seed = [0, 1]", "seed = [0]")
    tiny_suite.write_text(text.replace('"handcrafted"\n', '"handcrafted"\nlabel = "by hand"\n'))
    texts, _ = tables(tiny_suite, archive, tmp_path / "out")
    line = "its file is now without handcrafted; with by hand; with other options of merl; with other tasks."
    assert f"SUITE CHANGED: this is tiny as its records were collected; {line}" in texts["tiny.md"].decode()
