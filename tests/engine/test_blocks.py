"""Blocks of columns give and write what rows do, byte for byte, whatever the texts and wherever a block ends."""

import csv
import heapq
import re
import tempfile
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pytest
from clipmill.engine import blocks, files, joins, tables, vouch
from hypothesis import given
from hypothesis import strategies as st

HOSTILE = [
    "",
    " ",
    ",",
    '"',
    '""',
    '",',
    "\n",
    "\r",
    "\r\n",
    'a"b',
    "a,b",
    "a\nb",
    "a\rb",
    '"\n"',
    "\n\n",
    "\t",
    "=1+1",
]
NUMBERS = ["007", "-0.0", "1e22", "1E+5", "0.00001", "nan", "NaN", "NA", "null", "None", "inf", "true", "1970-01-01"]
OTHERS = ["日本", "e\u0301", "\u2028", "\ufeff", "\0", "'", "\\", '\\"', "#"]
TEXT = st.sampled_from(HOSTILE + NUMBERS + OTHERS) | st.text(st.characters(codec="utf-8"), max_size=20)
NAMES = st.lists(TEXT, min_size=1, max_size=4, unique=True).filter(lambda names: names != [""])
PIECES = st.sampled_from([1, 2, 3, 7, 50, 1 << 24])


@st.composite
def any_tables(draw):
    """Names of columns, and rows of them."""
    names = draw(NAMES)
    return names, draw(st.lists(st.fixed_dictionaries(dict.fromkeys(names, TEXT)), max_size=8))


def in_pieces(size: int):
    return mock.patch.object(blocks, "PIECE", size)


def rows_of(stream) -> list[dict]:
    return [row for block in stream for row in block.to_pylist()]


def written(path: Path, names: list[str], stream) -> bytes:
    with files.whole(path) as file:
        out = blocks.Writer(file, names)
        for block in stream:
            out.write(block)
    vouch.check(path)
    return path.read_bytes()


@given(any_tables(), PIECES)
def test_any_table_is_read_and_written_as_by_the_csv_module(table, size):
    names, rows = table
    with tempfile.TemporaryDirectory() as folder, in_pieces(size):
        path = Path(folder) / "a.csv"
        tables.write(path, names, rows)
        with open(path, encoding="utf-8", newline="") as file:
            assert list(csv.DictReader(file)) == rows
        assert rows_of(blocks.read(path)) == rows
        assert written(Path(folder) / "b.csv", names, blocks.read(path)) == path.read_bytes()


@given(any_tables(), PIECES, st.data())
def test_any_columns_in_any_order_and_missing_ones_empty(table, size, data):
    names, rows = table
    wanted = data.draw(st.lists(st.sampled_from([*names, "missing"]), min_size=1, unique=True))
    with tempfile.TemporaryDirectory() as folder, in_pieces(size):
        path = Path(folder) / "a.csv"
        tables.write(path, names, rows)
        expected = [{name: row.get(name, "") for name in wanted} for row in rows]
        assert rows_of(blocks.read(path, wanted)) == expected
        plain = tables.text(wanted, rows).encode()
        assert written(Path(folder) / "b.csv", wanted, blocks.read(path)) == plain


@given(st.lists(TEXT, min_size=1, max_size=20), st.data())
def test_a_part_of_a_block_is_written_as_its_rows(texts, data):
    first, end = sorted(data.draw(st.tuples(st.integers(0, len(texts)), st.integers(0, len(texts)))))
    rows = [{"a": text, "b": text[::-1]} for text in texts]
    part = pa.RecordBatch.from_pylist(rows).slice(first, end - first)
    head = tables.text(("a", "b"), ())
    assert head.encode() + blocks.text(part, ("a", "b")) == tables.text(("a", "b"), rows[first:end]).encode()


def test_a_table_of_another_hand_is_read_too(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'id,"a\nb"\r\n1,"x\r\ny"\r\n\r\n2,')
    assert rows_of(blocks.read(tmp_path / "a.csv")) == [{"id": "1", "a\nb": "x\r\ny"}, {"id": "2", "a\nb": ""}]


@pytest.mark.parametrize("content", [b"", b"id,x", b"id,x\n"])
def test_a_table_without_rows_has_no_blocks(tmp_path, content):
    (tmp_path / "a.csv").write_bytes(content)
    assert list(blocks.read(tmp_path / "a.csv")) == []


@pytest.mark.parametrize("change", [lambda text: text[:-3], lambda text: text.replace(b"2", b"3"), lambda text: b"",
                                    lambda text: text + b"1\n", lambda text: text.replace(b"x", b"\xff")])  # fmt: skip
def test_a_damaged_table_says_so_at_its_end_at_the_latest(tmp_path, change):
    tables.write(tmp_path / "a.csv", ("id", "text"), [{"id": "1", "text": "x"}, {"id": "2", "text": "x"}])
    (tmp_path / "a.csv").write_bytes(change((tmp_path / "a.csv").read_bytes()))
    with pytest.raises(vouch.Damaged):
        list(blocks.read(tmp_path / "a.csv"))


def test_a_ragged_table_that_nothing_vouches_for_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("id,x\n1,2,3\n")
    with pytest.raises(tables.TableError, match=r"a\.csv"):
        list(blocks.read(tmp_path / "a.csv"))


def shards(folder: Path, *parts: str) -> list[Path]:
    paths = [folder / f"{number}.csv" for number in range(len(parts))]
    for path, part in zip(paths, parts, strict=True):
        tables.write(path, ("id", "of"), [{"id": one, "of": path.stem} for one in part])
    return paths


@given(st.lists(st.text("abcd", max_size=3), max_size=4), st.sampled_from(["abc", "abcd", "", "acd"]), PIECES)
def test_books_balance_where_those_of_rows_do(parts, whole, size):
    with tempfile.TemporaryDirectory() as folder, in_pieces(size):
        table, paths = Path(folder) / "table.csv", shards(Path(folder), *parts)
        tables.write(table, ("id", "text"), [{"id": one, "text": f"text of {one}"} for one in whole])
        try:
            expected = list(tables.balanced(table, tables.concatenate(paths)))
        except tables.TableError as error:
            # A block is looked at whole: where ids are neither sorted nor those of the table, the first may be said.
            said = "." if "comes after" in str(error) else f"{re.escape(str(error))}|comes after"
            with pytest.raises(tables.TableError, match=said):
                rows_of(joins.balanced(table, paths, ["id", "text", "of"]))
        else:
            assert rows_of(joins.balanced(table, paths, ["id", "text", "of"])) == expected


@given(st.lists(st.lists(st.text("ab", max_size=3), max_size=6), max_size=4), st.booleans(), PIECES)
def test_streams_are_merged_as_heapq_merges_them_sorted_or_not(lists, is_sorted, size):
    with tempfile.TemporaryDirectory() as folder, in_pieces(size):
        paths = shards(Path(folder), *(sorted(ids) if is_sorted else ids for ids in lists))
        expected = list(heapq.merge(*map(tables.read, paths), key=lambda row: row["id"]))
        assert rows_of(joins.merged(map(blocks.read, paths), lambda rows: rows["id"])) == expected


def test_streams_of_any_density_are_merged_in_bounded_memory():
    """Ten rows of one stream for each of the other: of neither are more than three blocks held."""
    pulled, given, rows = [0, 0], [0, 0], 20

    def stream(which, step):
        for first in range(0, 4000 // step, rows):
            pulled[which] += rows
            ids = [f"{step * place:05d}" for place in range(first, first + rows)]
            yield pa.record_batch({"id": pa.array(ids), "of": pa.array([str(which)] * rows)})

    for merged in joins.merged([stream(0, 1), stream(1, 10)], lambda block: block["id"]):
        for which in merged["of"].to_pylist():
            given[int(which)] += 1
        assert all(one - other <= 3 * rows for one, other in zip(pulled, given, strict=True))
    assert given == [4000, 400]


@given(*[st.sets(st.text("abc", min_size=1, max_size=3)).map(sorted)] * 2, PIECES)
def test_a_lookup_finds_the_rows_of_the_ids_that_are_there(asked, there, size):
    with tempfile.TemporaryDirectory() as folder, in_pieces(size):
        wanted, table = shards(Path(folder), asked, there)
        lookup, found = joins.Lookup(table, ["of"]), []
        for block in blocks.read(wanted):
            where, rows = lookup.of(block["id"])
            ids = block["id"].filter(where).to_pylist()
            assert ids == (rows["id"].to_pylist() if rows else [])
            found += ids
        assert found == sorted({*asked} & {*there})
