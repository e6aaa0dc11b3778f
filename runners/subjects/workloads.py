"""The workloads under which every framework is measured, as data.

To add a workload on an existing exchange, change only this module.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import replace

from runners.judging import capacity, thresholds
from runners.loadgen.job import OVER_SSE, Departures, Exchange, PayloadKind, Retries, StreamRequest, Transport, Visits
from runners.loadgen.pace import Closed, Open, Pace, PushOnly
from runners.record import unknown_name
from runners.subjects.profiles import Profile
from runners.subjects.scenarios import (
    EVERY_PROFILE,
    FULL_PROFILE,
    LONG_PROFILES,
    CapacityTarget,
    Scenario,
    SecondLoad,
    Share,
    WorkHandler,
    Workload,
)

CLOSED_SLICE_S = 0.1
OPEN_SLICE_S = 1.0
"""Seconds per turn. This is long compared with the few milliseconds between two turns, and short compared with
disturbances."""

PUSH_PERIOD_S = 0.2
"""Seconds between two pushes to 100 users or viewers. Sixty pushes, of which percentiles are made, take 12 s."""
ROOM_SIZES = (10, 100, 1000)
ROOM_DELIVERIES_PER_S = 1_500
ROOM_IN_FLIGHT = 10
USUAL_ROOM_SIZE = 100
PAYLOADS: tuple[tuple[PayloadKind, int], ...] = (
    ("text", 4096),
    ("text", 65536),
    ("text", 1048576),
    ("binary", 65536),
)
USUAL_PAYLOAD = ("text", 65536)
SHARES_PERCENT = (20, 50, 80)
"""Shares of a capacity: hardly loaded, as servers in production often are, and near their limit."""
DEPLOY_RETRIES: dict[str, Retries] = {"backoff": "backoff", "storm": "fixed"}
DEPARTURES = {
    "reset": Departures("reset", every_s=15.0, away_s=2.0),
    "silence": Departures("silence", every_s=15.0, away_s=5.0),
}
"""A reset shows after two seconds what it does. After five, TCP repeats dropped packets only every few seconds."""
STALLS: dict[str, WorkHandler] = {"stall-none": "echo", "stall-offloaded": "work", "stall-inline": "work-inline"}
CHECKS: dict[str, Exchange] = {"no-session": "echo", "session": "session"}
STREAM_S = 2.0
"""Planned length of a stream."""
STREAM_EXCHANGES: tuple[Exchange, ...] = ("stream-events", "stream")
STREAMS_PER_CANCEL = 10
WORKERS = (1, 2, 4)
USUAL_WORKERS = 2

ECHO = Workload(
    slug="echo",
    title="Echo",
    question="How fast can it pass one message in and out, and how long does that take?",
    description=(
        "100 clients send 64-byte text messages, and the server returns each message unchanged. In the closed loop"
        " every client sends its next message as soon as the last one returned: this shows the highest throughput on"
        " one core. In the open loop messages are sent at a fixed rate whatever the server does, and latency counts"
        " from the moment a message was due: this shows how long a user waits. The application does nothing but return"
        " the message, so we measure the framework, its server and its protocol."
    ),
    edition=1,
    scenarios=(
        Scenario(
            "echo",
            connections=100,
            pace=Closed(),
            slice_s=CLOSED_SLICE_S,
            publishes=("mode", "connections", "payload_bytes", "server_cores"),
        ),
        Scenario(
            "echo",
            connections=100,
            pace=Open(1000.0),
            slice_s=OPEN_SLICE_S,
            publishes=("mode", "connections", "payload_bytes", "rate_per_s", "server_cores"),
        ),
    ),
)

DASHBOARD = Workload(
    slug="dashboard",
    title="Live dashboard",
    question="Does a live dashboard stay live for 100 users on one core, and what does it cost?",
    description=(
        "100 users each send one metric update per second and get the updated panel back. Five times per second the"
        " server pushes a snapshot of all 20 panels to every user. That makes 6,000 updates and 30,000 snapshots per"
        " minute."
        " We measure the time until an update is answered (from when it was due), how late each snapshot is compared"
        " with the server's own steady beat, and the CPU and memory that all this takes. A push is one event, however"
        " many users receive it. A measurement in which a user misses a push does not count. FastAPI's and Litestar's"
        " applications validate updates as their documentation teaches (pydantic, msgspec), the others by hand."
    ),
    edition=4,
    scenarios=(
        Scenario(
            "dashboard",
            connections=100,
            pace=Open(100.0),
            push_period_s=PUSH_PERIOD_S,
            publishes=("users", "updates_per_user_per_s", "snapshots_per_s", "server_cores"),
        ),
    ),
)

CROWD = Workload(
    slug="crowd",
    title="Crowded dashboard",
    question="Does the dashboard stay live for thousands of users, and how much does it take then?",
    description=(
        "The live dashboard with many more users. 1,000 users each send one metric update per second, and once per"
        " second the server pushes a snapshot of all 20 panels to every one of them. Then 3,000 and 10,000 users, who"
        " mostly watch: each sends an update every ten seconds. The server is one process on one core, because the"
        " panels are in its memory. To say how late pushes are takes a window of a minute, which only the profile full"
        " has. A measurement in which a user misses a push does not count in any."
    ),
    edition=3,
    scenarios=tuple(
        Scenario(
            "dashboard",
            connections=users,
            pace=Open(users * updates_per_user_per_s),
            push_period_s=1.0,
            push_percentiles_in=FULL_PROFILE,
            publishes=("users", "updates_per_user_per_s", "server_cores"),
            name=f"users-{users}",
            profiles=profiles,
        )
        for users, updates_per_user_per_s, profiles in (
            (1000, 1.0, LONG_PROFILES),
            (3000, 0.1, FULL_PROFILE),
            (10_000, 0.1, FULL_PROFILE),
        )
    ),
)


def _room(members: int, pace: Pace) -> Scenario:
    """The scenario for one room size, in a closed or an open loop."""
    is_closed = isinstance(pace, Closed)
    return Scenario(
        "room",
        connections=members,
        pace=pace,
        # A thousand clients of every server at once would need more open files than most machines allow.
        slice_s=0.0 if members > 100 else CLOSED_SLICE_S if is_closed else OPEN_SLICE_S,
        publishes=(
            "mode",
            "members",
            "payload_bytes",
            "under_way" if is_closed else "deliveries_per_s",
            "server_cores",
        ),
        name=f"{'closed' if is_closed else 'open'}-{members}",
        profiles=EVERY_PROFILE if members == USUAL_ROOM_SIZE else LONG_PROFILES,
    )


ROOM = Workload(
    slug="room",
    title="Chat room",
    question="How fast does a message reach everybody in the room, and what happens when the room grows?",
    description=(
        "10, 100 and 1,000 members are in one room, and each message of a member is delivered to all. In the open loop"
        " 1,500 deliveries are due per second whatever the size of the room (150 messages per second among 10 members,"
        " three in two seconds among 1,000): this shows how long a delivery takes, and how long until the last member"
        " has the message. In the closed loop ten messages are in flight at any time, and another is sent as soon as"
        " one of them has reached everybody: this shows the most deliveries per second on one core. Each delivery is"
        " counted: a message that a member never receives is lost."
    ),
    edition=2,
    scenarios=(
        *(_room(members, Closed(ROOM_IN_FLIGHT)) for members in ROOM_SIZES),
        *(_room(members, Open(ROOM_DELIVERIES_PER_S / members)) for members in ROOM_SIZES),
    ),
)

POLLING = Workload(
    slug="polling",
    title="Long-polling",
    question="What if WebSocket is blocked, and Socket.IO has to fall back to HTTP long-polling?",
    description=(
        "The echo workload over HTTP long-polling alone, as Socket.IO falls back to where WebSocket is blocked: each"
        " message is posted, and its answer comes with a request that was waiting for it. 100 clients send 64-byte text"
        " messages, in a closed loop and at 200 messages per second. The echo workload shows the same servers over"
        " WebSocket. The last scenario has two server processes, with nothing in front that sends a client's requests"
        " to the same process: most requests reach a process that does not know their session, which is why several"
        " workers need sticky sessions. Behind a proxy it has them."
    ),
    edition=2,
    scenarios=(
        Scenario(
            "echo",
            connections=100,
            pace=Closed(),
            transport="polling",
            slice_s=CLOSED_SLICE_S,
            publishes=("mode", "connections", "payload_bytes", "server_cores"),
        ),
        Scenario(
            "echo",
            connections=100,
            pace=Open(200.0),
            transport="polling",
            slice_s=OPEN_SLICE_S,
            publishes=("mode", "connections", "payload_bytes", "rate_per_s", "server_cores"),
        ),
        Scenario(
            "echo",
            connections=100,
            pace=Closed(),
            transport="polling",
            server_cores=2,
            workers=2,
            varies_workers=True,
            publishes=("mode", "connections", "payload_bytes", "workers"),
            name="workers-2",
            profiles=LONG_PROFILES,
        ),
    ),
)

SSE = Workload(
    slug="sse",
    title="Server-sent events",
    question="How live is a dashboard that is only watched, over plain HTTP?",
    description=(
        "100 viewers read an event stream, into which the server writes a snapshot of all panels five times per second."
        " We measure how late each snapshot is compared with the server's own steady beat, and the CPU and memory it"
        " takes. A measurement in which a viewer misses a snapshot does not count."
    ),
    edition=4,
    scenarios=(
        Scenario(
            "events",
            connections=100,
            pace=PushOnly(),
            transport="sse",
            push_period_s=PUSH_PERIOD_S,
            publishes=("viewers", "snapshots_per_s", "server_cores"),
        ),
    ),
)

CONNECT = Workload(
    slug="connect",
    title="Connecting",
    question="How fast are clients let in, and what does it cost to have them?",
    description=(
        "Clients connect, join where the protocol requires it, and then send nothing. In the ramp 1,000 clients"
        " connect, eight at a time. We read the server's memory after 250, 500 and all of them: its slope is the cost"
        " of one idle connection. In the storm 500 clients connect at the same moment, as after a network failure. We"
        " measure how long it takes until each is connected, and whether any is refused. Every server is new. If its"
        " listen queue is too short for the storm, the kernel drops clients, which try again after a second. We report"
        " the backlog that the server would need, and do not compare its times."
    ),
    edition=1,
    scenarios=(
        Scenario(
            "echo",
            connections=1000,
            pace=Closed(),
            steps=(250, 500, 1000),
            at_once=8,
            publishes=("clients", "at_once", "server_cores"),
            name="ramp",
            profiles=LONG_PROFILES,
        ),
        Scenario(
            "echo",
            connections=500,
            pace=Closed(),
            steps=(500,),
            at_once=500,
            publishes=("clients", "at_once", "server_cores"),
            name="storm",
        ),
    ),
)

IDLE = Workload(
    slug="idle",
    title="Idle connections",
    question="How many clients can one server keep, and what does it cost to have them while nothing happens?",
    description=(
        "10,000 clients connect in three steps, 64 at a time, and send nothing but answers to the server's pings. We"
        " read the server's memory after each step (1,000, 3,000 and 10,000 clients), and measure its CPU time for a"
        " minute in which all clients are idle. A server that pings its clients uses CPU time for that, and notices"
        " clients that vanish. If a server does not take all clients, we report how many it has and what ended there:"
        " open files, its listen queue, its threads, or time. Such a measurement does not count in comparisons."
    ),
    edition=1,
    scenarios=(
        Scenario(
            "echo",
            connections=10_000,
            pace=Closed(),
            steps=(1000, 3000, 10_000),
            at_once=64,
            hold_s=60.0,
            publishes=("clients", "at_once", "idle_s", "server_cores"),
            name="idle",
            profiles=FULL_PROFILE,
        ),
    ),
)

PAYLOAD = Workload(
    slug="payload",
    title="Large messages",
    question="What do large messages cost, and do they come back whole?",
    description=(
        "10 clients send text messages of 4 KiB, 64 KiB and 1 MiB and binary ones of 64 KiB in a closed loop, and every"
        " byte of every answer is compared with what was sent. The echo workload shows 64 bytes."
    ),
    edition=1,
    scenarios=tuple(
        Scenario(
            "echo",
            connections=10,
            pace=Closed(),
            payload_bytes=size,
            payload_kind=kind,
            slice_s=CLOSED_SLICE_S,
            further_checks=frozenset({"echo-binary"} if kind == "binary" else ()),
            publishes=("mode", "connections", "payload_bytes", "payload_kind", "server_cores"),
            name=f"{kind}-{size}",
            profiles=EVERY_PROFILE if (kind, size) == USUAL_PAYLOAD else LONG_PROFILES,
        )
        for kind, size in PAYLOADS
    ),
)

SCALEOUT = Workload(
    slug="scaleout",
    title="Scaling out",
    question="What do more server processes bring when every message has to reach the clients of all of them?",
    description=(
        "100 members of one room are spread over 1, 2 and 4 server processes, which pass messages to each other through"
        " their broker. Ten messages are in flight at any time, and another is sent as soon as one has reached all,"
        " on whichever process. We measure deliveries per second, the CPU of servers and broker, how evenly the clients"
        " are spread, and whether every message reaches the other processes. Each process has"
        " a core, so this needs a larger machine than other workloads: four processes need five cores."
    ),
    edition=1,
    scenarios=tuple(
        Scenario(
            "room",
            connections=100,
            pace=Closed(ROOM_IN_FLIGHT),
            server_cores=workers,
            workers=workers,
            varies_workers=True,
            publishes=("mode", "members", "workers", "payload_bytes", "under_way"),
            name=f"workers-{workers}",
            profiles=EVERY_PROFILE if workers == USUAL_WORKERS else LONG_PROFILES,
        )
        for workers in WORKERS
    ),
)

SLOW_CONSUMER = Workload(
    slug="slow-consumer",
    title="Slow consumer",
    question="One client in twenty stops reading. What do the others feel, and what does the server do?",
    description=(
        "20 members are in a room, 50 messages of 16 KiB are sent per second, and one member stops reading for at least"
        " a minute, like a phone that lost its network. More than 50 MB are then meant for it, which no buffer of the"
        " kernel holds. We measure the deliveries to the other 19, for how long they receive nothing, the growth of the"
        " server's memory, and, when the paused member reads again, what became of its messages: queued, dropped, or"
        " its connection closed."
    ),
    edition=2,
    scenarios=(
        Scenario(
            "room",
            connections=20,
            pace=Open(50.0),
            payload_bytes=16384,
            paused_readers=1,
            publishes=("members", "deaf", "payload_bytes", "rate_per_s", "server_cores"),
            profiles=LONG_PROFILES,
        ),
    ),
)

RECOVERY = Workload(
    slug="recovery",
    title="Recovery",
    question="When the server dies and is started again, how long are its clients without it, and what is lost?",
    description=(
        "100 clients send one message per second each. The server is killed as by a crash and started again at once."
        " Every client tries to reconnect after 50 to 150 ms, at random, until it succeeds. We measure the time until"
        " clients notice, the time until they are connected again, how much of it passes after the new server listens,"
        " and the messages lost meanwhile."
    ),
    edition=2,
    scenarios=(
        Scenario(
            "echo",
            connections=100,
            pace=Open(100.0),
            outage_s=8.0,
            publishes=("users", "messages_per_user_per_s", "server_cores"),
        ),
    ),
)

DEPLOY = Workload(
    slug="deploy",
    title="Deploy",
    question="What do clients notice of a new version: what do they see, and how long are they without service?",
    description=(
        "500 clients send one message per second each. The server gets SIGTERM, as from systemd or Kubernetes, and when"
        " it has ended, a new one is started on the same port. One that has not ended after 10 s is killed. Clients try"
        " again as Socket.IO's do, at random within 1 s and then within twice that time for each further attempt, up to"
        " 5 s; or, in the storm, all after exactly one second. We measure how long the old server takes to end, what"
        " clients see of it (a close code, or a broken connection), when they are connected again, when all are served"
        " as before, and the messages lost meanwhile."
    ),
    edition=1,
    scenarios=tuple(
        Scenario(
            "echo",
            connections=500,
            pace=Open(500.0),
            outage_s=30.0,
            is_deploy=True,
            retries=retries,
            publishes=("users", "messages_per_user_per_s", "retries", "server_cores"),
            name=name,
            profiles=FULL_PROFILE,
        )
        for name, retries in DEPLOY_RETRIES.items()
    ),
)


ROOMS = Workload(
    slug="rooms",
    title="Many rooms",
    question="What do many small rooms cost that people join and leave, and is anybody left out?",
    description=(
        "1,000 members are in 100 rooms of ten, and 150 messages per second are sent, so that 1,500 deliveries are due,"
        " as in the one room of the workload chat room. In each room one member sends. All others move: each closes its"
        " connection every 30 s, which are 30 moves per second, and joins the next room with a new one. We measure how"
        " long a delivery and a join take, the server's CPU time per delivery, and whether each message reaches those"
        " who are surely in its room, and nobody else."
    ),
    edition=1,
    scenarios=(
        Scenario(
            "room",
            connections=1000,
            rooms=100,
            pace=Open(150.0),
            departures=Departures("move", every_s=30.0),
            publishes=("members", "rooms", "rate_per_s", "moves_per_s", "server_cores"),
            profiles=FULL_PROFILE,
        ),
    ),
)

JITTER = Workload(
    slug="jitter",
    title="Bad network",
    question="How much of a chat reaches people whose network fails again and again?",
    description=(
        "100 members are in a room, and one of them sends ten numbered messages per second. The other 99 lose their"
        " network every 15 s, at times spread evenly. In the one scenario a TCP reset ends the connection, the network"
        " is away for two seconds, and the member tries again as Socket.IO's clients do, at random within 1 s and then"
        " within twice that time. In the other all packets to the member are dropped for five seconds, and its"
        " connection stays open, so TCP repeats them. At the end all members come back. We count for each"
        " message and each of the 99 whether it arrived within a second, later, twice or never."
    ),
    edition=1,
    scenarios=tuple(
        Scenario(
            "room",
            connections=100,
            pace=Open(10.0),
            departures=departures,
            retries="backoff",
            publishes=("members", "rate_per_s", "cut", "cut_every_s", "away_s", "server_cores"),
            name=name,
            profiles=FULL_PROFILE,
        )
        for name, departures in DEPARTURES.items()
    ),
)


PUBLISH = Workload(
    slug="publish",
    title="Messages from outside",
    question="How long until everybody in a room has a message that no client sent?",
    description=(
        "100 members are in a room. They send nothing and stay. Twenty numbered messages of 64 bytes per second are"
        " published to it from outside. In the one scenario each is an HTTP request to the server, over one connection"
        " that stays open. In the other another process of the application publishes them through the broker, as a"
        " worker of a task queue or a scheduled job does. We measure how long a message takes from when it was due to"
        " each member and to the last one, and count for each member what arrives in time, late, twice or never."
    ),
    edition=1,
    scenarios=(
        Scenario(
            "publish",
            connections=USUAL_ROOM_SIZE,
            pace=Open(20.0),
            publisher="http",
            publishes=("publisher", "members", "rate_per_s", "server_cores"),
            name="http",
        ),
        Scenario(
            "room",
            connections=USUAL_ROOM_SIZE,
            pace=Open(20.0),
            publisher="process",
            publishes=("publisher", "members", "rate_per_s", "server_cores"),
            further_checks=frozenset({"publisher"}),
            name="process",
            profiles=LONG_PROFILES,
        ),
    ),
)


def _streaming(
    exchange: Exchange, streams: int, chunks_per_s: float, *, together: int, profiles: frozenset[str]
) -> Scenario:
    """The scenario for so many streams at any time."""
    chunks = round(chunks_per_s * STREAM_S)
    transport: Transport = "sse" if exchange in OVER_SSE else "websocket"
    return Scenario(
        exchange,
        connections=streams,
        pace=Open(streams / STREAM_S),
        stream=StreamRequest(chunks, chunks_per_s, together=together, cancel_every=STREAMS_PER_CANCEL),
        transport=transport,
        publishes=("streams", "chunks_per_stream_per_s", "chunks", "streams_together", "transport", "server_cores"),
        name=f"{transport}-{streams}",
        profiles=profiles,
    )


HANDLER = Workload(
    slug="handler",
    title="Realistic handler",
    question="What do a session check and blocking work cost, and who waits meanwhile?",
    description=(
        "100 clients send 500 echoes per second. Ten others send 100 messages per second at random times, each of which"
        " needs 5 ms of blocking work, as a query with a driver that knows no asyncio does. That is half of one"
        " thread's time. First the ten only echo. Then the work is done in a thread, as the documentation recommends"
        " where it does, and then directly in the handler. Where each client has a thread or greenlet, both are the"
        " same. We measure how long the 100 wait, who need no work, and how long the ten do. Under gevent and eventlet"
        " this work lets others run even in the handler, which a driver written in C does not. In the last two"
        " scenarios 1,000 clients connect: without a session, and then each with a cookie, whose token the server looks"
        " for in a SQLite file of 20,000 before it lets the client in."
    ),
    edition=1,
    scenarios=(
        *(
            Scenario(
                "work",
                connections=100,
                pace=Open(500.0),
                second=SecondLoad(handler, connections=10, rate_per_s=100.0),
                publishes=(
                    "connections",
                    "rate_per_s",
                    "work",
                    "work_per_s",
                    *(() if handler == "echo" else ("work_ms",)),
                    "server_cores",
                ),
                name=name,
                profiles=LONG_PROFILES,
            )
            for name, handler in STALLS.items()
        ),
        *(
            Scenario(
                exchange,
                connections=1000,
                pace=Closed(),
                steps=(250, 500, 1000),
                at_once=8,
                publishes=("clients", "session", "at_once", "server_cores"),
                name=name,
                profiles=LONG_PROFILES,
            )
            for name, exchange in CHECKS.items()
        ),
    ),
)

STREAM = Workload(
    slug="stream",
    title="Streaming",
    question="What does it cost to stream the answers of a language model, and are the words on time?",
    description=(
        "Each client requests an answer that comes in chunks of a few words, reads it to its end, and requests the"
        " next. The request sets the pace, so the application does nothing but wait and send. 100 streams of 50 chunks"
        " per second go on at any time; then 500 of 20 chunks per second, which all begin within 50 ms. One in"
        " ten is cancelled halfway by closing its connection. Over server-sent events each stream is a request of its"
        " own. Over WebSocket and Socket.IO it is a message on an open connection. A chunk is late by the time from"
        " when it was due, counted from when its stream was due, to its arrival. At the end all clients cancel long"
        " streams at once: we measure the CPU time that the server still uses for them."
    ),
    edition=2,
    scenarios=tuple(
        _streaming(exchange, streams, chunks_per_s, together=together, profiles=profiles)
        for streams, chunks_per_s, together, profiles in (
            (100, 50.0, 1, LONG_PROFILES),
            (500, 20.0, 500, FULL_PROFILE),
        )
        for exchange in STREAM_EXCHANGES
    ),
)

SOAK = Workload(
    slug="soak",
    title="Soak",
    question="Does the server grow or become slower over hours, while clients come and go?",
    description=(
        "The live dashboard of 100 users for two hours, while ten visitors per second come, watch it for ten seconds"
        " and leave: 72,000 connections in all. We measure the growth of the server's memory with its interval, how the"
        " latency changes, and what becomes of the visitors. The first sixth of the time does not count for the growth,"
        " because caches and pools fill up in it. This runs only if it is named."
    ),
    edition=1,
    scenarios=(
        Scenario(
            "dashboard",
            connections=100,
            pace=Open(100.0),
            push_period_s=PUSH_PERIOD_S,
            visits=Visits(per_s=10.0, stay_s=10.0),
            soak_s=7200.0,
            publishes=(
                "users",
                "updates_per_user_per_s",
                "snapshots_per_s",
                "visits_per_s",
                "visit_s",
                "soak_s",
                "server_cores",
            ),
            profiles=frozenset(),
        ),
    ),
)

CAPACITY = Workload(
    slug="capacity",
    title="Capacity",
    question="How much load can one core take before one message in a hundred waits for 100 ms, or messages are lost?",
    description=(
        "We search for the load that the server sustains in half of all attempts, by raising and lowering it. A server"
        " sustains a load if it answers 99 % of all messages within 100 ms of when they were due, loses none and causes"
        " no error. The same attempts show the load at a strict limit of 20 ms. The echo is searched for the highest"
        " rate, over 100 connections. The live dashboard is searched for the most users, each of whom sends one update"
        " per second and receives all snapshots: beyond that number updates wait behind the push."
    ),
    edition=3,
    scenarios=(
        Scenario(
            "echo",
            connections=100,
            pace=Open(1.0),
            # Measured closed-loop throughputs are between 3,300 and 171,000 per second.
            target=CapacityTarget(
                "messages_per_s",
                capacity.Settings(
                    start=8_000, lowest=250, highest=400_000, strict_p99_limit_ms=thresholds.STRICT_P99.limit
                ),
            ),
            publishes=("search", "connections", "payload_bytes", "p99_limit_ms", "server_cores"),
            profiles=LONG_PROFILES,
        ),
        Scenario(
            "dashboard",
            connections=1,
            pace=Open(1.0),
            push_period_s=1.0,
            # Below 25 users a p99 takes minutes; above 20,000 the local ports of one address are used up.
            target=CapacityTarget(
                "users",
                capacity.Settings(
                    start=400, lowest=25, highest=20_000, strict_p99_limit_ms=thresholds.STRICT_P99.limit
                ),
            ),
            publishes=("search", "updates_per_user_per_s", "p99_limit_ms", "server_cores"),
            profiles=LONG_PROFILES,
        ),
    ),
)


def _shares_of(search: Scenario) -> tuple[Scenario, ...]:
    """A search, and the scenarios at shares of the capacity that it finds. They are its load at another rate."""
    assert search.target is not None
    who = "members" if search.exchange == "room" else "connections"
    start = search.target.settings.start
    shares = (
        replace(
            search.at(max(1, round(start * percent / 100))),
            share=Share(percent, search.kind),
            slice_s=OPEN_SLICE_S,
            publishes=("mode", who, "payload_bytes", "load_percent", "server_cores"),
            name=f"{search.exchange}-{percent}",
        )
        for percent in SHARES_PERCENT
    )
    return search, *shares


LOAD = Workload(
    slug="load",
    title="Share of capacity",
    question="How long does a message take on a server that is hardly loaded, half loaded, and nearly at its limit?",
    description=(
        "The echo of 100 clients, and a room of 100 members, at 20, 50 and 80 % of what the same server sustains. A"
        " search in the same run finds that capacity: the rate at which, in half of all attempts, 99 % of messages"
        " arrive within 100 ms of when they were due, with none lost and no error. So each server has a rate of its"
        " own, and a faster one has to do more in the same time. This shows how a server behaves as it fills up, not"
        " which one is faster. Latencies are compared, CPU and throughput are not. A server whose capacity is not known"
        " is not measured at a share of it."
    ),
    edition=1,
    scenarios=(
        *_shares_of(
            Scenario(
                "echo",
                connections=100,
                pace=Open(1.0),
                # The range of the workload capacity; measured capacities are between 1,900 and 100,000 per second.
                target=CapacityTarget("messages_per_s", capacity.Settings(start=8_000, lowest=250, highest=400_000)),
                publishes=("search", "connections", "payload_bytes", "p99_limit_ms", "server_cores"),
                name="echo-rate",
                profiles=FULL_PROFILE,
            )
        ),
        *_shares_of(
            Scenario(
                "room",
                connections=USUAL_ROOM_SIZE,
                pace=Open(1.0),
                # Closed loops deliver 37 to 7,200 messages per second to 100 members. Below 10 a p99 takes minutes.
                target=CapacityTarget("messages_per_s", capacity.Settings(start=300, lowest=10, highest=20_000)),
                publishes=("search", "members", "payload_bytes", "p99_limit_ms", "server_cores"),
                name="room-rate",
                profiles=FULL_PROFILE,
            )
        ),
    ),
)

WORKLOADS: dict[str, Workload] = {
    workload.slug: workload
    for workload in (
        ECHO,
        DASHBOARD,
        CROWD,
        ROOM,
        ROOMS,
        POLLING,
        SSE,
        CONNECT,
        IDLE,
        PAYLOAD,
        SCALEOUT,
        SLOW_CONSUMER,
        RECOVERY,
        DEPLOY,
        JITTER,
        PUBLISH,
        HANDLER,
        STREAM,
        SOAK,
        CAPACITY,
        LOAD,
    )
}


def choose_workloads(wanted: Sequence[str], profile: Profile) -> list[Workload]:
    """The named workloads (default: all of the profile); raises `UsageError` for an unknown name.

    ``echo/closed`` is only the closed loop of echo, which is one scenario of the workload. A load at a share of a
    capacity brings its search, because the capacity is that of the same run.
    """
    wanted = wanted or [
        f"{slug}/{scenario.kind}"
        for slug, workload in WORKLOADS.items()
        for scenario in workload.scenarios
        if profile.slug in scenario.profiles
    ]
    only: dict[str, set[str]] = {}
    for name in wanted:
        slug, slash, kind = name.partition("/")
        if slug not in WORKLOADS:
            raise unknown_name("workload", slug, WORKLOADS)
        kinds = WORKLOADS[slug].kinds
        if slash and kind not in kinds:
            raise unknown_name(f"part of {slug}", kind, sorted(kinds))
        only.setdefault(slug, set()).update({kind} if kind else kinds)
    for slug, chosen in only.items():
        chosen |= searches_of(WORKLOADS[slug], chosen)
    return [
        replace(workload, only=frozenset(only[slug] if only[slug] != workload.kinds else ()))
        for slug, workload in WORKLOADS.items()
        if slug in only
    ]


def soaking_for(workloads: Sequence[Workload], seconds: float) -> list[Workload]:
    """The workloads, with soaks of this length."""
    return [
        replace(
            workload,
            scenarios=tuple(replace(one, soak_s=seconds) if one.soak_s else one for one in workload.scenarios),
        )
        for workload in workloads
    ]


def searches_of(workload: Workload, kinds: Set[str]) -> set[str]:
    """The kinds of the searches that these scenarios of a workload need."""
    return {one.share.of for one in workload.scenarios if one.share is not None and one.kind in kinds}


def quickstart_workloads() -> list[Workload]:
    """The workloads of the quick start."""
    return [ECHO, DASHBOARD]
