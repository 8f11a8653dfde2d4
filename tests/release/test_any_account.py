"""What is counted and digested in blocks of columns is what plain rows give, whatever their texts."""

import heapq
import tempfile
from collections import Counter
from pathlib import Path
from unittest import mock

import numpy as np
from clipmill.engine import blocks, rejects, tables
from clipmill.release import selection, summary
from clipmill.report import account
from hypothesis import given, settings
from hypothesis import strategies as st

TEXT = st.sampled_from(["", "a,b", '"', "x\ny", "\r", "007", "nan", "日本", "\u202e"])
IDS = st.lists(st.text("ab-", min_size=1, max_size=3), unique=True, max_size=8).map(sorted)
PIECES = st.sampled_from([1, 40, 1 << 24])
META = ("id", "relpath", "text", "frames_digest")
LISTING = ("id", "relpath")


def drawn(draw, ids, names) -> list[dict]:
    return [{"id": one} | {name: draw(TEXT) for name in names[1:]} for one in ids]


@settings(max_examples=40)
@given(st.data(), IDS, IDS, PIECES)
def test_records_digests_and_counts(data, ids, others, size):
    draw = data.draw
    meta, listing = drawn(draw, ids, META), drawn(draw, others, LISTING)
    away = [{**row, "start": "", "end": draw(st.sampled_from(["", "1.25"])), "stage": draw(st.sampled_from("st")),
             "reason": draw(st.sampled_from(["duplicate", "x,y", "z"]))}
            for row in drawn(draw, ["", *others], rejects.TABLE)]  # fmt: skip
    with tempfile.TemporaryDirectory() as name, mock.patch.object(blocks, "PIECE", size):
        folder = Path(name)
        tables.write(folder / "meta.csv", META, meta)
        tables.write(folder / "rejects.csv", rejects.TABLE, away)
        tables.write(folder / "tables/listing.csv", LISTING, listing)
        records, digest = list(selection.records(folder)), selection.of_table(folder / "meta.csv")
        counted, told = summary.rejects(folder / "rejects.csv"), account.reasons([folder / "rejects.csv"])
    empty = dict.fromkeys(selection.RECORD, "")
    said = [row for row in away if row["id"] and row["reason"] != "duplicate"]
    expected = heapq.merge(
        (empty | selection.of_pair(row) for row in meta),
        ({name: row.get(name, "") for name in selection.RECORD} | {"state": selection.REJECT} for row in said),
        (empty | row | {"state": selection.FILE} for row in listing),
        key=lambda row: row["id"],
    )
    assert records == list(expected)
    assert digest == selection.digest(meta)
    count = Counter((row["stage"], row["reason"]) for row in away)
    order = sorted(count, key=lambda key: (key[0], -count[key], key[1]))
    assert counted == [{"stage": stage, "reason": reason, "rows": count[stage, reason]} for stage, reason in order]
    for one, (stage, reason) in zip(told, order, strict=True):
        rows = [row for row in away if (row["stage"], row["reason"]) == (stage, reason)]
        places = np.unique(np.linspace(0, len(rows) - 1, account.EXAMPLES).astype(int))
        shown = [{name: rows[place][name] for name in ("id", "relpath", "start", "end", "detail")} for place in places]
        assert one == {"stage": stage, "reason": reason, "count": len(rows), "examples": shown,
                       "ms": sum(1250 for row in rows if row["end"])}  # fmt: skip
