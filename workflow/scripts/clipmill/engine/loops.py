"""The ways in which a job goes through its batches; `compute` is its `compute.Compute`."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from clipmill.engine.feeding import Answered, Feeder
from clipmill.engine.step import Step
from clipmill.engine.workers import Task

QUEUED = 2
"""Batches that wait for a free thread where a step computes in threads."""
CONCLUDING = 4
"""Clips per thread that networks have answered and that wait to be concluded."""


def of(step: Step) -> Callable:
    """The way of a step."""
    if step.asks:
        return as_networks_answer
    return as_they_come if step.in_threads else in_lanes if step.lanes > 1 else in_turn


def in_turn(compute, batches: list[list[dict]], done: Callable) -> None:
    """Compute a batch while the items of the next ones are prepared, and keep every result and fault."""
    for rows, prepared in _prepared(compute, batches):
        compute.keep_all(rows, attempt(compute.step, rows, prepared))
        done()


def in_lanes(compute, batches: list[list[dict]], done: Callable) -> None:
    """The same with `Step.lanes` batches under way: a device has the next one while answers are understood and kept.

    Whatever ends this, what has been computed is kept.
    """
    lanes = ThreadPoolExecutor(compute.step.lanes)
    under_way: deque = deque()

    def keep(most: int) -> None:
        while len(under_way) > most:
            rows, future = under_way[0]
            results = future.result()
            under_way.popleft()
            compute.keep_all(rows, results)
            done()

    try:
        for rows, prepared in _prepared(compute, batches):
            under_way.append((rows, lanes.submit(attempt, compute.step, rows, prepared)))
            keep(most=compute.step.lanes - 1)
        keep(most=0)
    finally:
        lanes.shutdown(wait=False, cancel_futures=True)
        for rows, future in under_way:
            if future.done() and not future.cancelled() and not future.exception():
                compute.keep_all(rows, future.result())


def _prepared(compute, batches: list[list[dict]]) -> Iterator[tuple[list[dict], list]]:
    """The rows of each batch that can be prepared, and what came of it."""
    for batch, tasks in compute.ahead(batches):
        good, prepared = [], []
        for row, task in zip(batch, tasks, strict=True):
            with compute.faults([row]):
                prepared.append(compute.workers.result(task))
                good.append(row)
        if good:
            yield good, prepared


def as_they_come(compute, batches: list[list[dict]], done: Callable) -> None:
    """Compute batches in the workers, and keep each as soon as it is done: none waits for a slower one.

    Where one fails for good, no other is begun; those that are under way are waited for and kept, for what they cost
    is spent. Whatever else ends this, what has come is kept.
    """
    under_way: dict[Task, list[dict]] = {}
    failed, more = None, True
    try:
        while True:
            while more and failed is None and len(under_way) < compute.threads + QUEUED:
                number = compute.ranks.draw()
                if more := number < len(batches):
                    under_way[compute.whole(batches[number])] = batches[number]
            if not under_way:
                break
            task = compute.workers.first(list(under_way))
            try:
                compute.in_threads(under_way[task], task)
                done()
            except (OSError, MemoryError, SystemExit) as error:
                failed = failed or error
                compute.workers.forget_waiting(under_way)
            under_way.pop(task)
    finally:
        for task, batch in under_way.items():
            if task.succeeded:
                compute.keep_all(batch, task.future.result())
    if failed is not None:
        raise failed


def as_networks_answer(compute, batches: list[list[dict]], done: Callable) -> None:
    """Feed networks with what clips ask, conclude each answered clip in the workers, and keep it.

    This thread does nothing else, as networks wait for it. Whatever ends this, what has been concluded is kept.
    """
    feeder = Feeder()
    concluding: deque[tuple[dict, Task]] = deque()

    def take(clips: Iterable[Answered]) -> None:
        for clip in clips:
            row = clip.owner
            with compute.faults([row]):
                if clip.error:
                    raise clip.error
                arguments = row, clip.asked.rest, clip.answers
                concluding.append((row, compute.workers.submit(compute.reads(row), compute.step.conclude, *arguments)))

    def keep(most: int) -> None:
        """Keep what is concluded, and wait while there is more than `most`."""
        while concluding and (len(concluding) > most or concluding[0][1].future.done()):
            row, task = concluding.popleft()
            with compute.faults([row]):
                compute.keep(row, compute.workers.result(task))
        done()

    try:
        for batch, tasks in compute.ahead(batches):
            for row, task in zip(batch, tasks, strict=True):
                with compute.faults([row]):
                    asked = compute.workers.result(task)
                    take(feeder.add(row, asked))
            keep(most=compute.threads * CONCLUDING)
        take(feeder.finish())
        keep(most=0)
    finally:
        for row, task in concluding:
            if task.succeeded:
                compute.keep(row, task.future.result())


def attempt(step: Step, rows: list[dict], prepared: list) -> list[dict | Exception]:
    """A result or fault for each row. A batch that fails is halved and tried again: its fault is one item's."""
    try:
        return step.compute(rows, prepared)
    except (OSError, MemoryError):
        raise
    except Exception as error:
        if len(rows) == 1:
            return [error]
    middle = len(rows) // 2
    halves = (slice(None, middle), slice(middle, None))
    return [result for half in halves for result in attempt(step, rows[half], prepared[half])]
