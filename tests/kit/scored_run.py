"""A results folder as a run has it after scoring, made without one: invented clips with scores of known kinds."""

import json
from pathlib import Path

import numpy as np
from clipmill.clips import thresholds
from clipmill.engine import rejects, tables
from clipmill.plan import config, products
from clipmill.plan.pipeline import Pipeline
from clipmill.videos import frames
from mill import ROOT

SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
VIDEOS = 20
STEP = 100
"""Frames between two stored pictures: every clip is longer."""
SELECT = {"aes": {"min": 4.5}, "flow": {"min": 0.3}, "ocr_area": {"max": 0.02}, "height": {"min": 360}}


def pipeline(results: Path, **change) -> Pipeline:
    """The pipeline of a configuration that names this folder."""
    given = {"results": str(results), "videos": str(results.parent / "videos"), "select": SELECT}
    return Pipeline(config.check(given | change, SCHEMA), config.load(SCHEMA))


def settings(mill: Pipeline) -> dict:
    """The page's settings."""
    return json.loads(products.report(mill)["settings"])


def rows(count: int, seed: int = 0, name: str = "video") -> list[dict]:
    """Clips with scores: bell-shaped, heavy-tailed, whole and mostly zero; some are missing, some clips are images, and
    some were rejected by a scorer."""
    random = np.random.default_rng(seed)
    aes, flow = random.normal(5, 1, count), random.lognormal(0, 1.5, count)
    text = np.where(random.random(count) < 0.8, 0, random.random(count) ** 3)
    boxes = np.where(text > 0, random.integers(1, 30, count), 0)
    size = random.choice([270, 360, 480, 720, 1080], count)
    length = random.integers(220, 900, count)
    found = []
    for at in range(count):
        video, frame = at % VIDEOS, at // VIDEOS
        image = at % 97 == 0
        height, width = int(size[at]), int(size[at]) * 16 // 9
        start, end = ("", "") if image else (frame / 25, (frame + int(length[at])) / 25)
        row = {
            "id": f"{video:016x}-{frame:08d}", "video_id": f"{video:016x}", "relpath": f"{name} {video}.mp4",
            "kind": "image" if image else "video", "start_frame": frame, "end_frame": frame + int(length[at]),
            "start": start, "end": end, "num_frames": 1 if image else int(length[at]), "height": height, "width": width,
            "aspect_ratio": height / width, "fps": None if image else 25, "resolution": height * width,
            "aes": None if at % 211 == 0 else float(aes[at]),
            "flow": None if image or at % 173 == 0 else float(flow[at]),
            "ocr": int(boxes[at]), "ocr_area": float(text[at]),
        }  # fmt: skip
        found.append({column: tables.number(value) for column, value in row.items()})
        if at % 301 == 7:
            found[-1] = rejects.rejected(found[-1] | {"flow": ""}, "score_flow", "no frame of the clip can be read")
    return sorted(found, key=lambda row: row["id"])


def write(mill: Pipeline, found: list[dict]) -> None:
    """Write the tables of these clips, selected by the real thresholds."""
    results = Path(mill.results)
    limits = mill.rules["clips.select_clips"].settings
    decided = [thresholds.decided(row, limits, "select_clips") for row in found]
    names = [name for name in {**rows(1)[0], **(found[0] if found else {})} if name not in rejects.COLUMNS]
    tables.write(results / "tables/scores.csv", names, found)
    kept = [row for row in decided if not rejects.is_reject(row)]
    tables.write(results / "tables/selected.csv", names, kept)
    tables.write(results / "work/rejects/clips.csv", rejects.TABLE, filter(rejects.is_reject, decided))
    videos = sorted({row["video_id"] for row in found})
    for table in ("list_videos", "videos"):
        tables.write(results / f"work/rejects/{table}.csv", rejects.TABLE, [])
    tables.write(results / "tables/listing.csv", ["id"], ({"id": video} for video in videos))
    measures = ({"id": video, "duration": "60"} for video in videos)
    tables.write(results / "tables/videos.csv", ["id", "duration"], measures)


def write_captions(mill: Pipeline, found: list[dict], text: str = "a caption", lost: tuple[str, ...] = ()) -> None:
    """Write what the captions phase leaves: every clip of `found` has this caption and match 50; those of `lost` (ids)
    are rejects of clean_captions."""
    results = Path(mill.results)
    said = [{**row, "text": text, "match": "50"} for row in found]
    names = [*rows(1)[0], "text", "match"]
    early = list(tables.read(results / "work/rejects/clips.csv"))
    late = [{**row, "stage": "clean_captions", "reason": "empty caption"} for row in said if row["id"] in lost]
    tables.write(results / "tables/captions.csv", names, said)
    tables.write(results / "rejects.csv", rejects.TABLE, sorted([*early, *late], key=lambda row: row["id"]))
    pairs = ({**row, "path": f"clips/{row['id']}.mp4"} for row in said if row["id"] not in lost)
    tables.write(results / "meta.csv", ["path", *names], pairs)


def write_stores(mill: Pipeline, pictures: int = 12) -> None:
    """Write a frame store per video: photographs that move a little, with grain."""
    import cv2
    from skimage import data

    random = np.random.default_rng(0)
    photographs = [data.astronaut(), data.coffee(), data.chelsea(), data.rocket()]
    for video in range(VIDEOS):
        wide = cv2.resize(photographs[video % len(photographs)], (1000, 560))[..., ::-1]
        stored = {}
        for number in range(pictures):
            shift = 2 * (number % 40)
            crop = wide[shift // 2 : shift // 2 + 500, shift : shift + 890].astype(np.int16)
            grain = np.clip(crop + random.integers(-20, 21, crop.shape), 0, 255).astype(np.uint8)
            stored[number * STEP] = (number * STEP / 25, frames.encode(grain, 80))
        path = frames.Store(Path(mill.store()), Path()).path(f"{video:016x}")
        frames.write(path, stored)
