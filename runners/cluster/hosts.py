"""The hosts of a cluster as the place where load comes from, and the shards that run there."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import accumulate
from pathlib import Path
from time import perf_counter_ns as clock_ns
from typing import Any
from urllib.parse import urlsplit

from runners.cluster import scheduling
from runners.cluster.agreement import HostFacts, refusals, spread_over
from runners.cluster.host import HostShards, reach
from runners.cluster.scheduling import call_actor, connected, hosts_of, start_actor
from runners.loadgen.job import Job
from runners.loading.clocks import ClockOffset, Exchange, estimate_offset
from runners.loading.driver import Hooks, ShardGroup
from runners.loading.load_place import HostWindow
from runners.loading.shards import Events, LoadError, ShardHandle
from runners.record import HostLostError, LoadHost, UsageError

STARTING_S = 90.0
"""Seconds in which a host must have started its shards; the first one on a machine compiles the kernel."""
_POLL_S = 1.0
_CLOCK_READINGS = 30
_MB = 1_000_000


class Host:
    """One host: its actor, and the thread that passes on what its shards say."""

    def __init__(self, facts: HostFacts, actor: Any) -> None:
        self.facts = facts
        self.pids: list[int] = []
        """The processes of the shards that were started last, on the host."""
        self._actor = actor
        self._groups: dict[int, tuple[int, Events]] = {}
        """The index of the first shard in each group, and where events of the group go."""
        self._is_stopped = threading.Event()
        self._lost = ""
        """Why it counts as lost, even if it answers again."""
        self._reader: threading.Thread | None = None
        self._clock_at_begin = self._compare_clock()

    def call(self, method: str, *arguments: Any, patience_s: float | None = None) -> Any:
        """The result of a method of the actor; raises what `call_actor` raises."""
        return call_actor(self._actor, self.facts, method, *arguments, patience_s=patience_s)

    def tell(self, method: str, *arguments: Any) -> None:
        """Call a method of the actor without waiting. That it did not work shows in the missing events."""
        with contextlib.suppress(Exception):  # the connection to a worker ends in many ways
            getattr(self._actor, method)(*arguments)

    def begin_group(self, group: int, count: int, first: int, events: Events) -> None:
        """Start so many shards, which are a part of a group, and pass on their events from now on.

        ``group``: its number. ``first``: the index of the first of these shards in it.
        """
        if self._lost:
            raise HostLostError(self._lost)
        source = urlsplit(self.facts.address).hostname or ""
        self._groups[group] = (first, events)
        try:
            self.pids = self.call("start", group, count, source, patience_s=STARTING_S)
        except LoadError:
            self.end_group(group)
            raise
        if self._reader is None:
            self._reader = threading.Thread(target=self._read, daemon=True)
            self._reader.start()

    def end_group(self, group: int) -> None:
        """End the shards of a group. A host that does not answer ends them by itself."""
        if self._groups.pop(group, None) is not None:
            with contextlib.suppress(LoadError, HostLostError):
                self.call("stop", group)

    def _read(self) -> None:
        while not self._is_stopped.is_set():
            try:
                found = self.call("events", _POLL_S, patience_s=_POLL_S + scheduling.SILENCE_S)
            except (LoadError, HostLostError) as error:
                if not self._is_stopped.is_set():
                    self._lost = str(error)
                    for first, events in list(self._groups.values()):
                        events.put((first, {"event": "lost", "reason": self._lost}))
                return
            for group, place, event in found:
                if group in self._groups:  # otherwise it has ended meanwhile
                    first, events = self._groups[group]
                    events.put((first + place, event))

    def clock(self) -> ClockOffset:
        """How far the host's clock was from ours since the window was opened."""
        return self._clock_at_begin.until(self._compare_clock())

    def _compare_clock(self) -> ClockOffset:
        """How far it is now."""
        exchanges = []
        for _ in range(_CLOCK_READINGS):
            before_ns = clock_ns()
            exchanges.append(Exchange(before_ns, int(self.call("clock")), clock_ns()))
        return estimate_offset(exchanges)

    def open_window(self) -> None:
        """Watch the machine from now on."""
        self._clock_at_begin = self._compare_clock()
        self.call("open_window")

    def close_window(self) -> HostWindow:
        """What the machine did since `open_window`."""
        found = self.call("close_window")
        return HostWindow(self.facts.name, self.clock(), **found)

    def stop(self) -> None:
        """End everything that runs for us on the host."""
        self._is_stopped.set()
        with contextlib.suppress(LoadError, HostLostError):
            self.call("end")
        if self._reader is not None:
            self._reader.join(timeout=_POLL_S + scheduling.SILENCE_S)


class RemoteShard:
    """One shard on a host. It is a `runners.loading.shards.ShardHandle`."""

    pid: int | None = None

    def __init__(self, host: Host, group: int, place: int) -> None:
        self.host = host.facts.name
        self._host, self._group, self._place = host, group, place
        self._has_job = False

    def clock(self) -> ClockOffset:
        """How far the clock of its host was from ours since the window was opened."""
        return self._host.clock()

    def write(self, line: str) -> None:
        """The first line is the job, later ones are commands."""
        if self._has_job:
            self.send(json.loads(line))
            return
        self._has_job = True
        trusted = Job.from_json(line).client.ca
        self._host.tell("begin", self._group, self._place, line, Path(trusted).read_bytes() if trusted else b"")

    def send(self, command: dict[str, Any]) -> None:
        """Send a command."""
        self._host.tell("send", self._group, self._place, command)

    def stop_early(self) -> None:
        """End the slice. A host ends those of all its shards at once, so only the first one requests it."""
        if self._place == 0:
            self._host.tell("stop_early", self._group)

    def stop(self) -> None:
        """End all shards of the group on this host, if that was not done."""
        if self._place == 0:
            self._host.end_group(self._group)


class ClusterHosts:
    """Hosts that apply load, for one load or a whole run: a `runners.loading.load_place.LoadPlace`.

    ``address``: that of this machine at which they reach servers.
    """

    def __init__(self, members: Sequence[Host], address: str) -> None:
        self.members = list(members)
        self.address = address
        self.hosts: Sequence[LoadHost] = [
            LoadHost(
                name=one.facts.name,
                cpu_model=one.facts.cpu_model,
                cores=one.facts.cores,
                shards=one.facts.shards,
                memory_mb=one.facts.total_memory_bytes // _MB,
                kernel=one.facts.kernel,
            )
            for one in self.members
        ]
        self._groups = 0

    def most_shards(self, cpus: Sequence[int] = ()) -> int:  # noqa: ARG002 - those of this machine
        """Those of all hosts."""
        return sum(one.facts.shards for one in self.members)

    def group(self, shards: int, cpus: Sequence[int] = (), hooks: Hooks | None = None) -> ShardGroup:  # noqa: ARG002
        """A group of so many shards, spread over the hosts."""
        return ShardGroup(shards, (), hooks, self.launcher(shards))

    def launcher(self, shards: int) -> Callable[[int, Events], ShardHandle]:
        """Starts the shards of a group of so many: a `runners.loading.shards.Launch`."""
        self._groups += 1
        group = self._groups
        counts = spread_over([one.facts for one in self.members], shards)
        bounds = list(accumulate(counts, initial=0))

        def launch(index: int, events: Events) -> ShardHandle:
            number = next(n for n, last in enumerate(bounds[1:]) if index < last)
            host, first = self.members[number], bounds[number]
            if index == first:
                host.begin_group(group, counts[number], first, events)
            return RemoteShard(host, group, index - first)

        return launch

    def open_window(self) -> None:
        """Let all hosts watch their machines from now on."""
        for one in self.members:
            one.open_window()

    def close_window(self) -> list[HostWindow]:
        """What they did meanwhile."""
        return [one.close_window() for one in self.members]


@contextmanager
def placed(
    scheduler: str,
    connections: int,
    *,
    connection_bytes: int = 0,
    most_hosts: int | None = None,
    address: str = "",
    serves: bool = False,
) -> Iterator[ClusterHosts]:
    """The hosts of the cluster with this scheduler, for loads of at most so many connections.

    ``connection_bytes``: memory that each needs. ``most_hosts``: at most so many hosts; ``None``: all. ``serves``:
    whether servers on this machine are loaded, which hosts must reach at ``address``; empty: that by which this machine
    reaches the scheduler. Raises what `connected` raises, `UsageError` if hosts cannot work together, and
    `HostLostError` if one does not answer.
    """
    with connected(scheduler) as client, ExitStack() as stack:
        own, facts = hosts_of(client, most_hosts)
        if faults := list(refusals(facts, own, connections, connection_bytes)):
            raise UsageError("; ".join(faults))
        address = address or own_address(scheduler)
        if serves:
            _check_reach(client, facts, address)
        members = []
        for one in facts:
            members.append(Host(one, start_actor(client, HostShards, one)))
            stack.callback(members[-1].stop)
        yield ClusterHosts(members, address)


def own_address(scheduler: str) -> str:
    """The address of this machine by which it reaches a scheduler."""
    parts = urlsplit(scheduler)
    place = socket.getaddrinfo(parts.hostname, parts.port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(place[0], socket.SOCK_DGRAM) as probe:
        probe.connect(place[4])  # of datagrams, so nothing is sent
        return str(probe.getsockname()[0])


def _check_reach(client: Any, hosts: Sequence[HostFacts], address: str) -> None:
    """Raise `UsageError` if a host cannot connect to servers on this machine."""
    advice = "give one of this machine's addresses that all hosts reach (--address), and let its firewall pass them"
    try:
        listener = socket.create_server((address, 0))
    except OSError as error:
        raise UsageError(f"servers cannot listen at {address}: {error.strerror}; {advice}") from None
    with listener:
        port = listener.getsockname()[1]
        answers = client.run(reach, address, port, workers=[one.address for one in hosts])
    for one in hosts:
        if why := answers[one.address]:
            raise UsageError(f"host {one.name} does not reach servers at {address}: {why}; {advice}")


def check_shards(place: ClusterHosts, connections: int) -> None:
    """Raise `UsageError` if there are fewer connections than shards."""
    if connections < (total := place.most_shards()):
        raise UsageError(
            f"{connections} connections are too few for {total} shards; use more --connections, or fewer --hosts"
        )
