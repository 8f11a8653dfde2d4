"""Which faults of a caption server pass, and how long they are waited for."""

import random
import sys
import threading
import time
from collections.abc import Callable

from clipmill.engine.workers import progress

PASSING = (408, 409, 425, 429)
"""Statuses, besides 5xx, of requests that are sent again."""
LOADING = (502, 503, 504)
"""Statuses of a server that is not up yet, or of what stands before it."""
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0
"""Seconds between tries: the pause doubles each time."""
LOOK = 5.0
"""Seconds between tries while a server is loading."""


class Patience:
    """Sends requests again on time-outs, lost connections and statuses that pass: `retries` times, with growing pauses,
    or as the server asks. Until it has answered once, it is waited for up to `wait` seconds."""

    def __init__(self, server: dict):
        self.server, self.lock = server, threading.Lock()
        self.came, self.said = False, False
        self.until = time.monotonic() + server["wait"]

    def call(self, send: Callable):
        """What `send` returns. Raises its last error (of openai's) where that does not pass."""
        import openai

        tries = 0
        while True:
            progress()
            try:
                answer = send()
                self.came = True
                return answer
            except openai.APIConnectionError as error:
                status, headers = (408 if isinstance(error, openai.APITimeoutError) else None), {}
                failed = error
            except openai.APIStatusError as error:
                status, headers = error.status_code, error.response.headers
                failed = error
            if not self.came and (status is None or status in LOADING) and time.monotonic() < self.until:
                self._say_that_it_waits(failed)
                time.sleep(min(LOOK, max(0.0, self.until - time.monotonic())))
                continue
            if tries >= self.server["retries"] or not (status is None or status in PASSING or status >= 500):
                raise failed
            time.sleep(_pause(headers, tries))
            tries += 1

    def _say_that_it_waits(self, error: Exception) -> None:
        with self.lock:
            if not self.said:
                self.said = True
                print(
                    f"caption.server.url {self.server['url']} does not answer yet ({type(error).__name__}): waiting "
                    f"for it for at most {self.server['wait']:g} s (caption.server.wait)",
                    file=sys.stderr,
                    flush=True,
                )


def _pause(headers, tries: int) -> float:
    """Seconds until the next try: what the server asks for, at most a minute, or twice the last pause."""
    for name, unit in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            return min(60.0, float(headers[name]) / unit)
        except (KeyError, ValueError):
            continue
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2**tries) * random.uniform(0.75, 1.0)
