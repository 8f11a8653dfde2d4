"""The folders of a run, checked before it starts and by a dry run. Mistakes are SystemExit with a plain message."""

import json
import tempfile
from pathlib import Path

from clipmill.engine import remote
from clipmill.plan import targets
from clipmill.report import marks
from clipmill.videos import lists, sources

REMEDY = "Set `results` in the configuration or --config results=DIR"


def require(config: dict) -> None:
    """End where there is nothing to take in, where the results cannot be written, or where `marks` names no marks.
    Leaves nothing behind."""
    for place in (config.get("videos_root"), config.get("release", {}).get("to")):
        if remote.is_remote(place or ""):
            remote.require(place)
    sources.require(config["videos"], config["results"])
    marks.read(config.get("marks"))
    require_columns(config)
    if chosen := config.get("chosen"):
        if not Path(chosen).is_file() or not lists.is_list(chosen):
            raise SystemExit(f"chosen: {chosen}: no such list")
        if "id" not in (names := lists.columns(chosen, ["id"])):
            raise SystemExit(f"chosen: {chosen} has no column `id`; it has {', '.join(names)}")
    results = Path(config["results"])
    if is_merged(results):
        raise SystemExit(
            f"{results} was made by make merge, so no run may write to it. {REMEDY}; its release: make release "
            f"RESULTS='{results}'"
        )
    try:
        with tempfile.TemporaryFile(dir=nearest(results)):
            pass
    except OSError as error:
        raise SystemExit(f"{results}: the results cannot be written: {error.strerror}. {REMEDY}") from error


def is_merged(results: Path) -> bool:
    """Whether `make merge` has made these results."""
    try:
        return "merged" in json.loads((results / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def look(config: dict) -> None:
    """List a place elsewhere, so that this process knows it. Ends where that fails."""
    if remote.is_remote(config["videos"]):
        sources.require(config["videos"])


def require_columns(config: dict) -> None:
    """End where a threshold or a target names a column that is neither ours nor the list's. Ours have `min` and `max`
    only."""
    select = config.get("select", {})
    others = {name for name, limits in select.items() if "in" in limits}
    of_target = set(targets.named(config)) - {*targets.MADE, *(select.keys() - others)} if select else set()
    wanted = {name.removeprefix("list_") for name in others | of_target}
    if wanted and lists.is_list(config["videos"]):
        names = lists.columns(config["videos"], wanted)
        if unknown := sorted(wanted - set(names)):
            key = unknown[0] if {unknown[0], f"list_{unknown[0]}"} & others else f"target: {unknown[0]}"
            raise SystemExit(f"select.{key}: {config['videos']} has no such column; it has {', '.join(names)}")


def require_folder(results: str | Path) -> None:
    """End where a file lies in the place of the results or above it."""
    if (there := nearest(Path(results))).is_file():
        raise SystemExit(f"{results}: {there} is a file, not a folder. {REMEDY}")


def nearest(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
