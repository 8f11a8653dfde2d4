"""Finds the files of a results folder that are damaged or lost, and removes what must be made again with them.

Every file that we write is looked at: tables and JSON files by their digests, clips and frame stores by size and time
(see `vouch`), parts of the memo and the history by the digests in their names. Snakemake makes missing files again, but
not where a later result is there; so the tables that were made from a damaged file are removed, too. It costs little to
make them again: what is remembered is not computed again.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from clipmill.engine import files, tables, vouch, weights
from clipmill.plan import products
from clipmill.plan.flow import PHASES
from clipmill.plan.pipeline import Pipeline

GATHERED = {
    "videos": ("tables/videos.csv", "tables/clips.csv", "work/rejects/videos.csv"),
    "clips": ("tables/scores.csv", "tables/selected.csv", "work/rejects/clips.csv"),
    "captions": ("tables/captions.csv", "meta.csv", "rejects.csv"),
}
"""What the gather of each phase writes."""
FIGURES = (
    *(f"{name}.svg" for name in ("funnel", "rejects", "scores", "lengths")),
    *(f"{name}.html" for name in ("rejects", "thresholds", "models")),
)
"""What draw_figures writes."""
FIRST = {
    "tables/listing.csv": "plan/videos/manifest.csv",
    "tables/ignored.csv": "run.json",
    "tables/sample.csv": "run.json",
    "tables/extras.csv": "tables/clips.csv",
    "work/rejects/list_videos.csv": "plan/videos/manifest.csv",
    "run.json": "run.json",
}
"""The other tables, with what must be missing so that Snakemake makes them again."""
OPTIONAL = {
    "tables/duplicates.csv": "tables/selected.csv",
    "tables/clusters.csv": "tables/selected.csv",
    "tables/quotas.csv": "tables/selected.csv",
    "tables/groups.csv": "tables/selected.csv",
    "tables/targets.csv": "tables/selected.csv",
    **{f"report/figures/{name}": f"report/figures/{name}" for name in FIGURES},
    "report/index.html": "report/index.html",
    "report/complete.json": "report/complete.json",
}
"""The same of files that not every configuration makes."""
FORGOTTEN = "it is forgotten, and what it held is computed again where it is needed"
THREADS = 16
"""Tables whose files are looked at side by side: on a network's disk each look is a wait."""


@dataclass(frozen=True)
class Finding:
    """A file that is damaged or lost: how (in words), and the files that must be made again with it."""

    path: Path
    why: str
    remove: tuple[Path, ...]
    then: str = "it is made again"


def findings(pipeline: Pipeline) -> Iterator[Finding]:
    """Every damaged or lost file of what this configuration has made. A folder without a run has none."""
    results = Path(pipeline.results)
    for name, after in (FIRST | OPTIONAL).items():
        yield from _unless_whole(results / name, results / after)
    for name in ("files.csv", "lengths.csv", "fetched.json"):
        for found in _unless_whole(results / "memo/list_videos" / name):
            yield replace(found, then=FORGOTTEN)
    for path in sorted((results / "history").glob("[0-9]*.parquet")):
        yield from _unless_named(path, "it is forgotten, and `make diff` no longer knows this selection")
    for path in _vouched_in(results / "models", ".json"):
        yield from _unless_whole(path, path, results / "run.json")
        yield from _of_models(results, path, Path(pipeline.config["models"]))
    yield from _of_release(results, [products.release_table(pipeline, name) for name in (*products.FORMATS, "card")])
    for phase in PHASES:
        yield from of_phase(pipeline, phase)
        yield from _of_memos(pipeline, phase)


def of_phase(pipeline: Pipeline, phase: str) -> Iterator[Finding]:
    """The damaged files of a phase: its plan, the tables of its shards with their clips or stores, what it gathered."""
    results = Path(pipeline.results)
    plan, gathered = results / "plan" / phase, [results / name for name in GATHERED[phase]]
    manifest = plan / "manifest.csv"
    for path in sorted({*_vouched_in(plan), plan / "plan.json", manifest}):
        yield from _unless_whole(path, manifest)
    names = [name for name, rule in pipeline.rules.items() if name.startswith(f"{phase}.") and rule.enabled]
    shards = _planned(manifest)
    with ThreadPoolExecutor(THREADS) as pool:
        for name in names:
            later = [pipeline.table(other) for other in _after(pipeline, name)]
            jobs = [
                (path, [Path(table.format(shard=path.stem)) for table in later], shards is None or path.stem in shards)
                for path in _vouched_in(Path(pipeline.table(name)).parent)
            ]
            for found in pool.map(lambda job: list(_of_table(results, job[0], (*job[1], *gathered), job[2])), jobs):
                yield from found
    for path in gathered:
        yield from _unless_whole(path, path)


def _of_table(results: Path, path: Path, after: tuple[Path, ...], is_planned: bool) -> Iterator[Finding]:
    """A shard's table if it is damaged; otherwise, if it `is_planned`, the damaged ones of its clips or stores."""
    try:
        known = vouch.check(path)
    except vouch.Damaged as error:
        yield Finding(path, error.why, (path, *after))
        return
    if (note := vouch.again(path)).exists():
        why = "holds files that changed while they were read, or could not be fetched"
        yield Finding(path, why, (note, path, *after), "they are read again")
    for name, state in known.files.items() if is_planned else ():
        if why := vouch.fault(results / name, state):
            yield Finding(results / name, why, (results / name, path, *after))


def _of_models(results: Path, path: Path, models: Path) -> Iterator[Finding]:
    """The models in the list at `path` that lie in the folder `models` and are not what was fetched.

    One that is gone is no finding: its weights may have been removed to save room, and who needs it says so.
    """
    with contextlib.suppress(OSError, ValueError):
        for entry in (entry for entries in weights.listed([path]).values() for entry in entries):
            place = Path(entry["path"])
            if place.is_relative_to(models) and place.exists() and weights.digest(place) != entry["sha256"]:
                yield Finding(place, vouch.CHANGED, (place, path, results / "run.json"), "it is fetched again")


def _of_release(results: Path, written: list[str]) -> Iterator[Finding]:
    """The files of a release that are lost or another size, or that changed, by its tables of files."""
    for table in map(Path, written):
        if damage := next(_unless_whole(table, table), None):
            yield damage
            continue
        for row in tables.read(table) if table.exists() else ():
            path = results / "release" / row["file"]
            if not path.exists():
                why = "is missing"
            elif files.size_and_time(path) == (int(row["bytes"]), int(row["mtime"])):
                continue
            elif files.sha256(path) == row["sha256"]:
                os.utime(path, ns=(path.stat().st_atime_ns, int(row["mtime"])))
                continue
            else:
                why = vouch.CHANGED
            yield Finding(path, why, (table,), "the next release makes it again")
            break


def _of_memos(pipeline: Pipeline, phase: str) -> Iterator[Finding]:
    for folder in sorted({pipeline.memo(name) for name in pipeline.steps(phase)}):
        for path in sorted(Path(folder).glob("*.parquet")):
            yield from _unless_named(path, FORGOTTEN)


def _unless_named(path: Path, then: str) -> Iterator[Finding]:
    """A finding where a file is not as the digest in its name says."""
    try:
        vouch.check_named(path)
    except vouch.Damaged as error:
        yield Finding(path, error.why, (path,), then)


def _unless_whole(path: Path, *remove: Path) -> Iterator[Finding]:
    """A finding where a file, or the sum beside it, was written and is not whole now."""
    if path.exists() or vouch.place(path).exists():
        try:
            vouch.check(path)
        except vouch.Damaged as error:
            yield Finding(path, error.why, (path, *remove))


def _vouched_in(folder: Path, suffix: str = ".csv") -> list[Path]:
    """The files of a kind in a folder, those of which only the sum is left included."""
    if not folder.is_dir():
        return []
    names = {path.name for path in folder.iterdir()}
    left = {vouch.vouched(folder / name).name for name in names if name.endswith(".sum")}
    return sorted(folder / name for name in names | left if name.endswith(suffix))


def _after(pipeline: Pipeline, name: str) -> list[str]:
    """The rules that read a rule's table, directly or by others."""
    direct = [other for other, rule in pipeline.rules.items() if name in rule.reads]
    return [*direct, *(later for other in direct for later in _after(pipeline, other))]


def _planned(manifest: Path) -> set[str] | None:
    """The shards of a plan; None where it cannot be read, so that every table counts."""
    try:
        return {row["shard"] for row in tables.read(manifest)}
    except (OSError, KeyError):
        return None


def heal(pipeline: Pipeline, only_say: bool = False) -> None:
    """Say what is damaged or lost, and remove it so that this run makes it again."""
    for finding in findings(pipeline):
        begin = "the next run finds that " if only_say else ""
        print(f"{begin}{finding.path} {finding.why}: {finding.then}", file=sys.stderr, flush=True)
        for path in () if only_say else finding.remove:
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            vouch.place(path).unlink(missing_ok=True)
