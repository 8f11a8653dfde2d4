"""Every filter switched on at once: the same bytes for any shards and after kills, books that balance, and a looser
threshold that computes only what it admits."""

import random
import shutil
import subprocess
import sys

import pytest
import torch
from mill import Mill, footage
from plain_tables import table
from test_chaos import kill
from test_filtered import film
from tiny_classifier import tiny_classifier
from tiny_open_clip import WIDTH, tiny_clip

TARGET = {"clips": 5, "balance": ["source", "cmotion"]}


def settings(folder) -> dict:
    """The configuration, with tiny models of the real classes in `folder`."""
    clip = {"model": "ViT-B-32", "pretrained": str(tiny_clip(folder / "clip"))}
    torch.save({"weight": torch.ones(1, WIDTH), "bias": torch.zeros(1)}, folder / "head.pth")
    marked = {"name": "marked", "model": str(tiny_classifier(folder / "marked")), "label": "watermark"}
    return {
        "clips": {"stitch": True, "transitions": "split", "trim_dark": True, "trim_seconds": 0.1},
        "score": {
            "aesthetic": clip | {"head": str(folder / "head.pth"), "frames": [0.2, 0.8]},
            "flow": {"apart": True},
            "ocr": {"enabled": True, "canvas": 320, "frames": [0.2, 0.5, 0.8]},
            "classifiers": [marked],
            "coherence": {"enabled": True},
            "labels": {"indoor": "a photo of an indoor scene", "outdoor": "a photo of an outdoor scene"},
        },
        "duplicates": {"enabled": True},
        "quality": {"sound": True},
        "select": {
            "blur": {"max": 0.7},
            "marked": {"min": 0},
            "target": TARGET,
        },
        "caption": {"append": ["aes", "flow", "cmotion"]},
        "match": clip,
        "cut": {"crop_borders": True, "deinterlace": True},
        "report": {"enabled": True},
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run in one shard. Never change it: copy it."""
    folder = tmp_path_factory.mktemp("everything")
    mill = Mill(folder / "mill", **settings(folder))
    footage(mill.videos)
    film(mill.videos / "bars.mp4", "chelsea", bars=40)
    film(mill.videos / "soft.mp4", "astronaut", blur=4)
    film(mill.videos / "bars again.mp4", "chelsea", bars=38)
    mill.run()
    return mill


@pytest.mark.slow
def test_books_balance(whole, shared):
    meta, rejects = table(whole.results / "meta.csv"), table(whole.results / "rejects.csv")
    assert len(meta) == TARGET["clips"]
    assert {"duplicate", "below quota", "blur above 0.7", "clips.trim_seconds"} <= {row["reason"] for row in rejects}
    assert all(row["label"] in ("indoor", "outdoor") and 0 <= float(row["marked"]) <= 1 for row in meta)
    command = [sys.executable, shared / "checks/check_results.py", whole.results]
    said = subprocess.run(command, capture_output=True, text=True).stdout
    assert "BROKEN" not in said, said
    assert whole.copy(whole.folder.parent / "again").run().idle


@pytest.mark.slow
def test_any_shards_and_any_kill_give_the_same_bytes(whole, tmp_path):
    mill = Mill(tmp_path / "mill", **{**whole.config, "shards": {"minutes": 0.0001, "max": 5}})
    shutil.copytree(whole.videos, mill.videos)
    seeds = random.Random(3)
    killed = sum(kill(mill, seeds) for _ in range(4))
    assert killed
    mill.run("--unlock")
    mill.run("--rerun-incomplete")
    assert mill.final() == whole.final()


@pytest.mark.slow
def test_a_looser_threshold_computes_only_what_it_admits(whole, tmp_path):
    mill = whole.copy(tmp_path / "mill")
    before = {row["id"] for row in table(mill.results / "meta.csv")}
    done = mill.change(select={"blur": {"max": None}, "target": {"clips": 7}}).run()
    after = {row["id"] for row in table(mill.results / "meta.csv")}
    assert len(after) == 7
    assert before < after
    assert set(done.computed) <= {"caption_clips", "clean_captions", "score_match", "label_camera", "cut_clips"}
    assert done.computed["caption_clips"] == done.computed["cut_clips"] == len(after - before)
