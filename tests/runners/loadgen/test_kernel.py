"""The compiled path: it counts like the library, writes numbers like the templates, and its ledger agrees with the
simple model, whatever the peer answers.

The peer works between two turns of the kernel, in the same thread. So no relevant time passes, and every message sent
is known. The peer uses the server side of `websockets`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import termios
import time
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, field, replace
from itertools import chain, cycle, repeat
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

from runners.loadgen import arrays, buckets, frames, kernel
from runners.loadgen.arrays import HistogramRow
from runners.loadgen.codecs import codec_for
from runners.loadgen.connection import RECEIVE_BYTES, Connection, DeflateStreams, WebSocketConnection
from runners.loadgen.deflate import Agreement
from runners.loadgen.engine import Engine
from runners.loadgen.job import Brief, Idling, Job, LedgerTotals
from runners.loadgen.kernel import Reason
from runners.loadgen.message import FIRST_SEQUENCE, LAST_SEQUENCE, DashboardCodec, Template, echo_codec
from runners.loadgen.pace import Closed, Open, Pace, PushOnly
from runners.loadgen.slow_path import SlowPath
from runners.loadgen.wire import Client, masks
from tests.support.pencil import Pencil
from tests.support.processes import DEADLINE_S

ROOT = Path(__file__).parents[3]
WireProtocol = Literal["websocket", "socket.io"]
both = pytest.mark.parametrize("protocol", ["websocket", "socket.io"])
each_pace = pytest.mark.parametrize("pace", [Open(8_000.0), Closed()], ids=["open", "closed"])

# Counting

NANOSECONDS = (
    st.integers(0, 70).map(lambda power: 2**power).flatmap(lambda near: st.integers(near - 2, near + 2))
    | st.integers(-10, 10**13)
).filter(lambda value: value < 2**63)


@given(st.lists(NANOSECONDS, max_size=50))
@settings(deadline=None)
def test_it_counts_like_the_library(values: list[int]) -> None:
    counts = arrays.ledger_tables(1, 16).counts
    for value in values:
        kernel.count(counts, int(HistogramRow.LATENCY_FROM_SEND), value)
    assert (counts[HistogramRow.LATENCY_FROM_SEND] == buckets.counts_of(array("q", values))).all()
    assert counts[HistogramRow.LATENCY].sum() == counts[HistogramRow.SEND_LAG].sum() == 0


# Numbers in frames

masking = st.binary(min_size=4, max_size=4)
CARRIES = [10_000_009, 10_999_999, 19_999_999, 89_999_999, 99_999_998]


@given(st.sampled_from(CARRIES) | st.integers(FIRST_SEQUENCE, LAST_SEQUENCE - 1), masking, st.integers(18, 200))
@example(19_999_999, bytes(4), 18)
@settings(deadline=None)
def test_numbers_are_turned_like_the_templates_whatever_the_mask(sequence: int, mask: bytes, size: int) -> None:
    for protocol in ("websocket", "socket.io"):
        ((request, _),) = echo_codec(7, size, "websocket" if protocol == "websocket" else "socket.io").request_parts

        def frame(number: int, request: Template = request, mask: bytes = mask) -> Any:
            data = frames.encode_frame(frames.TEXT, request.fill(number), mask)
            return np.frombuffer(bytearray(data), dtype=np.uint8)

        turned = frame(sequence)
        head = len(turned) - len(request.text)
        cover = np.frombuffer(bytes(head) + frames.masked(bytes(len(request.text)), mask), dtype=np.uint8).copy()
        places = arrays.places_of(tuple(head + place for place in request.places), ())
        kernel.increment(turned, places[0], cover)
        assert turned.tobytes() == frame(sequence + 1).tobytes()


# Conversations

AGREEMENTS = st.builds(
    Agreement,
    server_no_context_takeover=st.booleans(),
    client_no_context_takeover=st.booleans(),
    server_max_window_bits=st.integers(9, 15),  # `websockets` cannot compress with a window of 8 bits
    client_max_window_bits=st.integers(8, 15),
)


def their_end(agreement: Agreement) -> PerMessageDeflate:
    """The server's end of this agreement."""
    return PerMessageDeflate(
        agreement.client_no_context_takeover,
        agreement.server_no_context_takeover,
        agreement.client_max_window_bits,
        agreement.server_max_window_bits,
    )


Act = Literal["answer", "twice", "drop", "hold", "change", "foreign", "fragments", "ping"]


class Said(NamedTuple):
    """An answer: after how many questions, and by where it ends in all that was written."""

    asked: int
    end: int
    number: int
    intact: bool


@dataclass
class Talk:
    """The peer's end of one connection."""

    line: socket.socket
    acts: Iterator[Act]
    socketio: bool
    held_first: bool
    """Whether a held answer comes before the next one, or after it."""
    protocol: ServerProtocol = field(default_factory=lambda: ServerProtocol(state=State.OPEN, max_size=None))
    asked: int = 0
    pongs: int = 0
    pinged: int = 0
    said: list[Said] = field(default_factory=list)
    held: list[tuple[int, bytes]] = field(default_factory=list)
    out: bytearray = field(default_factory=bytearray)
    written: int = 0
    unread: int = 0
    """Of what was written, in the end; in bytes."""
    overdue: int = 0
    """What was written so long ago that it should have been read."""
    by_poll: list[int] = field(default_factory=list)
    """What had been written before each poll of the kernel."""

    def listen(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while data := self.line.recv(1 << 20):
                self.protocol.receive_data(data)
        for event in self.protocol.events_received():
            assert isinstance(event, Frame)
            if event.opcode == Opcode.PONG or event.data == b"3":
                self.pongs += 1
            elif event.opcode == Opcode.TEXT:
                self.reply(bytes(event.data))

    def reply(self, question: bytes) -> None:
        number, self.asked = self.asked, self.asked + 1
        answer = question if not self.socketio else b"43" + question[2:].replace(b'"echo",', b"")
        act = next(self.acts)
        if act == "hold":
            self.held.append((number, answer))
            return
        if self.held_first and act != "drop":
            self.release()
        if act == "foreign":
            self.say(b"?", -FIRST_SEQUENCE - 1)
        if act == "ping":
            self.protocol.send_ping(b"alive?")
            self.pinged += 1
            if self.socketio:
                self.protocol.send_text(b"2")
                self.pinged += 1
        if act != "drop":
            changed = answer[:-3] + bytes([answer[-3] ^ 1]) + answer[-2:]
            self.say(changed if act == "change" else answer, number, intact=act != "change", cut=act == "fragments")
        if act == "twice":
            self.say(answer, number)
        if act != "drop":
            self.release()

    def release(self) -> None:
        for late, its_answer in self.held:
            self.say(its_answer, late)
        self.held.clear()

    def say(self, answer: bytes, number: int, *, intact: bool = True, cut: bool = False) -> None:
        if cut:
            self.protocol.send_text(answer[:5], fin=False)
            self.protocol.send_continuation(answer[5:], fin=True)
        else:
            self.protocol.send_text(answer)
        self.out += b"".join(self.protocol.data_to_send())
        self.said.append(Said(self.asked, self.written + len(self.out), number, intact))

    def write(self, most: int) -> None:
        self.out += b"".join(self.protocol.data_to_send())
        with contextlib.suppress(BlockingIOError):
            taken = self.line.send(self.out[:most])
            del self.out[:taken]
            self.written += taken

    def expected(self, depth: int) -> LedgerTotals:
        """The ledger by what really was said."""
        pencil = Pencil(older=FIRST_SEQUENCE, depth=depth)
        for said in self.said:
            while len(pencil.fate) < said.asked:
                pencil.send()
            if said.end <= self.written - self.unread:
                pencil.receive(said.number, intact=said.intact)
        while len(pencil.fate) < self.asked:
            pencil.send()
        return pencil.settle()


@dataclass
class Spoken:
    """What a load came to, on both sides."""

    ledger: LedgerTotals
    brief: Brief
    talks: list[Talk]
    engine: Engine
    whys: list[int]

    @property
    def expected(self) -> LedgerTotals:
        columns = zip(*(astuple(talk.expected(self.engine.ledger.depth)) for talk in self.talks), strict=True)
        return LedgerTotals(*map(sum, columns))


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    """A shard compiles the kernel before it applies load."""
    kernel.compile_kernel()


JOB = Job(
    url="", protocol="websocket", exchange="echo", pace=Open(8_000.0), connections=2, warmup_s=0.0, duration_s=0.01,
    payload_bytes=40, drain_s=0.05,
)  # fmt: skip


def speak(
    job: Job,
    acts: Sequence[Act] = (),
    chunks: Sequence[int] = (1 << 20,),
    *,
    slices: int = 1,
    held_first: bool = False,
    room_bytes: int = 1 << 20,
    duration_s: float | None = None,
    by_python: bool = False,
    shelf_pieces: int = 1 << 16,
    agreement: Agreement | None = None,
) -> Spoken:
    """Apply the load to a peer that acts like this about each connection's first messages and is honest from then on;
    it writes as many bytes at a time as ``chunks`` says, over and over. ``by_python``: the kernel may neither send nor
    read, as where there is TLS. ``shelf_pieces``: for so many the kernel's shelf has room. ``agreement``: how messages
    are compressed.
    """
    sizes = cycle(chunks)
    clients, talks, whys = [], [], []
    for client, mask in enumerate(masks(job.seed, job.connections)):
        ours, theirs = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room_bytes)
        ours.setblocking(False)
        theirs.setblocking(False)
        codec = codec_for(job, client)
        ours_end = None if agreement is None else DeflateStreams(agreement)
        reader = frames.MessageReader(ours_end.inflater if ours_end else None)
        connection = (SlowConnection if by_python else WebSocketConnection)(ours, mask, reader, [], ours_end)
        clients.append(Client(client, codec, connection, mask))
        all_acts = chain[Act](acts, repeat("answer"))
        talks.append(Talk(theirs, all_acts, job.protocol == "socket.io", held_first))
        talks[-1].protocol.extensions = [] if agreement is None else [their_end(agreement)]
    engine = Engine(job, clients)
    slow_path = engine.slow_path
    slow_path.buffers = slow_path.buffers._replace(shelf=slow_path.buffers.shelf[:shelf_pieces])
    really_run = kernel.run
    most_shelved = 0
    before_polling = {Reason.SEND, Reason.REFILL, *([] if isinstance(job.pace, Closed) else [Reason.SHORT])}

    def run(ledger: arrays.LedgerTables, *others: Any) -> Any:
        """The peer's turn, then one turn of the kernel."""
        nonlocal most_shelved
        for talk in talks:
            talk.listen()
            talk.write(next(sizes))
        ledger.state["until_ns"] = 0
        most_shelved = max(most_shelved, int(ledger.state["shelf_put"][0]))
        why, k = really_run(ledger, *others)
        whys.append(int(why))
        if why not in before_polling:
            for talk in talks:
                talk.by_poll.append(talk.written)
        return why, k

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernel, "run", run)
        for _ in range(slices):
            brief = engine.load(duration_s or job.duration_s)
    for end, talk in zip(clients, talks, strict=True):
        talk.listen()
        # A poll ends early when Python is needed: once for each connection before it is this one's turn, and once for
        # each piece taken from the shelf. If its own pieces must be taken first, the others have a turn before each.
        held_bytes = min(talk.written, talk.line.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))
        polls = len(talks) * (1 + most_shelved) * (1 + held_bytes // RECEIVE_BYTES)
        talk.unread = unread(end.connection)
        talk.overdue = max(0, ([0] * polls + talk.by_poll)[-polls] - (talk.written - talk.unread))
    engine.close()
    for talk in talks:
        talk.line.close()
    assert [talk.overdue for talk in talks] == [0] * len(talks)
    return Spoken(engine.totals.ledger, brief, talks, engine, whys)


def unread(connection: Connection) -> int:
    """How many bytes have come that nobody has read."""
    if connection.descriptor < 0:  # it was closed
        return 0
    return int.from_bytes(fcntl.ioctl(connection.descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)


class SlowConnection(WebSocketConnection):
    """One that the kernel leaves alone."""

    fast = False


ACTS: tuple[Act, ...] = ("answer", "twice", "drop", "hold", "change", "foreign", "fragments", "ping")
some_chunks = st.lists(st.integers(1, 300), min_size=1, max_size=8) | st.just([1 << 20])


@both
@given(
    acts=st.lists(st.sampled_from(ACTS), max_size=30),
    chunks=some_chunks,
    by_python=st.booleans(),
    shelf_pieces=st.sampled_from([1, 2, 1000]),
    agreement=st.none() | AGREEMENTS,
)
# Both always have something for Python to read, or for the shelf.
@example(acts=[], chunks=[1], by_python=True, shelf_pieces=1000, agreement=None)
@example(acts=["change"] * 30, chunks=[1], by_python=False, shelf_pieces=1, agreement=None)
@example(acts=["change"] * 30, chunks=[1], by_python=False, shelf_pieces=1, agreement=Agreement())
@settings(deadline=None, max_examples=60)
def test_the_open_loop_agrees_with_what_was_sent(
    protocol: WireProtocol,
    acts: list[Act],
    chunks: list[int],
    by_python: bool,
    shelf_pieces: int,
    agreement: Agreement | None,
) -> None:
    job = replace(JOB, protocol=protocol)
    spoken = speak(job, acts, chunks, by_python=by_python, shelf_pieces=shelf_pieces, agreement=agreement)
    assert spoken.ledger == spoken.expected
    assert spoken.ledger.sent == sum(talk.asked for talk in spoken.talks) == 80
    counts = spoken.engine.counts
    assert counts["latency"].sum() == counts["latency_from_send"].sum() == counts["send_lag"].sum() == 80
    assert counts["read_lag"].sum() == spoken.ledger.received
    assert spoken.engine.totals.offered >= 80
    assert 0 <= spoken.engine.totals.working_ns <= spoken.engine.totals.window_ns
    assert spoken.engine.slow_path.causes.errors() == {}
    for talk in spoken.talks:
        assert talk.pongs <= talk.pinged


@both
@given(
    acts=st.lists(st.sampled_from(["answer", "twice", "change", "fragments", "ping"]), max_size=30),
    chunks=some_chunks,
    by_python=st.booleans(),
    agreement=st.none() | AGREEMENTS,
)
@settings(deadline=None, max_examples=40)
def test_the_closed_loop_agrees_with_what_was_sent(
    protocol: WireProtocol, acts: list[Act], chunks: list[int], by_python: bool, agreement: Agreement | None
) -> None:
    job = replace(JOB, protocol=protocol, pace=Closed())
    spoken = speak(job, acts, chunks, by_python=by_python, agreement=agreement)
    assert spoken.ledger == spoken.expected
    # What is waited for at the end counts in part.
    assert spoken.ledger.sent == spoken.ledger.received
    assert spoken.ledger.sent - JOB.connections <= spoken.brief.answered <= spoken.ledger.sent
    assert spoken.engine.counts["latency"].sum() == spoken.ledger.sent
    assert spoken.engine.slow_path.causes.errors() == {}


@both
@each_pace
@pytest.mark.parametrize("agreement", [None, Agreement()])
def test_an_honest_answer_in_one_piece_never_reaches_python(
    protocol: WireProtocol, pace: Pace, agreement: Agreement | None
) -> None:
    spoken = speak(replace(JOB, protocol=protocol, pace=pace), agreement=agreement)
    assert spoken.ledger.received == spoken.ledger.sent > 0
    assert set(spoken.whys) <= {Reason.TICK, Reason.REFILL, Reason.SETTLED}


@each_pace
@pytest.mark.parametrize("by_python", [False, True])
@pytest.mark.parametrize("agreement", [None, Agreement()])
def test_its_traffic_is_what_the_peer_saw(pace: Pace, by_python: bool, agreement: Agreement | None) -> None:
    acts: list[Act] = ["answer", "twice", "change", "ping"]
    spoken = speak(replace(JOB, pace=pace), acts, by_python=by_python, agreement=agreement)
    traffic = spoken.engine.totals.traffic
    assert traffic.sent_messages == sum(talk.asked for talk in spoken.talks)
    assert traffic.sent_payload_bytes == JOB.payload_bytes * traffic.sent_messages
    assert traffic.received_messages == sum(len(talk.said) for talk in spoken.talks)
    assert traffic.received_payload_bytes == JOB.payload_bytes * traffic.received_messages
    assert traffic.received_wire_bytes == sum(talk.written for talk in spoken.talks)
    if agreement is None:
        pongs = spoken.talks[0].pongs + spoken.talks[1].pongs
        assert traffic.sent_wire_bytes == (6 + JOB.payload_bytes) * traffic.sent_messages + (6 + len("alive?")) * pongs
    else:
        assert traffic.sent_wire_bytes < traffic.sent_payload_bytes


@each_pace
@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"\xff\xff", "cannot decompress: invalid block type"),
        (b"\xaa", "ends within a block"),
    ],
)
def test_what_the_kernel_cannot_decompress_is_named(pace: Pace, payload: bytes, why: str) -> None:
    """After messages that the kernel has read, so that the stream is its own."""

    class Corrupting(Talk):
        def reply(self, question: bytes) -> None:
            if len(self.said) < 20:
                super().reply(question)
                if len(self.said) == 20:
                    self.out += b"\xc1" + bytes([len(payload)]) + payload

        def write(self, most: int) -> None:
            with contextlib.suppress(BrokenPipeError):
                super().write(most)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(globals(), "Talk", Corrupting)
        spoken = speak(replace(JOB, pace=pace, duration_s=0.05), agreement=Agreement())
    causes = spoken.engine.slow_path.causes.counted()
    assert [cause.error for cause in causes] == ["protocol-error"]
    assert why in causes[0].example
    assert spoken.engine.closed_early == JOB.connections
    assert spoken.ledger.received >= 20 * JOB.connections


def test_nothing_is_compiled_while_a_load_runs() -> None:
    """What Python calls with other types than `compile_kernel` did is compiled anew, in the middle of a slice, or reads
    wrong memory: `Native` does not check types.
    """
    # In a process of its own: here other tests may have had it compiled already.
    code = "import runpy, sys; print(runpy.run_path(sys.argv[1])['calls_of_other_types']())"
    done = subprocess.run([sys.executable, "-c", code, __file__], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def calls_of_other_types() -> list[str]:
    """The calls in loads of all kinds for whose types `compile_kernel` compiled nothing, and what no load calls."""
    typeof: Any = numba.typeof
    called: set[str] = set()
    found: list[str] = []

    def checked(name: str, really_call: Any) -> Any:
        def call(*arguments: Any) -> Any:
            called.add(name)
            types = tuple(typeof(argument) for argument in arguments)
            if types not in compiled[name]:
                found.append(f"{name}{types}")
            return really_call(*arguments)

        return call

    kernel.compile_kernel()
    callable_by_python = {name: one for name, one in vars(kernel).items() if isinstance(one, kernel.Native)}
    functions = {name: native.function for name, native in callable_by_python.items()}
    functions |= {"count": kernel.count, "increment": kernel.increment}
    compiled = {name: set(function.signatures) for name, function in functions.items()}
    with pytest.MonkeyPatch.context() as patch:
        for name in functions:
            patch.setattr(kernel, name, checked(name, getattr(kernel, name)))
        speak(JOB, ACTS)
        closed = replace(JOB, pace=Closed(), duration_s=0.3)  # on a busy machine its first answers take long
        speak(closed, ["answer", "twice", "change"], by_python=True)
        speak(closed, ["answer", "twice", "fragments"])
        speak(closed, ["answer", "twice", "fragments"], agreement=Agreement())
        speak(replace(JOB, pace=Open(8_000.0, "poisson"), connections=1), ["drop", "hold"])
        speak(replace(closed, exchange="room", connections=1, answer_timeout_s=0.01, duration_s=0.05), ["drop"])
        for _ in range(50):  # nearly every slice with so many answers ends with some on the shelf
            speak(replace(JOB, exchange="dashboard", pace=Open(100_000.0), connections=20))
            if "take_piece" in called:
                break
    return found + [f"{name} is not called" for name in functions if name not in called]


@both
def test_answers_cut_at_every_byte(protocol: WireProtocol) -> None:
    ((answer, _),) = echo_codec(0, JOB.payload_bytes, protocol).answer
    size = len(frames.server_frame(frames.TEXT, answer.text))
    # Each answer in two pieces, the cut one byte further each time; and the same for two answers at once.
    one = [piece for cut in range(1, size) for piece in (cut, size - cut)]
    spoken = speak(replace(JOB, protocol=protocol, pace=Closed(), connections=1, duration_s=0.1), chunks=one)
    assert spoken.ledger == spoken.expected
    assert spoken.ledger.sent == spoken.ledger.received > size
    two = [piece for cut in range(1, 2 * size) for piece in (cut, 2 * size - cut)]
    spoken = speak(replace(JOB, protocol=protocol, connections=1, duration_s=0.1, pace=Open(3000)), chunks=two)
    assert spoken.ledger == spoken.expected == LedgerTotals(sent=300, received=300)


@pytest.mark.parametrize("held_first", [True, False])
def test_what_was_given_up_and_is_answered_after_all_is_lost_once(held_first: bool) -> None:
    """Where it comes before the next answer, it is the one that the kernel expects."""
    held: list[Act] = ["answer", "hold", "answer", "hold"]
    job = replace(JOB, pace=Closed(), answer_timeout_s=0.02, duration_s=0.15, drain_s=0.2)
    spoken = speak(job, held, held_first=held_first)
    ledger = spoken.ledger
    assert ledger.sent == sum(talk.asked for talk in spoken.talks)
    assert ledger.lost >= 4
    assert ledger.sent == ledger.received + ledger.lost
    assert ledger.duplicated == ledger.corrupted == 0
    assert spoken.engine.counts["latency"].sum() == ledger.sent


def test_what_is_answered_after_a_whole_ring_of_newer_ones_is_lost() -> None:
    dropped: list[Act] = ["hold", *["drop"] * 200]  # type: ignore[list-item]
    spoken = speak(replace(JOB, connections=1, duration_s=0.001), dropped, held_first=True, duration_s=0.04)
    assert spoken.engine.ledger.depth < 200
    assert spoken.ledger == spoken.expected
    assert spoken.ledger == LedgerTotals(sent=320, received=119, lost=201)


@both
@pytest.mark.parametrize("pace", [Open(1000), Closed()], ids=["open", "closed"])
@pytest.mark.parametrize(("payload_bytes", "room_bytes"), [(40_000, 5_000), (1 << 20, 100_000)])
def test_messages_larger_than_the_socket_has_room_for(
    protocol: WireProtocol, pace: Pace, payload_bytes: int, room_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runners.loadgen.engine._LEAST_CATCH_UP_NS", int(DEADLINE_S * 1e9))  # if the machine is busy
    duration_s = 0.03 if isinstance(pace, Open) else 0.3  # on a busy machine a closed loop's first answers take long
    job = replace(JOB, protocol=protocol, pace=pace, payload_bytes=payload_bytes, duration_s=duration_s)
    job = replace(job, drain_s=DEADLINE_S)
    spoken = speak(job, ["answer", "twice", "change", "fragments"], room_bytes=room_bytes)
    assert Reason.SHORT in spoken.whys
    assert spoken.ledger == spoken.expected
    assert spoken.ledger.sent == spoken.ledger.received > 0
    if isinstance(pace, Open):
        assert spoken.ledger == LedgerTotals(sent=30, received=30, duplicated=2, corrupted=2)


@each_pace
def test_slices_add_up(pace: Pace) -> None:
    spoken = speak(replace(JOB, pace=pace), ["twice", "change", "fragments"], slices=5)
    totals = spoken.engine.totals
    assert totals.slices == 5
    assert totals.ledger.sent == totals.ledger.received == sum(talk.asked for talk in spoken.talks)
    assert (totals.ledger.duplicated, totals.ledger.corrupted) == (2, 2)
    assert totals.window_ns >= 5 * JOB.duration_s * 1e9
    assert spoken.engine.counts["latency"].sum() == totals.ledger.sent
    if isinstance(pace, Open):
        assert totals.ledger.sent == 5 * 80


def test_every_second_of_load_has_its_row_however_it_is_sliced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runners.loadgen.engine._SECOND_NS", 10_000_000)
    job = replace(JOB, pace=Closed(), duration_s=1.0)  # of seconds that short
    for slices, duration in ((1, 3.0), (5, 1.0), (20, 0.25), (2, 2.5), (3, 0.5)):
        spoken = speak(replace(job, duration_s=duration), slices=slices)
        seconds, rest = divmod(spoken.engine.totals.window_ns, 10_000_000)
        assert len(spoken.engine.totals.rows) == seconds
        spoken.engine.finish_rows()
        rows = spoken.engine.totals.rows
        assert len(rows) == seconds + (rest > 5_000_000)
        if rest > 5_000_000 or not rest:
            assert sum(sum(row.counts) for row in rows) == spoken.ledger.sent


def test_what_python_sends_is_work_and_waiting_for_the_last_answers_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    really_send = SlowPath.send

    def send(slow_path: SlowPath, *message: int) -> None:
        time.sleep(0.002)
        really_send(slow_path, *message)

    monkeypatch.setattr(SlowPath, "send", send)
    # No answer ever comes: only sending is work, and the drain is five times as long as the window.
    job = replace(JOB, connections=1, pace=Open(200), duration_s=0.1, drain_s=0.5)
    spoken = speak(job, ["drop"] * 20, by_python=True)
    totals = spoken.engine.totals
    assert spoken.ledger == LedgerTotals(sent=20, in_flight=20)
    assert 20 * 2_000_000 <= totals.working_ns <= totals.window_ns


def idle_load(job: Job) -> Engine:
    """A load over one compressed connection whose peer never answers, with the kernel's own turns."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    (mask,) = masks(job.seed, 1)
    end = DeflateStreams(Agreement())
    connection = WebSocketConnection(ours, mask, frames.MessageReader(end.inflater), [], end)
    engine = Engine(job, [Client(0, codec_for(job, 0), connection, mask)])
    engine.load(job.duration_s)
    engine.close()
    theirs.close()
    return engine


def test_what_the_kernel_sends_before_it_sleeps_is_work() -> None:
    """Compressing takes most of the CPU time of a load that sleeps and spins for a millisecond before each message."""
    job = replace(
        JOB, connections=1, pace=Open(20), duration_s=0.15, drain_s=0.0, payload_bytes=1 << 16, idling="sleep"
    )
    totals = idle_load(job).totals
    assert totals.ledger == LedgerTotals(sent=3, in_flight=3)
    assert totals.cpu_ns / 4 < totals.working_ns < totals.window_ns


@pytest.mark.parametrize(("idling", "yields"), [("spin", False), ("spin-yield", True), ("sleep", True)])
def test_a_load_beside_another_one_yields_the_core_when_it_finds_nothing(idling: Idling, yields: bool) -> None:
    job = replace(JOB, connections=1, pace=Open(100), duration_s=0.03, drain_s=0.0, idling=idling)
    assert bool(idle_load(job).ledger.state["yielded"][0]) == yields


@pytest.mark.parametrize("exchange", ["echo", "dashboard"])
def test_a_burst_is_read_before_any_of_it_is_understood(
    exchange: Literal["echo", "dashboard"], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Understanding takes long; what comes meanwhile must not seem to have come later."""
    job = replace(JOB, exchange=exchange, connections=20, pace=PushOnly(), duration_s=0.05)
    clients, peers, still_there, turns = [], [], [], 0
    for client in range(job.connections):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        codec = codec_for(job, client)

        def understood(data: bytes, *, binary: bool = False, parse: Any = codec.parse) -> Any:
            still_there.append(int(engine.ledger.connections["shelved"].sum()))
            return parse(data, binary=binary)

        monkeypatch.setattr(codec, "parse", understood)
        clients.append(Client(client, codec, WebSocketConnection(ours, b"mask", frames.MessageReader(), [])))
        peers.append(theirs)
    engine = Engine(job, clients)
    really_run = kernel.run

    def run(*arrays: Any) -> Any:
        nonlocal turns
        turns += 1
        if turns == 1:
            for peer in peers:
                peer.send(frames.server_frame(frames.TEXT, b'{"type":"snapshot","seq":1,"panels":{}}'))
        return really_run(*arrays)

    monkeypatch.setattr(kernel, "run", run)
    engine.load(job.duration_s)
    assert still_there == list(reversed(range(job.connections)))
    assert engine.totals.pushes == (job.connections if exchange == "dashboard" else 0)
    assert len(set(engine.pushes.at_ns)) == engine.totals.pushes
    engine.close()
    for peer in peers:
        peer.close()


def test_what_waits_while_others_are_read_lies_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python reads one connection at a time, and the last one's answers have been there since the first one's."""
    really_receive = SlowConnection.receive

    def receive(connection: SlowConnection) -> Any:
        time.sleep(0.005)
        return really_receive(connection)

    monkeypatch.setattr(SlowConnection, "receive", receive)
    # Nothing is said until all has been asked; then it comes to all five in the same turn.
    job = replace(JOB, connections=5, pace=Open(100_000), duration_s=0.0005, drain_s=1.0)
    spoken = speak(job, chunks=[0] * 5 * 60 + [1 << 20] * 5, by_python=True)
    lags = spoken.engine.counts["read_lag"]
    assert lags.sum() == spoken.ledger.received == 50
    occupied = np.flatnonzero(lags)
    spread_ns = int(buckets.LAYOUT.upper[occupied[-1]] - buckets.LAYOUT.lower[occupied[0]])
    assert spread_ns >= 4 * 5_000_000, "the last of five waits while four others are read"


def test_pushes_between_slices_belong_to_none() -> None:
    """They count for their lateness, and are not missed; but they are no part of what came per second."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    codec = DashboardCodec(0, "websocket")
    job = replace(JOB, exchange="dashboard", connections=1, pace=Open(100), duration_s=0.2, push_period_s=1.0)
    engine = Engine(job, [Client(0, codec, WebSocketConnection(ours, b"mask", frames.MessageReader(), []))])
    wake, waker = os.pipe()
    os.write(waker, b"a command waits\n")

    def push(number: int) -> None:
        theirs.send(frames.server_frame(frames.TEXT, b'{"type":"snapshot","seq":%d,"panels":{}}' % number))

    for number in (1, 2):
        push(2 * number)
        engine.idle(wake)
        push(2 * number + 1)
        engine.load(job.duration_s)
    assert engine.pushes.number.tolist() == [2, 3, 4, 5]
    assert engine.totals.pushes == 2
    assert engine.totals.ledger == LedgerTotals(sent=40, in_flight=40)
    engine.close()
    theirs.close()
    os.close(wake)
    os.close(waker)
