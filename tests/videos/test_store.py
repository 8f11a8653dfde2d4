"""A damaged frame store is our own fault: the job stops and the store is made again; no clip is rejected for it."""

import numpy as np
import pytest
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
