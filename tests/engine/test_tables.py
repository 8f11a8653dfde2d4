"""Tables keep every value as the text it was, exist whole or not at all, and never lose a row silently."""

import csv
import os
import socket

import numpy as np
import pytest
from clipmill.engine import files, tables

ODD = [
    "",
    " ",
    "a,b",
    'a"b',
    "a\nb",
    "a\rb",
    "a\r\nb",
    "007",
    "1e-05",
    "-0.0",
    "日本",
    "e\u0301",
    "=1+1",
    "'",
    "\t",
    "nan",
]


def rows_of(*identities):
    return [{"id": identity} for identity in identities]


def test_every_value_comes_back_as_it_was(tmp_path):
    rows = [{"id": str(number), "text": value} for number, value in enumerate(ODD)]
    tables.write(tmp_path / "a.csv", ("id", "text"), rows)
    assert list(tables.read(tmp_path / "a.csv")) == rows
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as file:
        assert [row["text"] for row in csv.DictReader(file)] == ODD
    tables.write(tmp_path / "b.csv", ("id", "text"), tables.read(tmp_path / "a.csv"))
    assert (tmp_path / "b.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()
    assert tables.text(("id", "text"), rows).encode() == (tmp_path / "a.csv").read_bytes()


def test_rows_end_with_a_newline_alone(tmp_path):
    tables.write(tmp_path / "a.csv", ("id", "x"), [{"id": "1", "x": "2", "other": "3"}, {"id": "2"}])
    assert (tmp_path / "a.csv").read_bytes() == b"id,x\n1,2\n2,\n"


@pytest.mark.parametrize(("value", "text"), [
    (None, ""), (0.5, "0.5"), (1.0, "1"), (100.0, "100"), (2 / 3, "0.6667"), (-0.00001, "0"), (1e9, "1000000000"),
    (float("nan"), ""), (7, "7"), ("1.23456", "1.23456"), (np.float32(2 / 3), "0.6667"), (np.float64(2 / 3), "0.6667"),
    (np.int64(10), "10"), (True, "True"),
])  # fmt: skip
def test_numbers_have_at_most_four_decimals(value, text):
    assert tables.number(value) == text


def test_a_table_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "a.csv"
    tables.write(path, ("id",), rows_of("1"))

    def broken():
        yield {"id": "2"}
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        tables.write(path, ("id",), broken())
    assert path.read_text() == "id\n1\n"
    assert sorted(file.name for file in tmp_path.iterdir()) == [".a.csv.sum", "a.csv"]
    assert [row["id"] for row in tables.read(path)] == ["1"]


def test_a_reader_never_sees_a_half_written_table(tmp_path):
    path = tmp_path / "sub" / "a.csv"
    with files.whole(path) as file:
        file.write("half")
        file.flush()
        assert not path.exists()
        (temporary,) = path.parent.iterdir()
        assert not files.is_stale(temporary)
    assert path.read_text() == "half"
    assert sorted(file.name for file in path.parent.iterdir()) == [".a.csv.sum", "a.csv"]


def test_a_temporary_file_of_a_dead_writer_is_distinguished_from_that_of_a_living_one(tmp_path):
    host, dead = socket.gethostname(), next(n for n in range(4_000_000, 9_000_000) if not os.path.exists(f"/proc/{n}"))
    assert files.is_stale(tmp_path / f".a.csv.{host}.{dead}.tmp")
    assert not files.is_stale(tmp_path / f".a.csv.{host}.{os.getpid()}.tmp")
    assert not files.is_stale(tmp_path / f".a.csv.elsewhere.{dead}.tmp")
    assert not files.is_stale(tmp_path / "a.csv")


def test_an_unchanged_file_is_not_written_again(tmp_path):
    path = tmp_path / "a.csv"
    assert files.write_if_changed(path, "é")
    before = path.stat()
    assert not files.write_if_changed(path, "é")
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert files.write_if_changed(path, "e")


def shards(folder, *parts):
    for number, part in enumerate(parts):
        tables.write(folder / f"{number}.csv", ("id",), rows_of(*part))
    return [folder / f"{number}.csv" for number in range(len(parts))]


def test_shards_concatenate_to_their_table(tmp_path):
    parts = shards(tmp_path, ["1", "2"], [], ["3"])
    tables.write(tmp_path / "table.csv", ("id",), rows_of("1", "2", "3"))
    rows = tables.balanced(tmp_path / "table.csv", tables.concatenate(parts))
    assert [row["id"] for row in rows] == ["1", "2", "3"]


@pytest.mark.parametrize("parts", [(["1", "3"], ["2"]), (["1", "2"], ["2"]), (["2", "1"],)])
def test_unsorted_or_repeated_rows_stop_the_run(tmp_path, parts):
    with pytest.raises(tables.TableError):
        list(tables.concatenate(shards(tmp_path, *parts)))


@pytest.mark.parametrize("held", [["1", "2"], ["1", "3"], ["1", "2", "3", "4"], [], ["2", "3"]])
def test_books_that_do_not_balance_stop_the_run(tmp_path, held):
    tables.write(tmp_path / "table.csv", ("id",), rows_of("1", "2", "3"))
    with pytest.raises(tables.TableError, match="books"):
        list(tables.balanced(tmp_path / "table.csv", rows_of(*held)))
