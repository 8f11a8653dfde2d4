"""Files of our own that are deleted, cut, emptied or changed: the same command makes them again, to the same bytes."""

import os
from random import Random

import pytest
from accidents import ACCIDENTS, changed, cut, deleted, kinds, products

SAID = "made again"


def of_kind(mill, kind):
    return next(path for name, paths in kinds(mill.results).items() if name.startswith(kind) for path in paths)


def changed_unseen(path, random):
    """Flip a bit and set the former time again."""
    status = path.stat()
    changed(path, random)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


KINDS = [
    ("clips/", deleted),
    ("clips/", changed),
    ("frames/", cut),
    ("tables/listing", cut),
    ("meta.csv", changed_unseen),
    ("plan/videos/00000.csv", cut),
    ("work/clips.score_flow", changed_unseen),
]
"""A file of each kind with an accident, for every run of the tests; test_chaos.py has the rest."""


def test_the_same_command_heals(finished):
    """One after the other in one folder, as they heal to the same bytes."""
    before = products(finished.results)
    for seed, (kind, accident) in enumerate(KINDS):
        path = of_kind(finished, kind)
        accident(path, Random(seed))
        healed = finished.run()
        assert f"{path.relative_to(finished.folder)} is " in healed.text, kind
        assert SAID in healed.text
        assert products(finished.results) == before, kind
        assert sum(healed.computed.values()) <= 1, "only what was in the file itself is computed again"
    assert finished.run().idle


@pytest.mark.slow
def test_two_accidents_to_every_part_at_once(finished):
    before = products(finished.results)
    random = Random(3)
    for paths in kinds(finished.results).values():
        path = random.choice(paths)
        if path.exists():
            random.choice(ACCIDENTS)(path, random)
    finished.run()
    assert products(finished.results) == before
    assert finished.run().idle


def test_a_dry_run_says_what_is_damaged_and_touches_nothing(finished):
    clip, table = of_kind(finished, "clips/"), of_kind(finished, "tables/scores.csv")
    clip.unlink()
    cut(table, Random(1))
    bytes_ = table.read_bytes()
    said = finished.run("--dry-run").text
    for path, why in ((clip, "is missing"), (table, "is damaged")):
        assert f"the next run finds that {path.relative_to(finished.folder)} {why}" in said
    assert table.read_bytes() == bytes_
    assert (finished.results / "meta.csv").exists()


def test_other_commands_remove_nothing(finished):
    table = of_kind(finished, "tables/scores.csv")
    cut(table, Random(1))
    for other in ("--rulegraph", "--summary", "--unlock", "--lint"):
        finished.run(other, ok=False)
        assert table.exists()
        assert (finished.results / "tables" / "clips.csv").exists()


@pytest.mark.parametrize(
    "accident", [cut, *(pytest.param(one, marks=pytest.mark.slow) for one in (deleted, changed_unseen))]
)
def test_a_store_that_a_scorer_needs_is_made_again(finished, tmp_path, accident):
    clean = finished.copy(tmp_path / "clean")
    clean.change(score={"flow": {"seconds": 0.25}}).run()
    store = of_kind(finished, "frames/")
    accident(store, Random(2))
    finished.change(score={"flow": {"seconds": 0.25}})
    first = finished.run(ok=False)
    if first.code:  # its time hid the damage until the scorer read it
        assert accident is changed_unseen
        assert f"{store.relative_to(finished.folder)} was damaged" in first.text
        finished.run()
    assert finished.final() == clean.final()


@pytest.mark.slow
def test_a_copied_results_folder_is_whole(finished):
    for path in (finished.results / "clips").iterdir():
        os.utime(path, (1, 1))
    again = finished.run()
    assert again.idle
    assert SAID not in again.text


@pytest.mark.slow
def test_with_clips_cut_first_a_lost_clip_comes_back(finished):
    finished.change(cut={"when": "first"}).run()
    before = products(finished.results)
    of_kind(finished, "clips/").unlink()
    assert finished.run().computed["cut_clips"] == 1
    assert products(finished.results) == before
    assert finished.run().idle
