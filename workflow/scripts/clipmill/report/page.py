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
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from clipmill.clips.thresholds import BEYOND_LIMITS, STAGE, VIDEO_ONLY, failure
from clipmill.engine import remote, tables, vouch
from clipmill.engine.memo import Memo
from clipmill.report import account, clips, grid, marks, meaning, strips
from clipmill.report.stores import Stores

WEB = Path(__file__).parent / "web"
SCRIPTS = ("counts.js", "charts.js", "strips.js", "alike.js", "panels.js", "page.js")
BYTES = 9_500_000
"""Most bytes of the page; the pictures get what the rest leaves, MOST_PICTURES at most."""
MOST_PICTURES = 4_500_000
TEXT = 20_000_000
"""Most characters of all captions together: each has an equal share, and a longer one is shortened."""
OF_THE_LIST = {"description": "A column of the list.", "model": ""}
SAME = 5
"""Clips of a group of duplicates that are pictured besides the one that stays."""
COLUMNS = 30
"""Most columns: each that has a limit takes a bit of a number. Without one, a column may be left out."""
BASE = ("id", "video_id", "relpath", "kind", "start_frame", "end_frame", "start", "end", "num_frames")
EARLY_REJECTS = ("work/rejects/list_videos.csv", "work/rejects/videos.csv", "work/rejects/clips.csv")
REJECTS = ("rejects.csv",)
"""The rejects before captioning, and all of a finished run."""
LATE = {"unknown": 0, "captioned": 1, "rejected": 2}
"""What is known of a clip after the selection."""


def build(results: Path, settings: dict, shipped: dict[str, float], complete: bool) -> str:
    """The page of a results folder as HTML. `settings`: see Pipeline.report; `shipped`: seconds per clip of the rules
    that have not run; `complete`: with captions and pairs.

    Raises SystemExit where the marks cannot be read.
    """
    run, marked = Run(results, settings, complete), marks.read(settings["marks"])
    columns, codes, values = _columns(run)
    limits = {one["name"]: [float(one["grid"][at]) for at in one["now"].values() if at >= 0] for one in columns}
    same = account.duplicates(results) if settings["duplicates"] else None
    alike = {identity for group in (same or {}).get("groups", ()) for identity in (group["stays"], *group["go"][:SAME])}
    places, chance = clips.pictured(run.rows, values, limits, set(marked) | alike)
    without = np.flatnonzero(run.rows["id"].isin(set(marked)) & ~run.rows.index.isin(places))
    stores = Stores(settings)
    drawn = strips.drawn(stores, run.rows.iloc[places].to_dict("records"))
    numbers = iter(range(len(drawn)))
    shown = [
        {**_clip(run, place, stores), "chance": place in chance, "strip": -1 if strip is None else next(numbers)}
        for place, strip in zip([*places.tolist(), *without.tolist()], [*drawn, *[None] * len(without)], strict=True)
    ]
    known = set(run.rows["id"])
    head = {
        "name": Path(settings["results"]).name,
        "results": settings["results"],
        "digest": vouch.digest(run.scores)[:12],
        "complete": complete,
        "strata": run.strata,
        "columns": columns,
        "fixed": run.fixed,
        "target": account.target(results, settings["target"]),
        "duplicates": same,
        "clusters": account.clusters(results) if settings["clusters"] else None,
        "funnel": account.files(results / "tables/listing.csv", results / "tables/videos.csv"),
        "rejects": account.reasons([results / name for name in (REJECTS if complete else EARLY_REJECTS)]),
        "costs": account.rates(results, settings["rules"], shipped),
        "clips": [clip | {"mark": marked.get(clip["id"], "")} for clip in shown],
        "other_marks": sorted([identity, mark] for identity, mark in marked.items() if identity not in known),
        "frames": len(strips.MOMENTS),
    }
    arrays = codes | _states(run)
    taken = len(_packed(head, arrays, [])) * 4 // 3 + sum(path.stat().st_size for path in WEB.iterdir())
    budget = min(MOST_PICTURES, (BYTES - taken) * 3 // 4)
    return html(_packed(head, arrays, strips.encoded([strip for strip in drawn if strip is not None], budget)))


class Run:
    """The tables of a run as the page needs them.

    `rows`: the clips that it counts, with `ms`, `kept`, `failed` (no limit is why: a scorer rejected it, or a condition
    on a text) and `late` (see LATE), and `stage` and `reason` of rejects; their `strata`; `later`; `fixed`: the
    conditions on texts.
    """

    def __init__(self, results: Path, settings: dict, complete: bool):
        self.results, self.settings, self.complete = results, settings, complete
        self.scores = results / "tables/scores.csv"
        present = tables.columns(self.scores)
        early_columns = [name for name in settings["select"] if name in present and name not in settings["late"]]
        self.fixed = {name: asked for name in early_columns if (asked := conditions(settings["select"][name]))}
        self.columns = [name for name in early_columns if name not in self.fixed]
        columns = list(dict.fromkeys([*BASE, *early_columns]))
        self.rows, self.strata = clips.counted(self.scores, columns, results / "work/rejects/clips.csv")
        self.later = self.captions() if complete else pd.DataFrame(columns=["text", "path", "why", "late"])
        ids = self.rows["id"]
        self.rows["ms"] = account.milliseconds(self.rows)
        self.rows["kept"] = self.rows["reason"] == ""
        out_of_reach = (self.rows["stage"] != STAGE) | self.rows["reason"].isin(BEYOND_LIMITS)
        self.rows["failed"] = ~self.rows["kept"] & out_of_reach
        for name, asked in self.fixed.items():
            values = self.rows[name].unique()
            self.rows["failed"] |= self.rows[name].isin([one for one in values if failure({name: one}, name, asked)])
        self.rows["late"] = ids.map(self.later["late"]).fillna(LATE["unknown"]).astype(int)

    def captions(self) -> pd.DataFrame:
        """What the captions phase found of the clips that the page counts, by id: its own scores, `text`, `path` of a
        pair, `why` it is none."""
        late = [name for name in self.settings["late"] if name in tables.columns(self.results / "tables/captions.csv")]
        rows = clips.found(self.results / "tables/captions.csv", ["text", *late], self.rows["id"])
        ids = rows.index.to_series()
        rejected = clips.found(self.results / "rejects.csv", ["stage", "reason"], ids)
        pairs = clips.found(self.results / "meta.csv", ["path"], ids)
        rows["path"] = pairs["path"].reindex(rows.index).fillna("")
        rows["why"] = rejected["reason"].reindex(rows.index).fillna("")
        lost = rows.index.isin(rejected.index[rejected["stage"] != "select_pairs"])
        rows["late"] = np.where(lost, LATE["rejected"], LATE["captioned"])
        return rows


def conditions(asked: dict) -> dict:
    """A column's conditions where they are on its text, which the page does not move; none where it has limits."""
    given = {name: value for name, value in asked.items() if value is not None}
    return given if given.keys() & {"is", "in"} else {}


def _columns(run: Run) -> tuple[list[dict], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What the page says of each column that has a value or a limit; its codes; its scores."""
    shown, packed, values = [], {}, {}
    late = [name for name in run.settings["late"] if name in run.later]
    is_image = (run.rows["kind"] == "image").to_numpy(dtype=bool)
    for column in [*run.columns, *late]:
        if column in late:
            texts = run.rows["id"].map(run.later[column]).fillna("").astype(str)
            exempt = (run.rows["late"] != LATE["captioned"]).to_numpy(dtype=bool)
        else:
            texts = run.rows[column]
            exempt = is_image & (column in VIDEO_ONLY) & (texts == "").to_numpy(dtype=bool)
        limits = {side: run.settings["select"][column].get(side) for side in ("min", "max")}
        limits = {side: limit for side, limit in limits.items() if limit is not None}
        found, missing = grid.numbers(texts)
        if not limits and np.isnan(found).all():
            continue
        points = grid.points(found, limits.values())
        now = {side: points.index(grid.plain(limits[side])) if side in limits else -1 for side in ("min", "max")}
        about = meaning.of(column, **run.settings["columns"].get(column, OF_THE_LIST))
        shown.append({"name": column, "late": column in late, "grid": points, "now": now, **about})
        packed[f"codes.{column}"], values[column] = grid.codes(found, missing, exempt, points), found
    spare = [one["name"] for one in shown if max(one["now"].values()) < 0]
    left_out = spare[::-1][: max(0, len(shown) - COLUMNS)]
    shown = [one for one in shown if one["name"] not in left_out]
    if len(shown) > COLUMNS:
        raise SystemExit(f"{len(shown)} columns have limits: the threshold page has room for {COLUMNS}")
    if left_out:
        print(f"the threshold page leaves out columns without a limit: {', '.join(left_out)}", file=sys.stderr)
    packed = {f"codes.{one['name']}": packed[f"codes.{one['name']}"] for one in shown}
    return shown, packed, {one["name"]: values[one["name"]] for one in shown}


def _states(run: Run) -> dict[str, np.ndarray]:
    """The other arrays of the page: milliseconds, stratum and state of each clip (see counts.js)."""
    held = Memo(run.settings["memo"], ()).held(clips.portions(run.rows["id"]))
    remembered = np.concatenate([np.empty(0, bool), *map(np.asarray, held)])
    state = run.rows["failed"] + 2 * remembered + 4 * run.rows["late"]
    kinds = {"ms": (run.rows["ms"], np.uint32), "stratum": (run.rows["stratum"], np.uint8), "state": (state, np.uint8)}
    return {name: column.to_numpy(dtype=kind) for name, (column, kind) in kinds.items()}


def _clip(run: Run, place: int, stores: Stores) -> dict:
    """What the page says of a clip: where it lies (paths from the page's folder), its caption, why it is a reject."""
    row = run.rows.iloc[place]
    after = run.later.loc[row["id"]] if row["id"] in run.later.index else {"text": "", "path": "", "why": ""}
    text, longest = after["text"], TEXT // clips.PICTURED
    return {
        "row": place,
        "id": row["id"],
        "file": row["relpath"],
        "source": stores.source(row, run.results / "report"),
        "start": row["start"],
        "end": row["end"],
        "still": row["kind"] == "image",
        "clip": "" if os.path.isabs(after["path"]) or remote.is_remote(after["path"]) else after["path"],
        "text": text if len(text) <= longest else f"{text[:longest]} [shortened: {len(text)} characters]",
        "why": row["reason"] or after["why"],
    }


def _packed(head: dict, arrays: dict[str, np.ndarray], pictures: list[bytes]) -> bytes:
    """Head, arrays and pictures as one gzip block, the same bytes for the same content.

    Four bytes with the head's length, the head, then each array byte by byte of its numbers (all lowest bytes, all
    second ones, ...: these are more alike), then the pictures.
    """
    head = head | {
        "arrays": [[name, array.itemsize, len(array)] for name, array in arrays.items()],
        "pictures": [len(picture) for picture in pictures],
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
