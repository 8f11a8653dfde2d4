"""Lists of files: CSV, TSV, JSON Lines, JSON and Parquet, read as streams; every value is the text that was written.

Mistakes are SystemExit with the list's name and the line (of Parquet: the row).
"""

import csv
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from clipmill.engine.remote import is_remote
from clipmill.videos import json_lists, texts

OURS = frozenset([
    "id", "path", "relpath", "kind", "bytes", "mtime", "spans", "row", "span", "video_id", "scene", "start_frame",
    "end_frame", "start", "end", "num_frames", "height", "width", "aspect_ratio", "fps", "resolution", "duration",
    "codec", "audio", "interlaced", "digest", "clips", "aes", "flow", "ocr", "ocr_area", "match", "cmotion", "text",
    "frames_digest", "stage", "reason", "detail", "", "borders", "crop", "blur", "light", "clipped", "noise", "blocks",
    "combed", "deinterlace", "frozen", "slideshow", "black", "flashes", "vfr", "bitrate", "loudness", "silence",
])  # fmt: skip
"""Names of columns that tables of ours have."""
BATCH = 10_000
"""Rows of a Parquet list that are in memory at once."""

Row = dict[str, str]

csv.field_size_limit(sys.maxsize)


def is_list(videos: str | Path) -> bool:
    """Whether this is a list of files, by its extension, and not a folder."""
    return not is_remote(videos) and Path(videos).suffix.lower() in READERS and not os.path.isdir(videos)


def rows(path: str | Path) -> Iterator[tuple[int, Row]]:
    """(number, row) of each row of a list, from 1 (below the header, where there is one), in bounded memory."""
    path = Path(path)
    if not path.is_file():
        raise SystemExit(f"{path}: no such file. Set `videos` in the configuration or --config videos=FILE.csv")
    return enumerate(READERS[path.suffix.lower()](path), 1)


def columns(path: str | Path, wanted: Iterable[str] = ()) -> list[str]:
    """The names of a list's columns. Of JSON, whose objects may differ, those up to the object by which all that are
    `wanted` have come."""
    path, wanted = Path(path), set(wanted)
    kind = path.suffix.lower()
    if kind in DELIMITERS and path.is_file():
        return _header(path, csv.reader(texts.lines(path), delimiter=DELIMITERS[kind], strict=True))
    if kind == ".parquet" and path.is_file():
        return list(_parquet_file(path).schema_arrow.names)
    found: dict[str, None] = {}
    for _, row in rows(path) if path.is_file() else ():
        found |= dict.fromkeys(row)
        if wanted <= found.keys():
            break
    return list(found)


def _header(path: Path, reader) -> list[str]:
    try:
        names = next(reader, [])
    except csv.Error as error:
        raise SystemExit(f"{path}, line {reader.line_num}: {error}") from None
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SystemExit(f"{path}: the column `{twice[0]}` stands twice in its header")
    return names


def _separated(path: Path) -> Iterator[Row]:
    reader = csv.reader(texts.lines(path), delimiter=DELIMITERS[path.suffix.lower()], strict=True)
    names = _header(path, reader)
    width, empty = len(names), dict.fromkeys(names, "")
    try:
        for fields in reader:
            if len(fields) > width:
                raise SystemExit(f"{path}, line {reader.line_num}: {len(fields)} fields for {width} columns")
            if fields:
                row = dict(zip(names, fields, strict=False))
                yield row if len(fields) == width else empty | row
    except csv.Error as error:
        raise SystemExit(f"{path}, line {reader.line_num}: {error}: its quotes do not match") from None


def _parquet_file(path: Path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise SystemExit(f"{path}: no Parquet file: {error}") from None


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa

    done = 0
    try:
        for batch in _parquet_file(path).iter_batches(BATCH):
            texts = [_column(column) for column in batch.columns]
            for values in zip(*texts, strict=True):
                yield dict(zip(batch.schema.names, values, strict=True))
            done += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise SystemExit(f"{path}: the Parquet file cannot be read after row {done}: {error}") from None


def _column(column) -> list[str]:
    """The values of a Parquet column as text."""
    import pyarrow as pa

    try:
        values = column.cast(pa.string()).to_pylist()
    except pa.ArrowException:  # nested
        values = [None if value is None else _nested(value) for value in column.to_pylist()]
    return ["" if value is None else value for value in values]


def _nested(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


DELIMITERS = {".csv": ",", ".tsv": "\t"}
READERS = {
    ".csv": _separated,
    ".tsv": _separated,
    ".jsonl": json_lists.lines,
    ".ndjson": json_lists.lines,
    ".json": json_lists.array,
    ".parquet": _parquet,
}
"""What reads a list, by its extension."""
