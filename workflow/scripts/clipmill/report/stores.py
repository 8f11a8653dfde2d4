"""Where the page finds the frames and the source of a clip: in one run's folders, or in those of the runs that were
merged."""

import os
from pathlib import Path

from clipmill.engine import remote
from clipmill.engine.fetched import Sources
from clipmill.videos import frames


class Stores:
    """The frame stores of one or more runs, each with the folder that its sources lie in."""

    def __init__(self, settings: dict):
        """`settings`: `store` and `videos` of a run, or `stores`, these of several."""
        pairs = settings.get("stores") or [[settings["store"], settings["videos"]]]
        self.all = [frames.Store(Path(store), Sources(videos)) for store, videos in pairs]

    def of(self, row: dict) -> frames.Store:
        """The store that holds the frames of a clip; the first where none does."""
        held = (store for store in self.all if len(self.all) > 1 and store.path(row["video_id"]).exists())
        return next(held, self.all[0])

    def source(self, row: dict, folder: Path) -> str:
        """The path of a clip's source from a folder; its address where it lies elsewhere."""
        place = remote.join(str(self.of(row).videos), row["relpath"])
        return place if remote.is_remote(place) else os.path.relpath(Path(place).resolve(), folder.resolve())
