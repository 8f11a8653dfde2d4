"""A step's script defines its columns, what they depend on, how its model is loaded, and how a batch is computed."""

import re
from pathlib import Path

from clipmill.engine import feeding, fetched, remote, vouch
from clipmill.engine.rejects import Reject


class Step:
    """A function from an item to new columns. Subclass it in the script of the rule, and call `job.main` with it."""

    columns: tuple[str, ...] = ()
    """What it adds to a row."""
    remembers: tuple[str, ...] = ()
    """What it remembers besides its columns, for `valid` and `finish`; not written to the table."""
    depends_on: tuple[str, ...] = ("start_frame", "end_frame")
    """The columns of a row, besides its id, that the result depends on."""
    in_threads = False
    """Whether `compute` itself runs in the worker threads, one batch per thread (for steps without a model)."""

    lanes = 1
    """Batches whose `compute` runs at the same time; what must not (a model on a device) takes turns by itself."""

    asks = False
    """Whether `prepare` gives what it asks of networks (`feeding.Asked`), and `conclude` makes the columns of their
    answers, in place of `compute`: then batches are filled with the items of many clips."""

    threads: int | None = None
    """The worker threads that it needs whatever CPUs the job has, because they only wait; None: one per CPU."""

    reads_source = False
    """Whether it opens the source of a row, which must be the file that was listed, before and after."""

    shared: Path | None = None
    """The folder of what it remembers together with other steps; None where it does not."""
    models: list[dict]
    """The entries of its configuration block in the lists that fetch_model wrote."""

    def __init__(self, settings: dict, results: Path, videos: Path | fetched.Sources, store: Path, device: str = "cpu"):
        self.settings, self.results, self.videos, self.device = settings, results, videos, device
        self.store_folder = store
        self.log = results / "logs" / f"{self.name}.log"
        self.batch = int(settings.get("batch", 1))
        self.models: list[dict] = []

    @property
    def name(self) -> str:
        """The name of its rule and script: ScoreFlow becomes score_flow."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    def source(self, row: dict) -> Path:
        """The source file of a row, on this machine: one that lies elsewhere is fetched."""
        return self.videos / row["relpath"]

    def at_hand(self, row: dict) -> dict | None:
        """The new columns of a row for which there is nothing to compute; None where there is."""
        return None

    @staticmethod
    def ranks_of_a_copy(settings: dict) -> int:
        """The ranks that hold one copy of the model together, and so share each batch."""
        return int(settings.get("tp_size", 1))

    def load(self) -> None:
        """Build the model. Called once per process, and only when something is missing."""

    def recall(self, rows: list[dict]) -> None:
        """Read what of these rows, all that must be computed, is in `shared`. Called once per process, after `load`."""

    def write(self) -> None:
        """Write into `shared` what is new. Called whenever the job writes what the step remembers."""

    def close(self) -> None:
        """End what `load` started outside this process. Called however the job ends, perhaps twice, or before `load`;
        a `kill -9` leaves no time for it."""

    def prepare(self, row: dict) -> object:
        """Read and preprocess one item, in a worker thread. Raises Reject where the item is at fault."""

    def compute(self, rows: list[dict], prepared: list) -> list[dict | Reject]:
        """The new columns of a batch of items: a dict, or a Reject, per row."""
        if not self.asks:
            raise NotImplementedError
        found = feeding.answered(prepared)
        return [self.conclude(row, clip.asked.rest, clip.answers) for row, clip in zip(rows, found, strict=True)]

    def conclude(self, row: dict, rest: object, answers: list) -> dict:
        """The new columns of an item, in a worker thread, from what networks answered (CPU tensors, float32, in the
        order of `Asked.inputs`) and from `Asked.rest`. Raises Reject where the item is at fault."""
        raise NotImplementedError

    def batches(self, rows: list[dict]) -> list[list[dict]]:
        """The batches in which items are computed."""
        size = max(1, self.batch)
        return [rows[first : first + size] for first in range(0, len(rows), size)]

    def file_of(self, row: dict, remembered: dict) -> Path | None:
        """The file that a step writes for an item besides its columns; its state is remembered as `written`."""
        return None

    def valid(self, row: dict, remembered: dict) -> bool:
        """Whether what is remembered still holds: the item's file is as it was written."""
        file = self.file_of(row, remembered)
        return file is None or vouch.fault(file, remembered["written"]) is None

    def stamp(self, row: dict) -> dict:
        """What is remembered of an item whether it has a result or a fault."""
        return {}

    def same_source(self, row: dict, remembered: dict) -> bool:
        """Whether a result or a fault that is remembered is of the source as it is now."""
        return True

    def finish(self, row: dict, values: dict) -> dict:
        """The last, cheap part of a result, done for computed and remembered items alike and never remembered.

        Raises Reject where the item does not pass.
        """
        return values

    def counts(self, remembered: list[dict]) -> dict[str, int]:
        """What the job's account says besides the number of items: sums over what is remembered of those computed."""
        return {}

    def passes_on(self, names: list[str]) -> list[str]:
        """Those columns of the table read (`names`) that the table written also has."""
        return names


def place_of_source(step: Step, row: dict) -> Path | str:
    """Where the source of a row lies: a path or an address."""
    place = remote.join(str(step.videos), row.get("relpath", ""))
    return place if remote.is_remote(place) else step.source(row)


def change_of_source(step: Step, row: dict) -> str:
    """How the source of a row differs from what was listed, in words; empty where it does not, or where the table
    (one made by hand) does not say what was listed."""
    if not row.get("mtime"):
        return ""
    place = place_of_source(step, row)
    try:
        size, version = fetched.state(place)
    except FileNotFoundError:
        return "the file is gone"
    if size != int(row["bytes"]):
        return f"{size} bytes in place of {row['bytes']}"
    if remote.is_remote(place):
        return "" if version == row["mtime"] else "its entity tag has changed"
    return "" if version == int(row["mtime"]) else "its time has changed"
