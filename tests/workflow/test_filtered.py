"""Duplicates, borders and technical thresholds through the whole workflow: the same for any shards, and nothing is
computed twice where videos are added or a threshold changes."""

import shutil

import cv2
import numpy as np
import pytest
import skimage.data
from clipmill.engine import tables
from mill import Mill
from one_file import ffmpeg

SETTINGS = {"duplicates": {"enabled": True}, "cut": {"crop_borders": True}, "clips": {"max_seconds": None}}


def film(path, name, bars=0, blur=0):
    """Three seconds of a camera that drifts over a photograph."""
    import av

    scene = cv2.resize(getattr(skimage.data, name)(), (420, 280))
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": "18", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for n in range(75):
            picture = scene[n:][:180, n:][:, :320].copy()
            picture = cv2.GaussianBlur(picture, (0, 0), blur) if blur else picture
            picture[:, :bars] = 0
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")))
        file.mux(stream.encode(None))


def read(mill, name):
    return list(tables.read(mill.results / name))


@pytest.mark.slow
def test_duplicates_and_borders_through_the_workflow(tmp_path):
    mill = Mill(tmp_path / "one", **SETTINGS, shards={"minutes": 0.0001, "max": 4})
    film(mill.videos / "coffee.mp4", "coffee")
    film(mill.videos / "chelsea.mp4", "chelsea", bars=40)
    film(mill.videos / "soft.mp4", "astronaut", blur=4)
    ffmpeg("-i", mill.videos / "coffee.mp4", "-vf", "hflip,scale=240:-2", "-crf", 30, mill.videos / "again.mp4")
    mill.change(select={"blur": {"max": 0.7}})
    first = mill.run()
    meta = {row["relpath"]: row for row in read(mill, "meta.csv")}
    assert set(meta) == {"coffee.mp4", "chelsea.mp4"}
    assert int(meta["chelsea.mp4"]["width"]) == int(meta["chelsea.mp4"]["crop"].split()[2]) < 282
    assert meta["coffee.mp4"]["crop"] == ""
    rejects = {row["relpath"]: row for row in read(mill, "rejects.csv")}
    assert rejects["again.mp4"]["reason"] == "duplicate"
    assert meta["coffee.mp4"]["id"] in rejects["again.mp4"]["detail"]
    assert rejects["soft.mp4"]["reason"] == "blur above 0.7"
    assert first.computed["scan_videos"] == first.computed["hash_clips"] == 4

    other = Mill(tmp_path / "two", **SETTINGS, select={"blur": {"max": 0.7}})
    shutil.copytree(mill.videos, other.videos)
    other.run()
    assert other.final() == mill.final(), "another number of shards gives other results"

    looser = mill.change(select={"blur": {"max": None}}).run()
    assert looser.computed["scan_videos"] == looser.computed["hash_clips"] == 0
    assert {row["relpath"] for row in read(mill, "meta.csv")} == {"coffee.mp4", "chelsea.mp4", "soft.mp4"}

    ffmpeg("-i", mill.videos / "chelsea.mp4", "-c", "copy", mill.videos / "third.mkv")
    added = mill.run()
    assert added.computed["scan_videos"] == added.computed["hash_clips"] == 1
    assert len(read(mill, "meta.csv")) == 3
    assert mill.run().idle


@pytest.mark.slow
def test_a_target_fills_quotas_and_a_larger_one_computes_only_what_enters(tmp_path):
    """Nine clips of three films; groups of a film and a movement."""
    target = {"clips": 4, "balance": ["source", "cmotion"]}
    settings = {"select": {"target": target}, "clips": {"max_seconds": 3}}
    mill = Mill(tmp_path / "one", **settings, shards={"minutes": 0.0001, "max": 3}, report={"enabled": True})
    mill.videos.mkdir()
    for name in ("coffee", "chelsea", "astronaut"):
        film(tmp_path / f"{name}.mp4", name)
        (tmp_path / "parts.txt").write_text(f"file '{tmp_path / name}.mp4'\n" * 3)
        ffmpeg("-f", "concat", "-safe", "0", "-i", tmp_path / "parts.txt", "-c", "copy", mill.videos / f"{name}.mp4")
    first = mill.run()
    assert first.computed["label_camera"] == len(read(mill, "tables/scores.csv")) == 9
    assert first.computed["caption_clips"] == len(read(mill, "meta.csv")) == 4
    left = [row for row in read(mill, "rejects.csv") if row["reason"] == "below quota"]
    assert len(left) == 5
    assert all(row["stage"] == "select_clips" and " of source " in row["detail"] for row in left)
    groups = read(mill, "tables/groups.csv")
    assert sum(int(row["stay"]) for row in groups) == 4
    assert max(int(row["stay"]) for row in groups) - min(int(row["stay"]) for row in groups) <= 1

    other = Mill(tmp_path / "two", **settings)
    shutil.copytree(mill.videos, other.videos)
    other.run()
    assert other.final() == mill.final(), "another number of shards gives other results"

    kept = {row["id"] for row in read(mill, "meta.csv")}
    larger = mill.change(select={"target": {"clips": 6}}).run()
    assert larger.computed["caption_clips"] == larger.computed["cut_clips"] == 2
    assert larger.computed["label_camera"] == larger.computed["scan_videos"] == 0
    assert kept < {row["id"] for row in read(mill, "meta.csv")}
    assert mill.run().idle
