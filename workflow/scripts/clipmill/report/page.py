"""The threshold page: one HTML file with every score of a run, pictures, and the code that counts.

All data stands in one block: gzip of a JSON head, of the arrays that it names and of the pictures, in base64. So no
text of a run is ever read as HTML, and nothing has to be loaded: the page's content policy allows no network at all.
"""

import base64
import gzip
import hashlib
import json
import os
import struct
from pathlib import Path

import numpy as np
import pandas as pd

from clipmill.clips.thresholds import VIDEO_ONLY
from clipmill.engine import rejects, tables, vouch
from clipmill.engine.memo import Memo
from clipmill.report import account, clips, grid, marks, meaning, strips
from clipmill.videos import frames

WEB = Path(__file__).parent / "web"
SCRIPTS = ("counts.js", "charts.js", "strips.js", "panels.js", "page.js")
BYTES = 9_500_000
"""Most bytes of the page; the pictures get what the rest leaves, MOST_PICTURES at most."""
MOST_PICTURES = 4_500_000
TEXT = 1_500_000
"""Most characters of all captions together; each is shortened to its share where they are more."""
COLUMNS = 30
"""Most columns with limits: each has a bit of a number."""
BASE = ("id", "video_id", "relpath", "kind", "start_frame", "end_frame", "start", "end", "num_frames")
LATE = {"unknown": 0, "captioned": 1, "rejected": 2}
"""What is known of a clip after the selection."""


def build(results: Path, settings: dict, shipped: dict[str, float], complete: bool) -> str:
    """The page of a results folder as HTML. `settings`: see Pipeline.report; `complete`: with captions and pairs.

    Raises SystemExit where the marks cannot be read.
    """
    marked = marks.read(settings["marks"])
    early = clips.table(results / "work/rejects/clips.csv", ["id", "stage", "reason"])
    scores = results / "tables/scores.csv"
    present = tables.columns(scores)
    columns = [name for name in settings["select"] if name in present]
    names = [*BASE, *(name for name in columns if name not in BASE)]
    rows, strata = clips.counted(scores, names, early.set_index("id")["reason"])
    rows["ms"] = account.milliseconds(rows)
    rows["kept"] = ~rows["id"].isin(early["id"])
    rows["failed"] = rows["id"].isin(early.loc[early["stage"] != "select_clips", "id"])
    later = _later(results, settings["late"]) if complete else None
    rows["late"] = rows["id"].map(later["late"]).fillna(LATE["unknown"]).astype(int) if complete else LATE["unknown"]
    values, packed, shown = {}, {}, []
    for column in [*columns, *(settings["late"] if complete else [])]:
        is_late = column in settings["late"]
        texts = rows["id"].map(later[column]).fillna("").astype(str) if is_late else rows[column]
        exempt = (rows["kind"] == "image").to_numpy() if column in VIDEO_ONLY else np.zeros(len(rows), dtype=bool)
        if is_late:
            exempt = (rows["late"] != LATE["captioned"]).to_numpy()
        limits = {side: limit for side, limit in settings["select"][column].items() if limit is not None}
        found, missing = grid.numbers(texts)
        if not limits and np.isnan(found).all():
            continue
        points = grid.points(found, limits.values())
        packed[f"codes.{column}"] = grid.codes(found, missing, exempt, points)
        values[column] = found
        now = {side: points.index(grid.plain(limits[side])) if side in limits else -1 for side in ("min", "max")}
        about = meaning.of(column, **settings["columns"][column])
        shown.append({"name": column, "late": is_late, "grid": points, "now": now, **about})
    if len(shown) > COLUMNS:
        raise ValueError(f"{len(shown)} columns with limits: the page has room for {COLUMNS}")
    remembered = Memo(settings["memo"], ()).ids()
    packed["ms"] = rows["ms"].to_numpy(dtype=np.uint32)
    packed["stratum"] = rows["stratum"].to_numpy(dtype=np.uint8)
    state = rows["failed"] + 2 * rows["id"].isin(remembered) + 4 * rows["late"]
    packed["state"] = state.to_numpy(dtype=np.uint8)
    limits = {
        entry["name"]: [float(entry["grid"][at]) for at in entry["now"].values() if at >= 0] for entry in shown
    }
    places, chance = clips.pictured(rows, values, limits, set(marked))
    also = np.flatnonzero(rows["id"].isin(set(marked))).tolist()
    listed = [*places.tolist(), *sorted(set(also) - set(places.tolist()))]
    reasons = [results / f"work/rejects/{name}.csv" for name in ("list_videos", "videos", "clips")]
    head = {
        "name": Path(settings["results"]).name,
        "results": settings["results"],
        "digest": vouch.digest(scores)[:12],
        "complete": complete,
        "strata": strata,
        "columns": shown,
        "funnel": account.files(results / "tables/listing.csv", results / "tables/videos.csv"),
        "rejects": account.reasons([results / "rejects.csv"] if complete else reasons),
        "costs": account.rates(results, settings["rules"], shipped),
        "clips": [
            clip | {"chance": clip["row"] in chance}
            for clip in _clips(rows.iloc[listed], listed, later, early, marked, settings, results)
        ],
        "other_marks": sorted((identity, marked[identity]) for identity in set(marked) - set(rows["id"])),
        "cell": [*strips.CELL, len(strips.MOMENTS), strips.ROWS],
    }
    taken = len(_packed(head, packed, [])) * 4 // 3 + sum(path.stat().st_size for path in WEB.iterdir())
    budget = min(MOST_PICTURES, (BYTES - taken) * 3 // 4)
    store = frames.Store(Path(settings["store"]), Path(settings["videos"]))
    drawn = [strips.strip(store, row) for row in rows.iloc[places].to_dict("records")]
    at = 0
    for clip, picture in zip(head["clips"], drawn, strict=False):
        clip["strip"], at = (at, at + 1) if picture is not None else (-1, at)
    pictures = strips.sheets([picture for picture in drawn if picture is not None], budget)
    return html(_packed(head, packed, pictures))


def _later(results: Path, late: list[str]) -> pd.DataFrame:
    """What the captions phase found, by clip id: its `late` columns, `text`, `path` (of a pair), `why`, `late`."""
    path = results / "tables/captions.csv"
    rows = clips.table(path, ["id", "text", *late]).set_index("id")
    rejected = clips.table(results / "rejects.csv", ["id", "stage", "reason"]).set_index("id")
    rejected = rejected[rejected.index.isin(rows.index)]
    pairs = clips.table(results / "meta.csv", ["id", "path"]).set_index("id")
    rows["path"] = pairs["path"].reindex(rows.index).fillna("")
    rows["why"] = rejected["reason"].reindex(rows.index).fillna("")
    lost = rejected.index[rejected["stage"] != "select_pairs"]
    rows["late"] = np.where(rows.index.isin(lost), LATE["rejected"], LATE["captioned"])
    return rows


def _clips(rows, places, later, early, marked, settings, results) -> list[dict]:
    """What the page says of each clip with a picture or a mark; `strip`, its place on the sheets, is still -1."""
    why = early.drop_duplicates("id").set_index("id")["reason"]
    texts = later.loc[later.index.isin(rows["id"]), ["text", "path", "why"]].to_dict("index") if later is not None else {}
    longest = TEXT // max(1, len(texts))
    found = []
    page = (results / "report").resolve()
    for place, row in zip(places, rows.to_dict("records"), strict=True):
        after = texts.get(row["id"], {})
        source = os.path.relpath((Path(settings["videos"]) / row["relpath"]).resolve(), page)
        text = after.get("text", "")
        entry = {
            "row": place,
            "id": row["id"],
            "file": row["relpath"],
            "source": source,
            "start": row["start"],
            "end": row["end"],
            "still": row["kind"] == "image",
            "clip": after.get("path", ""),
            "text": text if len(text) <= longest else f"{text[:longest]} [shortened: {len(text)} characters]",
            "why": why.get(row["id"], "") or after.get("why", ""),
            "mark": marked.get(row["id"], ""),
            "strip": -1,
        }
        found.append(entry)
    return found


def _packed(head: dict, arrays: dict[str, np.ndarray], pictures: list[bytes]) -> bytes:
    """Head, arrays and pictures as one gzip block, the same bytes for the same content.

    Four bytes with the head's length, the head, then each array byte by byte of its numbers (all lowest bytes, all
    second ones, ...: these are more alike), then the pictures.
    """
    head = head | {
        "arrays": [[name, array.itemsize, len(array)] for name, array in arrays.items()],
        "sheets": [len(picture) for picture in pictures],
    }
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    planes = [
        np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<")).view(np.uint8).reshape(-1, array.itemsize).T)
        for array in arrays.values()
    ]
    content = b"".join([struct.pack("<I", len(text)), text, *(plane.tobytes() for plane in planes), *pictures])
    return gzip.compress(content, 6, mtime=0)


def html(block: bytes) -> str:
    """The page around its data. Its policy allows this style, this script, and media of the results folder."""
    style, shell = (WEB.joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.html"))
    script = '"use strict";\n' + "\n".join(WEB.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS)
    script = f"(() => {{\n{script}\n}})();"
    policy = {
        "default-src": "'none'",
        "style-src": _source(style),
        "script-src": _source(script),
        "img-src": "blob: 'self' file:",
        "media-src": "'self' file:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    parts = {
        "policy": "; ".join(f"{name} {allowed}" for name, allowed in policy.items()),
        "style": style,
        "script": script,
        "data": base64.b64encode(block).decode(),
    }
    for name, text in parts.items():
        shell = shell.replace(f"[[{name}]]", text, 1)
    return shell


def _source(text: str) -> str:
    """How a content policy names an inline style or script: by its SHA-256."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
