"""Ranks: the processes of one job, one per GPU, that take batches from a common queue."""

import os
import time
from datetime import timedelta

PATIENCE = timedelta(days=7)
"""How long a rank waits for another one. The launcher ends all ranks when one dies, so this need not be short."""


PAUSE = 0.02
"""Seconds between two checks whether another rank has come."""


class Ranks:
    """This process's place among the ranks that torchrun started; a lone process without torchrun.

    Groups of `group` consecutive ranks (tensor parallel) share each batch: the first of a group draws it.
    """

    def __init__(self, group: int = 1):
        self.rank = int(os.environ.get("RANK", 0))
        self.size = int(os.environ.get("WORLD_SIZE", 1))
        self.local = int(os.environ.get("LOCAL_RANK", 0))
        if self.size % group:
            raise SystemExit(f"tp_size {group} does not divide the {self.size} ranks of this job")
        self.group, self.leads = self.rank // group, self.rank % group == 0
        self._alone, self._shared, self._drawn = self.size == 1, group > 1, 0
        self._store = None if self._alone else _store(self.size)
        self._totals: dict[str, int] = {}
        self._left = False

    def device(self) -> str:
        """This rank's GPU where the job was given any, otherwise a CPU. Does not import torch where there can be no
        GPU."""
        if not os.path.exists("/dev/nvidiactl") or os.environ.get("CUDA_VISIBLE_DEVICES") == "":
            return "cpu"
        import torch

        return f"cuda:{self.local}" if torch.cuda.is_available() else "cpu"

    def draw(self) -> int:
        """The number of the next batch that no rank has drawn yet, from 0; the same for all ranks of a group."""
        self._drawn += 1
        if self._alone:
            return self._drawn - 1
        place = f"batch/{self.group}/{self._drawn}"
        if not self.leads:
            return int(self._come(place))
        batch = self._store.add("next", 1) - 1
        if self._shared:
            self._store.set(place, str(batch))
        return batch

    def total(self, name: str, amount: int) -> int:
        """Add to a number that all ranks share; returns what it is now, or what it was when this rank left."""
        if self._alone or self._left:
            self._totals[name] = self._totals.get(name, 0) + amount
        else:
            self._totals[name] = self._store.add(f"total/{name}", amount)
        return self._totals[name]

    def leave(self) -> None:
        """Talk to the other ranks no more: the job is being ended, and their store with it."""
        self._left = True

    def agree(self, name: str, value: str) -> str:
        """The first rank's `value`, for all ranks."""
        if self._alone:
            return value
        if self.rank == 0:
            self._store.set(name, value)
        return self._come(name).decode()

    def wait(self, name: str) -> None:
        """Return when all ranks have come to `name`."""
        if not self._alone and self._store.add(name, 1) == self.size:
            self._store.set(f"{name}/all", "here")
        if not self._alone:
            self._come(f"{name}/all")

    def _come(self, key: str) -> bytes:
        """The value of `key` as soon as it exists. It polls, because no signal ends a wait in the store."""
        while not self._store.check([key]):
            time.sleep(PAUSE)
        return self._store.get(key)


def _store(size: int):
    """A client of the store that torchrun's agent serves; it exists before any process group."""
    from torch.distributed import PrefixStore, TCPStore

    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    serves = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True" and os.environ["RANK"] == "0"
    return PrefixStore("clipmill", TCPStore(host, port, size, is_master=serves, timeout=PATIENCE))
