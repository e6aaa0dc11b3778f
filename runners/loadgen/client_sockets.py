"""The sockets of many clients, by the place of each client: waiting for them, and opening further connections."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter_ns as clock_ns
from typing import NamedTuple

from runners.loadgen.arrivals import clock_ahead_ns
from runners.loadgen.connection import Connection
from runners.loadgen.handshake import Handshake, HandshakeResult, resolve_address, socket_url, url_of_client
from runners.loadgen.job import Job

TICK_S = 0.005
"""Seconds between two looks at what is due besides messages, such as members who leave."""
NEVER_NS = 1 << 62
"""A moment that does not come."""
_SPIN_NS = 1_000_000
"""epoll rounds its timeout up to whole milliseconds, so for the last one before something is due we poll."""
_TURN_NS = 20_000
"""A turn without work takes a few microseconds. epoll that takes longer has waited."""
_SECOND_NS = 1_000_000_000


class Opened(NamedTuple):
    """A connection that was opened, its number in the load, and the mask of its frames."""

    number: int
    connection: Connection
    mask: bytes


class ClientSockets:
    """The sockets of a job's clients that the compiled kernel does not serve. Raises `OSError` as `resolve_address`.

    If the load has its core alone, it polls all the time. A processor that sleeps can take milliseconds to wake up,
    above all that of a virtual machine, and messages would be late by that.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._polls = job.idling == "spin" and job.publisher != "process"
        self.idle_ns = 0
        """Nanoseconds in which nothing arrived and nothing was done."""
        self._clock_ahead_ns = clock_ahead_ns()
        self.not_found_ns = clock_ns()
        """What `ready_by` found last had not arrived at this moment."""
        self._unread_ns = clock_ns()
        """Since when it may have waited to be read: if the wait ended late, we do not know that."""
        self._looked_ns = self._ended_ns = clock_ns()
        """When the last look began, and when it ended."""
        self._was_idle = False
        self._url = socket_url(job.url) if job.protocol == "socket.io" else job.url
        self._where = resolve_address(self._url, job.connect_timeout_s)
        self._epoll = select.epoll()
        self._places: dict[int, int] = {}

    def begin_to_open(self, place: int, number: int, mask: bytes, url: str = "") -> Handshake:
        """Begin to open a connection for the client at this place, which has this number in the load; raises
        `OSError`.

        ``url``: an address of the same server, if it is not that of the job.
        """
        handshake = Handshake(
            place,
            url_of_client(url or self._url, number),
            self._where,
            self._job.protocol,
            mask,
            serializer=self._job.serializer,
            options=self._job.client.of_client(number),
        )
        self.watch(place, handshake.socket, handshake.wanted)
        return handshake

    def proceed(self, place: int, handshake: Handshake) -> HandshakeResult | None:
        """Continue to open the connection; ``None`` while it waits. One that is open is watched."""
        descriptor = handshake.socket.fileno()  # a socket whose TLS fails at once is closed
        result = handshake.proceed(clock_ns() - int(self._job.connect_timeout_s * _SECOND_NS))
        if result is None:
            self.watch(place, handshake.socket, handshake.wanted)
            return None
        self.forget(descriptor)
        handshake.release(result)
        if result.connection is not None:
            result.connection.attach(self.of(place))
        return result

    def watch(self, place: int, sock: socket.socket, wanted: int) -> None:
        """Wait for these epoll events on a socket of the client at this place."""
        descriptor = sock.fileno()
        if descriptor in self._places:
            self._epoll.modify(descriptor, wanted)
        else:
            self._epoll.register(descriptor, wanted)
        self._places[descriptor] = place

    def forget(self, descriptor: int) -> None:
        """Stop waiting for events on a socket, which may be closed already."""
        if self._places.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def ready(self, timeout_s: float) -> Iterator[int]:
        """The places of clients whose sockets have events, after at most so many seconds.

        A client whose socket is forgotten meanwhile is left out.
        """
        return self._known(self._epoll.poll(timeout_s))

    def _known(self, events: list[tuple[int, int]]) -> Iterator[int]:
        for descriptor, _ in events:
            if (place := self._places.get(descriptor)) is not None:
                yield place

    def ready_by(self, due_ns: int) -> Iterator[int]:
        """The places of clients whose sockets have events, after at most a tick, and before something is due then."""
        began_ns = clock_ns()
        timeout_s = 0.0 if self._polls else min(TICK_S, max(0, due_ns - began_ns - _SPIN_NS) / _SECOND_NS)
        events = self._epoll.poll(timeout_s)
        ended_ns = clock_ns()
        has_waited = timeout_s > 0 and ended_ns - began_ns > _TURN_NS
        self.not_found_ns, self._unread_ns = (began_ns, ended_ns) if has_waited else (self._looked_ns, self._looked_ns)
        if has_waited or not events:
            # What lies between two turns without work is no work either.
            is_next = self._was_idle and began_ns - self._ended_ns < _TURN_NS
            self.idle_ns += ended_ns - (self._ended_ns if is_next else began_ns)
        self._was_idle = not events
        self._looked_ns, self._ended_ns = began_ns, ended_ns
        return self._known(events)

    def begin_run(self) -> None:
        """Count idle time from now on, and compare the clocks."""
        self.idle_ns, self._clock_ahead_ns = 0, clock_ahead_ns()

    def arrival_of(self, stamp_ns: int, now_ns: int) -> tuple[int, int]:
        """When bytes arrived that were read now, and for how long they may have waited to be read without our
        knowledge. ``stamp_ns``: theirs; 0: they have none.
        """
        at_ns = max(stamp_ns - self._clock_ahead_ns, self.not_found_ns)
        if stamp_ns and at_ns <= now_ns:
            return at_ns, 0
        return now_ns, now_ns - self._unread_ns

    def wait(self, wake: int) -> bool:
        """Wait for a client's socket or for the file descriptor ``wake``; returns whether that one is readable."""
        waiting = select.poll()
        waiting.register(self._epoll.fileno(), select.POLLIN)
        waiting.register(wake, select.POLLIN)
        return any(descriptor == wake for descriptor, _ in waiting.poll())

    def of(self, place: int) -> ClientWatcher:
        """The watcher for connections of the client at this place."""
        return ClientWatcher(self, place)

    def close(self) -> None:
        """Stop waiting."""
        self._epoll.close()


@dataclass(frozen=True)
class ClientWatcher:
    """Watches the sockets of one client; it is a `runners.loadgen.connection.Watcher`."""

    sockets: ClientSockets
    place: int

    def watch(self, sock: socket.socket, *, writable: bool) -> None:
        """Wait until the socket is readable and, if requested, until it is writable."""
        self.sockets.watch(self.place, sock, select.EPOLLIN | (select.EPOLLOUT if writable else 0))

    def forget(self, sock: socket.socket) -> None:
        """Stop waiting for the socket."""
        self.sockets.forget(sock.fileno())
