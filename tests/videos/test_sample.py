"""The sample of a pilot: by folder and length, the same for any order of the files, and cheap for a large corpus."""

import random
from collections import Counter
from fractions import Fraction
from pathlib import PurePath

import pytest
from clipmill.videos import sample
from numbered_video import write


def files(count: int, folders: int = 5, kind: str = "video", seed: int = 0) -> list[dict]:
    """Rows of a listing; the size of a file is its length in seconds, from 1 s to an hour."""
    chance = random.Random(seed)
    return [
        {
            "id": f"{chance.getrandbits(64):016x}",
            "relpath": f"folder {number % folders}/{number}.mp4",
            "path": f"/corpus/{number}.mp4",
            "kind": kind,
            "bytes": str(min(3600, int(chance.lognormvariate(4, 1.5)) + 1)),
        }
        for number in range(count)
    ]


def by_size(rows: list[dict]) -> list[float]:
    return [float(row["bytes"]) for row in rows]


def drawn(rows: list[dict], videos: int, seed: int = 0, lengths=by_size) -> set[str]:
    return {row["id"] for row in sample.design(rows, videos, seed, lengths) if row["drawn"]}


@pytest.mark.parametrize("videos", [2, 3, 4, 5, 20, 100, 299, 300, 1000])
def test_as_many_files_are_drawn_as_are_asked_for(videos):
    rows = files(300)
    assert len(drawn(rows, videos)) == min(300, videos)


def test_the_order_and_the_names_of_the_files_do_not_matter_and_the_seed_does():
    rows = files(400)
    first = drawn(rows, 40)
    assert drawn(random.Random(1).sample(rows, len(rows)), 40) == first
    renamed = [{**row, "relpath": str(PurePath(row["relpath"]).with_name(f"{row['id']}.mov"))} for row in rows]
    assert drawn(renamed, 40) == first
    assert drawn(rows, 40, seed=1) != first


def test_every_folder_and_every_length_is_in_the_sample():
    rows = files(1000, folders=8)
    chosen = [row for row in rows if row["id"] in drawn(rows, 100)]
    share = Counter(PurePath(row["relpath"]).parent.name for row in chosen)
    assert len(share) == 8
    assert max(share.values()) <= 2 * min(share.values())
    ordered = sorted(int(row["bytes"]) for row in rows)
    tenths = {sum(int(row["bytes"]) > ordered[100 * tenth] for tenth in range(1, 10)) for row in chosen}
    assert tenths == set(range(10))


def test_images_are_drawn_apart_from_videos():
    rows = files(50) + files(2000, kind="image", seed=1)
    chosen = Counter(row["kind"] for row in sample.design(rows, 20, 0, by_size) if row["drawn"])
    assert chosen == {"video": 20, "image": 20}


def test_of_a_large_corpus_only_some_files_are_opened(monkeypatch):
    monkeypatch.setattr(sample, "OPENED", 500)
    opened = []

    def lengths(rows):
        opened.extend(row["id"] for row in rows)
        return by_size(rows)

    rows = files(3000)
    design = sample.design(rows, 20, 0, lengths)
    assert len(opened) == 500
    assert {row["id"] for row in design if row["stratum"]} == set(opened)
    assert len(design) == 3000
    assert sum(row["drawn"] == "1" for row in design) == 20


def test_a_length_is_looked_up_once(tmp_path, monkeypatch):
    write(tmp_path / "a.mp4", 50, Fraction(25))
    (tmp_path / "b.mp4").write_bytes(b"no video")
    rows = [{"id": name * 16, "path": str(tmp_path / f"{name}.mp4")} for name in "ab"]
    assert sample.lengths(tmp_path / "lengths.csv")(rows) == [pytest.approx(2, abs=0.1), 0]
    monkeypatch.setattr(sample, "length", lambda path: pytest.fail(f"{path} is opened again"))
    assert sample.lengths(tmp_path / "lengths.csv")(rows) == [pytest.approx(2, abs=0.1), 0]
