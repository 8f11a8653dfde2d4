"""Through the whole workflow, aesthetics and match share the vectors of frames, and a lost vector changes nothing."""

import shutil

import pyarrow.parquet as pq
import pytest
import torch
from mill import Mill
from one_file import ffmpeg
from tiny_open_clip import WIDTH, tiny_clip


@pytest.mark.slow
def test_aesthetics_and_match_share_vectors_through_the_workflow(tmp_path, shared):
    clip = str(tiny_clip(tmp_path / "clip"))
    torch.save({"weight": torch.ones(1, WIDTH), "bias": torch.zeros(1)}, tmp_path / "head.pth")
    model = {"model": "ViT-B-32", "pretrained": clip}
    mill = Mill(tmp_path / "run", score={"aesthetic": model | {"head": str(tmp_path / "head.pth")}}, match=model)
    mill.videos.mkdir()
    film = shared / "footage/cosmos_test_video_30s.mp4"
    ffmpeg("-i", film, "-ss", 11.2, "-t", 4.16, "-vf", "scale=320:180", mill.videos / "a.mp4")
    first = mill.run()
    (folder,) = (mill.results / "memo/clip_vectors").iterdir()
    held = [row for part in folder.glob("*.parquet") for row in pq.read_table(part).to_pylist()]
    clips = first.computed["score_aesthetic"]
    assert clips == first.computed["score_match"] >= 3
    assert len(held) == 3 * clips  # the middle one is also the one that is matched
    tables, plain = mill.final(), mill.copy(tmp_path / "plain")
    shutil.rmtree(plain.results / "memo/clip_vectors")
    shutil.rmtree(plain.results / "memo/score_match")
    shutil.rmtree(plain.results / "work")
    plain.run()
    assert plain.final() == tables
