"""Members of rooms to which numbered messages are sent at fixed times, and who may leave again and again.

One steady member of each room sends, or a publisher from outside (`runners.loadgen.outside`) does, whatever happens.
Each other member departs at fixed times of its own, so that departures are spread evenly. A *reset* ends its
connection, and its attempts to connect fail until its network is back; it waits between them as clients with backoff do
(`waits_between_attempts`). *Silence* drops what arrives at its socket, which stays open. A *move* closes the connection
in order and joins the next room at once.

Each message counts for each member who should have it: it arrived in time, late or never. Whose network fails, and who
stays, should have all messages of its room, whether it was there or not. Who moves should have those that were sent
while it surely was a member: from a second after it joined to a second before it left.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns as clock_ns
from typing import Any, NamedTuple

import numpy as np

from runners.loadgen import buckets, engine_io
from runners.loadgen.causes import Cause, CauseTable, merge
from runners.loadgen.client_sockets import NEVER_NS, TICK_S, ClientSockets, Opened
from runners.loadgen.codecs import room_codec_for
from runners.loadgen.connection import Connection, Message, Received, Taken, WebSocketConnection
from runners.loadgen.handshake import Handshake, socket_url
from runners.loadgen.job import IN_TIME_S, Delivered, Departures, Job
from runners.loadgen.message import FIRST_SEQUENCE, Codec
from runners.loadgen.outside import outside_of
from runners.loadgen.pace import Open
from runners.loadgen.packet_filter import admit_packets, drop_packets
from runners.loadgen.reconnection import waits_between_attempts

PATIENCE_S = 20.0
"""Seconds that members have to come back after the last message. The kernel repeats a dropped packet after 0.2 s, and
then after twice the time before (RFC 6298): what is dropped for 5 s comes after 6.2 s."""
_SECOND_NS = 1_000_000_000
_IN_TIME_NS = int(IN_TIME_S * _SECOND_NS)
_NOT_ARRIVED = -1
_OUTSIDE = -1
"""The place of the publisher among the sockets, which is that of no member."""
_RESET = struct.pack("ii", 1, 0)
"""`struct linger` with a time of 0: close(2) then resets the connection (socket(7))."""


class SenderLostError(Exception):
    """The server ended the connection of a member that sends; the text says how."""


class Stay(NamedTuple):
    """A connection in a room."""

    room: int
    joined_ns: int
    ended_ns: int


@dataclass
class _Room:
    url: str
    codec: Codec
    before: int = 0
    """Number of messages sent in earlier runs."""
    sent_ns: list[int] = field(default_factory=list)
    """When each message is due."""
    sent: int = 0
    """Number of messages sent."""
    sender: int | None = None
    """The place of its first member, which sends and stays, unless messages come from outside."""


@dataclass
class _Member:
    number: int
    mask: bytes
    connection: Connection | None
    room: int
    departs_at_ns: int = 0
    back_at_ns: int = 0
    """When its network is back; 0 if it is there."""
    retry_at_ns: int = 0
    waits_s: Iterator[float] = field(default_factory=lambda: iter(()))
    handshake: Handshake | None = None
    began_ns: int = 0
    """When that began."""
    joined_ns: int = 0
    departed_ns: int = 0
    """When its network failed last."""
    admitted_ns: int = 0
    """When its packets arrived again, after a silence."""
    stays: list[Stay] = field(default_factory=list)
    """Those that have ended."""
    took_ns: dict[int, array[int]] = field(default_factory=dict)
    """By room: how long each of its messages took, or `_NOT_ARRIVED`."""

    def is_there(self, now_ns: int) -> bool:
        """Whether its network is there, and the server has kept its connection for a second. Some servers complete a
        handshake and end the connection at once.
        """
        return self.connection is not None and not self.back_at_ns and now_ns - self.joined_ns > _IN_TIME_NS

    @property
    def silence_ns(self) -> int:
        """How long its last silence lasted: longer than planned if this process had to wait for a processor."""
        return max(0, self.admitted_ns - self.departed_ns)


class _Unread(NamedTuple):
    """Bytes of a member that have arrived and are not parsed yet.

    Parsing takes several times as long as taking them from the socket. So all that has arrived is taken first.
    """

    place: int
    connection: WebSocketConnection
    taken: Taken
    at_ns: int
    lag_ns: int
    """How long they may have waited until we took them."""


class RoomMembers:
    """The members of one job's rooms: the first of each sends, unless messages come from outside.

    Raises `OSError` as `ClientSockets`, and `PublisherLostError`.
    """

    def __init__(self, job: Job, opened: Sequence[Opened]) -> None:
        assert isinstance(job.pace, Open), job.pace
        self._job, self._departures = job, job.departures
        self._gap_ns = int(_SECOND_NS / job.pace.rate_per_s)
        self._rooms = [_Room(room_url(job, room), room_codec_for(job, room)) for room in range(job.rooms)]
        self._sockets = ClientSockets(job)
        self._members = [_Member(one.number, one.mask, one.connection, one.number % job.rooms) for one in opened]
        self._outside = outside_of(job, self._sockets.of(_OUTSIDE))
        for place, member in enumerate(self._members if self._outside is None else []):
            room = self._rooms[member.room]
            room.sender = place if room.sender is None else room.sender
        self._senders = {room.sender for room in self._rooms}
        self._movable = [place for place in range(len(self._members)) if place not in self._senders]
        self._due: list[tuple[int, int]] = []
        """When each message is due, and its room."""
        self._next = 0
        """The index of the next message."""
        self._arrived_ns = 0
        """When a message arrived last."""
        self._unread: deque[_Unread] = deque()
        self._forget()
        for place, member in enumerate(self._members):
            self._join(place, member)

    def _forget(self) -> None:
        """Count from now on."""
        self._due, self._next = [], 0
        self._twice = self._foreign = self._departed = self._ended = self._refused = 0
        self._rejoin, self._send_lag, self._read_lag = (array("q") for _ in range(3))
        self._causes = CauseTable()
        for room in self._rooms:
            room.before += room.sent
            room.sent, room.sent_ns = 0, []
        for member in self._members:
            member.stays, member.took_ns = [], {}

    def _join(self, place: int, member: _Member) -> None:
        """Use a new connection of the member."""
        assert member.connection is not None
        member.connection.attach(self._sockets.of(place))
        member.joined_ns = clock_ns()
        greeting = self._rooms[member.room].codec.greeting
        if greeting is not None:
            self._send(place, member, [greeting])
        # What came with the handshake.
        self._take_all(place, member, member.connection, member.connection.feed(b""), clock_ns())

    def run(self, seconds: float) -> Delivered:
        """Send messages and let members leave for this long, and wait until all are back and have them.

        Each run has a result of its own. Raises `SenderLostError` and `PublisherLostError`.
        """
        began_ns, cpu_ns = clock_ns(), time.process_time_ns()
        self._sockets.begin_run()
        until_ns = began_ns + int(seconds * _SECOND_NS)
        self._plan(began_ns, until_ns)
        tend_at_ns = 0
        while (now_ns := clock_ns()) < until_ns + int(PATIENCE_S * _SECOND_NS):
            if self._next == len(self._due) and now_ns >= until_ns and self._are_back(now_ns):
                break
            self._publish_due()
            if now_ns >= tend_at_ns:
                tend_at_ns = now_ns + int(TICK_S * _SECOND_NS)
                for place in self._movable:
                    self._tend(place, self._members[place], now_ns, may_leave=now_ns < until_ns)
                    self._publish_due()
                if self._outside is not None:
                    self._outside.attend()
            self._attend_all()
        self._parse_all()
        result = self._result(began_ns, cpu_ns)
        self._forget()
        return result

    def _plan(self, began_ns: int, until_ns: int) -> None:
        """Set when each message is due, room after room, and when each member leaves first."""
        times = range(began_ns, until_ns, self._gap_ns)
        self._due = [(due_ns, index % len(self._rooms)) for index, due_ns in enumerate(times)]
        for due_ns, room in self._due:
            self._rooms[room].sent_ns.append(due_ns)
        for place, member in enumerate(self._members):
            member.departs_at_ns = NEVER_NS
            if self._departures is not None:
                every_ns = int(self._departures.every_s * _SECOND_NS)
                member.departs_at_ns = began_ns + every_ns * place // len(self._members)
            self._expect(member)

    def _expect(self, member: _Member) -> None:
        """Prepare for messages of the member's room."""
        planned = len(self._rooms[member.room].sent_ns)
        member.took_ns.setdefault(member.room, array("q", [_NOT_ARRIVED]) * planned)

    def idle(self, wake: int) -> None:
        """Answer pings until the file descriptor ``wake`` is readable."""
        while not self._sockets.wait(wake):
            self._attend_all()
            self._parse_all()

    def _publish_due(self) -> None:
        """Send what is due. It is called between small pieces of other work, so that messages do not wait for all."""
        while self._next < len(self._due) and self._due[self._next][0] <= (now_ns := clock_ns()):
            self._publish(now_ns)

    def _publish(self, now_ns: int) -> None:
        due_ns, number = self._due[self._next]
        room = self._rooms[number]
        self._send_lag.append(now_ns - due_ns)
        self._next += 1
        room.sent += 1
        sequence = FIRST_SEQUENCE + room.before + room.sent - 1
        if self._outside is not None:
            self._outside.publish(number, sequence, due_ns)
            return
        if room.sender is None:
            raise SenderLostError("no member of a room could connect, so nobody sends in it")
        self._send(room.sender, self._members[room.sender], room.codec.request(sequence))

    def _are_back(self, now_ns: int) -> bool:
        """Whether every member is there, and has the last message or had time to get it. It has time while messages
        still arrive.
        """
        if self._outside is not None and not self._outside.is_idle():
            return False

        def has_all(member: _Member) -> bool:
            sent_ns, took_ns = self._rooms[member.room].sent_ns, member.took_ns[member.room]
            if not took_ns or took_ns[-1] != _NOT_ARRIVED:
                return True
            # After a silence the server's kernel repeats what was dropped within the time that the silence lasted.
            latest_ns = max(member.admitted_ns, sent_ns[-1], self._arrived_ns)
            return now_ns - latest_ns > _IN_TIME_NS + member.silence_ns

        movable = map(self._members.__getitem__, self._movable)
        return all(member.is_there(now_ns) and has_all(member) for member in movable)

    def _attend_all(self) -> None:
        due_ns = self._due[self._next][0] if self._next < len(self._due) else NEVER_NS
        for place in self._sockets.ready_by(0 if self._unread else due_ns):
            if place == _OUTSIDE:
                assert self._outside is not None
                self._outside.attend()
                continue
            member = self._members[place]
            if member.handshake is not None:
                self._open(place, member, member.handshake)
            elif isinstance(member.connection, WebSocketConnection):
                taken = member.connection.take()
                at_ns, lag_ns = self._sockets.arrival_of(taken.stamp_ns, clock_ns())
                self._unread.append(_Unread(place, member.connection, taken, at_ns, lag_ns))
            self._publish_due()
        if self._unread:
            self._parse(self._unread.popleft())

    def _parse(self, unread: _Unread) -> None:
        place, connection, taken, at_ns, lag_ns = unread
        if (member := self._members[place]).connection is connection:
            self._take_all(place, member, connection, connection.parse(taken), at_ns, lag_ns)

    def _parse_all(self) -> None:
        while self._unread:
            self._parse(self._unread.popleft())

    # One member

    def _tend(self, place: int, member: _Member, now_ns: int, *, may_leave: bool) -> None:
        """Do what is due for a member: let it leave, give it its network back, or let it try to connect."""
        if member.back_at_ns and now_ns >= member.back_at_ns:
            member.back_at_ns = 0
            if member.connection is not None:
                with contextlib.suppress(OSError):  # the connection may have ended meanwhile
                    admit_packets(_socket_of(member.connection))
                member.admitted_ns = clock_ns()
        if self._departures is not None and may_leave and now_ns >= member.departs_at_ns:
            member.departs_at_ns += int(self._departures.every_s * _SECOND_NS)
            if member.connection is not None and not member.back_at_ns:
                self._depart(member, member.connection, self._departures, now_ns)
        if member.connection is None and member.handshake is None and now_ns >= member.retry_at_ns:
            if member.back_at_ns:  # its network is not there
                self._wait(member, now_ns)
            else:
                self._connect(place, member, now_ns)

    def _depart(self, member: _Member, connection: Connection, departures: Departures, now_ns: int) -> None:
        self._departed += 1
        if departures.kind == "move":
            connection.close()
            self._leave(member, now_ns)
            member.room = (member.room + 1) % len(self._rooms)
            member.retry_at_ns = now_ns
            self._expect(member)
            return
        member.departed_ns, member.back_at_ns = now_ns, now_ns + int(departures.away_s * _SECOND_NS)
        sock = _socket_of(connection)
        if departures.kind == "silence":
            drop_packets(sock)
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._sockets.forget(sock.fileno())
        sock.close()
        self._leave(member, now_ns)

    def _leave(self, member: _Member, now_ns: int) -> None:
        """The member has no connection any more."""
        member.stays.append(Stay(member.room, member.joined_ns, now_ns))
        member.connection = None
        member.waits_s = waits_between_attempts(self._job.seed, member.number, self._job.retries)
        self._wait(member, now_ns)

    def _wait(self, member: _Member, now_ns: int) -> None:
        member.retry_at_ns = now_ns + int(next(member.waits_s) * _SECOND_NS)

    def _connect(self, place: int, member: _Member, now_ns: int) -> None:
        member.began_ns = now_ns
        try:
            url = self._rooms[member.room].url
            member.handshake = self._sockets.begin_to_open(place, member.number, member.mask, url)
        except OSError:
            self._refused += 1
            self._wait(member, now_ns)

    def _open(self, place: int, member: _Member, handshake: Handshake) -> None:
        result = self._sockets.proceed(place, handshake)
        if result is None:
            return
        now_ns = clock_ns()
        member.handshake, member.connection = None, result.connection
        if result.connection is None:
            self._refused += 1
            if result.cause is not None:
                self._causes.add(result.cause)
            self._wait(member, now_ns)
            return
        self._rejoin.append(now_ns - member.began_ns)
        self._join(place, member)

    def _send(self, place: int, member: _Member, messages: Sequence[Message]) -> None:
        for payload, binary in messages:
            if member.connection is not None and not member.connection.send(payload, binary=binary):
                self._parse_all()
                self._take_all(place, member, member.connection, member.connection.receive(), clock_ns())

    def _take_all(
        self, place: int, member: _Member, connection: Connection, received: Received, at_ns: int, lag_ns: int = 0
    ) -> None:
        """Use what arrived at this time, after it waited for us for ``lag_ns``."""
        for one in received.messages:
            if member.connection is not connection:
                return
            control = engine_io.control_of(one.payload) if self._job.protocol == "socket.io" else None
            if control is None:
                self._take(member, one, at_ns, lag_ns)
            elif control.end is not None:
                self._end(place, member, connection, control.end, at_ns)
            elif control.reply:
                connection.send(control.reply)
        if received.end is not None and member.connection is connection:
            self._end(place, member, connection, received.end, at_ns)

    def _end(self, place: int, member: _Member, connection: Connection, cause: Cause, now_ns: int) -> None:
        """The server ended the connection."""
        if place in self._senders:
            raise SenderLostError(f"a member that sends lost its connection: {cause.text}")
        self._ended += 1
        self._causes.add(cause)
        connection.close()
        self._leave(member, now_ns)

    def _take(self, member: _Member, one: Message, at_ns: int, lag_ns: int) -> None:
        room = self._rooms[member.room]
        answer = room.codec.parse(one.payload, binary=one.binary)
        if answer is None:
            return
        number = answer.sequence - FIRST_SEQUENCE - room.before
        if -room.before <= number < 0 and answer.intact:
            return  # of an earlier run
        if not 0 <= number < room.sent or not answer.intact:
            self._foreign += 1
            return
        took_ns = member.took_ns[member.room]
        if took_ns[number] != _NOT_ARRIVED:
            self._twice += 1
        else:
            took_ns[number] = max(0, at_ns - room.sent_ns[number])
            self._arrived_ns = at_ns
            self._read_lag.append(lag_ns)

    # Results

    def _result(self, began_ns: int, cpu_ns: int) -> Delivered:
        now_ns = clock_ns()
        moves = self._departures is not None and self._departures.kind == "move"
        members = [self._members[place] for place in self._movable]
        sent_ns = [np.array(room.sent_ns, dtype=np.int64) for room in self._rooms]
        due, connected = [], []
        for member in members:
            stays = member.stays
            if member.connection is not None:
                stays = [*stays, Stay(member.room, member.joined_ns, now_ns)]
            for room, took_ns in member.took_ns.items():
                took = np.array(took_ns, dtype=np.int64)
                surely = was_there(sent_ns[room], [stay for stay in stays if stay.room == room])
                due.append(took[surely] if moves else took)
                connected.append(took[surely])
        all_due = np.concatenate(due) if due else np.zeros(0, dtype=np.int64)
        all_connected = np.concatenate(connected) if connected else all_due
        arrived = all_due[all_due != _NOT_ARRIVED]
        in_time = int((arrived <= _IN_TIME_NS).sum())
        histograms: dict[str, array[int] | np.ndarray[Any, np.dtype[np.int64]]] = {
            "delivery": arrived,
            "rejoin": self._rejoin,
            "send_lag": self._send_lag,
            "read_lag": self._read_lag,
        }
        handed, last_ns = None, np.zeros(0, dtype=np.int64)
        if self._outside is not None:
            handed, last_ns = self._outside.collect(), self._last_deliveries(members)
            histograms |= {"last_delivery": last_ns, "answer": handed.answer_ns}
        causes = [self._causes.counted(), handed.causes.counted() if handed is not None else []]
        return Delivered(
            messages=len(self._due),
            due=len(all_due),
            in_time=in_time,
            late=len(arrived) - in_time,
            never=len(all_due) - len(arrived),
            never_connected=int((all_connected == _NOT_ARRIVED).sum()),
            received=len(self._read_lag),
            twice=self._twice,
            foreign=self._foreign,
            departures=self._departed,
            ended=self._ended,
            refused=self._refused,
            away=sum(not member.is_there(now_ns) for member in members),
            took_ns=now_ns - began_ns,
            working_ns=max(0, now_ns - began_ns - self._sockets.idle_ns),
            cpu_ns=time.process_time_ns() - cpu_ns,
            complete=len(last_ns),
            unpublished=0 if handed is None else handed.refused,
            publisher_connections=0 if handed is None else handed.connections,
            causes=merge(causes).counted(),
            histograms={name: buckets.sparse(buckets.counts_of(values)) for name, values in histograms.items()},
        )

    def _last_deliveries(self, members: Sequence[_Member]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """How long each message took to the last member, of those that all members of the room have, shape (n,)."""
        found = [np.zeros(0, dtype=np.int64)]
        for room in range(len(self._rooms)):
            took = [np.array(one.took_ns[room], dtype=np.int64) for one in members if room in one.took_ns]
            if took:
                of_each = np.stack(took)
                found.append(of_each.max(axis=0)[(of_each != _NOT_ARRIVED).all(axis=0)])
        return np.concatenate(found)

    def close(self) -> None:
        """Close all connections."""
        if self._outside is not None:
            self._outside.close()
        for member in self._members:
            if member.connection is not None:
                member.connection.close()
            if member.handshake is not None:
                member.handshake.socket.close()
        self._sockets.close()


def was_there(
    sent_ns: np.ndarray[Any, np.dtype[np.int64]], stays: Sequence[Stay]
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether a member was surely in the room when each message was due, shape (messages,).

    A second at both ends of a stay is left out, in which a message may be on its way.
    """
    found = np.zeros(len(sent_ns), dtype=np.bool_)
    for stay in stays:
        found |= (sent_ns >= stay.joined_ns + _IN_TIME_NS) & (sent_ns <= stay.ended_ns - _IN_TIME_NS)
    return found


def room_url(job: Job, room: int) -> str:
    """The address at which a member of this room connects. Over Socket.IO it is the same for all."""
    if job.protocol == "socket.io":
        return socket_url(job.url)
    return job.url if room == 0 else f"{job.url}-{room}"


def _socket_of(connection: Connection) -> socket.socket:
    assert isinstance(connection, WebSocketConnection)
    return connection.socket
