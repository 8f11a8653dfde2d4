"""Spreads requests over the clients of several servers."""

import contextlib
import threading
from collections.abc import Iterator


class Spread:
    """Clients of servers that hold the same model. Each request goes to the one with the fewest under way."""

    def __init__(self, clients: list):
        self.clients, self.under_way, self.lock = clients, [0] * len(clients), threading.Lock()

    @contextlib.contextmanager
    def client(self) -> Iterator[object]:
        """The client for one request."""
        with self.lock:
            chosen = min(range(len(self.clients)), key=self.under_way.__getitem__)
            self.under_way[chosen] += 1
        try:
            yield self.clients[chosen]
        finally:
            with self.lock:
                self.under_way[chosen] -= 1
