"""Threads that prepare items. One that a library never returns from is left behind, and what it held is given up."""

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait

LOOK_SECONDS = 1.0
"""How often a task that is waited for is looked at."""

_at_hand = threading.local()


class Stalled(Exception):
    """A task shows no progress for longer than it may."""


class Task:
    """A call that a worker makes, and when it last showed progress (by `time.monotonic`; None: not begun)."""

    def __init__(self, check: Callable[[], None], function: Callable, *arguments: object):
        self.check, self.function, self.arguments = check, function, arguments
        self.seen: float | None = None
        self.given_up = False
        self.future: Future

    def __call__(self) -> object:
        _at_hand.task = self
        self.seen = time.monotonic()
        return self.function(*self.arguments)

    @property
    def succeeded(self) -> bool:
        """Whether it has ended and has a result."""
        future = self.future
        return not self.given_up and future.done() and not future.cancelled() and future.exception() is None


class Workers:
    """A pool of `threads`. A task that shows no progress for `seconds` is given up: its thread cannot be ended, and a
    new one takes its place."""

    def __init__(self, threads: int, seconds: float):
        self.threads, self.seconds = threads, seconds
        self.pool = ThreadPoolExecutor(threads)
        self.tasks: list[Task] = []

    def submit(self, check: Callable[[], None], function: Callable, *arguments: object) -> Task:
        """A task that calls `function`.

        `check` is called before the task is given up: where the system keeps files from being read it raises, or does
        not return until they are.
        """
        task = Task(check, function, *arguments)
        task.future = self.pool.submit(task)
        self.tasks.append(task)
        return task

    def result(self, task: Task) -> object:
        """The result of a task, or what it raised. Raises Stalled where it was given up."""
        if not task.future.done():
            self.first([task])
        if task.given_up:
            raise Stalled
        self.tasks.remove(task)
        return task.future.result()

    def first(self, tasks: list[Task]) -> Task:
        """One of these tasks that has ended or is given up, as soon as there is one."""
        while not (ended := [task for task in tasks if task.given_up or task.future.done()]):
            if not _one_ends([task.future for task in tasks], LOOK_SECONDS):
                # One that stalls may be another one, which these wait for.
                for other in filter(self.late, list(self.tasks)):
                    other.check()
                    if self.late(other):
                        self.give_up(other)
        return ended[0]

    def forget_waiting(self, tasks: dict[Task, object]) -> None:
        """Take those tasks from `tasks` that no thread has begun, and do not begin them."""
        for task in [task for task in tasks if task.future.cancel()]:
            self.tasks.remove(task)
            del tasks[task]

    def late(self, task: Task) -> bool:
        """Whether a task has begun, has not ended, and has shown no progress for too long."""
        begun = task.seen is not None and not task.future.done()
        return begun and time.monotonic() - task.seen > self.seconds

    def give_up(self, task: Task) -> None:
        """Go on without a task and its thread: what has not begun moves to new threads."""
        task.given_up = True
        self.tasks.remove(task)
        self.pool.shutdown(wait=False, cancel_futures=True)
        self.pool = ThreadPoolExecutor(self.threads)
        for other in self.tasks:
            if other.future.cancelled():
                other.future = self.pool.submit(other)

    def close(self) -> None:
        """Start nothing more."""
        self.pool.shutdown(wait=False, cancel_futures=True)


def _one_ends(futures: list[Future], seconds: float) -> bool:
    """Whether one of these ends within so many seconds."""
    if len(futures) > 1:
        return bool(wait(futures, seconds, FIRST_COMPLETED).done)
    # What serves for many costs a tenth of a millisecond, and the thread that feeds a GPU waits for one at a time.
    with contextlib.suppress(TimeoutError, CancelledError):
        futures[0].exception(seconds)
    return futures[0].done()


def progress() -> None:
    """Say that the task of this thread goes on. Whoever reads a video calls it for each frame."""
    if task := getattr(_at_hand, "task", None):
        task.seen = time.monotonic()
