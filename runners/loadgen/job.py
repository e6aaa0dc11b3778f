"""The job of a shard (`Job`) and its measured result (`Sample`). Both are JSON documents."""

from __future__ import annotations

import json
import signal
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, NamedTuple

from runners.loadgen import pace as paces
from runners.loadgen.buckets import SparseCounts
from runners.loadgen.causes import CountedCause
from runners.loadgen.pace import Pace

Protocol = Literal["websocket", "socket.io"]
Exchange = Literal["echo", "room", "publish", "dashboard", "events", "stream", "stream-events", "work", "session"]
PayloadKind = Literal["text", "binary"]
Serializer = Literal["json", "msgpack"]
Transport = Literal["websocket", "polling", "sse"]
OVER_SSE: frozenset[Exchange] = frozenset({"events", "stream-events"})
"""The exchanges over server-sent events. All others are over WebSocket, or over Socket.IO."""
PublisherKind = Literal["http", "process"]
"""From where messages to a room come that no member sends. ``http``: from requests to the server. ``process``: from
another process, through the broker."""
Answers = Literal["same", "any"]
Retries = Literal["quick", "backoff", "fixed"]
"""When a client that lost its connection tries again. ``quick``: at random after about 100 ms. ``backoff``: at random
within a time that doubles with each attempt. ``fixed``: after a second, all clients alike."""
Idling = Literal["spin", "spin-yield", "sleep"]
"""What the open loop of a shard does until something is due or arrives. ``spin``: it polls. ``spin-yield``: it polls,
and lets another load on its core run whenever that has something to do. ``sleep``: it sleeps, and polls for less than a
millisecond before each message, letting others run, so that another load has the core."""
DepartureKind = Literal["reset", "silence", "move"]
"""How a member leaves its room. ``reset``: it loses its network, so its connection ends by a TCP reset, and it cannot
open another one. ``silence``: no packet of the server arrives, and the connection stays open. ``move``: it closes its
connection in order, and joins the next room."""

IN_TIME_S = 1.0
"""Seconds after which a message to a room whose members leave again and again counts as late."""
USUAL_PUSH_PERIOD_S = 1.0
"""Seconds between two pushes of a server for which no other period is set."""
USUAL_WORK_S = 0.005
"""Seconds that a server's work blocks its thread, if nothing else is set."""
SESSION_TOKEN = "token-{client}"  # noqa: S105 - of a file that exists for a measurement
"""The token of the session of a client with this number, which counts from 0."""
SESSION_NAMESPACE = "/session"
"""The Socket.IO namespace that only clients with a session may enter."""

DECLINED = "declined"
"""Names, among agreements, that a server does not compress although compression was offered."""
REFUSED = b"!"
"""The first byte of the fork server's answer if it is a reason, because no shard can be forked."""
STOP_EARLY = signal.SIGUSR1
"""The signal that ends a shard's slice of load as if its time were over."""
MIN_PAYLOAD_BYTES = 18
"""Minimum payload: client number, sequence number and their separators."""
CLIENT_PLACE = "{client}"
"""The place of the client's number in what clients send."""
CLIENT_IN_URL = "%7Bclient%7D"
"""The same in the path or the query of an address."""


@dataclass(frozen=True)
class ClientOptions:
    """What a server requires of its clients besides the protocol."""

    headers: tuple[tuple[str, str], ...] = ()
    """Additional header fields of the opening handshake, or of each request over HTTP: name and value. `CLIENT_PLACE`
    in a value becomes the client's number."""
    subprotocols: tuple[str, ...] = ()
    """WebSocket subprotocols to request, in order of preference; with `CLIENT_PLACE` as in headers."""
    subscriptions: tuple[tuple[str, str], ...] = ()
    """Over WebSocket: messages to send once, as soon as the connection is open, each with the template of the answer
    that the client waits for; empty: none. `CLIENT_PLACE` as in headers."""
    ca: str = ""
    """File of certificates in PEM that are trusted instead of the system's; empty: the system's."""
    insecure: bool = False
    """Whether every certificate is accepted."""
    namespace: str = "/"
    """Namespace of Socket.IO."""
    auth: str = ""
    """JSON object that Socket.IO's CONNECT packet carries; empty: none."""
    event: str = "echo"
    """Name of the Socket.IO event that the server answers."""
    deflate: bool = False
    """Whether connections over WebSocket offer to compress messages (permessage-deflate, RFC 7692)."""
    sources: tuple[str, ...] = ()
    """Addresses of this machine from which clients connect in turn, because one has no more than some 28,000 ports to
    a server; empty: that which the kernel chooses."""

    @classmethod
    def from_mapping(cls, data: dict[str, Any]) -> ClientOptions:
        headers = tuple((name, value) for name, value in data["headers"])
        subscriptions = tuple((message, answer) for message, answer in data["subscriptions"])
        read = {"headers": headers, "subscriptions": subscriptions}
        return cls(**{**data, **read, **{name: tuple(data[name]) for name in ("subprotocols", "sources")}})

    def of_client(self, number: int) -> ClientOptions:
        """The options of the client with this number in the load."""
        sources = (self.sources[number % len(self.sources)],) if self.sources else ()
        if not self.names_client:
            return self if sources == self.sources else replace(self, sources=sources)
        own = str(number)
        return replace(
            self,
            sources=sources,
            headers=tuple((name, value.replace(CLIENT_PLACE, own)) for name, value in self.headers),
            subprotocols=tuple(name.replace(CLIENT_PLACE, own) for name in self.subprotocols),
            subscriptions=tuple(
                (message.replace(CLIENT_PLACE, own), answer.replace(CLIENT_PLACE, own))
                for message, answer in self.subscriptions
            ),
        )

    @property
    def names_client(self) -> bool:
        """Whether the number of the client is in what it sends."""
        said = [*self.subprotocols, *(value for _, value in self.headers)]
        said += [text for subscription in self.subscriptions for text in subscription]
        return any(CLIENT_PLACE in text for text in said)


@dataclass(frozen=True)
class StreamRequest:
    """What a client requests in an exchange of streams."""

    chunks: int
    """Number of chunks."""
    chunks_per_s: float
    """The pace of one stream."""
    together: int = 1
    """Number of clients whose streams begin in a row, as close as one load generator can begin them."""
    cancel_every: int = 0
    """One in so many streams is cancelled halfway; 0: none."""

    @property
    def seconds(self) -> float:
        """The planned length of a stream."""
        return self.chunks / self.chunks_per_s


@dataclass(frozen=True)
class OwnMessages:
    """What clients of a server that is no echo server send, and what answers it: templates of
    `runners.loadgen.own_messages`.
    """

    message: str = ""
    """The template of a message; empty: the payload of an echo. Of event streams: the body of a request."""
    answer: str = "{message}"
    """The template of the answer."""
    method: str = ""
    """Of event streams: the method of a request; empty: messages over WebSocket."""
    ignore: tuple[str, ...] = ()
    """Templates of messages that are no answers and are not counted, such as signs of life."""

    @property
    def names_client(self) -> bool:
        """Whether the number of the client is in one of the templates."""
        return any(CLIENT_PLACE in text for text in (self.message, self.answer, *self.ignore))


@dataclass(frozen=True)
class Departures:
    """How members of rooms leave again and again. All but the first one of each room do."""

    kind: DepartureKind
    every_s: float
    """Seconds between two departures of a member."""
    away_s: float = 0.0
    """Seconds until its network is back."""


@dataclass(frozen=True)
class Visits:
    """Clients that come and go beside a load."""

    per_s: float
    stay_s: float
    """Seconds that each stays."""


NO_OPTIONS = ClientOptions()
"""The options for a server that requires nothing."""


@dataclass(frozen=True)
class Job:
    """One shard's part of a load.

    Times are in seconds. The pace applies to all connections of this shard together. Connections are numbered from
    ``first_client``, so that no two shards send the same bytes.
    """

    url: str
    protocol: Protocol
    exchange: Exchange
    pace: Pace
    connections: int
    warmup_s: float
    """Minimum warm-up time; the warm-up continues until the load is steady."""
    duration_s: float
    """Length of the timed window, the sum of all slices."""
    payload_bytes: int = 64
    payload_kind: PayloadKind = "text"
    serializer: Serializer = "json"
    """Serializer of Socket.IO's packets. msgpack supports only text over WebSocket, and no streams."""
    transport: Transport = "websocket"
    """``polling``: HTTP long-polling of Socket.IO; ``sse``: server-sent events, which carry only pushes."""
    push_period_s: float = 0.0
    """Seconds between the server's own pushes; 0 if it pushes nothing."""
    own: OwnMessages | None = None
    """In an echo over WebSocket: messages and answers of the server's own, instead of a payload that comes back."""
    stream: StreamRequest | None = None
    """In an exchange of streams: what clients request. The pace is then in streams per second."""
    rooms: int = 1
    """Number of rooms that the connections are spread over: connection k joins room k modulo this number."""
    departures: Departures | None = None
    """In rooms: how their members leave."""
    publisher: PublisherKind | None = None
    """In rooms: from where the messages come, if no member sends."""
    publish_to: str = ""
    """The named pipe of the process that publishes, if it is one."""
    visits: Visits | None = None
    """Visitors instead of a load. They come one after the other, so ``connections`` does not count."""
    paused: int = 0
    """In a room: this many members, the last ones, stop reading on command and read nothing until they catch up."""
    first_client: int = 0
    seed: int = 0
    answers: Answers = "same"
    """What answers a message. ``same``: the message itself, or an acknowledgement with its number. ``any``: each
    message answers the oldest one that its connection waits for, and nothing is compared."""
    idling: Idling = "spin"
    drain_s: float = 2.0
    """Open loop: time that the shard waits for unanswered messages after the window. The closed loop waits until every
    message is answered or lost."""
    answer_timeout_s: float = 5.0
    """A message that is unanswered for longer is lost. In the closed loop its connection then continues."""
    at_once: int = 32
    """Maximum number of connections being opened at any time."""
    connect_timeout_s: float = 10.0
    """Time in which a connection must be open."""
    retries: Retries = "quick"
    client: ClientOptions = NO_OPTIONS
    cpus: tuple[int, ...] = ()
    """Logical CPUs to run on; if empty, any."""

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "pace": paces.to_mapping(self.pace)})

    @classmethod
    def from_json(cls, text: str) -> Job:
        data = json.loads(text)
        client = ClientOptions.from_mapping(data["client"])
        stream = StreamRequest(**data["stream"]) if data["stream"] else None
        departures = Departures(**data["departures"]) if data["departures"] else None
        visits = Visits(**data["visits"]) if data["visits"] else None
        own = OwnMessages(**{**data["own"], "ignore": tuple(data["own"]["ignore"])}) if data["own"] else None
        read = {"client": client, "own": own, "stream": stream, "departures": departures, "visits": visits}
        return cls(**{**data, **read, "pace": paces.from_mapping(data["pace"]), "cpus": tuple(data["cpus"])})


@dataclass(frozen=True)
class LedgerTotals:
    """Counts of messages by outcome: sent = received + lost + in_flight. In a room they count deliveries.

    ``corrupted``: answers that differ from what was expected. ``foreign``: messages that are neither answers nor
    pushes. ``empty``: acknowledgements without data.
    """

    sent: int = 0
    received: int = 0
    lost: int = 0
    in_flight: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupted: int = 0
    foreign: int = 0
    empty: int = 0

    def __add__(self, other: LedgerTotals) -> LedgerTotals:
        names = [one.name for one in fields(self)]
        return LedgerTotals(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(slots=True)
class TrafficCounts:
    """Messages over WebSocket and their bytes, in both directions.

    Payload bytes are those of the messages themselves. Wire bytes are those of whole frames as the socket takes and
    gives them: compressed, with headers and control frames, without TLS, TCP and IP.
    """

    sent_messages: int = 0
    sent_payload_bytes: int = 0
    sent_wire_bytes: int = 0
    received_messages: int = 0
    received_payload_bytes: int = 0
    received_wire_bytes: int = 0

    def __add__(self, other: TrafficCounts) -> TrafficCounts:
        return TrafficCounts(*(getattr(self, one.name) + getattr(other, one.name) for one in fields(self)))

    def __sub__(self, other: TrafficCounts) -> TrafficCounts:
        return TrafficCounts(*(getattr(self, one.name) - getattr(other, one.name) for one in fields(self)))


class Example(NamedTuple):
    """A message that was not the expected answer, beside the expected one; both printable and cut."""

    expected: str
    received: str


@dataclass(frozen=True)
class Connected:
    """The result of opening the connections of a shard."""

    planned: int
    established: int
    took_ns: int
    """Nanoseconds from the first packet until the last connection was ready or had failed."""
    cpu_ns: int
    errors: dict[str, int]
    counts: SparseCounts
    """Histogram of the nanoseconds per connection."""
    compression: dict[str, int] = field(default_factory=dict)
    """Connections by the compression that the server agreed to, `DECLINED` if to none; empty if none was offered."""

    @classmethod
    def from_mapping(cls, data: dict[str, Any]) -> Connected:
        return cls(**{**data, "counts": SparseCounts(*data["counts"])})


@dataclass(frozen=True)
class Recovered:
    """The result of a shard's clients when their server ended and was restarted. Times are clock readings in
    nanoseconds.
    """

    sent: int
    answered: int
    lost: int
    """Number of messages sent and never answered."""
    unsent: int
    """Number of messages due while there was no connection."""
    gone_at: list[int]
    """Time at which each client that lost its connection noticed it."""
    back_at: list[int]
    """Time at which each client that reconnected was ready again."""
    attempts: int
    """Number of attempts to reconnect."""
    away: int = 0
    """Number of clients without a connection at the end."""
    endings: dict[str, int] = field(default_factory=dict)
    """Number of connections that ended, by what the client saw."""
    answers: list[tuple[int, int]] = field(default_factory=list)
    """Time at which each answered message was due, and its latency in nanoseconds from then."""


@dataclass(frozen=True)
class Streamed:
    """The streams of a shard's clients: due ≥ begun = completed + cancelled + broken + unfinished.

    In the streams that were not cancelled, each requested chunk has arrived or is missing.
    """

    due: int
    """Number of streams that were due, whether or not their client could request them."""
    begun: int
    completed: int
    cancelled: int
    broken: int
    """Number of streams that the server refused or ended before their last chunk."""
    unfinished: int
    """Number of streams that had not ended when the clients stopped waiting."""
    chunks: int
    """Number of chunks that arrived in order."""
    missing: int
    """Number of chunks of broken and unfinished streams that did not arrive."""
    wrong: int
    """Number of messages that were not the next chunk."""
    together: int
    """Number of chunks that came with the one before them: within a tenth of the time that should be between them."""
    took_ns: int
    working_ns: int
    """Time that was not spent waiting."""
    cpu_ns: int
    histograms: dict[str, SparseCounts]
    """Histograms in nanoseconds by name. ``first_chunk`` and ``chunk_lateness`` count from when chunks were due;
    ``send_lag`` and ``read_lag`` are the load generator's own. Streams of the server's own pace have ``chunk_gap``
    and ``stream`` instead of the lateness."""
    causes: list[CountedCause] = field(default_factory=list)
    """What ended connections, by cause."""
    window_ns: int = 0
    """Streams of the server's own pace: the time in which they began."""
    chunks_in_window: int = 0
    done: int = 0
    """Streams of the server's own pace: how many ended by an event that says so."""

    @classmethod
    def from_mapping(cls, data: dict[str, Any]) -> Streamed:
        return cls(**_with_tables(data))


@dataclass(frozen=True)
class Delivered:
    """What members of rooms received: due = in_time + late + never."""

    messages: int
    """Number of messages sent to rooms."""
    due: int
    """Number of deliveries: each message to each member who should have it (`runners.loadgen.room_members`)."""
    in_time: int
    """Number of deliveries within `IN_TIME_S`."""
    late: int
    never: int
    never_connected: int
    """Number of those of ``never`` whose member was surely connected: from a second after it had joined to a second
    before its connection ended."""
    received: int
    """Number of messages that arrived, at senders and at those who need not have had them too."""
    twice: int
    """Number of further deliveries of messages that had arrived."""
    foreign: int
    """Number of messages that are no messages of the member's room."""
    departures: int
    ended: int
    """Number of connections that the server ended."""
    refused: int
    """Number of failed attempts to connect while the network was there."""
    away: int
    """Number of members that were not back at the end: the server had not kept a connection of theirs for a second."""
    complete: int
    """Number of messages that every member received who should have it; 0 where members leave."""
    unpublished: int
    """Number of messages from outside that were refused, or not answered in time."""
    publisher_connections: int
    """Number of connections that the publisher of messages from outside opened."""
    took_ns: int
    working_ns: int
    """Time that was not spent waiting."""
    cpu_ns: int
    histograms: dict[str, SparseCounts]
    """Histograms in nanoseconds by name. ``delivery``: from when a message was due to its arrival; ``rejoin``: from
    the attempt that succeeded to an open connection; ``send_lag`` and ``read_lag`` are the load generator's own. From
    outside also ``last_delivery``: to the arrival at the last member of complete messages; and ``answer``: to the
    answer."""
    causes: list[CountedCause] = field(default_factory=list)
    """What ended connections and attempts, and why messages were not taken, by cause."""

    @classmethod
    def from_mapping(cls, data: dict[str, Any]) -> Delivered:
        return cls(**_with_tables(data))


@dataclass(frozen=True)
class Visited:
    """What became of visits: begun = stayed + ended + refused + unfinished."""

    begun: int
    stayed: int
    """Number of visits that ended because the visitor left."""
    ended: int
    """Number of visits that the server ended."""
    refused: int
    unfinished: int
    """Number of visitors who were not let in before all left."""
    silent: int
    """Number of visitors who stayed for the whole time and received nothing."""
    received: int
    """Number of messages that visitors received."""
    took_ns: int
    cpu_ns: int
    histograms: dict[str, SparseCounts]
    """Histograms in nanoseconds by name: ``connect``, and ``send_lag`` of the load generator."""
    causes: list[CountedCause] = field(default_factory=list)
    """Why visits ended or were refused, by cause."""

    @classmethod
    def from_mapping(cls, data: dict[str, Any]) -> Visited:
        return cls(**_with_tables(data))


@dataclass(frozen=True)
class CaughtUp:
    """Messages that paused members of a room received when they read again."""

    sent: int
    """Number of messages that each of them should have received."""
    received: int
    """Number of these messages that were received, summed over all members."""
    closed: int
    """Number of members whose connection the server had closed."""


@dataclass(frozen=True)
class Brief:
    """The result of one slice of load."""

    answered: float
    """Messages answered, as in `Sample`."""
    window_ns: int
    p50_ns: int
    """Median latency; in the open loop from the intended send."""


@dataclass(frozen=True)
class Sample:
    """The result of one shard over its timed slices."""

    window_ns: int
    """Planned length of all slices together."""
    slices: int
    ledger: LedgerTotals
    warmup_ledger: LedgerTotals
    planned: int
    established: int
    closed_early: int
    answered: float
    """Open loop: messages of the window that were answered. Closed loop: messages answered in the window, and of those
    still waited for at its end the part of the wait that lies in it."""
    overrun_ns: int
    """Closed loop: time that answers arrived after their slice, summed over them."""
    offered: int
    """Messages that were due in the window (in a room: deliveries). Closed loop: messages sent."""
    unanswered_at_end: int
    """Messages that were unanswered when their slice ended, summed over the slices."""
    censored: int
    pushes: int
    push_events: int
    """Number of different pushes that clients received in the window and while they waited for answers."""
    pushes_missed: int
    errors: dict[str, int]
    examples: dict[str, Example]
    """The first message of a kind that was not the expected answer, by kind: ``corrupted`` and ``foreign``."""
    histograms: dict[str, SparseCounts]
    """Histograms in nanoseconds by name: ``latency`` and ``connect``; open loop: ``latency_from_send``, ``send_lag``
    and ``read_lag``; pushes: ``push_lateness``; rooms: ``last_delivery``, the latency of each message's last
    delivery."""
    seconds: list[SparseCounts]
    """The latency histogram of each second of the window."""
    received_by_second: list[int]
    """Number of answers that arrived in each second of the window."""
    cpu_ns: int
    working_ns: int
    """Open loop: time in the window that was not spent waiting. Closed loop: equal to ``cpu_ns``."""
    causes: list[CountedCause] = field(default_factory=list)
    """The errors of connections by cause, with one example each."""
    traffic: TrafficCounts = field(default_factory=TrafficCounts)
    """All bytes of the slices; zeros for transports other than WebSocket."""
    compression: dict[str, int] = field(default_factory=dict)
    """As in `Connected`."""
    surplus: int = 0
    """Where answers have no number: messages that arrived while their connection waited for nothing, less those that
    may be late answers. If there is one, it is not known which message each answer belongs to."""

    @classmethod
    def from_mapping(cls, data: dict[str, Any]) -> Sample:
        ledgers = {name: LedgerTotals(**data[name]) for name in ("ledger", "warmup_ledger")}
        seconds = [SparseCounts(*counts) for counts in data["seconds"]]
        examples = {kind: Example(*words) for kind, words in data["examples"].items()}
        read = {"examples": examples, "seconds": seconds, "traffic": TrafficCounts(**data["traffic"])}
        return cls(**{**_with_tables(data), **ledgers, **read})


def _with_tables(data: dict[str, Any]) -> dict[str, Any]:
    """The fields of a result from JSON, with its histograms and causes as they were."""
    histograms = {name: SparseCounts(*counts) for name, counts in data["histograms"].items()}
    return {**data, "histograms": histograms, "causes": [CountedCause(*one) for one in data["causes"]]}
