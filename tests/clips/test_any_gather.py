"""A gather in blocks writes what plain rows and the csv module would, whatever the rows hold."""

import heapq
import sys
import tempfile
from pathlib import Path
from unittest import mock

import gather_captions
import gather_clips
from clipmill.clips import clusters, duplicates
from clipmill.engine import blocks, rejects, tables
from clipmill.engine.rejects import is_reject, rejected
from hypothesis import given
from hypothesis import strategies as st

TEXT = st.sampled_from(["", "", "a,b", '"', "x\ny", "\r", "007", "nan", "-0.0", "1e22", "日本", "\x1b", "\u202e"])
IDS = st.lists(st.text("ab-", min_size=1, max_size=3), unique=True, max_size=8).map(sorted)
PIECES = st.sampled_from([1, 40, 1 << 24])
OUTS = ("scores", "selected", "captions", "meta", "rejects")


def drawn(draw, ids, names) -> list[dict]:
    return [{"id": one} | {name: draw(TEXT) for name in names} for one in ids]


def in_shards(draw, folder: Path, names, rows) -> list[Path]:
    """These rows as tables of shards."""
    edges = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=2)))
    bounds = list(zip([0, *edges], [*edges, len(rows)], strict=True))
    paths = [folder / f"{names[-1]}{number}.csv" for number in range(len(bounds))]
    for path, (first, end) in zip(paths, bounds, strict=True):
        tables.write(path, names, rows[first:end])
    return paths


def table(folder: Path, name: str, names, rows) -> Path:
    tables.write(folder / name, names, rows)
    return folder / name


def run(script, size: int, folder: Path, outs, **given) -> dict[str, bytes]:
    """The tables that a script writes."""
    command = [f"--{name}={folder / name}" for name in outs]
    for name, values in given.items():
        command += [f"--{name}", *map(str, values if isinstance(values, list) else [values])]
    with mock.patch.object(sys, "argv", ["", *command]), mock.patch.object(blocks, "PIECE", size):
        script.main()
    return {name: (folder / name).read_bytes() for name in outs}


def text(names, rows) -> bytes:
    return tables.text(names, rows).encode()


@given(st.data(), IDS, PIECES)
def test_scores_selected_and_rejects(data, ids, size):
    draw = data.draw
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = drawn(draw, ids, ("relpath", "aes", "licence"))
        scored = [{**row, **more, "licence": ""} for row, more in zip(
            clips, drawn(draw, ids, ("aes", "kind", "stage", "reason", "detail")), strict=True)]  # fmt: skip
        kept = [row["id"] for row in scored if not is_reject(row)]
        some = st.lists(st.sampled_from(kept), unique=True).map(sorted) if kept else st.just([])
        better = {row["id"]: row for row in drawn(draw, draw(some), duplicates.TABLE[1:])}
        left_out = {row["id"]: row for row in drawn(draw, draw(some), ("group", "place", "stay"))
                    if row["id"] not in better}  # fmt: skip
        of = {row["id"]: row for row in drawn(draw, draw(some), clusters.COLUMNS)}
        names = ("id", "relpath", "aes", "kind", *rejects.COLUMNS)
        found = run(
            gather_clips, size, folder, ("scores", "selected", "rejects"),
            clips=table(folder, "clips.csv", ("id", "relpath", "aes", "licence"), clips),
            shards=in_shards(draw, folder, names, scored),
            extras=table(folder, "extras.csv", ("id", "row", "span", "licence"), []),
            duplicates=table(folder, "duplicates.csv", duplicates.TABLE, better.values()),
            quotas=table(folder, "quotas.csv", ("id", "group", "place", "stay"), left_out.values()),
            clusters=table(folder, "clusters.csv", ("id", *clusters.COLUMNS), of.values()),
        )  # fmt: skip
    rows = []
    for row, clip in zip(scored, clips, strict=True):
        row = {**row, "licence": clip["licence"]}
        if said := better.get(row["id"]):
            row = duplicates.reject(row, said)
        if said := left_out.get(row["id"]):
            where = f"number {said['place']} of {said['group']}, of which {said['stay']} stay"
            row = rejected(row, "select_clips", "below quota", where)
        rows.append(row | of.get(row["id"], {}))
    names = ("id", "relpath", "aes", "kind", *clusters.COLUMNS, "licence")
    assert found == {
        "scores": text(names, rows),
        "selected": text(names, [row for row in rows if not is_reject(row)]),
        "rejects": text((*rejects.TABLE, "licence"), filter(is_reject, rows)),
    }


@given(st.data(), IDS, PIECES)
def test_captions_pairs_and_rejects(data, ids, size):
    draw = data.draw
    reject = ("stage", "reason", "detail")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        selected = drawn(draw, ids, ("relpath", "height", "licence"))
        made = drawn(draw, ids, ("text", "path", "cut_height", *reject))
        other = drawn(draw, ids, ("text", "stage", "reason"))
        earlier = [sorted(drawn(draw, draw(IDS), ("relpath", *reject)), key=lambda row: (row["id"], row["relpath"]))
                   for _ in range(2)]  # fmt: skip
        found = run(
            gather_captions, size, folder, ("captions", "meta", "rejects"),
            selected=table(folder, "selected.csv", ("id", "relpath", "height", "licence"), selected),
            shards=in_shards(draw, folder, ("id", "text", "path", "cut_height", *reject), made),
            extras=table(folder, "extras.csv", ("id", "row", "span", "licence"), []),
            captioners=["b"], more=in_shards(draw, folder, ("id", "text", "stage", "reason"), other)[:1]
            if not ids else [table(folder, "more.csv", ("id", "text", "stage", "reason"), other)],
            rejected=[table(folder, f"early{number}.csv", rejects.TABLE, rows) for number, rows in enumerate(earlier)],
        )  # fmt: skip
    rows = [{**one, **more, "text_b": "" if is_reject(third) else third["text"]}
            for one, more, third in zip(selected, made, other, strict=True)]  # fmt: skip
    cut = [{**row, "height": row["cut_height"] or row["height"]} for row in rows]
    mine = [row for row in cut if is_reject(row)]
    every = heapq.merge(*earlier, mine, key=lambda row: (row["id"], row["relpath"]))
    assert found["captions"] == text(("id", "relpath", "height", "text", "text_b", "licence"), rows)
    assert found["rejects"] == text((*rejects.TABLE, "licence"), every)
    names = [name for name in gather_captions.META if name != "match"]
    at = names.index("text") + 1
    pairs = [row for row in cut if not is_reject(row)]
    assert found["meta"] == text([*names[:at], "text_b", *names[at:], "licence"], pairs)
