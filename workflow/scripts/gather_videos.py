"""Gather the scanned shards: the readable videos, their clips (one row per scene or part of one), and the rejects.

Example: python workflow/scripts/gather_videos.py --listing listing.csv --shards 00000.csv 00001.csv \\
             --extras extras.csv --videos videos.csv --clips clips.csv --rejects rejects.csv
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from clipmill.engine import files, rejects, tables
from clipmill.engine.tables import MEASURES
from clipmill.videos import filters, pictures, quality, scenes
from clipmill.videos.extras import Extras
from clipmill.videos.marks import UNUSABLE

VIDEOS = ("id", "relpath", "kind", "bytes", *MEASURES, "duration", "codec", "audio", "interlaced", "digest")
SOURCE = ("bytes", "mtime", "digest")
"""What tells a source from a changed one: whoever opens it again compares."""
LISTED = "list_videos"
"""The stage of a row of the list that marks a span that its video does not have."""
PLACE = ("id", "video_id", "relpath", "kind", "scene", "start_frame", "end_frame", "start", "end")
CLIPS = (*PLACE, *MEASURES, *quality.COLUMNS, *SOURCE)


def main() -> None:
    """Parse the command line and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listing", type=Path, required=True, help="the table that the shards were cut from")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="the shards' tables, in order")
    parser.add_argument("--extras", type=Path, required=True, help="the other columns of a list, by the files' ids")
    for name in ("videos", "clips", "rejects"):
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"the table of {name} to write")
    args = parser.parse_args()
    extras = Extras(args.extras)
    with files.whole(args.videos) as videos, files.whole(args.clips) as clips, files.whole(args.rejects) as rejected:
        to_videos = tables.writer(videos, [*VIDEOS, *extras.names])
        to_clips = tables.writer(clips, [*CLIPS, *extras.names])
        to_rejects = tables.writer(rejected, [*rejects.TABLE, *extras.names])
        rows = tables.balanced(args.listing, tables.concatenate(args.shards))
        for row, entries in extras.beside(rows):
            common = extras.common(entries)
            if rejects.is_reject(row):
                to_rejects.writerow({**common, **row})
                continue
            to_videos.writerow({**common, **row})
            for clip in clips_of(row, entries):
                (to_rejects if rejects.is_reject(clip) else to_clips).writerow(clip)


def clips_of(video: dict, entries: Sequence[dict] = ()) -> Iterator[dict]:
    """The clips of a scanned video, sorted by id; some are rejects. `entries`: the rows of the list that name it.

    A clip's id is that of its video and its first frame; of clips that begin at the same frame, its end frame as well.
    """
    found = scenes.from_column(video["clips"])
    begin = Counter(span.first for span in found if span.reason not in UNUSABLE)
    for span, grades in zip(found, json.loads(video["quality"]), strict=True):
        entry = entries[span.row] if entries else {}
        if span.reason in UNUSABLE:
            said = f"row {entry['row']} of the list: {entry['span'] or 'all'} of {float(video['duration'] or 0):.3f} s"
            yield rejects.rejected({**entry, "id": video["id"], "relpath": video["relpath"]}, LISTED, span.reason, said)
            continue
        clip = {
            **entry,
            **video,
            "id": f"{video['id']}-{span.first:08d}" + (f"-{span.end:08d}" if begin[span.first] > 1 else ""),
            "video_id": video["id"],
            "scene": span.scene,
            "start_frame": span.first,
            "end_frame": span.end,
            "start": tables.number(span.start),
            "end": tables.number(span.stop),
            "num_frames": span.end - span.first,
            **dict(zip(quality.COLUMNS, grades, strict=True)),
        }
        if found := filters.box_of(clip):
            *_, width, height = found[0]
            clip |= pictures.measures((height, width))
        if span.reason:
            clip = rejects.rejected(clip, "scan_videos", span.reason, detail(span))
        yield clip


def detail(span: scenes.Span) -> str:
    """What is told of a span that is no clip: its length, or how much of a file is missing."""
    if span.first < span.end:
        return f"{span.stop - span.start:.3f} s"
    if span.start == span.stop:
        return f"the file lacks its end; {span.start:.3f} s can be read"
    return f"{span.start:.3f} s of {span.stop:.3f} s can be read"


if __name__ == "__main__":
    main()
