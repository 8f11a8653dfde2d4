"""What a step remembers comes back by id and key; a damaged part is forgotten, never believed and never fatal."""

import os
from random import Random

import pyarrow.parquet as pq
import pytest
from clipmill.engine.memo import Memo


def row(identity, value="", key="k", fault=""):
    return {"id": identity, "key": key, "x": value, "fault": fault, "reason": fault and "why", "detail": ""}


@pytest.fixture
def memo(tmp_path):
    return Memo(tmp_path / "memo", ("x",))


def values(memo, first="", last="~"):
    return {identity: held["x"] for (identity, _), held in memo.recall(first, last).items()}


def age(memo, seconds):
    """Make the newest part file older, so that the order of parts does not depend on the clock."""
    path = memo.parts()[-1][2]
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns - seconds * 10**9))


def test_an_empty_memo_knows_nothing(memo):
    assert (memo.recall("", "~"), memo.ids(), memo.parts()) == ({}, set(), [])
    memo.write([])
    assert memo.parts() == []


def test_rows_come_back_by_range_whatever_part_holds_them(memo):
    for start in (20, 0, 10):
        memo.write([row(f"{number:02d}", f"value {number}") for number in range(start + 9, start - 1, -1)])
    assert values(memo) == {f"{number:02d}": f"value {number}" for number in range(30)}
    assert list(values(memo, "08", "11")) == ["08", "09", "10", "11"]
    assert memo.ids() == {f"{number:02d}" for number in range(30)}


def test_a_range_opens_only_the_parts_that_overlap_it(memo):
    memo.write([row("1"), row("2")])
    memo.write([row("3"), row("4")])
    next(path for low, _, path in memo.parts() if low == "1").write_bytes(b"not read")
    assert set(values(memo, "3", "4")) == {"3", "4"}


def test_parts_are_sorted_and_their_values_are_text(memo):
    memo.write([row("b", "007"), row("a", "1.50"), row("c", "")])
    ((low, high, path),) = memo.parts()
    table = pq.read_table(path)
    assert (low, high) == ("a", "c")
    assert table.column("id").to_pylist() == ["a", "b", "c"]
    assert {str(field.type) for field in table.schema} == {"string"}
    assert values(memo) == {"a": "1.50", "b": "007", "c": ""}


def test_the_same_rows_are_the_same_file(memo):
    memo.write([row("1", "a"), row("2", "b")])
    memo.write([row("2", "b"), row("1", "a")])
    assert len(memo.parts()) == 1


def test_one_id_with_two_keys_is_two_memories(memo):
    memo.write([row("1", "old", key="a"), row("1", "new", key="b")])
    assert {key: held["x"] for key, held in memo.recall("1", "1").items()} == {("1", "a"): "old", ("1", "b"): "new"}


def test_the_newest_counts_but_no_unexpected_fault_over_a_result(memo):
    memo.write([row("1", "first"), row("2", "first"), row("3", "", fault="unexpected")])
    age(memo, 20)
    memo.write([row("1", "second"), row("2", "", fault="unexpected"), row("3", "result")])
    age(memo, 10)
    assert values(memo) == {"1": "second", "2": "first", "3": "result"}


def test_unexpected_faults_do_not_count_as_remembered(memo):
    memo.write([row("1", "a"), row("2", fault="item"), row("3", fault="unexpected")])
    assert memo.ids() == {"1", "2"}


def damage(content, kind):
    return {
        "emptied": b"",
        "cut off": content[: len(content) // 2],
        "no parquet": b"x" * 500,
        "overwritten": content[:100] + bytes(len(content) // 2) + content[100 + len(content) // 2 :],
    }[kind]


@pytest.mark.parametrize("kind", ["emptied", "cut off", "no parquet", "overwritten"])
def test_a_damaged_part_is_a_forgotten_part(memo, capsys, kind):
    memo.write([row(f"{number:03d}", f"value {number}") for number in range(200)])
    memo.write([row("999", "kept")])
    path = next(path for low, _, path in memo.parts() if low == "000")
    path.write_bytes(damage(path.read_bytes(), kind))
    assert values(memo) == {"999": "kept"}
    assert memo.ids() == {"999"}
    assert path.name in capsys.readouterr().err


def test_no_flipped_bit_of_a_part_is_believed_or_fatal(memo):
    memo.write([row(f"{number:03d}", f"a caption of clip {number}") for number in range(40)])
    ((_, _, path),) = memo.parts()
    whole, random = path.read_bytes(), Random(8)
    for _ in range(300):
        data = bytearray(whole)
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)
        path.write_bytes(data)
        assert memo.recall("", "~") == {}
        assert memo.ids() == set()
    path.write_bytes(whole)
    assert len(values(memo)) == 40


def test_a_part_under_another_name_is_not_believed(memo):
    memo.write([row("1", "a")])
    ((_, _, path),) = memo.parts()
    path.rename(path.with_name(path.name.replace("1_1_", "1_2_")))
    assert values(memo) == {"1": "a"}  # a name that promises more than it holds hides nothing
    path = memo.parts()[0][2]
    path.rename(path.with_name("1_1_0123.parquet"))
    assert values(memo) == {}
