"""Whatever a table holds and costs, its shards hold each row once, and joining them gives the table."""

import os
import tempfile
from pathlib import Path

from clipmill.engine import tables
from clipmill.plan.shards import ranges, write_shards
from hypothesis import given
from hypothesis import strategies as st

COSTS = st.lists(st.floats(1e-4, 1e6), max_size=200)
TARGETS = st.floats(1, 1e5)
MOST = st.integers(1, 50)
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
ROWS = st.dictionaries(st.text("0123456789abcdef-", min_size=1, max_size=8), TEXT, max_size=30)


@given(COSTS, TARGETS, MOST)
def test_every_item_is_in_exactly_one_shard_and_no_shard_is_empty(costs, target, most):
    shards = ranges(costs, target, most)
    assert sum(items for items, _ in shards) == len(costs)
    assert all(items for items, _ in shards) or not costs
    assert 1 <= len(shards) <= most


@given(COSTS, TARGETS, MOST)
def test_no_shard_costs_more_than_its_share_and_one_item(costs, target, most):
    shards = ranges(costs, target, most)
    share = sum(costs) / max(1, min(most, len(costs), round(sum(costs) / target + 0.5)))
    assert all(cost <= (share + max(costs, default=0)) * (1 + 1e-9) for _, cost in shards)


@given(ROWS, MOST, TARGETS)
def test_any_sharding_joins_to_the_table(texts, most, target):
    rows = [{"id": identity, "text": texts[identity]} for identity in sorted(texts)]
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "table.csv"
        tables.write(table, ("id", "text"), rows)
        shards = write_shards(table, Path(folder) / "plan", ranges([3.0] * len(rows), target / 1e4, most))
        paths = [os.path.join(folder, "plan", f"{shard['shard']}.csv") for shard in shards]
        assert list(tables.balanced(table, tables.concatenate(paths))) == rows
        assert [shard["items"] for shard in shards] == [len(list(tables.read(path))) for path in paths]
