"""Feeds networks with the items of many clips: batches are filled with pictures or pairs, whatever clip they are of.

Items of one shape wait until they fill a batch. A batch's results are fetched when the next one has begun, so that a
device which computes by itself is never waited for while it could have more to do.
"""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import NamedTuple

from clipmill.engine.batches import Batches, Running

WINDOW = 16
"""Batches of items that may wait for others of their shape; then those that have waited for longest go as they are."""
LATE = 1
"""Batches that are under way when the results of the one before them are fetched."""


class Asked(NamedTuple):
    """What one clip asks of networks: (network, CPU tensor) pairs, and what else its answers are concluded from."""

    inputs: list[tuple[Batches, object]]
    rest: object = None

    def pinned(self) -> "Asked":
        """The same, as a GPU takes it without the help of the thread that feeds it."""
        return self._replace(inputs=[(network, network.pinned(tensor)) for network, tensor in self.inputs])


class Answered:
    """What networks say of one clip: a CPU tensor (float32), or the exception, for each of its inputs."""

    def __init__(self, owner: object, asked: Asked):
        self.owner, self.asked = owner, asked
        self.answers: list = [None] * len(asked.inputs)
        self.open = len(asked.inputs)

    @property
    def error(self) -> Exception | None:
        """The first exception among the answers."""
        return next((answer for answer in self.answers if isinstance(answer, Exception)), None)


class _Item(NamedTuple):
    tensor: object
    clip: Answered
    number: int

    def answer(self, answer: object) -> None:
        self.clip.answers[self.number] = answer
        self.clip.open -= 1


class Feeder:
    """Takes what clips ask, and gives back each clip when all of it is answered.

    A fault in a batch is the fault of the items that also fail alone; faults of the environment are raised.
    """

    def __init__(self):
        self.waiting: dict[tuple, list[_Item]] = {}
        self.running: deque[tuple[Running, Batches, list[_Item]]] = deque()

    def add(self, owner: object, asked: Asked) -> Iterator[Answered]:
        """Take what a clip asks; the clips that are answered by now."""
        clip = Answered(owner, asked)
        if not asked.inputs:
            yield clip
        for number, (network, tensor) in enumerate(asked.inputs):
            kind = network, *network.kind(tensor)
            self.waiting.setdefault(kind, []).append(_Item(tensor, clip, number))
            if len(self.waiting[kind]) >= network.rows:
                yield from self.run(kind)
            elif sum(map(len, self.waiting.values())) > WINDOW * network.rows:
                yield from self.run(next(iter(self.waiting)))

    def finish(self) -> Iterator[Answered]:
        """The clips that are left, the last batch of each shape filled up."""
        while self.waiting:
            yield from self.run(next(iter(self.waiting)))
        while self.running:
            yield from self.fetch()

    def run(self, kind: tuple) -> Iterator[Answered]:
        """Begin the batches of the items of one kind, and fetch those before them."""
        network, items = kind[0], self.waiting.pop(kind)
        while items:
            try:
                running = network.start([item.tensor for item in items])
            except (OSError, MemoryError):
                raise
            except Exception as error:
                yield from self.alone(network, items, error)
                return
            self.running.append((running, network, items[: running.count]))
            items = items[running.count :]
            while len(self.running) > LATE:
                yield from self.fetch()

    def fetch(self) -> Iterator[Answered]:
        """The clips that the oldest batch under way completes."""
        running, network, items = self.running.popleft()
        try:
            answers = running.result()
        except (OSError, MemoryError):
            raise
        except Exception as error:
            yield from self.alone(network, items, error)
            return
        for item, answer in zip(items, answers, strict=True):
            item.answer(answer)
        yield from complete(items)

    def alone(self, network: Batches, items: list[_Item], error: Exception) -> Iterator[Answered]:
        """Try items of a batch that failed one by one; `error` is that of an only one."""
        for item in items:
            try:
                item.answer(error if len(items) == 1 else network([item.tensor])[0])
            except (OSError, MemoryError):
                raise
            except Exception as fault:
                item.answer(fault)
        yield from complete(items)


def complete(items: Iterable[_Item]) -> Iterator[Answered]:
    """The clips of these items that have all their answers, each once."""
    clips = {id(item.clip): item.clip for item in items}
    yield from (clip for clip in clips.values() if not clip.open)


def answered(prepared: list[Asked]) -> list[Answered]:
    """What networks answer to all that these clips ask, in their order. Raises the first fault."""
    feeder, found = Feeder(), []
    for number, asked in enumerate(prepared):
        found += feeder.add(number, asked)
    found = sorted([*found, *feeder.finish()], key=lambda clip: clip.owner)
    for clip in found:
        if clip.error:
            raise clip.error
    return found


class Shared:
    """A network that the threads of a process ask, each for an item of its own.

    On a GPU, what comes while it is busy goes together in the next batches. On a CPU every thread runs it by itself.
    """

    def __init__(self, network: Batches):
        self.network = network
        self.queue: list[tuple[Future, Asked]] = []
        self.queued, self.turn = threading.Lock(), threading.Lock()

    def __call__(self, tensors: list) -> list:
        """The answers (CPU tensors, float32) to CPU tensors of one shape, at least one. Raises their first fault."""
        if self.network.device == "cpu":
            return list(self.network(tensors))
        futures = [Future() for _ in tensors]
        with self.queued:
            self.queue += [(future, Asked([(self.network, it)])) for future, it in zip(futures, tensors, strict=True)]
        for future in futures:
            with self.turn:
                if not future.done():
                    self._run()
        return [future.result() for future in futures]

    def _run(self) -> None:
        """Answer all that is in the queue."""
        with self.queued:
            taken, self.queue = self.queue, []
        feeder = Feeder()
        try:
            clips = [clip for future, asked in taken for clip in feeder.add(future, asked)]
            for clip in [*clips, *feeder.finish()]:
                if clip.error:
                    clip.owner.set_exception(clip.error)
                else:
                    clip.owner.set_result(clip.answers[0])
        except (OSError, MemoryError) as error:
            for future, _ in taken:
                if not future.done():
                    future.set_exception(error)


class Model:
    """What a model of a step has: `prepare`, which gives an `Asked` of a clip's frames, and `conclude`."""

    def conclude(self, rest: object, answers: list) -> object:
        """What the model says of a clip, from `Asked.rest` and the networks' answers to `Asked.inputs`."""
        raise NotImplementedError

    def scores(self, prepared: list[Asked]) -> list:
        """What the model says of each of these clips."""
        return [self.conclude(clip.asked.rest, clip.answers) for clip in answered(prepared)]
