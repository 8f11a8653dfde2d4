"""Rebuild: cut the clips of a meta.csv again from their sources, and keep those whose frames are the same.

The sources are found by their content, under any name. Clips are cut as the run.json beside META says, or the
configuration that --config names. What is there already is not cut again.

Example: make rebuild META=shared/meta.csv VIDEOS=footage RESULTS=rebuilt
"""

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from itertools import islice, pairwise
from pathlib import Path

from yaml import YAMLError

from clipmill.engine import fetched, remote, tables, vouch
from clipmill.engine.fingerprints import SCRIPTS, digest, fingerprint
from clipmill.engine.rejects import Reject, is_reject
from clipmill.engine.shown import printable
from clipmill.plan.config import ConfigError, check, load
from clipmill.plan.flow import of_a_clip
from clipmill.videos.filters import COLUMNS
from clipmill.videos.reader import Reader
from clipmill.videos.sources import root_of

NEEDED = ("path", "id", "relpath", "num_frames", "height", "width", "fps", "video_id", "start", "end", "frames_digest")
"""The columns that a clip is cut by and compared with."""
TABLE = ("id", "video_id", "relpath", "kind", "start_frame", "end_frame", "start", "end", "fps", *COLUMNS)
"""The columns that cut_clips reads."""
COMPARED = {"path": "path", "num_frames": "cut_num_frames", "height": "cut_height", "width": "cut_width"}
"""Columns of meta.csv that must be the same, with their names in the table of cut_clips; the digest comes last."""
CLIPS = 1000
"""Clips that are cut by one job: what is known of them is in memory at the same time."""


def main() -> None:
    """Cut what can be cut, and name every clip that is not as the table says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("meta", type=Path, help="the table of pairs, whose pixels are missing")
    parser.add_argument("videos", type=remote.place, help="the sources: a folder or address, or a list")
    parser.add_argument("results", type=Path, help="the folder to write clips/ to")
    parser.add_argument("--config", type=Path, help="a run.json or a configuration (default: run.json beside META)")
    args = parser.parse_args()
    if (args.results / "run.json").exists():
        sys.exit(f"{args.results} holds a finished run: name a folder of its own, such as RESULTS=rebuilt")
    settings, made_with = cut_settings(args.config or args.meta.with_name("run.json"))
    clips = wanted(args.meta)
    sources = Sources(args.videos, args.results)
    whole = total = 0
    for number, rows in enumerate(iter(lambda: list(islice(clips, CLIPS)), [])):
        for row, fault in rebuilt(rows, f"{number:05d}", sources, settings, args.results):
            total, whole = total + 1, whole + (not fault)
            if fault:
                hint = f" (made with PyAV {made_with}, here is {version('av')})" if made_with != version("av") else ""
                print(f"{printable(row['id'])} of {printable(row['relpath'])}: {printable(fault)}{hint}", flush=True)
        print(f"rebuild: {whole} of {total} clips so far are as in {args.meta}", file=sys.stderr)
    print(f"{whole} of {total} clips are rebuilt in {args.results / 'clips'}; {total - whole} are not, see above")
    sys.exit(whole != total)


def cut_settings(path: Path) -> tuple[dict, str]:
    """The settings of cut_clips that a run.json or a configuration names, and the version of PyAV it was made with.

    Ends with a plain message where there are none.
    """
    schema = SCRIPTS.parent / "schemas" / "config.schema.yaml"
    try:
        found = load(path) or {}
        made_with = found.get("software", {}).get("av", version("av"))
        cut = check({"cut": found.get("configuration", found).get("cut", {})}, schema)["cut"]
    except FileNotFoundError:
        sys.exit(f"{path}: no such file. Name the configuration that the clips were cut with: ARGS='--config FILE'")
    except (ConfigError, YAMLError, AttributeError, ValueError, OSError) as error:
        sys.exit(f"{path} is neither a run.json nor a configuration: {error}")
    return of_a_clip(cut) | {"check": cut["check"]}, made_with


def wanted(meta: Path) -> Iterator[dict]:
    """The rows of the table. Ends with a plain message where it is none, or has no digests."""
    try:
        missing = [name for name in NEEDED if name not in tables.columns(meta)]
    except (OSError, ValueError) as error:
        sys.exit(f"{meta} cannot be read: {error}")
    if missing:
        sys.exit(f"{meta} has no column {', '.join(missing)}, by which clips are cut again and compared")
    return _rows(meta)


def _rows(meta: Path) -> Iterator[dict]:
    try:
        for row in tables.read(meta):
            yield {name: row.get(name) or "" for name in (*NEEDED, *COLUMNS)}
    except vouch.Damaged as error:
        sys.exit(f"{meta} {error.why}: copy it again from where it came")
    except (ValueError, csv.Error) as error:
        sys.exit(f"{meta} cannot be read: {error}")


class Sources:
    """The files at hand, by what they hold."""

    def __init__(self, videos: Path | str, results: Path):
        self.root, work = root_of(videos), results / "work" / "rebuild"
        self.listing, self.rejects = work / "listing.csv", work / "rejects.csv"
        places = {"videos": videos, "out": self.listing, "rejects": self.rejects, "memo": results / "memo/list_videos"}
        run("list_videos", places)
        rows = list(tables.read(self.listing))
        self.names = {row["id"]: row["relpath"] for row in rows}
        self.known = {row["relpath"] for row in rows}
        self.faults = {row["relpath"]: row["reason"] for row in tables.read(self.rejects)}
        self.twice = {(row["id"], row["relpath"]) for row in tables.read(self.rejects)}

    def of(self, row: dict) -> str:
        """The relpath of a clip's source: the one that its row names where that is the source, or another of the same
        content. Raises Reject where there is none."""
        name, identity = row["relpath"], row["video_id"]
        if identity in self.names:
            return name if (identity, name) in self.twice else self.names[identity]
        if name in self.known:
            raise Reject("the source differs", f"{remote.join(self.root, name)} has another content")
        if name in self.faults:
            raise Reject("the source cannot be taken", self.faults[name])
        raise Reject("no such file", f"neither {remote.join(self.root, name)} nor another file of its content")


def rebuilt(rows, shard: str, sources: Sources, settings: dict, results: Path) -> Iterator[tuple[dict, str]]:
    """(row, why its clip was not rebuilt, or nothing) of each of these rows of meta.csv; cuts their clips."""
    clips, faults = {}, {}
    for row in rows:
        try:
            clips[row["id"]] = clip_of(row, sources, settings)
        except Reject as error:
            faults[row["id"]] = said(error.reason, error.detail)
    for one, other in pairwise(sorted(clips)):  # cutting goes through a source once, so a clip would take the next's
        same = clips[one]["video_id"] == clips[other]["video_id"]
        # Spans of a list may overlap, by their times as well.
        apart = not clips[one]["end"] or float(clips[one]["end"]) <= float(clips[other]["start"] or 0)
        if same and apart and clips[one]["end_frame"] > clips[other]["start_frame"]:
            faults[one] = f"its row is damaged: it overlaps {other}"
    clips = {identity: clip for identity, clip in clips.items() if identity not in faults}
    cut = {row["id"]: row for row in cut_clips(clips, shard, sources.root, settings, results)}
    for row in rows:
        fault = faults.get(row["id"]) or difference(row, cut[row["id"]])
        if fault and row["id"] in cut and cut[row["id"]]["path"]:
            (results / cut[row["id"]]["path"]).unlink(missing_ok=True)
        yield row, fault


def clip_of(row: dict, sources: Sources, settings: dict) -> dict:
    """The row that cut_clips reads for a row of meta.csv. Raises Reject where it cannot be cut."""
    image = not row["path"].endswith(".mp4")
    try:
        # The id becomes a file's name, and this table may come from anybody.
        if not re.fullmatch(rf"{re.escape(row['video_id'])}-[0-9]{{8}}(-[0-9]{{8}})?", row["id"]):
            raise ValueError(f"its id is {row['id']}")
        if not re.fullmatch("[0-9a-f]{16,64}", row["video_id"]):
            raise ValueError(f"its video_id is {row['video_id']}")
        first, count = int(row["id"].split("-")[1]), int(row["num_frames"])
        span = [float(row[name]) for name in ("start", "end", "fps") if not image or row[name]]
        if not image and not 0 <= span[0] < span[1]:
            raise ValueError(f"its time is {row['start']} to {row['end']}")
    except ValueError as error:
        raise Reject("its row is damaged", str(error)) from None
    relpath = sources.of(row)
    if settings["fps"] and not image:
        count = frames_of_source(fetched.here(remote.join(sources.root, relpath)), span[0], span[1], first)
    place = {"kind": "image" if image else "video", "start_frame": first, "end_frame": first + count}
    return {
        **{name: row[name] for name in ("id", "video_id", "start", "end", "fps", *COLUMNS)},
        "relpath": relpath,
        **place,
    }


def frames_of_source(path: Path, start: float, end: float, first: int) -> int:
    """How many frames a source has between two times: at a new rate the clip has another number."""
    with Reader(path) as reader:
        return sum(1 for _ in reader.span(start, end, first))


def cut_clips(clips: dict[str, dict], shard: str, root: Path | str, settings: dict, results: Path) -> list[dict]:
    """The table that cut_clips writes for these clips."""
    if not clips:
        return []
    key = digest(fingerprint("cut_clips", engine=False), {**settings, "check": None})  # files are as good as checked
    out = results / "work" / "rebuild.cut_clips" / key / f"{shard}.csv"
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / f"{shard}.csv"
        tables.write(table, TABLE, [clips[identity] for identity in sorted(clips)])
        places = {"table": table, "out": out, "memo": results / "memo" / "cut_clips" / key, "results": results}
        options = {"videos": root, "settings": json.dumps(settings), "threads": len(os.sched_getaffinity(0))}
        run("cut_clips", {**places, **options, "max-error-share": 1})
    return list(tables.read(out))


def run(script: str, options: dict) -> None:
    """Run a script of the workflow. Ends as it ends, where it fails: it has said why."""
    given = [f"--{name}={value}" for name, value in options.items()]
    if code := subprocess.run([sys.executable, SCRIPTS / f"{script}.py", *given]).returncode:
        sys.exit(code)


def difference(row: dict, cut: dict) -> str:
    """How a clip that was cut again differs from its row of meta.csv, in words; nothing where it does not."""
    if is_reject(cut):
        return said(cut["reason"], cut["detail"])
    for name, now in COMPARED.items():
        if row[name] != cut[now]:
            return said(f"its {name} differs", f"{cut[now]} in place of {row[name]}")
    same = row["frames_digest"] == cut["frames_digest"]
    return "" if same else said("its frames differ", "the source, its decoder or the settings are others")


def said(reason: str, detail: str) -> str:
    """A reason and its detail."""
    return f"{reason}: {detail}" if detail else reason


if __name__ == "__main__":
    main()
