"""What a job asks about a clip, it asks about frames that are read and decoded once; another rule is another job."""

from collections import Counter

import pytest
from caption_clips import CaptionClips
from captioning import complete
from clipmill.engine import archives
from clipmill.videos import frames
from score_classifiers import ScoreClassifiers
from score_ocr import ScoreOcr
from tiny_classifier import tiny_classifier

MOMENTS = [0.1, 0.5, 0.9]


@pytest.fixture
def looked(monkeypatch) -> tuple[Counter, Counter]:
    """How often each picture is read, and how often its bytes are decoded."""
    read, decoded = Counter(), Counter()
    reads, decodes = archives.Archive.read, frames._decoded

    def counted(self, number):
        read[self.names[number], self.file.name] += 1
        return reads(self, number)

    def seen(jpeg):
        decoded["pictures"] += 1
        return decodes(jpeg)

    monkeypatch.setattr(archives.Archive, "read", counted)
    monkeypatch.setattr(frames, "_decoded", seen)
    return read, decoded


def prepared(step, rows: list[dict]) -> None:
    step.load()
    for row in rows:
        step.prepare(row)


def once(looked, pictures: int) -> None:
    read, decoded = looked
    assert len(read) == pictures
    assert set(read.values()) == {1}
    assert decoded["pictures"] == pictures


def test_classifiers_of_one_job(store, looked, tmp_path):
    rows, places = store
    entry = {"model": str(tiny_classifier(tmp_path / "model")), "label": "watermark", "reduce": "max"}
    moments = {"first": [0.1, 0.5], "second": MOMENTS, "third": [0.5, 0.5]}
    step = ScoreClassifiers({"classifiers": [entry | {"name": n, "frames": m} for n, m in moments.items()]}, *places)
    prepared(step, rows)
    once(looked, 1 + 4 * 3)


def test_moments_of_text(store, looked):
    rows, places = store
    prepared(ScoreOcr({"model": "easyocr", "frames": [*MOMENTS, 0.5], "canvas": 640, "batch": 8}, *places), rows)
    once(looked, 1 + 4 * 3)


def test_several_captions_of_a_clip(store, looked, folders):
    rows, places = store
    also = {"short": "video-short", "tags": "Name what you see."}
    prepared(CaptionClips(complete({"model": str(folders["llava_next"]), "also": also}), *places), rows)
    once(looked, 1 + 4 * 3)
