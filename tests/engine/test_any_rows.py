"""Whatever the text of a row, tables, the memo and JSON give it back; any order of parts gives the same rows."""

import json
import os
import tempfile
from pathlib import Path

import pandas as pd
from clipmill.engine import files, tables, vouch
from clipmill.engine.memo import TRIED_AGAIN, Memo
from clipmill.engine.rejects import Reject
from clipmill.engine.shown import CONTROL, shown, shown_lines
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.text(st.characters(codec="utf-8"), max_size=30)
"""Any text that can be written: halves of characters (surrogates) are kept out by the listing and by captions."""
ANY_TEXT = st.text(st.characters(), max_size=60)
IDS = st.text("0123456789abcdef-", min_size=1, max_size=4)
FAULTS = st.sampled_from(["", "", "item", *TRIED_AGAIN])
PARTS = st.lists(st.lists(st.tuples(IDS, st.sampled_from("kl"), TEXT, FAULTS), max_size=6), max_size=6)


@given(st.lists(TEXT, max_size=8), st.lists(TEXT, min_size=1, max_size=3, unique=True))
def test_any_text_survives_a_table_whatever_its_columns_are_called(texts, names):
    rows = [dict.fromkeys(names, text) for text in texts]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        tables.write(path, names, rows)
        files.write_if_changed(vouch.place(path), vouch.text(path))
        assert list(tables.read(path)) == rows
        assert tables.columns(path) == names
        assert path.read_bytes() == tables.text(names, rows).encode()


@given(st.lists(TEXT.filter(lambda text: "\0" not in text), max_size=8))
def test_any_text_without_nul_is_the_same_for_pandas(texts):
    with tempfile.TemporaryDirectory() as folder:
        tables.write(Path(folder) / "a.csv", ("id", "text"), [{"id": "1", "text": text} for text in texts])
        read = pd.read_csv(Path(folder) / "a.csv", dtype=str, keep_default_na=False)
    assert list(read["text"]) == texts


@given(TEXT)
def test_any_text_survives_json(text):
    with tempfile.TemporaryDirectory() as folder:
        with files.whole(Path(folder) / "a.json") as file:
            json.dump({text: text}, file, ensure_ascii=False)
        assert json.loads((Path(folder) / "a.json").read_text(encoding="utf-8")) == {text: text}


@given(st.sets(IDS, max_size=20), st.lists(st.integers(0, 20), max_size=5))
def test_any_contiguous_shards_of_sorted_rows_join_to_the_whole(identities, cuts):
    rows = [{"id": identity} for identity in sorted(identities)]
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.csv" for number in range(len(edges) - 1)]
        for path, first, end in zip(paths, edges, edges[1:], strict=False):
            tables.write(path, ("id",), rows[first:end])
        assert list(tables.concatenate(paths)) == rows


def recorded(identity, key, value, fault) -> dict:
    return {"id": identity, "key": key, "x": value, "fault": fault, "reason": "", "detail": value}


def written(memo: Memo, parts: list[list[dict]]) -> None:
    """Write parts, each a second later than the one before."""
    for second, rows in enumerate(parts):
        before = {path for _, _, path in memo.parts()}
        memo.write(rows)
        for _, _, path in memo.parts():
            if path not in before:
                os.utime(path, (second, second))


@given(PARTS)
def test_the_memo_gives_the_newest_row_and_no_passing_fault_over_a_result(parts):
    parts = [list({(row[0], row[1]): recorded(*row) for row in part}.values()) for part in parts]
    parts = [part for number, part in enumerate(parts) if part not in parts[:number]]
    expected: dict = {}
    for row in (row for part in parts for row in part):
        key = row["id"], row["key"]
        if key not in expected or row["fault"] not in TRIED_AGAIN:
            expected[key] = row
    with tempfile.TemporaryDirectory() as folder:
        memo = Memo(Path(folder) / "memo", ("x",))
        written(memo, parts)
        assert memo.recall("", "~") == expected
        for low, high in (("4", "b"), ("-", "0")):
            assert memo.recall(low, high) == {key: row for key, row in expected.items() if low <= key[0] <= high}
        assert memo.ids() == {row["id"] for part in parts for row in part if row["fault"] not in TRIED_AGAIN}


@given(st.dictionaries(st.tuples(IDS, st.sampled_from("kl")), TEXT, max_size=12), st.randoms(use_true_random=False))
def test_any_division_of_different_rows_into_parts_in_any_order_is_remembered_alike(values, chance):
    rows = [recorded(*key, value, "") for key, value in values.items()]
    chance.shuffle(rows)
    parts: list[list[dict]] = [[] for _ in range(chance.randint(1, 4))]
    for row in rows:
        chance.choice(parts).append(row)
    with tempfile.TemporaryDirectory() as folder:
        memo = Memo(Path(folder) / "memo", ("x",))
        written(memo, parts)
        assert {key: row["x"] for key, row in memo.recall("", "~").items()} == values


@given(ANY_TEXT)
def test_what_is_shown_can_be_written_stays_on_a_line_and_holds_no_control_character(text):
    for safe in (shown(text), Reject("a reason", text).detail):
        safe.encode()
        assert len(safe.splitlines()) <= 1
        assert not CONTROL.search(safe)
        assert shown(safe) == safe
    assert not CONTROL.search(shown_lines(text))


@given(st.floats() | st.integers() | st.none())
def test_a_number_in_a_table_is_the_number_to_four_decimals(value):
    text = tables.number(value)
    if value is None or value != value:
        assert text == ""
    elif isinstance(value, int) or abs(value) == float("inf"):
        assert float(text) == float(value) if abs(value) < 1e300 or isinstance(value, float) else int(text) == value
    else:
        assert abs(float(text) - value) <= 0.5e-4 + abs(value) * 1e-15
        assert tables.number(float(text)) == text
