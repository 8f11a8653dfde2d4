"""A damaged frame store is our own fault: the job stops and the store is made again; no clip is rejected for it."""

import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from clipmill.engine import archives
from clipmill.engine.vouch import Damaged
from clipmill.videos import frames
from stored_clips import clips


@pytest.fixture
def stored(tmp_path):
    """A store of one clip, its clip, and the pictures that are read from it."""
    store, (row, *_) = frames.Store(tmp_path, tmp_path), clips(tmp_path, 1)
    return store, row, frames.read(store, row, [0, 0.5, 1])


def test_no_flipped_bit_of_a_store_is_read_as_a_picture_or_rejects_the_clip(stored):
    store, row, pictures = stored
    path = store.path(row["video_id"])
    whole, found = path.read_bytes(), 0
    near_the_end = range(len(whole) - 400, len(whole))  # the zip's own directory
    for index in [*range(0, len(whole) - 400, 97), *near_the_end]:
        path.write_bytes(whole[:index] + bytes([whole[index] ^ 1 << index % 8]) + whole[index + 1 :])
        try:
            read = frames.read(store, row, [0, 0.5, 1])
        except Damaged:
            assert not path.exists()
            found += 1
        else:
            assert all(np.array_equal(one, other) for one, other in zip(read, pictures, strict=True))
    assert found > 200


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"x" * 5000])
def test_a_store_that_is_cut_short_is_damaged(stored, damage):
    store, row, _ = stored
    path = store.path(row["video_id"])
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Damaged, match="run the same command again"):
        frames.sampled(store, row)


def test_a_lost_store_is_damage_and_a_disk_that_fails_is_not(stored):
    store, row, _ = stored
    path = store.path(row["video_id"])
    path.unlink()
    with pytest.raises(Damaged, match="is missing"):
        frames.read(store, row, [0])
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        frames.read(store, row, [0])
    assert path.is_dir()


@pytest.fixture
def parsed(monkeypatch):
    """The archives whose directory is parsed, as often as it is."""
    seen, contents = [], archives.contents
    monkeypatch.setattr(archives, "contents", lambda archive: seen.append(archive) or contents(archive))
    return seen


def beats(count: int) -> list[dict]:
    """Rows of clips of half a second each, of the video that `stored` has, of 12 frames a beat."""
    ends = [(12 * beat, 12 * beat + 12) for beat in range(count)]
    return [
        {"video_id": "v" * 16, "start_frame": str(begin), "end_frame": str(end), "start": str(begin / 24), "end": ""}
        for begin, end in ends
    ]


def test_all_clips_of_a_video_parse_the_directory_of_its_store_once(tmp_path, parsed):
    store, rows = frames.Store(tmp_path, tmp_path), beats(40)
    flat = {12 * beat: (beat / 2, frames.encode(np.full((8, 8, 3), 6 * beat, np.uint8), 95)) for beat in range(40)}
    frames.write(store.path("v" * 16), flat)
    parsed.clear()
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda row: frames.read(store, row, [0])[0], rows))
    assert [round(picture.mean() / 6) for picture in read] == list(range(40))
    assert len(parsed) == 1


def test_a_store_that_is_written_again_is_read_again(stored, parsed):
    store, row, _ = stored
    grey = frames.encode(np.full((8, 8, 3), 90, np.uint8), 95)
    frames.write(store.path(row["video_id"]), {0: (0.0, grey)})
    assert frames.read(store, row, [0])[0].shape == (8, 8, 3)
    assert len(parsed) == 2  # once when it was written


def test_few_archives_are_kept_open(tmp_path, parsed):
    rows = [clip | {"video_id": f"{number:016x}"} for number, clip in enumerate(beats(archives.KEPT + 5))]
    store, grey = frames.Store(tmp_path, tmp_path), frames.encode(np.full((8, 8, 3), 90, np.uint8), 95)
    for row in rows:
        frames.write(store.path(row["video_id"]), {int(row["start_frame"]): (0.0, grey)})
        frames.read(store, row, [0])
    assert len(archives._kept) == archives.KEPT


def test_a_picture_is_read_as_the_library_of_zips_reads_it(stored):
    store, row, _ = stored
    path = store.path(row["video_id"])
    with zipfile.ZipFile(path) as archive:
        truth = {name: archive.read(name) for name in archive.namelist()}
    held = archives.opened(path)
    assert {name: held.read(number) for number, name in enumerate(held.names)} == truth
