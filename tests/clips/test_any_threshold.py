"""Whatever the scores and thresholds are, each row stays or is a reject, as plain comparisons say."""

from clipmill.clips.thresholds import decided
from clipmill.engine import tables
from clipmill.engine.rejects import is_reject
from hypothesis import given
from hypothesis import strategies as st

SCORES = st.none() | st.floats() | st.sampled_from([0.0, -0.0, 0.5, 5.0, 5.00004])
LIMIT = st.none() | st.floats(-10, 10).map(lambda value: round(value, 4)) | st.sampled_from([0, 0.5, 5])
COLUMNS = ("aes", "flow", "match")
LIMITS = st.dictionaries(st.sampled_from(COLUMNS), st.fixed_dictionaries({"min": LIMIT, "max": LIMIT}))
ROWS = st.fixed_dictionaries(dict.fromkeys(COLUMNS, SCORES) | {"kind": st.sampled_from(["video", "image"])})


def as_row(values: dict) -> dict:
    """The row as a table holds it."""
    return {name: value if name == "kind" else tables.number(value) for name, value in values.items()}


def stays(values: dict, limits: dict) -> bool:
    """What is right, by plain comparisons of the numbers to four decimals."""
    for column, bounds in limits.items():
        value = values[column]
        if value is None or value != value:
            if not (values["kind"] == "image" and column == "flow"):
                return False
            continue
        value = float(tables.number(value))
        low, high = (bounds[name] for name in ("min", "max"))
        if (low is not None and value < low) or (high is not None and value > high):
            return False
    return True


@given(ROWS, LIMITS)
def test_a_row_stays_where_each_score_is_within_its_limits(values, limits):
    row = decided(as_row(values), limits, "select_clips")
    assert is_reject(row) != stays(values, limits)


@given(ROWS, LIMITS)
def test_a_reject_names_each_threshold_that_it_fails_and_keeps_its_scores(values, limits):
    row = decided(as_row(values), limits, "select_clips")
    assert {name: row[name] for name in values} == as_row(values)
    if is_reject(row):
        failed = {name for name in limits if not stays(values, {name: limits[name]})}
        assert {part.split()[0] for part in row["detail"].split("; ")} == failed
        assert row["reason"].split()[0 if " " in row["reason"] and not row["reason"].startswith("no ") else 1] in failed


@given(ROWS, LIMITS, LIMITS)
def test_a_reject_stays_the_reject_that_it_is(values, limits, more):
    row = decided(as_row(values), limits, "select_clips")
    if is_reject(row):
        assert decided(row, more, "select_pairs") == row
