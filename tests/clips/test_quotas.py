"""Selection to a target: groups are filled evenly, best clips first; a larger target keeps what a smaller one keeps;
the result is that of a plain loop, in whatever order the clips come."""

import json
import sys
from itertools import pairwise

import fill_quotas
import numpy as np
import pandas as pd
import pytest
from clipmill.clips import quotas
from clipmill.engine import rejects, tables

NONE = {"clips": None, "hours": None, "share": None, "balance": ["source", "kind"], "order": "aes"}


def corpus(count=400, seed=0):
    """Clips of files of very different sizes, as texts; some without a score, many with equal ones, some images."""
    random = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        film, image = int(random.integers(1, 9) ** 2 // 9), number % 23 == 0
        start, length = number * 10, float(random.choice([2.0, 5.5, 20.25]))
        aes = "" if number % 17 == 0 else tables.number(float(random.integers(30, 60) / 10))
        rows.append(
            {"id": f"{film:016x}-{number:08d}", "relpath": f"{film}.mp4", "kind": "image" if image else "video"}
            | {"start": "" if image else str(start), "end": "" if image else str(start + length), "aes": aes}
        )
    return pd.DataFrame(rows).sort_values("id", ignore_index=True)


def stay(rows, **target):
    found = quotas.entering(rows, NONE | target)
    return set(found["id"][found["stays"]])


def by_a_loop(rows, least, measure):
    """The same, one clip after the other."""
    groups = {}
    for row in rows.to_dict("records"):
        groups.setdefault((row["relpath"], row["kind"]), []).append(row)
    score = lambda row: -float(row["aes"] or "-inf")  # noqa: E731
    for waiting in groups.values():
        waiting.sort(key=lambda row: (score(row), row["id"]))
    filled, taken = dict.fromkeys(groups, 0), set()
    while sum(filled.values()) < least and any(groups.values()):
        key = min(
            (key for key in groups if groups[key]),
            key=lambda key: (filled[key], score(groups[key][0]), groups[key][0]["id"]),
        )
        row = groups[key].pop(0)
        taken.add(row["id"])
        filled[key] += 1 if measure == "clips" else round(1000 * (float(row["end"] or 0) - float(row["start"] or 0)))
    return taken


@pytest.mark.parametrize("count", [1, 7, 60, 399, 400, 1000])
def test_a_target_of_clips_is_that_of_a_plain_loop(count):
    rows = corpus()
    found = stay(rows, clips=count)
    assert found == by_a_loop(rows, count, "clips")
    assert len(found) == min(count, len(rows))


@pytest.mark.parametrize("hours", [0.01, 0.2, 0.9])
def test_a_target_of_hours_is_that_of_a_plain_loop_and_images_stay(hours):
    rows = corpus()
    images = set(rows["id"][rows["kind"] == "image"])
    found = stay(rows, hours=hours)
    assert found - images == by_a_loop(rows, hours * 3_600_000, "hours") - images
    assert images <= found
    seconds = rows[rows["id"].isin(found - images)]
    total = (pd.to_numeric(seconds["end"]) - pd.to_numeric(seconds["start"])).sum() / 3600
    assert hours <= total < hours + 20.25 / 3600


def test_groups_are_filled_evenly_with_their_best():
    rows = corpus()
    found = quotas.entering(rows, NONE | {"clips": 90})
    groups = quotas.groups(found)
    short = groups["stay"] < groups["stay"].max() - 1
    assert (groups["stay"][short] == groups["clips"][short]).all(), "only a group that is used up has less"
    assert groups["stay"].sum() == 90
    kept = rows.merge(found, on="id")
    for _, group in kept.groupby("group"):
        score = pd.to_numeric(group["aes"]).fillna(-1)
        if not group["stays"].all():
            assert score[group["stays"]].min() >= score[~group["stays"]].max()


@pytest.mark.parametrize("measure", ["clips", "hours", "share"])
def test_a_larger_target_keeps_what_a_smaller_one_keeps(measure):
    rows = corpus(seed=3)
    steps = {"clips": [1, 5, 50, 200, 390], "hours": [0.02, 0.1, 0.4, 0.8], "share": [0.01, 0.2, 0.55, 1]}[measure]
    kept = [stay(rows, **{measure: step}) for step in steps]
    assert all(less < more for less, more in pairwise(kept))


def test_what_another_target_would_give_is_what_it_gives():
    rows = corpus()
    ms = quotas.milliseconds(rows).set_axis(rows["id"])
    for row in quotas.ladder(quotas.entering(rows, NONE | {"clips": 1})):
        found = quotas.entering(rows, NONE | {"share": row["share"]})
        kept, groups = found["id"][found["stays"]], quotas.groups(found)
        assert (row["clips"], row["least"], row["most"]) == (len(kept), groups["stay"].min(), groups["stay"].max())
        assert row["hours"] == pytest.approx(ms[kept].sum() / 3_600_000)


def test_the_order_of_the_clips_does_not_matter():
    rows = corpus()
    expected = stay(rows, clips=123)
    for seed in range(3):
        assert stay(rows.sample(frac=1, random_state=seed).reset_index(drop=True), clips=123) == expected


def test_one_group_takes_the_best_of_all_and_ties_go_by_id():
    rows = corpus()
    found = stay(rows, share=0.25, balance=[])
    assert len(found) == 100
    order = rows.assign(score=pd.to_numeric(rows["aes"])).sort_values(["score", "id"], ascending=[False, True])
    assert found == set(order["id"][:100])


def test_the_step_names_the_group_of_what_is_left_out_and_counts_no_reject_or_duplicate(tmp_path, monkeypatch):
    rows = corpus(40).to_dict("records")
    names = ["id", "relpath", "kind", "start", "end"]
    lost = {rows[0]["id"], rows[9]["id"]}
    selected = [
        rejects.rejected(row, "select_clips", "aes below 4") if row["id"] == rows[0]["id"] else row for row in rows
    ]
    tables.write(tmp_path / "clips.csv", [*names, "licence"], [{**row, "licence": row["id"][-1:]} for row in rows])
    for number, part in enumerate((selected[:13], selected[13:])):
        tables.write(tmp_path / f"{number}.csv", [*names, "aes", *rejects.COLUMNS], part)
    tables.write(tmp_path / "duplicates.csv", ["id"], [{"id": rows[9]["id"]}])

    def run(**target):
        given = {"--clips": "clips.csv", "--duplicates": "duplicates.csv", "--out": "out.csv"}
        given |= {"--groups": "groups.csv", "--targets": "targets.csv"}
        places = [word for key, name in given.items() for word in (key, str(tmp_path / name))]
        shards = ["--shards", str(tmp_path / "0.csv"), str(tmp_path / "1.csv")]
        asked = ["--target", json.dumps(NONE | target)]
        monkeypatch.setattr(sys, "argv", ["fill_quotas.py", *places, *shards, *asked])
        fill_quotas.main()
        return list(tables.read(tmp_path / "out.csv")), list(tables.read(tmp_path / "groups.csv"))

    left, groups = run(clips=15, balance=["licence"])
    frame = pd.DataFrame([row for row in rows if row["id"] not in lost]).assign(licence=lambda some: some["id"].str[-1])
    assert {row["id"] for row in left} == set(frame["id"]) - stay(frame, clips=15, balance=["licence"])
    assert [row["id"] for row in left] == sorted(row["id"] for row in left)
    assert sum(int(row["stay"]) for row in groups) == 15
    assert sum(int(row["clips"]) for row in groups) == 38
    assert (
        {row["group"] for row in left}
        <= {row["group"] for row in groups}
        == {f"licence {digit}" for digit in range(10)}
    )
    with pytest.raises(SystemExit, match=r"select\.target: there is no column colour"):
        run(clips=15, balance=["colour"])
