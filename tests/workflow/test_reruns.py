"""After any change, what must run again runs again, nothing else does, and the tables are those of a clean run."""

import csv
import os
import shutil
import threading
import time
from fractions import Fraction

import numbered_video
import pytest
from mill import Mill
from one_file import ffmpeg


def clean(mill: Mill, tmp_path) -> tuple[bytes, bytes]:
    """The final tables of a clean run with the same code, configuration and videos."""
    fresh = mill.copy(tmp_path / "clean")
    again(fresh)
    return fresh.final()


def again(mill: Mill) -> None:
    """Delete all that was done and run."""
    shutil.rmtree(mill.results)
    shutil.rmtree(mill.folder / ".snakemake")
    mill.seen.clear()
    mill.run()


def rows(mill: Mill, table: str) -> int:
    return len((mill.results / table).read_text().splitlines()) - 1


LATER = {"score_match", "score_report"}
"""Rules that follow a scorer."""


def test_nothing_runs_when_nothing_changed(finished):
    assert finished.run().idle


def aesthetics(mill: Mill) -> list[float]:
    with open(mill.results / "tables" / "scores.csv", newline="") as file:
        return sorted(float(row["aes"]) for row in csv.DictReader(file))


def test_a_stricter_threshold_selects_again_and_computes_nothing(finished, tmp_path):
    scores = aesthetics(finished)
    strict = finished.change(select={"aes": {"min": scores[len(scores) // 2]}}).run()
    assert strict.jobs["select_clips"] == 1
    assert not {"list_videos", "scan_videos", "score_aesthetic", "score_flow"} & strict.jobs.keys()
    assert strict.computed == {}
    assert finished.final() == clean(finished, tmp_path)


def test_a_looser_threshold_captions_only_the_newly_admitted(finished):
    scores, before = aesthetics(finished), finished.final()
    again(finished.change(select={"aes": {"min": scores[len(scores) // 2]}}))
    few = rows(finished, "tables/selected.csv")
    loose = finished.change(select={"aes": {"min": None}}).run()
    assert not {"scan_videos", "score_aesthetic", "score_flow"} & loose.jobs.keys()
    assert loose.computed["caption_clips"] == loose.computed["cut_clips"] == len(scores) - few > 0
    assert finished.final() == before


@pytest.mark.slow
def test_changes_of_two_phases_at_once_give_the_tables_of_a_clean_run(finished, tmp_path):
    scores = aesthetics(finished)
    finished.change(select={"aes": {"min": scores[len(scores) // 2]}, "match": {"min": 10}}).run()
    assert finished.final() == clean(finished, tmp_path)


def test_one_scorers_parameter_runs_that_scorer_alone(finished, tmp_path):
    before = finished.final()
    changed = finished.change(score={"flow": {"seconds": 0.25}}).run()
    assert {rule for rule in changed.jobs if rule.startswith(("score_", "scan_"))} - LATER == {"score_flow"}
    assert changed.computed["score_flow"] == rows(finished, "tables/clips.csv")
    assert not {"scan_videos", "score_aesthetic", "label_camera", "cut_clips"} & changed.computed.keys()
    assert finished.final() == clean(finished, tmp_path) != before
    back = finished.change(score={"flow": {"seconds": 0.5}}).run()
    assert back.computed == {}
    assert finished.final() == before


def test_one_scorers_code_runs_that_scorer_alone(finished):
    finished.edit("score_flow.py", "class ", "LATER = 1\n\n\nclass ")
    changed = finished.run()
    assert {rule for rule in changed.jobs if rule.startswith(("score_", "scan_"))} - LATER == {"score_flow"}
    assert changed.computed["score_flow"] == rows(finished, "tables/clips.csv")


def test_comments_and_docstrings_run_nothing(finished):
    finished.edit("score_flow.py", '"""', '"""More words. ')
    finished.edit("clipmill/engine/tables.py", "import csv", "import csv  # a comment")
    assert finished.run().idle


@pytest.mark.slow
def test_other_words_in_an_error_or_a_log_run_nothing(finished):
    finished.edit("clipmill/videos/frames.py", "and has been removed", "and is removed")
    finished.edit("clipmill/engine/job.py", "items, {missing} computed", "items in all, {missing} computed")
    assert finished.run().idle


@pytest.mark.slow
def test_a_change_of_a_model_that_is_not_chosen_runs_nothing(finished):
    finished.edit("clipmill/clips/flow.py", "ptlflow.get_model(", "ptlflow.get_model(name or ")
    assert finished.run().idle


def test_a_change_to_the_engine_computes_nothing(finished):
    before = finished.final()
    finished.edit("clipmill/engine/job.py", "time.monotonic() - job.began", "0 + time.monotonic() - job.began")
    changed = finished.run()
    assert changed.jobs["score_flow"] == 1
    assert changed.computed == {}
    assert finished.final() == before


@pytest.mark.slow
def test_a_change_to_a_gather_runs_no_map_rule(finished):
    finished.edit("gather_clips.py", "def main", "EXTRA = 1\n\n\ndef main")
    changed = finished.run()
    assert changed.jobs["gather_clips"] == 1
    assert not {"score_aesthetic", "score_flow", "select_clips", "caption_clips", "cut_clips"} & changed.jobs.keys()


def test_a_new_video_costs_only_itself(finished, tmp_path):
    numbered_video.write(finished.videos / "new.mp4", 90, Fraction(25), cuts=[30])
    added = finished.run()
    assert added.computed["scan_videos"] == 1
    assert added.computed["score_aesthetic"] == added.computed["caption_clips"] == 2
    assert finished.final() == clean(finished, tmp_path)


def test_a_changed_video_costs_only_itself(finished, tmp_path):
    numbered_video.write(finished.videos / "video 1.mp4", 80, Fraction(25), cuts=[40])
    changed = finished.run()
    assert changed.computed["scan_videos"] == 1
    assert changed.computed["score_flow"] == 2
    assert finished.final() == clean(finished, tmp_path)


@pytest.mark.slow
def test_a_deleted_video_costs_nothing_and_leaves_no_row(finished, tmp_path):
    (finished.videos / "video 1.mp4").unlink()
    deleted = finished.run()
    assert deleted.computed == {}
    assert b"video 1.mp4" not in b"".join(finished.final())
    assert finished.final() == clean(finished, tmp_path)


def test_a_renamed_video_computes_nothing(finished):
    os.rename(finished.videos / "video 1.mp4", finished.videos / "renamed, 1.mp4")
    assert finished.run().computed == {}
    assert b"renamed, 1.mp4" in finished.final()[0]


@pytest.mark.slow
def test_a_touched_video_computes_nothing(finished):
    later = time.time() + 100
    os.utime(finished.videos / "video 1.mp4", (later, later))
    assert finished.run().computed == {}


def test_a_repaired_file_of_the_same_size_and_samples_is_read_again(finished, tmp_path):
    """As a download that was given its full size at once: list_videos looks at its head, middle and tail only."""
    numbered_video.write(tmp_path / "a.mp4", 90, Fraction(25), cuts=[30])
    ffmpeg("-i", tmp_path / "a.mp4", "-c", "copy", tmp_path / "a.ts")
    nothing = b"\x47\x1f\xff\x10" + bytes(184)
    content = (tmp_path / "a.ts").read_bytes()
    padded, path = 400 * nothing + content + 4000 * nothing, finished.videos / "repaired.ts"
    hurt = bytearray(padded)
    middle = 400 * 188 + len(content) // 376 * 188
    hurt[middle : middle + 20 * 188] = 20 * nothing
    path.write_bytes(hurt)
    finished.run()
    before = finished.final()
    path.write_bytes(padded)
    assert finished.run().computed["scan_videos"] == 1
    assert finished.final() != before
    assert finished.final() == clean(finished, tmp_path)


@pytest.mark.slow
def test_a_file_that_is_replaced_while_a_run_goes_on_and_put_back_leaves_no_trace(finished, tmp_path):
    path = finished.videos / "video 1.mp4"
    shutil.copy2(path, tmp_path / "kept.mp4")
    expected = finished.final()
    shutil.rmtree(finished.results)
    shutil.rmtree(finished.folder / ".snakemake")

    def swap():
        while not (finished.results / "plan/videos/manifest.csv").exists():
            time.sleep(0.02)
        numbered_video.write(path, 80, Fraction(25), cuts=[40])

    thread = threading.Thread(target=swap)
    thread.start()
    finished.run()
    thread.join()
    assert b"changed during the run" in finished.final()[1]
    shutil.copy2(tmp_path / "kept.mp4", path)
    finished.run()
    assert finished.final() == expected


def test_another_shard_size_computes_nothing(finished):
    before = finished.final()
    assert finished.change(shards={"minutes": 0.0001, "max": 7}).run().computed == {}
    assert finished.final() == before


@pytest.mark.slow
def test_clip_lengths_decode_nothing_again(finished, tmp_path):
    changed = finished.change(clips={"max_seconds": 1.0}).run()
    assert "scan_videos" not in changed.computed
    assert finished.final() == clean(finished, tmp_path)


@pytest.mark.slow
def test_a_lost_manifest_hides_no_change(finished, tmp_path):
    (finished.results / "plan" / "clips" / "manifest.csv").unlink()
    changed = finished.change(score={"flow": {"seconds": 0.25}}).run()
    assert changed.jobs["score_flow"] == 1
    assert finished.final() == clean(finished, tmp_path)


MORE = [pytest.param(table, marks=pytest.mark.slow) for table in ("tables/captions.csv", "rejects.csv", "run.json")]


@pytest.mark.parametrize("table", ["tables/scores.csv", "meta.csv", *MORE])
def test_a_lost_table_is_gathered_again(finished, table):
    before = finished.final()
    (finished.results / table).unlink()
    assert finished.run().computed == {}
    assert (finished.results / table).exists()
    assert finished.final() == before


def test_a_lost_clip_is_cut_again(finished):
    clip = next((finished.results / "clips").glob("*.mp4"))
    content = clip.read_bytes()
    clip.unlink()
    assert finished.run("-R", "cut_clips").computed == {"cut_clips": 1}
    assert clip.read_bytes() == content


def test_first_and_last_give_the_same_pairs(finished):
    before = finished.final()
    shutil.rmtree(finished.results / "memo" / "cut_clips")
    first = finished.change(cut={"when": "first"}).run("-R", "plan_clips")
    assert first.computed == {"cut_clips": rows(finished, "tables/clips.csv")}
    assert finished.final() == before
