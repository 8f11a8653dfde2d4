"""Any list: its columns, spans and captions go through the whole workflow, and run nothing in vain."""

import csv
import json
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numbered_video
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mill import Mill

TITLE = 'a "quoted", long\ntitle, \u00e9 '
ROWS = [
    {"path": "footage/one.mp4", "start": "0", "end": "1", "license": "cc0", "aes": "1.50", "title": TITLE, "text": ""},
    {"path": "footage/one.mp4", "start": "0.5", "end": "2", "license": "cc-by", "aes": "", "title": "", "text": ""},
    {"path": "footage/one.mp4", "start": "0", "end": "9", "license": "cc0", "aes": "", "title": "far", "text": ""},
    {"path": "footage/two.mp4", "start": "", "end": "", "license": "nc", "aes": "x", "title": "not kept", "text": ""},
    {"path": "footage/gone.mp4", "start": "", "end": "", "license": "cc0", "aes": "", "title": "gone", "text": ""},
    {"path": "footage/one.mp4", "start": "0:02", "end": "0:00:03", "license": "cc0", "aes": "", "title": "",
     "text": "Bought."},
]  # fmt: skip


def table(path: Path) -> list[dict]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def write(folder: Path, kind: str, rows: list[dict]) -> str:
    """A list of this kind; its name."""
    path = folder / f"list.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "json":
        path.write_text(json.dumps(rows, indent=1))
    elif kind == "jsonl":
        path.write_text("".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))
    else:
        with open(path, "w", newline="", encoding="utf-8-sig" if kind == "csv" else "utf-8") as file:
            out = csv.DictWriter(file, list(rows[0]), delimiter="\t" if kind == "tsv" else ",")
            out.writeheader()
            out.writerows(rows)
    return path.name


@pytest.fixture(scope="module")
def listed(tmp_path_factory) -> Mill:
    """A finished run over a list with spans that overlap, captions, licences and rows that cannot be used."""
    mill = Mill(tmp_path_factory.mktemp("lists") / "mill")
    (mill.folder / "footage").mkdir()
    numbered_video.write(mill.folder / "footage/one.mp4", 100, Fraction(25), cuts=[20, 60])
    numbered_video.write(mill.folder / "footage/two.mp4", 40, Fraction(25), cuts=[20])
    name = write(mill.folder, "csv", ROWS)
    mill.change(videos=name, select={"license": {"in": ["cc0", "cc-by"]}}).run()
    return mill


def test_columns_stand_in_every_table_as_they_are_written(listed):
    one = [row for row in table(listed.results / "tables/clips.csv") if row["relpath"].endswith("one.mp4")]
    assert [(row["license"], row["list_aes"], row["title"]) for row in one] == [
        ("cc0", "1.50", TITLE), ("cc-by", "", ""), ("cc0", "", ""),
    ]  # fmt: skip
    pairs = {row["id"]: row for row in table(listed.results / "meta.csv")}
    assert {row["title"] for row in pairs.values()} == {TITLE, ""}
    assert set(pairs) == {row["id"] for row in one}
    assert list(next(iter(pairs.values())))[-4:] == ["license", "list_aes", "title", "frames_digest"]
    videos = {row["relpath"]: row for row in table(listed.results / "tables/videos.csv")}
    assert videos["footage/two.mp4"]["license"] == "nc"
    assert videos["footage/one.mp4"]["license"] == "", "the rows of this file differ"
    for name in ("tables/scores.csv", "tables/selected.csv", "tables/captions.csv", "rejects.csv"):
        assert {"license", "list_aes", "title"} <= set(table(listed.results / name)[0])
    assert "`aes` goes on as `list_aes`" in (listed.results / "logs/list_videos.log").read_text()


def test_rows_that_cannot_be_used_and_clips_that_fail_a_threshold_are_rejects(listed):
    found = {(row["stage"], row["reason"], row["title"]) for row in table(listed.results / "rejects.csv")}
    assert found == {
        ("list_videos", "no such file", "gone"),
        ("list_videos", "span beyond the end of the video", "far"),
        ("select_clips", "license not as select.license.in asks", "not kept"),
    }
    details = [row["detail"] for row in table(listed.results / "rejects.csv") if row["stage"] == "list_videos"]
    assert sorted(details) == ["row 3 of the list: s0-9 of 4.000 s", "row 5 of list.csv"]


def test_spans_are_the_clips_exact_to_the_frame(listed):
    pairs = table(listed.results / "meta.csv")
    assert [(row["start"], row["end"], row["num_frames"]) for row in pairs] == [
        ("0", "1", "25"), ("0.52", "2", "37"), ("2", "3", "25"),
    ]  # fmt: skip
    for row in pairs:
        numbers = numbered_video.numbers(listed.results / row["path"])
        first = int(row["id"].split("-")[1])
        assert numbers == list(range(first, first + int(row["num_frames"])))


def test_a_given_caption_is_taken_and_others_are_made(listed):
    texts = [row["text"] for row in table(listed.results / "meta.csv")]
    assert texts[2] == "bought."
    assert all(len(text) > 30 for text in texts[:2])


def test_the_audit_finds_nothing(listed):
    environment = os.environ | {"PYTHONPATH": str(listed.folder / "workflow/scripts")}
    command = [sys.executable, "-m", "clipmill.tools.audit", listed.results, "--deep"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_another_value_of_a_column_computes_nothing_and_selects_again(listed, tmp_path):
    mill = listed.copy(tmp_path / "mill")
    rows = [row | ({"license": "nc", "title": "other"} if number == 1 else {}) for number, row in enumerate(ROWS)]
    write(mill.folder, "csv", rows)
    done = mill.run()
    assert done.computed == {}
    steps = {"scan_videos", "score_aesthetic", "score_flow"}
    assert not steps & done.jobs.keys()
    assert done.jobs["select_clips"] == 1
    assert len(table(mill.results / "meta.csv")) == 2
    assert any(row["title"] == "other" for row in table(mill.results / "rejects.csv"))


@pytest.mark.parametrize("kind", ["tsv", "jsonl", "json", "parquet"])
def test_every_kind_of_list_gives_the_same_clips(listed, tmp_path, kind):
    """Only the name of the list differs, which the details of its rejects hold."""
    mill = listed.copy(tmp_path / "mill")
    name = write(mill.folder, kind, ROWS)
    done = mill.change(videos=name).run("scenes")
    assert done.jobs["list_videos"] == 1
    assert done.computed == {}
    for path in ("tables/listing.csv", "tables/extras.csv", "tables/videos.csv", "tables/clips.csv"):
        assert (mill.results / path).read_bytes() == (listed.results / path).read_bytes()
    rejects = (mill.results / "work/rejects/list_videos.csv").read_text()
    assert rejects.replace(name, "list.csv") == (listed.results / "work/rejects/list_videos.csv").read_text()


@pytest.mark.slow
def test_detection_within_spans_and_another_root(listed, tmp_path):
    mill = listed.copy(tmp_path / "mill")
    (mill.folder / "lists").mkdir()
    write(mill.folder / "lists", "csv", ROWS)
    done = mill.change(videos="lists/list.csv", videos_root=".", clips={"spans": "detect"}).run()
    assert "scan_videos" not in done.computed
    clips = [row for row in table(mill.results / "tables/clips.csv") if row["relpath"].endswith("one.mp4")]
    spans = [(int(row["start_frame"]), int(row["end_frame"]), row["license"]) for row in clips]
    assert spans == [
        (0, 20, "cc0"), (13, 20, "cc-by"), (20, 25, "cc0"), (20, 50, "cc-by"), (50, 60, "cc0"), (60, 75, "cc0"),
    ]  # fmt: skip
    assert [row["id"][16:] for row in clips if row["start_frame"] == "20"] == [
        "-00000020-00000025", "-00000020-00000050",
    ]  # fmt: skip


def test_a_threshold_on_a_column_that_the_list_lacks_is_a_plain_message(listed, tmp_path):
    mill = listed.copy(tmp_path / "mill").change(select={"licence": {"is": "cc0"}})
    done = mill.run("-n", ok=False)
    assert done.code != 0
    assert "select.licence: list.csv has no such column; it has path, start, end, license" in done.text
    assert "Traceback" not in done.text
