"""Clients that read streams, each one at a time: what they share, whether the request or the server sets the pace.

Each client begins its streams at times of its own, whatever the others do. One that is busy when a stream is due begins
it late, and that is the server's doing.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter_ns as clock_ns
from typing import Generic, TypeVar

from runners.loadgen.client_sockets import NEVER_NS, ClientSockets
from runners.loadgen.job import Job

RETRY_NS = 100_000_000
"""Nanoseconds until a client tries again to open its connection, or requests the next stream after one that broke."""
APART_NS = 100_000
"""Nanoseconds between streams that begin in a row. To open a connection and send a request takes about half of it. If
all were due at the same moment, the last of 500 would be late by the load generator's own work, by up to 43 ms."""
_SECOND_NS = 1_000_000_000


@dataclass(kw_only=True)
class StreamClient:
    """The times of one client."""

    number: int
    due_ns: int = 0
    """When its next stream is due."""
    free_ns: int = 0
    """Since when it could begin one."""
    begun: int = 0
    """Number of streams begun in this run."""


C = TypeVar("C", bound=StreamClient)


class StreamClients(Generic[C]):
    """The clients of one job, and when each has something to do. Raises `OSError` as `ClientSockets`."""

    def __init__(self, job: Job, clients: Sequence[C], gap_ns: int) -> None:
        """``gap_ns``: between two streams of a client; 0 in the closed loop."""
        self._job, self._clients, self._gap_ns = job, clients, gap_ns
        self._sockets = ClientSockets(job)
        self._due: list[tuple[int, int]] = []
        """When something is due, and the place of the client."""
        self._until_ns = 0
        """When the last stream may begin."""
        self._start_lag, self._read_lag = array("q"), array("q")

    def _attend(self, place: int, client: C) -> None:
        """Read what has arrived for a client."""
        raise NotImplementedError

    def _tend(self, place: int, client: C) -> None:
        """Do what is due for a client, if it can."""
        raise NotImplementedError

    def _begin_run(self, seconds: float, *, together: int = 1) -> int:
        """Plan the first stream of each client; returns the time. ``together``: how many clients begin in a row, each
        `APART_NS` after the one before.
        """
        began_ns = clock_ns()
        self._until_ns = began_ns + int(seconds * _SECOND_NS)
        self._sockets.begin_run()
        self._start_lag, self._read_lag = array("q"), array("q")
        for place, client in enumerate(self._clients):
            client.begun, client.free_ns = 0, began_ns
            in_row = place % together
            client.due_ns = began_ns + self._gap_ns * (place - in_row) // len(self._clients) + in_row * APART_NS
        self._due = [(client.due_ns, place) for place, client in enumerate(self._clients)]
        heapq.heapify(self._due)
        return began_ns

    def _begin_one(self, place: int, client: C, now_ns: int) -> None:
        """Count a stream that begins, and plan the next one."""
        # A client that was busy when the stream was due waited for the server, not for the load generator.
        self._start_lag.append(now_ns - max(client.due_ns, client.free_ns))
        client.begun += 1
        if self._gap_ns:
            client.due_ns += self._gap_ns
            self._remind(client.due_ns, place)

    def _may_begin(self, client: C, now_ns: int) -> bool:
        """Whether the client's next stream is due and belongs to this run."""
        return client.due_ns <= now_ns and client.due_ns < self._until_ns

    def _remind(self, at_ns: int, place: int) -> None:
        """Let `_tend` be called for a client at this time."""
        heapq.heappush(self._due, (at_ns, place))

    def _go_on(self, now_ns: int) -> None:
        """Do what is due, then wait for data until just before the next is, and read it.

        What becomes due while it reads does not wait for the rest.
        """
        self._tend_due(now_ns)
        for _ in self._attend_each():
            self._tend_due(clock_ns())

    def _tend_due(self, now_ns: int) -> None:
        while self._due and self._due[0][0] <= now_ns:
            place = heapq.heappop(self._due)[1]
            self._tend(place, self._clients[place])

    def _attend_each(self) -> Iterator[None]:
        """Read what has arrived; yields after each client."""
        for place in self._sockets.ready_by(self._due[0][0] if self._due else NEVER_NS):
            self._attend(place, self._clients[place])
            yield

    def idle(self, wake: int) -> None:
        """Answer pings until the file descriptor ``wake`` is readable."""
        while not self._sockets.wait(wake):
            for _ in self._attend_each():
                pass

    def _count_due(self) -> int:
        """The number of streams that were due, begun or not."""
        left = (-((one.due_ns - self._until_ns) // self._gap_ns) for one in self._clients) if self._gap_ns else ()
        return self._count_begun() + sum(max(0, count) for count in left)

    def _count_begun(self) -> int:
        return sum(client.begun for client in self._clients)
