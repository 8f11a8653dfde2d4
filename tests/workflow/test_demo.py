"""The demo on the sample reel: what the tables say is what the reel's truth says."""

import csv
import json
import os
import subprocess
import sys
from collections import Counter

import pytest
import yaml
from mill import ROOT, Mill


@pytest.fixture(scope="module")
def demo(reel, tmp_path_factory) -> Mill:
    """The demo's configuration, run on the sample reel."""
    mill = Mill(tmp_path_factory.mktemp("demo") / "mill")
    mill.config = yaml.safe_load((ROOT / "config" / "demo.yaml").read_text())
    mill.change(videos=str(reel / "videos"), results="results")
    mill.printed = mill.run().text
    return mill


@pytest.fixture(scope="module")
def truth(reel) -> dict:
    return json.loads((reel / "truth.json").read_text())


def rows(mill: Mill, path: str) -> list[dict]:
    with open(mill.results / path, newline="") as file:
        return list(csv.DictReader(file))


def shots(mill: Mill, truth: dict, path: str):
    """(row, true shot) of each clip that lies inside one shot of the truth."""
    for row in rows(mill, path):
        for shot in truth[row["relpath"]]["shots"]:
            first, end = (int(row["id"][-8:]), int(row["id"][-8:]) + int(row["num_frames"]))
            if shot.get("start_frame", 0) <= first and end <= shot.get("end_frame", 1):
                yield row, shot


def test_bad_files_are_rejects_with_the_expected_reason(demo, truth):
    rejects = {row["relpath"]: row for row in rows(demo, "rejects.csv") if "-" not in row["id"]}
    expected = {name: entry["reject"] for name, entry in truth.items() if entry["reject"]}
    assert rejects.keys() == expected.keys()
    for name, reject in expected.items():
        assert rejects[name]["stage"] == reject["stage"]
        assert reject["word"] in rejects[name]["reason"]


def test_hard_cuts_are_exact_and_nothing_else_is_cut(demo, truth):
    longest = demo.config["clips"]["max_seconds"]
    for name, entry in truth.items():
        if entry["kind"] == "video" and not entry["reject"]:
            mine = [row for row in rows(demo, "tables/clips.csv") if row["relpath"] == name]
            found = {int(row["start_frame"]) for row in mine}
            assert set(entry["cuts"]) <= found
            scenes = Counter(row["scene"] for row in mine)
            assert len(scenes) == len(entry["cuts"]) + 1
            assert all(float(row["end"]) - float(row["start"]) <= longest + 0.001 for row in mine)


def test_measures_are_true(demo, truth):
    videos = {row["relpath"]: row for row in rows(demo, "tables/videos.csv")}
    for name, video in videos.items():
        assert int(video["num_frames"]) == truth[name]["num_frames"]
        assert (int(video["width"]), int(video["height"])) == (truth[name]["width"], truth[name]["height"])


def test_camera_labels_agree(demo, truth):
    checked = [(row["cmotion"], shot["camera"]) for row, shot in shots(demo, truth, "meta.csv") if shot["camera"]]
    assert len({label for _, label in checked}) >= 8
    assert [label for label, _ in checked] == [label for _, label in checked]


def test_flow_is_within_a_tenth_of_the_true_motion(demo, truth):
    checked = [
        (float(row["flow"]), shot["flow"]) for row, shot in shots(demo, truth, "tables/scores.csv") if shot["flow"]
    ]
    assert len(checked) >= 15
    for flow, true in checked:
        assert flow == pytest.approx(true, rel=0.1)


def test_text_is_counted_and_its_area_measured(demo, truth):
    checked = [row_shot for row_shot in shots(demo, truth, "tables/scores.csv") if "text_boxes" in row_shot[1]]
    assert any(shot["text_boxes"] for _, shot in checked)
    for row, shot in checked:
        assert int(row["ocr"]) == shot["text_boxes"]
        # The detector's boxes have a margin; the truth is the tight rectangle of the letters.
        assert shot["text_area"] * 0.95 <= float(row["ocr_area"]) <= shot["text_area"] * 1.4


def test_about_a_third_of_the_clips_are_rejected_for_reasons_that_one_can_see(demo):
    clips, pairs = (len(rows(demo, path)) for path in ("tables/clips.csv", "meta.csv"))
    assert 0.6 < pairs / clips < 0.75
    reasons = {row["reason"] for row in rows(demo, "rejects.csv") if "-" in row["id"]}
    assert reasons == {"aes below 5.9", "flow below 0.1", "ocr_area above 0.02", "match below 80"}


def test_images_are_pairs(demo):
    images = [row for row in rows(demo, "meta.csv") if not row["path"].endswith(".mp4")]
    assert len(images) == 2
    assert all(row["text"] and row["flow"] == row["cmotion"] == row["fps"] == "" for row in images)


def test_the_summary_and_run_json_give_the_same_counts(demo):
    counts = json.loads((demo.results / "run.json").read_text())["counts"]
    assert counts["pairs"] == len(rows(demo, "meta.csv"))
    assert "  ->  ".join(f"{number} {name}" for name, number in counts.items()) in demo.printed


def test_the_independent_check_finds_nothing_broken(demo, shared):
    check = [sys.executable, shared / "checks" / "check_results.py", demo.results]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", ["-n", "--rulegraph"])
def test_dry_runs_and_pictures_work_on_a_finished_folder(demo, kind):
    assert demo.run(kind).code == 0


def test_tidy_removes_what_no_table_names(demo, tmp_path):
    copy = demo.copy(tmp_path / "copy")
    (copy.results / "clips" / "0123456789abcdef-00000000.mp4").write_bytes(b"orphan")
    tidy = [sys.executable, "-m", "clipmill.tools.tidy", "results"]
    environment = os.environ | {"PYTHONPATH": "workflow/scripts"}
    first = subprocess.run(tidy, cwd=copy.folder, env=environment, capture_output=True, text=True, check=True)
    assert first.stdout.splitlines() == ["results/clips/0123456789abcdef-00000000.mp4"]
    assert copy.run().idle
