"""Thresholds decide what stays; a reject names its threshold, and nothing is rejected for a score it cannot have."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from clipmill.clips import thresholds
from clipmill.engine import rejects, tables

SCRIPTS = Path(thresholds.__file__).parents[2]
ROW = {"id": "1", "kind": "video", "aes": "5.2", "flow": "0.3", "ocr": "0", "fps": "25", "resolution": "2073600"}


@pytest.mark.parametrize(("limits", "stays"), [
    ({"aes": {"min": 5.2}}, True), ({"aes": {"min": 5.2001}}, False), ({"aes": {"max": 5.2}}, True),
    ({"aes": {"max": 5.1999}}, False), ({"aes": {"min": 5, "max": 6}}, True), ({"ocr": {"max": 0}}, True),
    ({"flow": {"min": 0.3, "max": None}}, True), ({"flow": {"min": None, "max": None}}, True), ({}, True),
    ({"resolution": {"min": 2073600}}, True), ({"resolution": {"min": 2073601}}, False),
])  # fmt: skip
def test_both_ends_of_a_range_stay(limits, stays):
    assert rejects.is_reject(thresholds.decided(ROW, limits, "select_clips")) is not stays


def test_a_reject_says_which_thresholds_it_fails():
    row = thresholds.decided(ROW, {"flow": {"max": 0.1}, "aes": {"min": 5.5}, "ocr": {"max": 1}}, "select_clips")
    assert (row["stage"], row["reason"]) == ("select_clips", "aes below 5.5")
    assert row["detail"] == "aes 5.2 < 5.5; flow 0.3 > 0.1"


def test_a_reason_names_a_large_threshold_exactly():
    row = thresholds.decided(ROW, {"resolution": {"min": 2073601}}, "select_clips")
    assert row["reason"] == "resolution below 2073601"


def test_a_missing_score_is_a_reject_that_says_so():
    row = thresholds.decided({**ROW, "aes": ""}, {"aes": {"min": 5}}, "select_clips")
    assert (row["reason"], row["detail"]) == ("no aes", "aes is missing")
    assert not rejects.is_reject(thresholds.decided({**ROW, "aes": ""}, {"flow": {"min": 0}}, "select_clips"))


def test_an_image_is_not_judged_by_what_only_videos_have():
    image = {**ROW, "kind": "image", "flow": "", "fps": ""}
    limits = {"flow": {"min": 1}, "fps": {"min": 20}}
    assert not rejects.is_reject(thresholds.decided(image, limits, "select_clips"))
    assert thresholds.decided(image, limits | {"aes": {"min": 6}}, "select_clips")["reason"] == "aes below 6"


@pytest.mark.parametrize(("limits", "reason"), [
    ({"in": ["cc0", "cc-by"]}, ""), ({"is": "cc0"}, ""), ({"in": ["CC0"]}, "license not as select.license.in asks"),
    ({"is": "cc"}, "license not as select.license.is asks"), ({"min": 1}, "license is no number"),
    ({"in": ["cc0"], "is": "x"}, "license not as select.license.is asks"),
])  # fmt: skip
def test_texts_of_a_list_are_compared_letter_by_letter(limits, reason):
    row = {**ROW, "license": "cc0", "stage": "", "reason": ""}
    assert thresholds.decided(row, {"license": limits}, "select_clips")["reason"] == reason


def test_a_number_of_a_list_may_be_none():
    for value, reason in [("2001", ""), ("1999", "year below 2000"), ("nan", "year is no number"), ("", "no year")]:
        row = {**ROW, "year": value, "reason": ""}
        assert thresholds.decided(row, {"year": {"min": 2000.0}}, "select_clips")["reason"] == reason


def test_an_earlier_reject_is_left_as_it_is():
    row = {**ROW, "stage": "score_aesthetic", "reason": "damaged", "detail": "x"}
    assert thresholds.decided(row, {"aes": {"min": 9}}, "select_clips") == row


@pytest.fixture
def shard(tmp_path):
    """A shard of three clips and the tables of two scorers, the second of which rejects a clip."""

    def write(name, columns, *rows):
        tables.write(tmp_path / name, columns, [dict(zip(columns, row, strict=False)) for row in rows])

    write("shard.csv", ("id", "kind", "fps"), ("1", "video", "25"), ("2", "video", "25"), ("3", "image", ""))
    reject = ("stage", "reason", "detail")
    write("aes.csv", ("id", "aes", *reject), ("1", "5.0"), ("2", "007"), ("3", "4"))
    flow = [("1", "1e-05"), ("2", "", "score_flow", "damaged", "frame 3"), ("3", "")]
    write("flow.csv", ("id", "flow", *reject), *flow)
    return tmp_path


def run(folder, select, *scores):
    command = [
        sys.executable,
        SCRIPTS / "select_clips.py",
        "--table",
        folder / "shard.csv",
        "--out",
        folder / "out.csv",
    ]
    command += ["--scores", *(folder / name for name in scores), "--select", json.dumps(select)]
    return subprocess.run(command, capture_output=True, text=True)


def test_scores_are_joined_as_text_and_every_row_stays_in_the_table(shard):
    assert run(shard, {"aes": {"min": 4.5}, "flow": {"min": 0}}, "aes.csv", "flow.csv").returncode == 0
    assert (shard / "out.csv").read_text() == (
        "id,kind,fps,aes,flow,stage,reason,detail\n"
        "1,video,25,5.0,1e-05,,,\n"
        "2,video,25,007,,score_flow,damaged,frame 3\n"
        "3,image,,4,,select_clips,aes below 4.5,aes 4 < 4.5\n"
    )


def test_a_threshold_on_no_column_is_a_plain_message(shard):
    done = run(shard, {"licence": {"is": "cc0"}}, "aes.csv")
    assert done.returncode == 1
    assert done.stderr.startswith("select.licence: there is no such column; the columns are id, kind, fps, aes")


def test_clips_that_are_chosen_alone_stay(shard):
    (shard / "ids.tsv").write_text("why\tid\nnice\t3\n")
    command = [sys.executable, SCRIPTS / "select_clips.py", "--table", shard / "shard.csv", "--out", shard / "out.csv"]
    subprocess.run([*command, "--ids", shard / "ids.tsv"], check=True)
    assert [row["reason"] for row in tables.read(shard / "out.csv")] == ["not chosen", "not chosen", ""]


@pytest.mark.parametrize("rows", [["1", "2"], ["1", "2", "4"], ["1", "2", "3", "4"]])
def test_scores_of_other_rows_stop_the_run(shard, rows):
    tables.write(
        shard / "aes.csv", ("id", "aes", *rejects.COLUMNS), [{"id": identity, "aes": "5"} for identity in rows]
    )
    done = run(shard, {}, "aes.csv")
    assert done.returncode != 0
    assert "TableError" in done.stderr
    assert not (shard / "out.csv").exists()
