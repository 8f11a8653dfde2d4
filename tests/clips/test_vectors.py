"""A frame's CLIP vector is computed once for all steps with the same model, and a score does not depend on that."""

import argparse
import json

import numpy as np
import pytest
import torch
from clipmill.clips import embeddings
from clipmill.clips.vectors import Vectors
from clipmill.engine import tables, vouch
from clipmill.engine.job import Job
from clipmill.engine.ranks import Ranks
from score_aesthetic import ScoreAesthetic
from score_match import ScoreMatch
from stored_clips import clips
from tiny_open_clip import WIDTH, tiny_clip

MOMENTS = [0.1, 0.5, 0.9]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Two tiny models and a head."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(1)
    torch.save({"weight": torch.randn(1, WIDTH), "bias": torch.zeros(1)}, folder / "head.pth")
    return {
        "one": tiny_clip(folder / "one"), "other": tiny_clip(folder / "other", seed=5), "head": folder / "head.pth"
    }  # fmt: skip


@pytest.fixture
def work(tmp_path, models, monkeypatch):
    """Run a step as a job; returns its rows, and how many pictures went through the tower."""
    rows, looked = clips(tmp_path), []
    encode = embeddings.OpenClip._encode
    monkeypatch.setattr(
        embeddings.OpenClip, "_encode", lambda self, batch: looked.append(int(batch.flatten(1).any(1).sum()))
        or encode(self, batch),
    )  # fmt: skip

    def run(kind, name: str, model: str = "one", shared: str | None = "shared", chosen=lambda row: True, **more):
        given = {"model": "tiny", "pretrained": str(models[model]), "head": str(models["head"]), "head_sha256": None}
        given |= {"reduce": "mean", "batch": 4, "frames": MOMENTS} | more
        table = tmp_path / f"{name}.csv"
        mine = [row for row in rows if chosen(row)]
        tables.write(table, list(mine[0]), mine)
        listed = tmp_path / f"{name}.json"
        entries = [{"key": "block.pretrained", "sha256": model}, {"key": "block.head", "sha256": "h"}]
        listed.write_text(json.dumps({"block": entries}))
        vouch.place(listed).write_text(vouch.text(listed))
        args = argparse.Namespace(
            table=table, out=tmp_path / "work" / name / "0.csv", memo=tmp_path / "memo" / name, models=[listed],
            block="block", shared=tmp_path / shared if shared else None, results=tmp_path, threads=2, item_minutes=5,
            max_error_share=0, ask=False,
        )  # fmt: skip
        looked.clear()
        Job(kind(given, tmp_path, tmp_path, tmp_path), args, Ranks()).run()
        return {row["id"]: row for row in tables.read(args.out)}, sum(looked)

    return run


def of(rows: dict, column: str) -> dict:
    return {identity: row[column] for identity, row in rows.items()}


def test_match_does_not_run_the_tower_on_a_frame_that_was_scored(work):
    alone, looked = work(ScoreMatch, "alone", shared=None, frames=[0.5])
    assert looked == 7
    _, looked = work(ScoreAesthetic, "aes")
    assert looked == 21
    after, looked = work(ScoreMatch, "after", frames=[0.5])
    assert looked == 0
    assert of(after, "match") == of(alone, "match")
    more, looked = work(ScoreMatch, "more", frames=[0.5, 1])
    assert looked == 7
    assert of(more, "match") == of(work(ScoreMatch, "plain", shared=None, frames=[0.5, 1])[0], "match")


def test_another_head_or_way_to_reduce_computes_no_vector_again(work):
    mean, _ = work(ScoreAesthetic, "mean")
    least, looked = work(ScoreAesthetic, "min", reduce="min")
    assert looked == 0
    assert of(least, "aes") == of(work(ScoreAesthetic, "plain", shared=None, reduce="min")[0], "aes")
    assert of(least, "aes") != of(mean, "aes")


def test_other_weights_or_another_span_are_other_vectors(work, tmp_path):
    work(ScoreAesthetic, "aes")
    other, looked = work(ScoreMatch, "other", model="other", frames=[0.5])
    assert looked == 7
    assert of(other, "match") == of(work(ScoreMatch, "plain", model="other", shared=None, frames=[0.5])[0], "match")
    vectors, row = Vectors(tmp_path / "shared", "one"), clips(tmp_path)[0]
    cut = row | {"end_frame": "5"}
    cropped = row | {"crop": "0 0 10 10"}
    vectors.recall((some, 0.5) for some in (row, cut, cropped))
    assert vectors.of(row, 0.5).shape == (WIDTH,)
    assert vectors.of(cut, 0.5) is vectors.of(cropped, 0.5) is None


def test_what_is_lost_or_damaged_is_computed_again(work, tmp_path):
    before, _ = work(ScoreAesthetic, "aes", chosen=lambda row: row["id"] < "0000000000000004")
    _, looked = work(ScoreMatch, "some", frames=[0.5])
    assert looked == 3
    for part in (tmp_path / "shared").glob("*.parquet"):
        part.write_bytes(part.read_bytes()[:-100] + bytes(100))
    again, looked = work(ScoreAesthetic, "again")
    assert looked == 21
    assert {key: of(again, "aes")[key] for key in before} == of(before, "aes")


def test_vectors_are_recalled_bit_by_bit(tmp_path):
    rng, rows = np.random.default_rng(0), [{"id": f"{number:04d}"} for number in range(30)]
    kept, truth = Vectors(tmp_path, "w"), {}
    for row in rows:
        for moment in (0, 0.5, 1):
            truth[row["id"], moment] = rng.normal(size=12).astype(np.float32)
            kept.keep(row, moment, truth[row["id"], moment])
    kept.write()
    again = Vectors(tmp_path, "w")
    again.recall((row, moment) for row in rows[3:] for moment in (0.0, 1))
    assert len(again.known) == 54
    assert all(np.array_equal(again.of(row, moment), truth[row["id"], moment]) for row in rows[3:] for moment in (0, 1))
    assert again.of(rows[0], 0) is None
