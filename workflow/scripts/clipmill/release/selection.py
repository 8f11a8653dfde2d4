"""The selection of a run: its digest, and the short history of selections that a results folder keeps.

A selection is what a trainer would get: which pairs, with which words and which pixels. `history/` in a results folder
holds a file per selection and configuration, the last KEPT of them: of every file and clip its state, without texts and
pixels, so that `make diff` can tell what a run has changed, and why.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from itertools import repeat, takewhile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clipmill.engine import blocks, joins, vouch
from clipmill.engine.files import whole

PAIR, REJECT, FILE, LEFT_OUT = "pair", "reject", "file", "not in the sample"
"""The states of a record: a pair; a rejected file or clip; a file that was listed; one that a pilot left out."""
SAMPLE = "tables/sample.csv"
RECORD = ("id", "state", "stage", "reason", "detail", "relpath", "text", "frames")
"""A record of the history: `text` is a digest of a pair's caption, `frames` the first half of that of its pixels, and
`relpath` is a file's."""
KEPT = 8
"""Selections that a history holds: it grows with the corpus, at about 20 bytes per clip and selection."""
ABOUT = b"clipmill"
"""The entry of a history file's metadata: JSON of what run.json says of the run."""
TOLD = ("finished", "selection", "counts", "configuration", "models")
ROWS = 100_000
"""Records that are in memory at the same time."""


class Digest:
    """The digest of a selection, pair by pair in the order of their ids: the same for the same pairs with the same
    captions and pixels, in whatever run, release or format they are."""

    def __init__(self):
        self.hasher = hashlib.blake2b(digest_size=8)

    def add(self, row: dict) -> None:
        """Count a pair: a row with `id`, and perhaps `text` and `frames_digest`."""
        told = (row["id"], of_text(row.get("text") or ""), row.get("frames_digest") or "")
        self.hasher.update(("\0".join(told) + "\n").encode())

    def hexdigest(self) -> str:
        """16 hex digits."""
        return self.hasher.hexdigest()


def digest(pairs: Iterable[dict]) -> str:
    """The digest of these pairs, sorted by id."""
    found = Digest()
    for row in pairs:
        found.add(row)
    return found.hexdigest()


def of_text(text: str) -> str:
    """16 hex digits for a caption."""
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def of_table(pairs: Path) -> str:
    """The digest of the pairs of a table."""
    return digest(row for part in blocks.read(pairs, ["id", "text", "frames_digest"]) for row in part.to_pylist())


def records(results: Path) -> Iterator[dict]:
    """A record per file and clip of a finished run, sorted by id."""
    return (row for part in _records(results) for row in part.to_pylist())


def _records(results: Path) -> Iterator[pa.RecordBatch]:
    """Blocks of these records."""
    streams = [
        map(_of_pairs, blocks.read(results / "meta.csv", ["id", "text", "relpath", "frames_digest"])),
        map(_of_rejects, blocks.read(results / "rejects.csv", ["id", "relpath", "stage", "reason", "detail"])),
        _of_files(results / "tables/listing.csv", FILE),
    ]
    if (results / SAMPLE).exists():
        streams.append(_of_files(results / SAMPLE, LEFT_OUT))
    return joins.merged(streams, lambda rows: rows["id"])


def _of_pairs(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The records of pairs, as `of_pair` makes them."""
    found = {"id": rows["id"], "state": pa.repeat(PAIR, len(rows)), "relpath": rows["relpath"]}
    found["text"] = pa.array(list(map(of_text, rows["text"].to_pylist())), pa.string())
    return blocks.block(found | {"frames": pc.utf8_slice_codeunits(rows["frames_digest"], 0, 16)}, RECORD)


def _of_rejects(rows: pa.RecordBatch) -> pa.RecordBatch:
    """The records of those rejects that say why an id is no pair: not of a file that has no id, nor of another copy of
    one."""
    rows = rows.filter(pc.and_(pc.not_equal(rows["id"], ""), pc.not_equal(rows["reason"], "duplicate")))
    return blocks.block(blocks.columns(rows) | {"state": pa.repeat(REJECT, len(rows))}, RECORD)


def _of_files(table: Path, state: str) -> Iterator[pa.RecordBatch]:
    """The records of files; of those of a sample, of what it left out."""
    for rows in blocks.read(table, ["id", "relpath", "drawn"]):
        rows = rows.filter(pc.equal(rows["drawn"], ""))
        yield blocks.block(blocks.columns(rows) | {"state": pa.repeat(state, len(rows))}, RECORD)


def of_pair(row: dict) -> dict:
    """The record of a row of meta.csv, or of another table of pairs."""
    told = {"text": of_text(row.get("text") or ""), "frames": (row.get("frames_digest") or "")[:16]}
    return {"id": row["id"], "state": PAIR, "relpath": row.get("relpath") or "", **told}


def history(results: Path) -> list[Path]:
    """The selections that a results folder keeps, oldest first."""
    return sorted((results / "history").glob("[0-9]*.parquet"))


def about(path: Path) -> dict:
    """What run.json said of the run of a history file. Raises vouch.Damaged where it is not as it was written."""
    vouch.check_named(path)
    return json.loads(pq.read_metadata(path).metadata[ABOUT])


def keep(results: Path, account: dict) -> None:
    """Add a finished run to the history, if its selection or configuration is another one than that of the last."""
    told, kept = {name: account[name] for name in TOLD}, history(results)
    if kept and _same(kept[-1], told):
        return
    number = int(kept[-1].name[:5]) + 1 if kept else 0
    schema = pa.schema([(name, pa.string()) for name in RECORD], metadata={ABOUT: json.dumps(told).encode()})
    new = results / "history" / "new.parquet"
    with whole(new, "wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as out:
        for parts in takewhile(bool, blocks.divided(_records(results), repeat(ROWS))):
            rows = pa.Table.from_batches(parts).combine_chunks()
            # A file's name once, not with each of its clips.
            names = pc.if_else(pc.match_substring(rows["id"], "-"), "", rows["relpath"])
            rows = rows.set_column(RECORD.index("relpath"), "relpath", names)
            out.write_table(rows.cast(schema))
    # Its own digest stands in its name, as in that of a part of the memo, so that a damaged one is known.
    new.replace(new.with_name(f"{number:05d}-{account['selection']}_{vouch.digest(new)}.parquet"))
    for path in kept[: max(0, len(kept) + 1 - KEPT)]:
        os.unlink(path)


def _same(path: Path, told: dict) -> bool:
    try:
        return {**about(path), "finished": ""} == json.loads(json.dumps({**told, "finished": ""}))
    except vouch.Damaged:
        return False


def recalled(path: Path) -> Iterator[dict]:
    """The records of a history file, in bounded memory. Raises vouch.Damaged where it is not as it was written."""
    vouch.check_named(path)
    for part in pq.ParquetFile(path).iter_batches(ROWS):
        yield from part.to_pylist()
