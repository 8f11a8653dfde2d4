"""Before a run: what is still to do and what it would cost. After it: what each rule took, in total and per pair."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from clipmill.engine import tables
from clipmill.engine.memo import FIELDS, Memo
from clipmill.plan import config
from clipmill.plan.pipeline import Pipeline
from clipmill.release.summary import fetched_lines, stages
from clipmill.tools.estimate import text
from mill import ROOT

SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
HOUR = {"rule": "clips.score_flow", "shard": "00000", "items": 6, "computed": 5, "remembered": 1, "rejects": 0}
HOUR |= {"seconds": 3600, "cpu_seconds": 7200, "gpus": 8, "ended": 0}


def row(text: str, rule: str) -> list[str]:
    """The cells of a rule in the estimate."""
    return re.search(rf"^  {rule} +(.*)$", text, re.MULTILINE)[1].split()


@pytest.fixture
def results(tmp_path):
    """A folder with ten clips; one job computed five of them, in an hour on eight GPUs and two core-hours."""
    folder = tmp_path / "results"
    clip = {"video_id": "0" * 16, "num_frames": "50", "fps": "25", "resolution": "57600"}
    clips = [{"id": f"{'0' * 16}-{n:08d}", **clip, "aes": str(n)} for n in range(10)]
    tables.write(folder / "tables" / "clips.csv", ("id", *clip), [{**row} for row in clips])
    tables.write(folder / "tables" / "scores.csv", ("id", *clip, "aes"), clips)
    video = tmp_path / "videos" / "a.mp4"
    video.parent.mkdir()
    video.write_bytes(b"a video")
    status = video.stat()
    listed = {"relpath": "a.mp4", "id": "0" * 16, "bytes": str(status.st_size), "mtime": str(status.st_mtime_ns)}
    tables.write(folder / "memo" / "list_videos" / "files.csv", tuple(listed), [listed])
    remember(folder, "videos.scan_videos", ["0" * 16])
    (folder / "logs" / "clips.score_flow").mkdir(parents=True)
    (folder / "logs" / "clips.score_flow" / "00000.jsonl").write_text(json.dumps(HOUR) + "\n")
    return folder


def flow(results, **change) -> Pipeline:
    given = {"results": str(results), "videos": str(results.parent / "videos"), **change}
    return Pipeline(config.check(given, SCHEMA), config.load(SCHEMA))


def remember(results, name: str, ids: list[str]) -> None:
    """Make a rule remember these items, as if it had run."""
    pipeline = flow(results)
    Memo(pipeline.memo(name), ()).write([dict.fromkeys(FIELDS, "") | {"id": item} for item in ids])
    Path(pipeline.table(name)).parent.mkdir(parents=True)


def estimate(results, change=None, **resources) -> str:
    """The estimate for a folder, where `resources` are those of the profile for score_aesthetic."""
    pipeline = flow(results, **(change or {}))
    return text(pipeline, lambda name, rule: resources.get(name, 0) if rule == "score_aesthetic" else 0)


def test_the_estimate_takes_the_rates_of_jobs_that_ran(results):
    assert row(estimate(results), "score_flow") == ["10", "0", "1", "16.000", "4.000", "2.000"]


def test_without_such_jobs_it_takes_the_shipped_rates_and_says_so(results):
    cells = row(estimate(results, gpu=8), "score_aesthetic")
    assert cells[:2] == ["10", "0"]
    assert cells[-1] == "*"


def scored(results) -> None:
    """All scorers have run, and a first caption was written."""
    ids = [row["id"] for row in tables.read(results / "tables" / "clips.csv")]
    for name in ("clips.score_aesthetic", "clips.score_flow", "clips.score_ocr"):
        remember(results, name, ids)
    remember(results, "captions.caption_clips", ids[:6])


def test_thresholds_are_applied_to_the_scores_at_hand(results):
    scored(results)
    for least, missing, remembered in ((None, 4, 6), (4, 4, 2), (8, 2, 0)):
        said = estimate(results, {"select": {"aes": {"min": least}}})
        assert row(said, "caption_clips")[:2] == [str(missing), str(remembered)]


def test_nothing_is_told_of_what_a_rule_must_find_out_first(results):
    said = estimate(results)
    assert "not known before score_aesthetic has run" in said
    scored(results)
    assert "not known" not in estimate(results)
    assert "not known before score_flow has run" in estimate(results, {"score": {"flow": {"seconds": 0.25}}})
    assert "not known before scan_videos has run" in estimate(results, {"clips": {"min_seconds": 1}})
    assert "not known before scan_videos has run" in estimate(results, {"detector": "content"})


def test_new_changed_and_deleted_files_are_counted(results):
    scored(results)
    (results.parent / "videos" / "new.mp4").write_bytes(b"another")
    said = estimate(results)
    assert "files: 1 new\n" in said
    assert row(said, "scan_videos")[:2] == ["1", "1"]
    assert "not known before scan_videos has run" in said
    (results.parent / "videos" / "a.mp4").write_bytes(b"a changed video")
    assert "files: 1 new, 1 changed\n" in estimate(results)
    (results.parent / "videos" / "a.mp4").unlink()
    assert "files: 1 new, 1 deleted\n" in estimate(results)
    (results.parent / "videos" / "new.mp4").rename(results / "b.txt")
    assert estimate(results) == "  files: 1 deleted\nNo item is left to compute."


def test_another_caption_makes_the_rules_that_read_it_run(results):
    scored(results)
    ids = [row["id"] for row in tables.read(results / "tables" / "clips.csv")]
    remember(results, "captions.clean_captions", ids)
    assert row(estimate(results), "clean_captions")[:2] == ["4", "6"]


def test_a_failed_job_shows_its_log_and_no_command(finished):
    finished.edit("select_clips.py", "selecting.main(", "raise SystemExit('`select`: a \\x1b[31mreason') or (")
    finished.change(select={"aes": {"min": 1}})
    command = [part for part in finished.command() if part != "--show-failed-logs"]
    done = subprocess.run(command, cwd=finished.folder, capture_output=True, text=True)
    assert done.returncode == 1
    assert "select_clips failed. The end of results/logs/clips.select_clips/00000.log:" in done.stderr
    assert "  `select`: a \\x1b[31mreason" in done.stderr
    assert "--select" not in done.stderr


def test_a_dry_run_ends_with_what_is_still_to_do(finished):
    clips = len(list(tables.read(finished.results / "tables" / "clips.csv")))
    said = finished.change(score={"flow": {"seconds": 0.25}}).run("-n").text
    assert row(said, "score_flow")[:2] == [str(clips), "0"]
    assert row(said, "score_aesthetic")[:2] == ["0", str(clips)]
    assert "What is still to do" not in finished.run("--rulegraph").text


def test_a_run_and_a_dry_run_with_nothing_to_do_say_so_in_a_line(finished):
    for flags, last in (((), "Nothing to be done"), (("-n",), "No item is left to compute.")):
        said = finished.run(*flags).text
        assert "Nothing to be done" in said
        assert last in said
        assert "What is still to do" not in said
        assert "Cost of all runs" not in said


def test_the_account_has_hours_and_cost_per_pair(results):
    found = stages(results, pairs=4)["score_flow"]
    assert found["computed"] == 5
    assert found["jobs"] == 1
    assert (found["seconds"], found["cpu_hours"], found["gpu_hours"]) == (3600, 2, 8)
    assert (found["cpu_seconds_per_pair"], found["gpu_seconds_per_pair"]) == (1800, 7200)


def test_the_account_of_a_run_names_every_rule(finished):
    found = json.loads((finished.results / "run.json").read_text())["stages"]
    assert found.keys() >= {"scan_videos", "score_flow", "caption_clips", "cut_clips", "gather_captions", "plan_clips"}
    assert found["score_flow"]["cpu_hours"] > 0


def test_bytes_from_elsewhere_are_summed_over_jobs_and_named_by_rule(results):
    place = results / "logs" / "videos.scan_videos" / "00000.jsonl"
    place.parent.mkdir(parents=True)
    record = HOUR | {"rule": "videos.scan_videos"}
    place.write_text(
        "".join(json.dumps(record | more) + "\n" for more in ({"fetched_bytes": 1500}, {"fetched_bytes": 500}, {}))
    )
    found = stages(results, 1)
    assert found["scan_videos"]["fetched_bytes"] == 2000
    assert "fetched_bytes" not in found.get("score_flow", {})
    assert fetched_lines(found) == ["Fetched from other places: 2,000 bytes (scan_videos 2,000)"]
