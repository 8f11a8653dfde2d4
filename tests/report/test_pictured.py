"""Which clips the page counts and pictures: by their ids alone, those at the limits first."""

import numpy as np
import pandas as pd
import pytest
import scored_run
from clipmill.report import clips, strips
from clipmill.report.stores import Stores


@pytest.fixture
def chosen(tmp_path):
    """Chooses among 5,000 clips: (rows, places, those there by chance)."""
    mill = scored_run.pipeline(tmp_path / "results")
    found = scored_run.rows(5000)
    scored_run.write(mill, found)

    def choose(marked: tuple[str, ...] = ()):
        rejected = tmp_path / "results/work/rejects/clips.csv"
        rows, strata = clips.counted(tmp_path / "results/tables/scores.csv", ["id", "aes"], rejected)
        rows["kept"] = rows["reason"] == ""
        values = {"aes": pd.to_numeric(rows["aes"]).to_numpy()}
        assert sum(one["rows"] for one in strata) == 5000
        return rows, *clips.pictured(rows, values, {"aes": [4.5]}, set(marked))

    return choose


def test_the_choice_is_the_same_each_time_and_never_too_many(chosen):
    _, places, chance = chosen()
    assert len(places) == clips.PICTURED
    assert places.tolist() == sorted(set(places.tolist()))
    assert chance <= set(places.tolist())
    assert np.array_equal(chosen()[1], places)


def test_clips_at_a_limit_are_pictured_more_densely(chosen):
    rows, places, _ = chosen()
    near = pd.to_numeric(rows["aes"]).sub(4.5).abs() < 0.02
    pictured = rows.index.isin(places)
    assert pictured[near].mean() > 2 * pictured[~near].mean()


def test_marked_clips_are_pictured_and_chance_is_fair(chosen):
    rows, _, _ = chosen()
    marked = tuple(rows["id"].iloc[1::37])
    rows, places, chance = chosen(marked)
    assert set(marked) <= set(rows["id"].iloc[places])
    kept = rows["kept"].iloc[sorted(chance)]
    assert kept.sum() == (~kept).sum() == clips.AT_RANDOM


def test_strips_fit_their_budget():
    random = np.random.default_rng(0)
    drawn = [random.integers(0, 256, (72, 512, 3), dtype=np.uint8) for _ in range(60)]
    best = strips.encoded(drawn, 10_000_000)
    small = strips.encoded(drawn, sum(map(len, best)) // 2)
    assert len(small) == len(best) == 60
    assert sum(map(len, small)) <= sum(map(len, best)) // 2
    assert strips.encoded([], 0) == []


def test_a_clip_whose_frames_are_lost_has_no_pictures(tmp_path, capsys):
    row = {**scored_run.rows(3)[1], "stage": "", "reason": ""}
    assert strips.drawn(Stores({"store": tmp_path, "videos": tmp_path}), [row]) == [None]
    assert "1 of 1 clips have no pictures" in capsys.readouterr().err
