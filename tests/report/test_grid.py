"""Grid codes: every comparison of codes is the comparison of numbers that the selection makes, without exception."""

import numpy as np
import pandas as pd
import pytest
import yaml
from clipmill.clips import thresholds
from clipmill.engine import tables
from clipmill.report import grid, marks, meaning
from hypothesis import given
from hypothesis import strategies as some
from scored_run import SCHEMA, pipeline, settings
from yaml import safe_load

scores = some.lists(
    some.one_of(
        some.floats(-1000, 1000), some.integers(-50, 3000), some.floats(0, 1), some.just(0.3), some.just(None),
        some.sampled_from([0.02, 5.0, 4.5, 1e-4, 123456.0]),
    ),
    min_size=1, max_size=60,
)  # fmt: skip


def kept(text: str, kind: str, column: str, limits: dict) -> bool:
    """What the selection says."""
    return thresholds.failure({column: text, "kind": kind}, column, limits) is None


def kept_by_code(code: int, low: int | None, high: int | None) -> bool:
    """What the page says: `low` and `high` are places in the grid (see counts.js)."""
    if code == grid.EXEMPT or (low is None and high is None):
        return True
    return (low is None or code >= 2 * low + 1) and code <= (grid.EXEMPT if high is None else 2 * high + 1)


@given(scores, some.floats(-10, 10), some.randoms(use_true_random=False))
def test_codes_keep_what_the_selection_keeps(given_scores, configured, random):
    column = random.choice(["aes", "flow"])
    texts = [tables.number(score) for score in given_scores]
    kinds = [random.choice(["video", "image"]) for _ in texts]
    found, missing = grid.numbers(pd.Series(texts, dtype=str))
    still = [kind == "image" and column in thresholds.VIDEO_ONLY for kind in kinds]
    exempt = np.array([one and text == "" for one, text in zip(still, texts, strict=True)], dtype=bool)
    points = grid.points(found, [round(configured, 3)])
    codes = grid.codes(found, missing, exempt, points)
    places = random.sample(range(len(points)), min(20, len(points)))
    for at in places:
        for side in ("min", "max"):
            limit = safe_load(points[at])
            for text, kind, code in zip(texts, kinds, codes.tolist(), strict=True):
                by_code = kept_by_code(code, *((at, None) if side == "min" else (None, at)))
                assert by_code == kept(text, kind, column, {side: float(limit)}), (text, side, points[at])


def test_a_text_of_the_grid_is_the_same_number_in_yaml_and_never_an_exponent():
    points = grid.points([1e-4, 0.3, 7.0, 123456.5], [5e-05, 2.5e6])
    assert {"0.0001", "0.00005", "0.3", "5.35", "99900", "2500000"} <= set(points)
    for text in points:
        value = yaml.safe_load(text)
        assert isinstance(value, int | float), text
        assert float(value) == float(text)
    numbers = list(map(float, points))
    assert numbers == sorted(set(numbers))


def test_whole_scores_have_whole_limits_and_few_scores_have_all():
    points = grid.points([0.0, 3.0, 1920.0, 1918.0])
    assert all("." not in text for text in points)
    assert {"0", "3", "999", "1910", "1918", "1920"} <= set(points)


def test_no_column_has_more_limits_than_codes():
    points = grid.points([-1e14, -1e-4, 0.0, 1e-4, 1e14])
    assert len(points) <= grid.MOST
    assert 2 * len(points) < grid.EXEMPT
    assert grid.points([]) == []


def test_what_is_no_finite_number_fails_every_limit():
    texts = ["nan", "inf", "-inf", "many", "", "1"]
    found, missing = grid.numbers(pd.Series(texts, dtype=str))
    points = grid.points(found, [2.0])
    codes = grid.codes(found, missing, np.zeros(6, dtype=bool), points)
    assert codes.tolist() == [*[grid.MISSING] * 5, 2 * points.index("1") + 1]
    assert [kept(text, "video", "aes", {"max": 2.0}) for text in texts] == [False] * 5 + [True]


def test_every_column_that_may_have_a_limit_has_a_meaning():
    columns = settings(pipeline(SCHEMA.parent / "none"))["columns"]
    assert set(meaning.COLUMNS) <= set(columns), "a column that is gone"
    for column, about in columns.items():
        assert meaning.of(column, **about)["text"]


def test_marks_are_read_and_mistakes_are_named(tmp_path):
    file = tmp_path / "marks.csv"
    file.write_text("id,mark\na-1,good\nb-2,bad\na-1,bad\n")
    assert marks.read(file) == {"a-1": "bad", "b-2": "bad"}
    assert marks.read(None) == {}
    for text, says in (("id,note\na,b\n", "no column mark"), ("id,mark\na,fine\n", "line 2 .* mark 'fine'")):
        file.write_text(text)
        with pytest.raises(SystemExit, match=says):
            marks.read(file)
    with pytest.raises(SystemExit, match="cannot be read"):
        marks.read(tmp_path / "none.csv")
