"""Gather the shards of the last phase: captions, the pairs (meta.csv), and the rejects of the whole run.

Example: python workflow/scripts/gather_captions.py --selected selected.csv --shards 00000.csv --rejected a.csv b.csv \\
             --captions captions.csv --meta meta.csv --rejects rejects.csv
"""

import argparse
import heapq
import tempfile
from pathlib import Path

from clipmill import tables

META = [
    "path",
    "id",
    "relpath",
    "text",
    "num_frames",
    "height",
    "width",
    "aspect_ratio",
    "fps",
    "resolution",
    "aes",
    "flow",
    "ocr",
    "ocr_area",
    "match",
    "cmotion",
    "video_id",
    "start",
    "end",
]
CLIPS = ("kind", "scene", "start_frame", "end_frame")
"""Columns of the clips that meta.csv does not repeat. What else it does not know is a score that somebody added."""
CUT = ("num_frames", "height", "width", "aspect_ratio", "fps", "resolution")
"""Columns that meta.csv takes from the file that was written, as `cut_clips` read it back."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--selected", type=Path, required=True, help="the table that the shards were cut from")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="the shards' tables, in order")
    parser.add_argument("--rejected", type=Path, nargs="+", required=True, help="rejects of the phases before")
    for name in ("captions", "meta", "rejects"):
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"the table of {name} to write")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        gather(args, Path(folder) / "rejects.csv")


def gather(args: argparse.Namespace, mine: Path) -> None:
    """Write the tables; `mine` holds the rejects of this phase until they are merged with the others."""
    selected = tables.columns(args.selected)
    names = [*selected, "text", "match"]
    scores = [name for name in selected if name not in (*META, *CLIPS)]
    with tables.whole(args.captions) as captions, tables.whole(args.meta) as meta, tables.whole(mine) as rejects:
        to_captions, to_meta = tables.writer(captions, names), tables.writer(meta, [*META, *scores])
        to_rejects = tables.writer(rejects, tables.REJECTS)
        for row in tables.balanced(args.selected, tables.concatenate(args.shards)):
            to_captions.writerow(row)
            if tables.is_reject(row):
                to_rejects.writerow(row)
            else:
                to_meta.writerow({**row, **{name: row[f"cut_{name}"] for name in CUT}})
    every = heapq.merge(*map(tables.read, [*args.rejected, mine]), key=lambda row: (row["id"], row["relpath"]))
    tables.write(args.rejects, tables.REJECTS, every)


if __name__ == "__main__":
    main()
