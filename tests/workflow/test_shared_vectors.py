"""Through the whole workflow, aesthetics, labels and match share the vectors of frames, and a lost vector changes
nothing; classifiers and labels are columns with thresholds."""

import csv
import shutil

import pyarrow.parquet as pq
import pytest
import torch
from clipmill.engine import tables
from mill import Mill
from one_file import ffmpeg
from tiny_classifier import tiny_classifier
from tiny_open_clip import WIDTH, tiny_clip


@pytest.mark.slow
def test_aesthetics_and_match_share_vectors_through_the_workflow(tmp_path, shared):
    clip = str(tiny_clip(tmp_path / "clip"))
    torch.save({"weight": torch.ones(1, WIDTH), "bias": torch.zeros(1)}, tmp_path / "head.pth")
    model = {"model": "ViT-B-32", "pretrained": clip}
    marked = {"name": "marked", "model": str(tiny_classifier(tmp_path / "marked")), "label": "watermark"}
    texts = {"indoor": "a photo of an indoor scene", "outdoor": "a photo of an outdoor scene"}
    score = {"aesthetic": model | {"head": str(tmp_path / "head.pth")}, "classifiers": [marked], "labels": texts}
    mill = Mill(tmp_path / "run", score=score, match=model, select={"marked": {"min": 0.0}, "indoor": {"min": -100}})
    mill.videos.mkdir()
    film = shared / "footage/cosmos_test_video_30s.mp4"
    ffmpeg("-i", film, "-ss", 11.2, "-t", 4.16, "-vf", "scale=320:180", mill.videos / "a.mp4")
    first = mill.run()
    (folder,) = (mill.results / "memo/clip_vectors").iterdir()
    held = [row for part in folder.glob("*.parquet") for row in pq.read_table(part).to_pylist()]
    clips = first.computed["score_aesthetic"]
    assert clips == first.computed["score_match"] >= 3
    assert len(held) == 3 * clips  # the middle one is also the one that is matched
    with open(mill.results / "meta.csv", encoding="utf-8") as file:
        pairs = list(csv.DictReader(file))
    assert pairs
    assert all(0 <= float(row["marked"]) <= 1 and row["label"] in texts for row in pairs)
    tables, plain = mill.final(), mill.copy(tmp_path / "plain")
    shutil.rmtree(plain.results / "memo/clip_vectors")
    shutil.rmtree(plain.results / "memo/score_match")
    shutil.rmtree(plain.results / "work")
    plain.run()
    assert plain.final() == tables


@pytest.mark.slow
def test_duplicates_by_vectors_and_clusters_through_the_workflow(tmp_path, shared):
    """A copy that hashes do not know is a duplicate by its vectors, which are computed once; a target balances the
    clusters; shards and added videos change no table."""
    clip = str(tiny_clip(tmp_path / "clip"))
    torch.save({"weight": torch.ones(1, WIDTH), "bias": torch.zeros(1)}, tmp_path / "head.pth")
    aesthetic = {"model": "ViT-B-32", "pretrained": clip, "head": str(tmp_path / "head.pth")}
    settings = {"score": {"aesthetic": aesthetic}, "duplicates": {"enabled": True, "embeddings": 0.999}}
    settings |= {"clusters": {"number": 2}, "select": {"target": {"clips": 3, "balance": ["cluster"]}}}
    mill = Mill(tmp_path / "one", **settings, shards={"minutes": 0.0001, "max": 3}, report={"enabled": True})
    mill.videos.mkdir()
    film = shared / "footage/cosmos_test_video_30s.mp4"
    ffmpeg("-i", film, "-ss", 11.2, "-t", 4.16, "-vf", "scale=320:180", mill.videos / "a.mp4")
    first = mill.run()
    assert first.computed["embed_clips"] == first.computed["score_aesthetic"] >= 3
    ffmpeg("-i", mill.videos / "a.mp4", "-c", "copy", mill.videos / "b.mkv")
    added = mill.run()
    rejects = [row for row in tables.read(mill.results / "rejects.csv") if row["reason"] == "duplicate"]
    assert len(rejects) == added.computed["embed_clips"] == first.computed["embed_clips"]
    assert all("(cosine 1.0000)" in row["detail"] for row in rejects)
    scores = list(tables.read(mill.results / "tables/scores.csv"))
    gone = {row["id"] for row in rejects}
    assert all((row["cluster"] == "") == (row["id"] in gone) for row in scores)
    meta = list(tables.read(mill.results / "meta.csv"))
    assert {row["cluster"] for row in meta} == {"1", "2"}
    assert {row["cluster_size"] for row in meta} <= {str(len(scores) - len(gone) - n) for n in range(len(scores))}
    groups = {row["group"] for row in tables.read(mill.results / "tables/groups.csv")}
    assert groups == {"cluster 1", "cluster 2"}
    other = Mill(tmp_path / "two", **settings)
    shutil.copytree(mill.videos, other.videos)
    other.run()
    assert other.final() == mill.final()
    assert mill.run().idle
