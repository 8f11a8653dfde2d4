"""Gather the scanned shards: the readable videos, their clips (one row a scene or a part of one), and the rejects.

Example: python workflow/scripts/gather_videos.py --listing listing.csv --shards 00000.csv 00001.csv \\
             --videos videos.csv --clips clips.csv --rejects rejects.csv
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from clipmill import tables

INFO = ("num_frames", "height", "width", "aspect_ratio", "fps", "resolution")
VIDEOS = ("id", "relpath", "kind", "bytes", *INFO, "duration", "codec", "audio")
CLIPS = ("id", "video_id", "relpath", "kind", "scene", "start_frame", "end_frame", "start", "end", *INFO)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listing", type=Path, required=True, help="the table that the shards were cut from")
    parser.add_argument("--shards", type=Path, nargs="+", required=True, help="the shards' tables, in order")
    for name in ("videos", "clips", "rejects"):
        parser.add_argument(f"--{name}", type=Path, required=True, help=f"the table of {name} to write")
    args = parser.parse_args()
    with tables.whole(args.videos) as videos, tables.whole(args.clips) as clips, tables.whole(args.rejects) as rejects:
        to_videos, to_clips = tables.writer(videos, VIDEOS), tables.writer(clips, CLIPS)
        to_rejects = tables.writer(rejects, tables.REJECTS)
        for row in tables.balanced(args.listing, tables.concatenate(args.shards)):
            if tables.is_reject(row):
                to_rejects.writerow(row)
                continue
            to_videos.writerow(row)
            for clip in clips_of(row):
                (to_rejects if tables.is_reject(clip) else to_clips).writerow(clip)


def clips_of(video: dict) -> Iterator[dict]:
    """The clips of a scanned video, in time order; some are rejects."""
    for scene, first, end, start, stop, reason in json.loads(video["clips"]):
        yield {
            **video,
            "id": f"{video['id']}-{first:08d}",
            "video_id": video["id"],
            "scene": scene,
            "start_frame": first,
            "end_frame": end,
            "start": tables.number(start),
            "end": tables.number(stop),
            "num_frames": end - first,
            "stage": "scan_videos" if reason else "",
            "reason": reason,
            "detail": f"{stop - start:.3f} s" if reason else "",
        }


if __name__ == "__main__":
    main()
