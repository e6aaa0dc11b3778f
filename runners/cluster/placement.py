"""The connection to a Dask cluster: its hosts, checked, and the shards that run there."""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address
from time import perf_counter_ns as clock_ns
from typing import Any
from urllib.parse import urlsplit

from runners.cluster.agreement import RESOURCE, HostFacts, connections_of, refusals
from runners.cluster.clocks import ClockOffset, Exchange, estimate_offset
from runners.loading.shards import Events, LoadError
from runners.record import RtsiteError, UsageError

CONNECT_S = 10.0
"""Seconds in which the scheduler must answer."""
SILENCE_S = 15.0
"""Seconds after which a host that answers nothing counts as lost. It answers at least once per second."""
STARTING_S = 90.0
"""Seconds in which a host must have started its shards; the first one on a machine compiles the kernel."""
_POLL_S = 1.0
_CLOCK_READINGS = 30


@dataclass(frozen=True)
class HostWindow:
    """What one host did while the load was applied."""

    facts: HostFacts
    shards: range
    """The indices of its shards."""
    connections: int
    clock: ClockOffset
    steal_percent: float
    throttled_periods: int
    memory_mb: float
    """Of its shards, where pages that several share count in part (PSS)."""


def call_actor(actor: Any, facts: HostFacts, method: str, *arguments: Any, patience_s: float | None = None) -> Any:
    """The result of a method of an actor on a host; raises `LoadError` that names the host.

    ``patience_s``: seconds that it may take; ``None``: `SILENCE_S`.
    """
    patience_s = SILENCE_S if patience_s is None else patience_s
    try:
        return getattr(actor, method)(*arguments).result(timeout=patience_s)
    except RtsiteError as error:
        raise LoadError(f"{facts.name}: {error}") from None
    except TimeoutError:
        why = f"it did not answer for {patience_s:g} s"
    except Exception as error:  # noqa: BLE001 - the connection to a worker ends in many ways
        why = str(error) or type(error).__name__
    raise LoadError(f"host {facts.name} ({facts.address}) is lost: {why}; look at its worker's log, and start it again")


class Host:
    """One host of a load: its actor, and the thread that reads its events."""

    def __init__(self, facts: HostFacts, actor: Any, shards: range, connections: int) -> None:
        self.facts, self.shards, self.connections = facts, shards, connections
        self.clock = ClockOffset(0, 0)
        self.window: dict[str, Any] = {}
        self.pids: list[int] = []
        """The processes of its shards, on the host."""
        self._actor = actor
        self._is_stopped = threading.Event()
        self._reader: threading.Thread | None = None

    def call(self, method: str, *arguments: Any, patience_s: float | None = None) -> Any:
        """The result of a method of the actor; raises `LoadError` that names the host."""
        return call_actor(self._actor, self.facts, method, *arguments, patience_s=patience_s)

    def tell(self, method: str, *arguments: Any) -> None:
        """Call a method of the actor without waiting. That it did not work shows in the missing events."""
        with contextlib.suppress(Exception):  # as above
            getattr(self._actor, method)(*arguments)

    def begin(self, events: Events) -> None:
        """Start the shards, and pass on their events from now on."""
        source = urlsplit(self.facts.address).hostname or ""
        try:
            self.pids = self.call("start", len(self.shards), self.connections, source, patience_s=STARTING_S)
        except LoadError:
            self.stop()
            raise
        self._reader = threading.Thread(target=self._read, args=(events,), daemon=True)
        self._reader.start()

    def _read(self, events: Events) -> None:
        while not self._is_stopped.is_set():
            try:
                found = self.call("events", _POLL_S, patience_s=_POLL_S + SILENCE_S)
            except LoadError as error:
                if not self._is_stopped.is_set():
                    for index in self.shards:
                        events.put((index, {"event": "error", "reason": str(error)}))
                return
            for index, event in found:
                events.put((self.shards[index], event))

    def measure_clock(self) -> None:
        """Find out how far the host's clock is from ours."""
        exchanges = []
        for _ in range(_CLOCK_READINGS):
            before_ns = clock_ns()
            exchanges.append(Exchange(before_ns, int(self.call("clock")), clock_ns()))
        self.clock = estimate_offset(exchanges)

    def stop(self) -> None:
        """End the shards. A host that does not answer ends them by itself."""
        self._is_stopped.set()
        with contextlib.suppress(LoadError):
            self.call("stop")
        if self._reader is not None:
            self._reader.join(timeout=_POLL_S + SILENCE_S)


class RemoteShard:
    """One shard on a host. It is a `runners.loading.shards.ShardHandle`."""

    pid: int | None = None

    def __init__(self, host: Host, place: int) -> None:
        self._host, self._place = host, place
        self._has_job = False

    def write(self, line: str) -> None:
        """The first line is the job, later ones are commands."""
        if self._has_job:
            self._host.tell("send", self._place, json.loads(line))
        else:
            self._has_job = True
            self._host.tell("begin", self._place, line)

    def send(self, command: dict[str, Any]) -> None:
        """Send a command."""
        self._host.tell("send", self._place, command)

    def stop_early(self) -> None:
        """End the slice. A host ends those of all its shards at once, so only the first one requests it."""
        if self._place == 0:
            self._host.tell("stop_early")

    def stop(self) -> None:
        """End all shards of the host, if that was not done."""
        if self._place == 0:
            self._host.stop()


@dataclass
class Placement:
    """The hosts of one load, with its shards."""

    hosts: list[Host]
    _started: set[int] = field(default_factory=set)

    @property
    def shards(self) -> int:
        return sum(len(host.shards) for host in self.hosts)

    def launch(self, index: int, events: Events) -> RemoteShard:
        """Start the shard with this index, with all others of its host. A `runners.loading.shards.Launch`."""
        number, host = next((n, one) for n, one in enumerate(self.hosts) if index in one.shards)
        if number not in self._started:
            self._started.add(number)
            host.begin(events)
        return RemoteShard(host, index - host.shards.start)

    def open_window(self) -> None:
        """Let all hosts watch their machines from now on."""
        for host in self.hosts:
            host.call("open_window")

    def close_window(self) -> None:
        """Request from all hosts what their machines did meanwhile."""
        for host in self.hosts:
            host.window = host.call("close_window")

    def windows(self) -> list[HostWindow]:
        """What each host did, after `close_window`."""
        return [HostWindow(host.facts, host.shards, host.connections, host.clock, **host.window) for host in self.hosts]


@contextmanager
def connected(scheduler: str) -> Iterator[Any]:
    """A client of the scheduler at this address, such as ``tcp://host:8786``, and what it started ends with the block.

    Raises `UsageError` if Dask is not installed or if the address is none, and `LoadError` if nothing answers there.
    """
    check_scheduler(scheduler)
    try:
        from distributed import Client, Security
    except ImportError:
        raise UsageError(
            "--scheduler needs Dask, which is an optional part; install it with `uv sync --extra cluster`"
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is an error of ours
    try:
        # Certificates are those of Dask's own configuration, as for `dask worker`.
        security = Security() if scheduler.startswith("tls://") else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions, which are compared later
            client = Client(scheduler, timeout=CONNECT_S, security=security)  # actors need it as the default
    except (OSError, ValueError, RuntimeError) as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise LoadError(
            f"the scheduler {scheduler} cannot be reached within {CONNECT_S:g} s: {cause:.300}; start one with"
            " `dask scheduler`, and use the address that it prints"
        ) from None
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):  # what is left ends without its client
            client.close(timeout=5)


def start_actor(client: Any, actor_class: type, facts: HostFacts) -> Any:
    """An actor of this class on a host; raises `LoadError`."""
    future = client.submit(actor_class, actor=True, workers=[facts.address], allow_other_workers=False, pure=False)
    try:
        actor = future.result(timeout=SILENCE_S)
    except LoadError as error:
        raise LoadError(f"{facts.name}: {error}") from None
    except TimeoutError:
        raise LoadError(
            f"host {facts.name} ({facts.address}) did not take the work within {SILENCE_S:g} s; look at its worker's"
            " log"
        ) from None
    actor.kept = future  # an actor ends when nobody holds its future
    return actor


@contextmanager
def placed(
    scheduler: str, connections: int, *, connection_bytes: int = 0, most_hosts: int | None = None
) -> Iterator[Placement]:
    """A place for a load of so many connections on the cluster with this scheduler.

    ``connection_bytes``: memory that each needs. ``most_hosts``: at most so many hosts; ``None``: all. Raises what
    `connected` raises, `UsageError` if hosts cannot work together, and `LoadError` if one does not answer.
    """
    with connected(scheduler) as client:
        own, hosts = hosts_of(client, most_hosts)
        if faults := list(refusals(hosts, own, connections, connection_bytes)):
            raise UsageError("; ".join(faults))
        if connections < (total := sum(host.shards for host in hosts)):
            raise UsageError(
                f"{connections} connections are too few for {total} shards; use more --connections, or fewer --hosts"
            )
        from runners.cluster.host import HostShards

        found, first = [], 0
        for facts, share in zip(hosts, connections_of(hosts, connections), strict=True):
            found.append(Host(facts, start_actor(client, HostShards, facts), range(first, first + facts.shards), share))
            first += facts.shards
        for host in found:
            host.measure_clock()
        yield Placement(found)


def hosts_of(client: Any, most_hosts: int | None) -> tuple[HostFacts, list[HostFacts]]:
    """The facts about this machine, and about the hosts that take part, by name; raises `UsageError`."""
    from runners.cluster.host import host_facts, worker_facts

    own = HostFacts.from_mapping(host_facts())
    try:
        answers = client.run(worker_facts, on_error="return")
    except Exception as error:  # noqa: BLE001 - a worker without rtsite cannot even read the request
        raise UsageError(_not_installed(str(error))) from None
    broken = {address: one for address, one in answers.items() if isinstance(one, Exception)}
    if broken:
        address, fault = next(iter(broken.items()))
        raise UsageError(_not_installed(f"{address}: {fault}"))
    hosts = sorted((HostFacts.from_mapping(one) for one in answers.values()), key=lambda one: one.name)
    if not hosts:
        raise UsageError(
            "the scheduler has no workers; start one on each host with"
            f" `dask worker ADDRESS --resources {RESOURCE}=N`, N for its cores"
        )
    if most_hosts is not None:
        if most_hosts > len(hosts):
            raise UsageError(f"--hosts {most_hosts}: the scheduler has {len(hosts)} workers; start more, or use fewer")
        hosts = hosts[:most_hosts]
    return own, hosts


def _not_installed(what: str) -> str:
    return (
        f"a worker cannot run rtsite: {' '.join(what.split()):.300}; install the same commit there, with its extra"
        " `cluster`, and start the worker in that environment"
    )


def check_scheduler(address: str) -> None:
    """Raise `UsageError` if this is no address of a scheduler."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("tcp", "tls") or not parts.hostname or not port:
        raise UsageError(
            f"{address!r} is not the address of a scheduler; expected one such as tcp://192.0.2.1:8786, or tls:// with"
            " certificates"
        )


def is_open_to_others(address: str) -> bool:
    """Whether anybody in the network could give work to the scheduler: plain TCP, not only on this machine."""
    parts = urlsplit(address)
    if parts.scheme != "tcp":
        return False
    try:
        return not ip_address(socket.gethostbyname(parts.hostname or "")).is_loopback
    except OSError:
        return True
