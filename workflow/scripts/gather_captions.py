"""Gather the shards of the last phase: captions, the pairs (meta.csv), and the rejects of the whole run.

Example: python workflow/scripts/gather_captions.py --selected selected.csv --shards 00000.csv --rejected a.csv b.csv \\
             --captions captions.csv --meta meta.csv --rejects rejects.csv
"""

import argparse
import heapq
import json
import os
import tempfile
from pathlib import Path

from clipmill.captions import words
from clipmill.captions.gathering import Others
from clipmill.engine import files, rejects, remote, tables
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
    with files.whole(args.captions) as captions, files.whole(args.meta) as meta, files.whole(mine) as rejected:
        to_captions = tables.writer(captions, [name for name in names if name not in missing])
        to_meta = tables.writer(meta, [name for name in of_meta if name not in missing])
        to_rejects = tables.writer(rejected, [*rejects.TABLE, *passed])
        balanced = tables.balanced(args.selected, tables.concatenate(args.shards))
        for row in others.beside(balanced, args.selected):
            to_captions.writerow(row)
            (to_rejects if rejects.is_reject(row) else to_meta).writerow(of_clip(row, args.sources, args.append))
    every = heapq.merge(*map(tables.read, [*args.rejected, mine]), key=lambda row: (row["id"], row["relpath"]))
    tables.write(args.rejects, [*rejects.TABLE, *passed], every)


def of_clip(row: dict, sources: Path | str | None, append: dict[str, list[str]]) -> dict:
    """A row of meta.csv: the measures of the file that was cut, and captions with what `append` adds to each; of a clip
    that stays in its source, its path."""
    row = row | {name: words.appended(row[name], row, columns) for name, columns in append.items() if row.get(name)}
    if sources:
        place = remote.join(sources, row["relpath"])
        row = {**row, "path": place if remote.is_remote(place) else os.path.abspath(place)}
    return {**row, **{name: row[cut] for name, cut in zip(tables.MEASURES, CUT, strict=True) if row.get(cut)}}


if __name__ == "__main__":
    main()
