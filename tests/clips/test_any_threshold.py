"""Whatever the scores and thresholds are, each row stays or is a reject, as plain comparisons say."""

import tempfile
from pathlib import Path

from clipmill.clips import selecting
from clipmill.clips.thresholds import decided
from clipmill.engine import rejects, tables
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


TEXTS = st.text(st.characters(codec="utf-8"), max_size=5)
VALUES = TEXTS | st.sampled_from(["", "5", "5.0", "1e1", "-0.0", "nan", "inf", " 5", "1_0", "٣", "a\x1b", 'x,"\n'])
REJECTED = st.sampled_from(["", "", "", "damaged", "b"])
EDGE = st.none() | st.floats(-9, 9)
ANY_LIMIT = st.fixed_dictionaries(
    {}, optional={"min": EDGE, "max": EDGE, "is": TEXTS, "in": st.lists(TEXTS, max_size=2)}
)


@st.composite
def tables_of_scores(draw):
    """The tables of a shard and of its scorers, each with columns of its own and perhaps those of others."""
    count, found = draw(st.integers(0, 6)), []
    for number in range(draw(st.integers(1, 3))):
        names = draw(st.lists(st.sampled_from(["kind", "aes", "flow", "fps", "a,b"]), unique=True))
        has_reason = number > 0 or draw(st.booleans())
        rows = []
        for at in range(count):
            row = {"id": f"{at}"} | {name: draw(VALUES) for name in names}
            if "kind" in row:
                row["kind"] = draw(st.sampled_from(["image", "video"]))
            if has_reason:
                row |= {"stage": draw(REJECTED), "reason": draw(REJECTED), "detail": draw(TEXTS)}
            rows.append(row)
        found.append(([*dict.fromkeys(["id", *names]), *(rejects.COLUMNS if has_reason else ())], rows))
    return found


@given(tables_of_scores(), st.data())
def test_a_selection_in_blocks_has_the_bytes_of_one_in_rows(shard, data):
    columns = sorted({name for names, _ in shard for name in names} - {"id", *rejects.COLUMNS})
    limits = data.draw(st.dictionaries(st.sampled_from(columns), ANY_LIMIT)) if columns else {}
    kept = data.draw(st.none() | st.sets(st.sampled_from("012345")))
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.csv" for number in range(len(shard))]
        for path, (names, rows) in zip(paths, shard, strict=True):
            tables.write(path, names, rows)
        names = [*dict.fromkeys(["id", *columns]), *rejects.COLUMNS]
        outs = Path(folder) / "rows.csv", Path(folder) / "blocks.csv"
        ways = zip((selecting.in_rows, selecting.in_blocks), outs, strict=True)
        counted = [way(out, names, paths[0], paths[1:], limits, kept, "select_clips") for way, out in ways]
        assert outs[0].read_bytes() == outs[1].read_bytes()
        assert (counted[0].of, counted[0].rejects) == (counted[1].of, counted[1].rejects)
