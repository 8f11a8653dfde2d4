"""Gather the shards of the last phase: captions, the pairs (meta.csv), and the rejects of the whole run.

Example: python workflow/scripts/gather_captions.py --selected selected.csv --shards 00000.csv --rejected a.csv b.csv \\
             --captions captions.csv --meta meta.csv --rejects rejects.csv
"""

import argparse
import heapq
import tempfile
from pathlib import Path

from clipmill.engine import files, rejects, tables

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


LAST = "frames_digest"
"""The last column of meta.csv: what `make rebuild` compares."""


def main() -> None:
    """Parse the command line and gather."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--selected", type=Path, required=True, help="the table that the shards were cut from")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="the shards' tables, in order")
    parser.add_argument("--rejected", type=Path, nargs="+", required=True, help="rejects of the earlier phases")
    for name in ("captions", "meta", "rejects"):
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"the table of {name} to write")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        gather(args, Path(folder) / "rejects.csv")


def gather(args: argparse.Namespace, mine: Path) -> None:
    """Write the tables; `mine` holds the rejects of this phase until they are merged with the others."""
    selected = tables.columns(args.selected)
    known = {*selected, *META, *CUT, LAST, *rejects.COLUMNS}
    added = [name for name in tables.columns(args.shards[0]) if name not in known]
    names = [*selected, "text", "match", *added]
    scores = [name for name in selected if name not in (*META, *CLIPS, LAST)]
    with files.whole(args.captions) as captions, files.whole(args.meta) as meta, files.whole(mine) as rejected:
        to_captions, to_meta = tables.writer(captions, names), tables.writer(meta, [*META, *scores, *added, LAST])
        to_rejects = tables.writer(rejected, rejects.TABLE)
        for row in tables.balanced(args.selected, tables.concatenate(args.shards)):
            to_captions.writerow(row)
            if rejects.is_reject(row):
                to_rejects.writerow(row)
            else:
                to_meta.writerow({**row, **{name: row[cut] for name, cut in zip(tables.MEASURES, CUT, strict=True)}})
    every = heapq.merge(*map(tables.read, [*args.rejected, mine]), key=lambda row: (row["id"], row["relpath"]))
    tables.write(args.rejects, rejects.TABLE, every)


if __name__ == "__main__":
    main()
