"""A finished results folder without a run: pairs as the engine's own writers leave them, for tests of what reads it."""

import hashlib
import json
import random
from pathlib import Path

from clipmill.engine import files, tables, vouch
from clipmill.plan import config, targets
from clipmill.plan.damage import FIGURES
from clipmill.release import figures
from clipmill.release.delivery import Delivery
from clipmill.release.huggingface import HuggingFace
from clipmill.release.parquet import Parquet
from clipmill.release.reference_csv import ReferenceCsv
from clipmill.release.webdataset import WebDataset

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.yaml"
COLUMNS = ("path", "id", "relpath", "text", *tables.MEASURES, "aes", "flow", "ocr", "ocr_area", "match", "cmotion",
           "video_id", "start", "end")  # fmt: skip
SIZES = ((360, 640), (720, 1280), (1080, 608))


def pair(number: int, text: str, suffix: str = ".mp4", **more: str) -> dict[str, str]:
    """A row of meta.csv; three pairs each come from one source."""
    height, width = SIZES[number % 3]
    source = f"{number // 3:016x}"
    row = {
        "id": f"{source}-{number % 3:08d}",
        "relpath": f"films/{source}.mp4",
        "text": text,
        "num_frames": str(24 * (1 + number % 5)),
        "height": str(height),
        "width": str(width),
        "aspect_ratio": tables.number(height / width),
        "fps": "24",
        "resolution": str(height * width),
        "aes": tables.number(4 + number % 7 / 3),
        "flow": tables.number(number % 11 / 7),
        "ocr": str(number % 2),
        "ocr_area": "0.001",
        "match": "23.5",
        "cmotion": "pan_left",
        "video_id": source,
        "start": str(number % 3),
        "end": str(number % 3 + 1 + number % 5),
    }
    if suffix != ".mp4":
        row |= {"num_frames": "1", "fps": "", "flow": "", "start": "", "end": "", "cmotion": ""}
    row["path"] = f"clips/{row['id']}{suffix}"
    return row | more


def write(results: Path, rows: list[dict], per_shard: int = 5, size: int = 2000, order=None, **change) -> Path:
    """Write the folder: clips of `size` random bytes, their tables with sums, meta.csv and the account."""
    (results / "clips").mkdir(parents=True)
    rows = sorted(rows, key=lambda row: row["id"])
    names = list(dict.fromkeys([*COLUMNS, *(name for row in rows for name in row)]))
    for row in rows:
        content = random.Random(row["id"]).randbytes(size)
        (results / row["path"]).write_bytes(content)
    parts = [rows[first : first + per_shard] for first in range(0, len(rows), per_shard)] or [[]]
    for number, part in enumerate(parts):
        states = ((row["path"], vouch.state(results / row["path"])) for row in part)
        with files.whole(
            results / "work" / "captions.cut_clips" / "digest" / f"{number:05d}.csv", belonging=states
        ) as out:
            tables.writer(out, ["id", "path"]).writerows(part)
    manifest = results / "plan" / "captions" / "manifest.csv"
    tables.write(manifest, ["shard"], [{"shard": f"{number:05d}"} for number in range(len(parts))])
    tables.write(results / "meta.csv", names, order(rows) if order else rows)
    tables.write(results / "tables" / "scores.csv", ["id", "aes", "flow", "ocr", "ocr_area"], rows)
    account = {
        "counts": dict.fromkeys(("files", "videos", "clips", "selected", "pairs"), len(rows)),
        "rejects": [{"stage": "select_clips", "reason": "aes below 5", "rows": 3}],
        "models": {"score.ocr": [{"key": "score.ocr.model", "source": "package:x", "path": "/x", "sha256": "0" * 64}]},
        "configuration": config.check(change, SCHEMA),
    }
    with files.whole(results / "run.json") as file:
        json.dump(account, file)
    return results


def options(results: Path, **release) -> dict:
    """The options of a release as the workflow gives them to every writer."""
    checked = config.check({"release": release}, SCHEMA)
    return checked["release"] | {"numbers": list(targets.limits(checked["select"]))}


def draw(results: Path) -> None:
    """The figures, empty: tests of them are elsewhere."""
    for name in FIGURES:
        with files.whole(results / "report" / "figures" / name) as file:
            file.write("<svg/>")


def drawn(results: Path) -> None:
    """The figures as a run draws them."""
    figures.write(results, json.loads(vouch.content(results / "run.json")), results / "report" / "figures")


SPLITS = {"validation": 0.2, "test": 0.2, "seed": 1}
HOSTILE = ["two\nlines\r\nand\ttabs", 'a "quoted" caption, with comma', "emoji \U0001f3ac \u202e and é", "x" * 10_000,
           "=1+1", "NA", "null", "", "007", "<script>alert(1)</script>", "\\N", "  blanks  "]  # fmt: skip
KINDS = (WebDataset, Parquet, HuggingFace, ReferenceCsv)


def released(results: Path, *kinds, threads: int = 2, **change) -> Path:
    """The release of a results folder, written by these formats (all, if none) and completed."""
    kinds = kinds or KINDS
    chosen = options(results, formats=[kind.name for kind in kinds], **change)
    written = [results / "work" / "release" / kind.name / "x.csv" for kind in kinds]
    for kind, out in zip(kinds, written, strict=True):
        kind(results, results / "work/captions.cut_clips/digest", chosen, threads).run(out)
    draw(results)
    Delivery(results, chosen).write(written, results / "work" / "release" / "card" / "x.csv")
    return results / "release"


def everything(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def rows_of_a_run() -> list[dict]:
    """Pairs with captions of every kind, two images, and a column that came from somebody's list."""
    rows = [
        pair(number, HOSTILE[number % len(HOSTILE)], ".png" if number in (4, 20) else ".mp4", label="007")
        for number in range(30)
    ]
    rows[3]["label"] = "1.10, or\nmore"
    return rows
