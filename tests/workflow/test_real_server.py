"""A real server with a tiny model captions the sample reel through the workflow."""

import csv
import json

import pytest
import real_server
import tiny_transformers
from mill import Mill

pytestmark = pytest.mark.slow


def test_every_selected_clip_of_the_reel_is_captioned_or_a_reject_for_what_was_said(reel, tmp_path):
    folder = tiny_transformers.llava_next(tmp_path / "model")
    with real_server.transformers(folder, tmp_path) as url:
        mill = Mill(tmp_path / "mill", videos=str(reel / "videos"))
        # Random weights speak no language.
        checks = {"language": None, "loop": False, "cut_off": False, "refusal": False}
        server = {"url": url, "model": str(folder), "concurrency": 2}
        mill.change(caption={"server": server, "max_tokens": 12, "checks": checks}, clean={"empty": False})
        mill.run()
    with open(mill.results / "tables/selected.csv", newline="") as file:
        selected = {row["id"] for row in csv.DictReader(file)}
    with open(mill.results / "tables/captions.csv", newline="") as file:
        captioned = {row["id"]: row["text"] for row in csv.DictReader(file)}
    with open(mill.results / "rejects.csv", newline="") as file:
        refused = {row["id"] for row in csv.DictReader(file) if row["stage"] == "caption_clips"}
    assert len(selected) > 20
    assert captioned.keys() | refused >= selected
    assert len(set(captioned.values())) > 5, "different pictures, different words"
    account = json.loads((mill.results / "run.json").read_text())["stages"]["caption_clips"]
    assert account["computed"] == len(selected)
    assert account["requests"] >= len(selected)
    assert account["output_tokens"] > len(selected)
