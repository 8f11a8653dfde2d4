"""Merging the parts of a memo changes nothing that it recalls, killed or not, while others write and read."""

import multiprocessing
import os
import tempfile
from pathlib import Path
from unittest import mock

import pyarrow as pa
import pytest
from clipmill.engine import memo as memory
from clipmill.engine import merging
from clipmill.engine.memo import TRIED_AGAIN, Memo
from hypothesis import given, settings
from hypothesis import strategies as st

IDS = st.text("ab-", min_size=1, max_size=3)
FAULTS = st.sampled_from(["", "", "item", "stalled 5", *TRIED_AGAIN])
ROW = st.tuples(IDS, st.sampled_from("kl"), st.text("xy,\n", max_size=2), FAULTS)
PARTS = st.lists(st.lists(ROW, min_size=1, max_size=5, unique_by=lambda row: row[:2]), min_size=1, max_size=8)


def row(identity, key="k", value="", fault=""):
    return {"id": identity, "key": key, "x": value, "fault": fault, "reason": "", "detail": value}


def filled(folder: Path, parts: list[list[tuple]]) -> Memo:
    """A memo with these parts, each a second younger than the one before."""
    memo = Memo(folder / "memo", ("x",))
    for second, rows in enumerate(parts):
        before = {path for _, _, path in memo.parts()}
        memo.write([row(*one) for one in rows])
        for path in {path for _, _, path in memo.parts()} - before:
            os.utime(path, (second, second))
    return memo


def merged(memo: Memo, size: int = 1) -> None:
    """Merge, however few the parts are, into parts of about `size` bytes."""
    with mock.patch.multiple(merging, MANY=0, BYTES=size):
        merging._merge(memo, memo.parts())


@settings(max_examples=30)
@given(PARTS, st.sampled_from([1, 3000, 10**9]))
def test_whatever_the_parts_a_merged_memo_recalls_the_same(parts, size):
    with tempfile.TemporaryDirectory() as folder:
        memo = filled(Path(folder), parts)
        known, ids, before = memo.recall("", "~"), memo.ids(), len(memo.parts())
        merged(memo, size)
        assert (memo.recall("", "~"), memo.ids()) == (known, ids)
        assert memo.recall("a", "ab") == {key: held for key, held in known.items() if "a" <= key[0] <= "ab"}
        if size == 10**9:
            assert len(memo.parts()) == 1 or before == 1
        merged(memo, size)
        assert memo.recall("", "~") == known


@settings(max_examples=30)
@given(PARTS, st.integers(0, 20))
def test_a_merge_that_is_killed_at_any_moment_changes_nothing(parts, moment):
    steps = iter(range(100))

    def step(function):
        def counted(*args, **kwargs):
            if next(steps) == moment:
                raise KeyboardInterrupt
            return function(*args, **kwargs)

        return counted

    with tempfile.TemporaryDirectory() as folder:
        memo = filled(Path(folder), parts)
        known = memo.recall("", "~")
        try:
            with (
                mock.patch.object(Path, "unlink", step(Path.unlink)),
                mock.patch.object(os, "replace", step(os.replace)),
            ):
                merged(memo)
        except KeyboardInterrupt:
            pass
        assert memo.recall("", "~") == known
        merged(memo)
        assert memo.recall("", "~") == known


def test_few_parts_and_large_ones_are_left_alone(tmp_path):
    memo = filled(tmp_path, [[(f"{number}", "k", "", "")] for number in range(9)])
    names = [path for _, _, path in memo.parts()]
    merging.merge(memo)
    assert [path for _, _, path in memo.parts()] == names
    with mock.patch.object(merging, "MANY", 8):
        merging.merge(memo)
    assert len(memo.parts()) == 1


@pytest.mark.parametrize("damage", ["content", "columns"])
def test_what_cannot_be_merged_is_left_alone(tmp_path, damage):
    memo = filled(tmp_path, [[(f"{number}", "k", "", "")] for number in range(9)])
    if damage == "columns":
        Memo(memo.folder, ("y",)).write([row("5", value="z")])
    else:
        memo.parts()[4][2].write_bytes(b"damaged")
    known = memo.recall("", "~")
    with mock.patch.object(merging, "MANY", 8):
        merging.merge(memo)
    assert memo.recall("", "~") == known
    assert len(memo.parts()) == (10 if damage == "columns" else 2)


@pytest.mark.parametrize("look", [
    lambda memo: sorted(memo.recall("0", "3")), lambda memo: memo.ids(),
    lambda memo: next(memo.held([pa.array(["0", "x"])])).to_pylist(),
])  # fmt: skip
def test_a_reader_looks_again_where_a_part_has_gone(tmp_path, look):
    memo = filled(tmp_path, [[(f"{number}", "k", "", "")] for number in range(9)])
    known, real = look(memo), memory.read

    def late(path, columns=None):
        """Reads a part after others have merged all of them."""
        with mock.patch.object(memory, "read", real):
            merged(memo, 10**9)
        return real(path, columns)

    with mock.patch.object(memory, "read", late):
        assert look(memo) == known
    assert len(memo.parts()) == 1


def wrote(folder: Path, name: str) -> None:
    for number in range(40):
        Memo(folder, ("x",)).write([row(f"{name}{number:02d}", value=name), row(f"m{number:02d}", value="same")])


def merges(folder: Path, _) -> None:
    for _ in range(40):
        with mock.patch.object(merging, "MANY", 1):
            merging.merge(Memo(folder, ("x",)))


def test_two_merge_while_two_write_and_nothing_is_lost(tmp_path):
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=work, args=(tmp_path, name)) for work, name in
              [(wrote, "a"), (wrote, "z"), (merges, ""), (merges, "")]]  # fmt: skip
    for other in others:
        other.start()
    memo = Memo(tmp_path, ("x",))
    while any(other.is_alive() for other in others):
        memo.recall("", "~")
        list(memo.held([pa.array(["a00", "z39"])]))
    for other in others:
        other.join()
    assert [other.exitcode for other in others] == [0] * 4
    assert memo.ids() == {f"{name}{number:02d}" for name in "amz" for number in range(40)}
