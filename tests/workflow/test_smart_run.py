"""A whole run with copied packets: counted, as good as its check, whole for an audit, and rebuilt from its table."""

import json
import subprocess
import sys

import pandas as pd
import pytest
from mill import Mill, footage
from one_file import ffmpeg

pytestmark = pytest.mark.slow


def test_a_run_that_copies_packets(tmp_path):
    mill = Mill(tmp_path, cut={"mode": "smart", "preset": "ultrafast"})
    footage(tmp_path / "made", videos=2, image=True)
    mill.videos.mkdir()
    for number in range(2):
        groups = ["-c:v", "libx264", "-g", 25, "-bf", 2]
        ffmpeg("-i", tmp_path / "made" / f"video {number}.mp4", *groups, mill.videos / f"video {number}.mp4")
    (tmp_path / "made" / "coffee.png").rename(mill.videos / "coffee.png")
    first = mill.run()
    stage = json.loads((mill.results / "run.json").read_text())["stages"]["cut_clips"]
    pairs = pd.read_csv(mill.results / "meta.csv")
    clips = pairs[pairs.path.str.endswith(".mp4")]
    assert stage["frames_copied"] + stage["frames_encoded"] == clips.num_frames.sum()
    assert stage["frames_copied"] > stage["frames_encoded"]
    assert first.computed["cut_clips"] == len(pairs)
    tool = [sys.executable, "-m", "clipmill.tools.audit", mill.results, "--deep"]
    environment = {"PYTHONPATH": str(tmp_path / "workflow/scripts"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(tool, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    tool = [sys.executable, "-m", "clipmill.tools.rebuild", mill.results / "meta.csv", mill.videos, tmp_path / "again"]
    done = subprocess.run(tool, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in clips.path:
        assert (tmp_path / "again" / path).read_bytes() == (mill.results / path).read_bytes()
    assert mill.change(cut={"check": "packets"}).run().computed["cut_clips"] == 0, "they were checked better than that"
    assert mill.change(cut={"check": "decode"}).run().computed["cut_clips"] == len(clips), "an image is always compared"
    assert mill.run().idle
    assert mill.change(cut={"mode": "encode"}).run().computed["cut_clips"] == len(pairs)
    encoded = pd.read_csv(mill.results / "meta.csv")
    assert encoded.frames_digest.tolist() == pairs.frames_digest.tolist()
