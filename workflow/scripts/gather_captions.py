"""Gather the shards of the last phase: captions, the pairs (meta.csv), and the rejects of the whole run.

Example: python workflow/scripts/gather_captions.py --selected selected.csv --shards 00000.csv --rejected a.csv b.csv \\
             --captions captions.csv --meta meta.csv --rejects rejects.csv
"""

import argparse
import json
import os
import tempfile
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from clipmill.captions import words
from clipmill.captions.gathering import Others
from clipmill.engine import blocks, files, joins, rejects, remote, tables
from clipmill.videos.extras import KEYS

META = [
    "path",
    "id",
    "relpath",
    "text",
    *tables.MEASURES,
    "aes",
    "flow",
    "ocr",
    "ocr_area",
    "match",
    "cmotion",
    "shake",
    "video_id",
    "start",
    "end",
]
CLIPS = ("kind", "scene", "start_frame", "end_frame", "bytes", "mtime", "digest")
"""Columns of the clips that meta.csv does not repeat. Any other column that it does not know was added by somebody's
scorer or step: it comes last."""
CUT = tuple(f"cut_{name}" for name in tables.MEASURES)
"""What `cut_clips` read back from the files that it wrote: the pairs have these measures."""


SWITCHED = ("path", "text", "match")
"""Columns of rules that can be switched off: then no table has them."""
LAST = "frames_digest"
"""The last column of meta.csv: what `make rebuild` compares."""


def main() -> None:
    """Parse the command line and gather."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--selected", type=Path, required=True, help="the table that the shards were cut from")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="the shards' tables, in order")
    parser.add_argument("--extras", type=Path, required=True, help="a table of the list's other columns")
    parser.add_argument("--captioners", nargs="*", default=[], help="names of the other captioners")
    parser.add_argument("--more", type=Path, nargs="*", default=[], help="their shards' tables, in the same order")
    parser.add_argument("--sources", type=remote.place, help="where sources lie, for clips that are left in them")
    parser.add_argument(
        "--append", type=json.loads, default={}, help="{column: scores that meta.csv has in words behind}"
    )
    parser.add_argument("--rejected", type=Path, nargs="+", required=True, help="rejects of the earlier phases")
    for name in ("captions", "meta", "rejects"):
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"the table of {name} to write")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        gather(args, Path(folder) / "rejects.csv")


def gather(args: argparse.Namespace, mine: Path) -> None:
    """Write the tables; `mine` holds the rejects of this phase until they are merged with the others."""
    passed = [name for name in tables.columns(args.extras)[len(KEYS) :] if name != "text"]
    selected = [name for name in tables.columns(args.selected) if name not in passed]
    made, others = tables.columns(args.shards[0]), Others(args.captioners, args.more)
    known = {*selected, *META, *CUT, LAST, *rejects.COLUMNS, *passed}
    added = [name for name in made if name not in known]
    missing = {name for name in (*SWITCHED, LAST) if name not in made} - ({"path"} if args.sources else set())
    names = [*dict.fromkeys([*selected, "text", "match", *others.columns, *added]), *passed]
    after_text = META.index("text") + 1
    scores = [name for name in selected if name not in (*META, *CLIPS, LAST)]
    of_meta = [*META[:after_text], *others.columns, *META[after_text:], *scores, *added, *passed, LAST]
    every = [*names, *of_meta, *CUT, *rejects.TABLE, *chain(*args.append.values())]
    with files.whole(args.captions) as captions, files.whole(args.meta) as meta, files.whole(mine) as rejected:
        to_captions = blocks.Writer(captions, [name for name in names if name not in missing])
        to_meta = blocks.Writer(meta, [name for name in of_meta if name not in missing])
        to_rejects = blocks.Writer(rejected, [*rejects.TABLE, *passed])
        balanced = joins.balanced(args.selected, args.shards, every)
        for rows in others.beside(balanced, args.selected):
            to_captions.write(rows)
            is_kept = pc.equal(rows["reason"], "")
            to_rejects.write(rows.filter(pc.invert(is_kept)))
            to_meta.write(of_clips(rows.filter(is_kept), args.sources, args.append))
    streams = [blocks.read(path, [*rejects.TABLE, *passed]) for path in [*args.rejected, mine]]
    with files.whole(args.rejects) as file:
        to_rejects = blocks.Writer(file, [*rejects.TABLE, *passed])
        for rows in joins.merged(streams, lambda rows: blocks.joined(rows["id"], "\0", rows["relpath"])):
            to_rejects.write(rows)


def of_clips(rows: pa.RecordBatch, sources: Path | str | None, append: dict[str, list[str]]) -> pa.RecordBatch:
    """Rows of meta.csv: the measures of the files that were cut, and captions with what `append` adds to each; of clips
    that stay in their sources, their paths."""
    found = blocks.columns(rows)
    for name in append.keys() & found.keys():
        said = [words.appended(row[name], row, append[name]) for row in rows.select([name, *append[name]]).to_pylist()]
        found[name] = pa.array(said, pa.string())
    if sources:
        coded = pc.dictionary_encode(found["relpath"])
        paths = [path_of(sources, relpath) for relpath in coded.dictionary.to_pylist()]
        found["path"] = pa.array(paths, pa.string()).take(coded.indices)
    for name, cut in zip(tables.MEASURES, CUT, strict=True):
        found[name] = pc.if_else(pc.equal(found[cut], ""), found[name], found[cut])
    return blocks.block(found, list(found))


def path_of(sources: Path | str, relpath: str) -> str:
    """The path or the address of a source."""
    place = remote.join(sources, relpath)
    return place if remote.is_remote(place) else os.path.abspath(place)


if __name__ == "__main__":
    main()
