"""The account of a pilot: what is summed up for each file, what the whole would cost, and how a person reads it."""

import json

import numpy as np
import pytest
from clipmill.engine import tables
from clipmill.release import pilot

VIDEOS = [f"{number:016x}" for number in range(8)]
"""Half of them are drawn; number n lasts n + 1 hours and has n clips of half an hour, of which the first is a pair."""


def clips(table, rows) -> None:
    tables.write(table, ("id", "video_id", "start", "end"), rows)


@pytest.fixture
def results(tmp_path):
    drawn = VIDEOS[::2]
    sample = [
        {"id": video, "relpath": video, "kind": "video", "seconds": 3600 * (number + 1)}
        | {"stratum": f"video-{number // 4}", "drawn": "1" if video in drawn else ""}
        for number, video in enumerate(VIDEOS)
    ]  # fmt: skip
    tables.write(tmp_path / "tables/sample.csv", tuple(sample[0]), sample)
    rows = [
        {"id": f"{video}-{clip:08d}", "video_id": video, "start": clip * 1800, "end": (clip + 1) * 1800}
        for number, video in enumerate(VIDEOS)
        for clip in range(number)
        if video in drawn
    ]
    durations = [{"id": row["id"], "duration": row["seconds"]} for row in sample if row["drawn"]]
    tables.write(tmp_path / "tables/videos.csv", ("id", "duration"), durations)
    clips(tmp_path / "tables/clips.csv", rows)
    clips(tmp_path / "tables/selected.csv", [row for row in rows if row["start"] < 3600])
    clips(tmp_path / "meta.csv", [row for row in rows if row["start"] == 0])
    return tmp_path


def job(results, rule: str, computed: int, seconds: float, gpus: int = 0) -> None:
    """The account of a finished job."""
    counts = {"items": computed, "computed": computed, "remembered": 0, "rejects": 0}
    record = {"rule": rule, **counts, "seconds": seconds, "cpu_seconds": seconds, "gpus": gpus}
    (results / "logs" / rule).mkdir(parents=True)
    (results / "logs" / rule / "00000.jsonl").write_text(json.dumps(record) + "\n")


def test_clips_and_hours_are_those_of_their_file(results):
    found = pilot.per_file(results, np.array(VIDEOS[::2]))
    assert found["videos_hours"].tolist() == [1, 3, 5, 7]
    assert (found["clips"].tolist(), found["clips_hours"].tolist()) == ([0, 2, 4, 6], [0, 1, 2, 3])
    assert (found["selected"].tolist(), found["pairs"].tolist()) == ([0, 2, 2, 2], [0, 1, 1, 1])


def test_the_cost_of_the_whole_grows_with_what_each_rule_works_on(results):
    job(results, "videos.scan_videos", 4, 16 * 3600)
    job(results, "clips.score_flow", 12, 12 * 3600, gpus=8)
    found = pilot.per_file(results, np.array(VIDEOS[::2]))
    cost = pilot.per_file_cost(results, found)
    assert cost["cpu_hours"] == pytest.approx(found["videos_hours"] + found["clips"])
    assert cost["gpu_hours"] == pytest.approx(8 * found["clips"])
    told = pilot.account(results, {"videos": 4, "seed": 0})["cost"]["gpu_hours"]
    assert told["sample"] == 96
    assert told["whole"] > 150


def test_the_text_says_what_was_not_seen_and_gives_no_margin_for_it(results):
    clips(results / "meta.csv", [])
    lines = pilot.text(pilot.account(results, {"videos": 4, "seed": 0}))
    assert lines[0] == "Pilot: 4 files of 8 videos (seed 0). The whole, with 95 % margins:"
    (pairs,) = (line.split() for line in lines if line.startswith("  pairs"))
    assert pairs[1:] == ["0", "0.000", "none", "seen", "no"]
    assert "become pairs none seen" in "\n".join(lines)
    assert "no GPU-hours" in "\n".join(lines)
