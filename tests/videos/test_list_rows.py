"""Every row of a list is a row that is used or a reject with its number; what is no list is a plain message."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import gather_videos
import list_videos
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clipmill.engine import tables
from clipmill.videos import json_lists, lists, sources, texts
from hypothesis import given
from hypothesis import strategies as st

VALUES = ["plain", "1.50", "007", ' "q", \u00e9', "two\nlines", "", "tab\there"]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


def taken(folder: Path, name: str, *options: str) -> dict[str, list[dict]]:
    """The tables that list_videos writes for a list."""
    command = [sys.executable, list_videos.__file__, "--videos", folder / name, "--memo", folder / "memo", *options]
    places = {what: folder / f"{what}.csv" for what in ("out", "rejects", "extras")}
    done = subprocess.run(
        [*command, *(f"--{what}={path}" for what, path in places.items())], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return {what: list(tables.read(path)) for what, path in places.items()} | {"said": done.stderr}


@pytest.fixture
def folder(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "sub").mkdir()
    return tmp_path


@pytest.mark.parametrize("kind", lists.READERS)
def test_every_kind_gives_the_texts_that_were_written(tmp_path, kind):
    rows = [{"path": f"{number}.mp4", "note": value} for number, value in enumerate(VALUES)]
    path = tmp_path / f"list{kind}"
    if kind == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind in (".csv", ".tsv"):
        with open(path, "w", newline="", encoding="utf-8-sig") as file:
            out = csv.DictWriter(file, ["path", "note"], delimiter="\t" if kind == ".tsv" else ",")
            out.writeheader()
            out.writerows(rows)
    else:
        text = json.dumps(rows, ensure_ascii=False) if kind == ".json" else "\n".join(map(json.dumps, rows))
        path.write_text("\ufeff" + text, encoding="utf-8")
    assert list(lists.rows(path)) == list(enumerate(rows, 1))
    assert lists.columns(path, ["note"]) == ["path", "note"]


def test_numbers_of_json_and_parquet_are_texts(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"path": "x", "a": 1.50, "b": [1, "q", 2.0], "c": true, "d": null}\n\n"y"\n')
    rows = [row for _, row in lists.rows(tmp_path / "a.jsonl")]
    assert rows == [{"path": "x", "a": "1.50", "b": '[1, "q", 2.0]', "c": "true", "d": ""}, {"path": "y"}]
    pq.write_table(pa.table({"path": ["x", "y"], "a": [1.5, None], "b": [[1], None]}), tmp_path / "a.parquet")
    rows = [row for _, row in lists.rows(tmp_path / "a.parquet")]
    assert rows == [{"path": "x", "a": "1.5", "b": "[1]"}, {"path": "y", "a": "", "b": ""}]


@given(st.lists(st.dictionaries(TEXT, TEXT | st.integers() | st.floats(allow_nan=False), max_size=3), max_size=6),
       st.integers(1, 9), st.sampled_from([None, 1]))  # fmt: skip
def test_an_array_is_read_whole_however_it_is_cut_into_chunks(tmp_path_factory, rows, chunk, indent):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=indent), encoding="utf-8", newline="")
    before, texts.CHUNK = texts.CHUNK, chunk
    try:
        found = [row for _, row in lists.rows(path)]
    finally:
        texts.CHUNK = before
    assert found == [
        {name: value if isinstance(value, str) else json.dumps(value) for name, value in row.items()} for row in rows
    ]


@pytest.mark.parametrize(("name", "content", "said"), [
    ("a.csv", b"path\na.mp4\nb\xfc.mp4\n", "line 3: not UTF-8"),
    ("a.tsv", "path\na.mp4\n".encode("utf-16"), "line 1: not UTF-8"),
    ("a.jsonl", b'"a.mp4"\n{"path": "b\xfc"}', "line 2: not UTF-8"),
    ("a.json", b'["a.mp4",\n"b\xfc"]', "line 2: not UTF-8"),
    ("a.csv", b"path\nb\0.mp4\n", "line 2: a NUL character"),
    ("a.csv", b"path\na,b\n", "line 2: 2 fields for 1 columns"),
    ("a.csv", b"path,path\n", "the column `path` stands twice"),
    ("a.csv", b'path\n"a\nb\n', "line 3: unexpected end of data"),
    ("a.csv", b"file\na\n", "no column `path`; its columns are file"),
    ("a.jsonl", b'"a"\n{"path": }\n', "line 2: no JSON"),
    ("a.json", b'{"path": "a"}', "line 1: no array of objects or paths"),
    ("a.json", b'["a",\n "b"', "line 2: the array does not end"),
    ("a.json", b'["a",\n 7]', "line 2: neither an object nor a path"),
    ("a.parquet", b"no parquet", "no Parquet file"),
])  # fmt: skip
def test_what_is_no_list_is_a_plain_message_with_its_line(tmp_path, name, content, said):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SystemExit, match=f"{name}.*{said}"):
        sources.found(tmp_path / name)
    assert said in sources.state(tmp_path / name)


def test_rows_that_cannot_be_used_are_rejects_with_their_number_and_columns(folder):
    (folder / "list.csv").write_text(
        'path,start,end,note\na.mp4,,,1\n"",,,2\nsub,,,3\n./sub/../a.mp4,,,4\ngone.mp4,,,5\na.mp4,2,1,6\na.mp4,x,,7\n'
        f"{folder}/b.mp4,0,1,8\nb.mp4,0.0,0:01,9\n"
    )
    found = taken(folder, "list.csv")
    assert {(row["relpath"], row["reason"], row["detail"], row["note"]) for row in found["rejects"]} == {
        ("", "empty path in the list", "row 2 of list.csv", "2"),
        ("sub", "a folder, not a file", "row 3 of list.csv", "3"),
        ("a.mp4", "listed twice", "row 4, first in row 1", "4"),
        ("gone.mp4", "no such file", "row 5 of list.csv", "5"),
        ("a.mp4", "no span", "start 2, end 1; row 6 of list.csv", "6"),
        ("a.mp4", "no span", "x is no time; row 7 of list.csv", "7"),
        ("b.mp4", "listed twice", "row 9, first in row 8", "9"),
    }
    assert [(row["row"], row["span"], row["note"]) for row in sorted(found["extras"], key=lambda row: row["row"])] == [
        ("1", "", "1"), ("8", "s0-1", "8"),
    ]  # fmt: skip
    assert {row["relpath"]: row["spans"] for row in found["out"]} == {"a.mp4": '[""]', "b.mp4": '["s0-1"]'}


def test_names_that_are_ours_get_a_prefix_and_it_is_said(folder):
    (folder / "list.csv").write_text("path,id,codec,sharpness,list_id,text,,ID\na.mp4,1,2,3,4,5,6,7\n")
    found = taken(folder, "list.csv", "--ours", "sharpness")
    assert list(found["extras"][0].values())[1:] == ["1", "", "1", "2", "3", "4", "5", "6", "7"]
    names = ["list_id", "list_codec", "list_sharpness", "list_list_id", "text", "list_column", "ID"]
    assert sorted(list(found["extras"][0])[3:]) == sorted(names)
    assert "the list's column `sharpness` goes on as `list_sharpness`" in found["said"]
    assert "list_text" in taken(folder, "list.csv", "--captions", "none")["extras"][0]


def test_the_columns_of_clips_are_ours():
    assert set(gather_videos.CLIPS) <= lists.OURS


def test_paths_start_from_the_root_that_is_named(folder):
    (folder / "sub" / "list.csv").write_text("path\na.mp4\n")
    found = taken(folder, "sub/list.csv", "--videos-root", str(folder))
    assert [row["relpath"] for row in found["out"]] == ["a.mp4"]


def test_captions_next_to_the_files(folder):
    (folder / "a.txt").write_text("\ufeffA caption.\n")
    (folder / "a.json").write_text('{"text": "not this one"}')
    (folder / "b.json").write_text('{"width": 3, "caption": " Another. "}')
    (folder / "c.mp4").write_bytes(b"c")
    (folder / "c.json").write_text("{")
    (folder / "list.csv").write_text("path,text\na.mp4,The list's.\nb.mp4,\nc.mp4,x\n")
    texts = {row["id"]: row["text"] for row in taken(folder, "list.csv", "--captions", "both")["extras"]}
    assert sorted(texts.values()) == ["Another.", "The list's."]
    found = taken(folder, "list.csv", "--captions", "sidecars")
    assert sorted(row["text"] for row in found["extras"]) == ["A caption.", "Another."]
    [reject] = found["rejects"]
    assert (reject["relpath"], reject["reason"]) == ("c.mp4", "its caption cannot be read")
    assert "list_text" in found["extras"][0]
    states = [sources.state(folder, captions=captions) for captions in (True, False)]
    (folder / "a.txt").write_text("Another one.")
    assert sources.state(folder, captions=True) != states[0]
    assert sources.state(folder) == states[1], "where captions do not count, other files do not"


def test_an_object_may_be_longer_than_a_chunk(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([{"path": "x" * 3_000_000}, "y"]))
    assert [len(row["path"]) for _, row in lists.rows(tmp_path / "a.json")] == [3_000_000, 1]
    assert json_lists.LONGEST > 3_000_000
