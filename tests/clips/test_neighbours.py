"""Duplicates by vectors and semantic clusters, of vectors whose truth is known: no order, no shards and no steps in
which clips are added change them."""

import numpy as np
import pytest
from clipmill.clips import clusters, duplicates, neighbours
from clipmill.clips.neighbours import Embedded
from clipmill.engine import rejects, tables
from clipmill.tools import joined
from clipmill.tools.parts import Part
from find_duplicates import remembered_vectors

WIDTH = 64


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def at(vector, cosine, rng):
    """A unit vector with this cosine to a unit vector."""
    other = rng.standard_normal(len(vector))
    other = unit(other - (other @ vector) * vector)
    return cosine * vector + np.sqrt(1 - cosine**2) * other


def rows(vectors):
    return [{"id": f"{n * 7919 % 9973:016x}-00000000", "vector": neighbours.packed(v[None])} for n, v in vectors]


def planted(count=300, least=0.98, seed=0, big=0.0):
    """Vectors of which each second one has a near one after it (cosine 0.981 to 1), and each other a look-alike (0.90
    to 0.979); the pairs that are near, by the numbers of their clips. `big`: a number that all share, as in CLIP."""
    rng = np.random.default_rng(seed)
    made, near = [], set()
    for number in range(count):
        one = rng.standard_normal(WIDTH)
        one[3] += big
        one = unit(one)
        is_near = number % 2 == 0
        made += [one, at(one, rng.uniform(0.981, 1) if is_near else rng.uniform(0.90, 0.979), rng)]
        near |= {(2 * number, 2 * number + 1)} if is_near else set()
    return np.array(made), near


def by_numbers(clips: Embedded, least=0.98):
    return neighbours.near(clips.vectors, np.ones(len(clips.ids), bool), least, np.arange(len(clips.ids)))


@pytest.mark.parametrize("big", [0.0, 8.0])
def test_near_pairs_are_found_and_look_alikes_are_not(big):
    """Of 1,500 planted pairs at most 2 are missed; none that is further apart is found."""
    vectors, near = planted(3000, big=big)
    clips = Embedded.of(rows(enumerate(vectors)))
    found = set(map(tuple, by_numbers(clips).tolist()))
    exact = {pair for pair in found if vectors[pair[0]] @ vectors[pair[1]] >= 0.98 - 1e-4}
    assert found == exact
    assert len(near - found) <= 2
    if not big:
        assert found == found & near


@pytest.mark.parametrize("least", [0.9, 0.95, 0.99, 1.0])
def test_pairs_at_the_limit_are_found(least):
    rng = np.random.default_rng(1)
    ones = unit(rng.standard_normal((1000, WIDTH)))
    others = np.array([at(one, min(1.0, least + 1e-4), rng) for one in ones])
    if least == 1:
        others = ones
    clips = Embedded.of(rows(enumerate(np.concatenate([ones, others]))))
    found = set(map(tuple, by_numbers(clips, least - (1e-9 if least == 1 else 0)).tolist()))
    assert len({(n, n + 1000) for n in range(1000)} - found) <= 5


def test_groups_depend_on_no_order_and_no_steps(tmp_path):
    vectors, near = planted(150)
    table = rows(enumerate(vectors))
    by_id = sorted(table, key=lambda row: row["id"])
    at_once = remembered_vectors(tmp_path / "once.csv", Embedded.of(by_id), 0.98)
    expected = {tuple(sorted((table[a]["id"], table[b]["id"]))) for a, b in near}
    assert set(at_once) == expected
    order = np.random.default_rng(2).permutation(len(table))
    for end in range(30, 301, 30):
        some = Embedded.of(sorted((table[n] for n in order[:end]), key=lambda row: row["id"]))
        stepwise = remembered_vectors(tmp_path / "steps.csv", some, 0.98)
    assert stepwise == at_once
    shuffled = remembered_vectors(tmp_path / "shuffled.csv", Embedded.of([table[n] for n in order]), 0.98)
    assert shuffled == at_once
    fewer = Embedded.of(by_id[:200])
    assert remembered_vectors(tmp_path / "steps.csv", fewer, 0.98) == remembered_vectors(
        tmp_path / "new.csv", fewer, 0.98
    )


def test_what_is_known_is_not_compared_again(tmp_path, monkeypatch):
    vectors, _ = planted(20)
    table = rows(enumerate(vectors))
    first = remembered_vectors(tmp_path / "known.csv", Embedded.of(table), 0.98)
    with monkeypatch.context() as patch:
        patch.delattr(neighbours, "codes")
        assert remembered_vectors(tmp_path / "known.csv", Embedded.of(table), 0.98) == first
    changed = [{**table[0], "vector": table[2]["vector"]}, *table[1:]]
    again = remembered_vectors(tmp_path / "known.csv", Embedded.of(changed), 0.98)
    assert again == remembered_vectors(tmp_path / "other.csv", Embedded.of(changed), 0.98) != first


def test_clips_of_one_video_and_clips_without_a_vector_are_no_duplicates():
    one, vectors = "0a-00000000", {"vector": rows(enumerate(np.eye(4)))[0]["vector"]}
    clips = Embedded.of([{"id": name, **vectors} for name in (one, "0a-00000100", "0b-00000000")] + [
        {"id": "0c-00000000", "vector": ""}
    ])  # fmt: skip
    found = neighbours.pairs(clips, np.ones(3, bool), 0.98)
    assert found == [("0a-00000000", "0b-00000000"), ("0a-00000100", "0b-00000000")]
    assert neighbours.pairs(Embedded.of([]), np.zeros(0, bool), 0.98) == []


def test_a_reject_says_the_cosine_with_the_clip_that_stays():
    rng = np.random.default_rng(3)
    one = unit(rng.standard_normal(WIDTH))
    clips = Embedded.of(rows(enumerate([one, at(one, 0.985, rng)])))
    table = {name: {"id": name, "aes": aes, "resolution": "1", "relpath": f"{aes}.mp4", "start": "0"}
             for name, aes in zip(clips.ids, ("5", "6"), strict=True)}  # fmt: skip
    found = duplicates.going(duplicates.groups([tuple(sorted(clips.ids))]), table, clips.said)
    reject = duplicates.reject(table[clips.ids[0]], found[clips.ids[0]])
    assert reject["detail"] == f"{clips.ids[1]} of 6.mp4 at 0 s shows the same and stays (cosine 0.9850)"


def test_planted_clusters_are_found_whatever_the_shards():
    rng = np.random.default_rng(4)
    middles = unit(rng.standard_normal((12, WIDTH)))
    true = np.repeat(np.arange(12), np.arange(65, 5, -5))
    vectors = unit(middles[true] + 0.03 * rng.standard_normal((len(true), WIDTH)))
    order = rng.permutation(len(true))
    of, sizes = clusters.clusters(vectors[order], 12)
    assert [set(true[order][of == number]) for number in range(1, 13)] == [{number} for number in range(12)]
    assert sizes.tolist() == np.bincount(of)[of].tolist()
    assert np.array_equal(of, clusters.clusters(vectors[order], 12)[0])


def test_there_are_no_more_clusters_than_pictures():
    vectors = np.array([[1, 0], [1, 0], [0, 1], [1, 0]], np.int16) * neighbours.SCALE
    assert clusters.clusters(vectors, 9)[0].tolist() == [1, 1, 2, 1]
    assert clusters.clusters(vectors, 1)[1].tolist() == [4] * 4
    assert len(clusters.clusters(vectors[:0], 3)[0]) == 0


def test_a_merge_compares_the_vectors_of_its_folders(tmp_path):
    """Two folders of a clip each whose vectors are near and whose hashes are not."""
    rng = np.random.default_rng(5)
    one = unit(rng.standard_normal(WIDTH))
    parts = []
    for name, vector in (("a", one), ("b", at(one, 0.99, rng)), ("c", at(one, 0.97, rng))):
        row = {"id": f"{name * 16}-00000000", "aes": "5", "resolution": "1", "relpath": f"{name}.mp4", "start": "0"}
        folder = tmp_path / name
        tables.write(folder / "plan/clips/manifest.csv", ["shard"], [{"shard": "00000"}])
        for rule, column, text in (("hash", "hashes", ""), ("embed", "vector", neighbours.packed(vector[None]))):
            table = folder / f"work/clips.{rule}_clips/0123456789ab/00000.csv"
            tables.write(table, ["id", column], [{"id": row["id"], column: text}])
        tables.write(folder / "tables/scores.csv", list(row), [row])
        tables.write(folder / "work/rejects/clips.csv", rejects.TABLE, [])
        work = [f"{folder}/work/clips.{rule}_clips/0123456789ab" for rule in ("hash", "embed")]
        configuration = {"results": str(folder), "duplicates": {"enabled": True, "embeddings": 0.98}}
        parts.append(Part(folder, {"configuration": configuration, "current": {"work": work}}))
    gone, known = joined.near_duplicates(parts)
    assert {identity: found["of"] for identity, found in gone.items()} == {
        "b" * 16 + "-00000000": "a" * 16 + "-00000000"
    }
    assert gone["b" * 16 + "-00000000"]["cosine"] == "0.9900"
    assert [len(rows) for rows in known.values()] == [3, 3]
