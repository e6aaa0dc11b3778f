"""What runs on a host of a cluster, in the process of its Dask worker: facts, and the shards of one load."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import platform
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from time import perf_counter_ns as clock_ns
from typing import Any

import psutil

from runners import control_groups, machine, revision
from runners.cluster.agreement import RESOURCE, HostFacts, addresses_needed
from runners.loadgen.job import ClientOptions, Job
from runners.loading.shards import Event, LoadError, Shard
from runners.machine import OpenFilesError

ABANDONED_S = 20.0
"""Seconds without a request for events after which the client that placed the load counts as gone."""
_WATCH_S = 1.0
_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_PORTS = 28_232
"""Ports from which Linux connects by default: 32768 to 60999."""

_REACH_S = 5.0
_busy: list[HostShards] = []
"""What this worker runs for a client: one at a time."""


def load_generator_digest() -> str:
    """A short digest of the load generator's code, equal where it is the same."""
    folder = Path(__file__).resolve().parents[1] / "loadgen"
    found = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:12]


def host_facts(name: str = "this machine", address: str = "", shards: int = 0) -> dict[str, Any]:
    """The facts about the machine that this runs on, as data."""
    found = revision.describe_revision()
    return HostFacts(
        name=name,
        address=address,
        shards=shards,
        cores=len(machine.physical_cores()),
        rtsite=version("rtsite"),
        code=load_generator_digest(),
        python=platform.python_version(),
        distributed=version("distributed"),
        kernel=platform.release(),
        open_files=machine.open_files().hard,
        memory_bytes=machine.available_memory_bytes(),
        total_memory_bytes=int(psutil.virtual_memory().total),
        cpu_model=machine.describe_machine().cpu_model,
        ports=_ports(),
        commit=f"{found.commit or ''}{'+' if found.modified else ''}",
        system=platform.system(),
    ).to_mapping()


def worker_facts(dask_worker: Any) -> dict[str, Any]:
    """The facts about the worker that runs this. Dask gives it by the name of the parameter."""
    shards = int(dask_worker.state.total_resources.get(RESOURCE, 0))
    return host_facts(str(dask_worker.name), dask_worker.address, shards)


def _ports() -> int:
    try:
        low, high = map(int, _PORTS.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return _USUAL_PORTS
    return max(1, high - low + 1)


def other_addresses(of: str) -> Iterator[str]:
    """Further addresses of the network interface that has this one, of the same family."""
    for found in psutil.net_if_addrs().values():
        family = next((one.family for one in found if one.address == of), None)
        if family is not None:
            yield from (one.address for one in found if one.family == family and one.address != of)


class _Group:
    """The shards of one group on this host."""

    def __init__(self, source: str) -> None:
        self.shards: list[Shard] = []
        self.source = source
        """The address from which this host reaches the server."""


@dataclass(frozen=True)
class _Sink:
    """Takes the events of a group's shards from their threads to the event loop."""

    group: int
    events: asyncio.Queue[tuple[int, int, dict[str, Any]]]
    loop: asyncio.AbstractEventLoop

    def put(self, item: Event, /) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and so does this process
            self.loop.call_soon_threadsafe(self.events.put_nowait, (self.group, *item))


class HostShards:
    """The shards of one client on one host, in groups: an actor of Dask, whose methods run on the event loop of the
    worker.

    One client at a time. If it requests no events for `ABANDONED_S`, its shards end.
    """

    def __init__(self) -> None:
        if any(other.is_busy for other in _busy):
            raise LoadError("another load runs on this host; wait for its end")
        _busy[:] = [self]
        self._has_ended = False
        self._events: asyncio.Queue[tuple[int, int, dict[str, Any]]] = asyncio.Queue()
        self._groups: dict[int, _Group] = {}
        self._files: tempfile.TemporaryDirectory[str] | None = None
        self._asked_s, self._abandoned_s = time.monotonic(), ABANDONED_S
        self._starting = 0
        """Groups whose shards are being started, for which the client waits."""
        self._watch: asyncio.Task[None] | None = None
        self._steal: tuple[float, float] = (0.0, 0.0)
        self._throttled = 0
        cores = machine.physical_cores()
        self._cpus = [core[0] for core in cores] if len(cores) > 1 else []
        with contextlib.suppress(OpenFilesError):  # a shard that needs more reports it when it begins
            machine.allow_open_files(machine.open_files().hard - machine.FILES_BESIDE_CLIENTS)

    @property
    def is_busy(self) -> bool:
        """Whether its client still uses it."""
        return not self._has_ended and not (self._watch is None and self._is_silent)

    @property
    def _is_silent(self) -> bool:
        return not self._starting and time.monotonic() - self._asked_s > self._abandoned_s

    async def start(self, group: int, count: int, source: str, abandoned_s: float = ABANDONED_S) -> list[int]:
        """Start so many shards of a group with this number; returns their process IDs.

        ``source``: the address from which this host reaches the server. ``abandoned_s``: seconds after which all shards
        end if nobody requests events.
        """
        self._abandoned_s = abandoned_s
        if self._watch is None:
            self._watch = asyncio.create_task(self._end_if_abandoned())
        found = self._groups[group] = _Group(source)
        sink = _Sink(group, self._events, asyncio.get_running_loop())
        self._starting += 1
        try:
            for index in range(count):
                shard = await asyncio.to_thread(Shard, index, sink)
                if self._groups.get(group) is not found:  # ended meanwhile, without this shard
                    await asyncio.to_thread(shard.stop)
                    raise LoadError("the load was ended while its shards started")
                found.shards.append(shard)
        finally:
            self._starting -= 1
            self._asked_s = time.monotonic()
        return [shard.pid for shard in found.shards if shard.pid is not None]

    async def begin(self, group: int, index: int, job: str, trusted: bytes) -> None:
        """Give a shard its part of the load, which is then pinned to a core of this host. ``trusted``: certificates in
        PEM for its clients; empty: those that its job says.
        """
        mine = self._groups[group]
        read = Job.from_json(job)
        try:
            client = self._client_here(read, group, trusted)
        except LoadError as error:
            await self._events.put((group, index, {"event": "error", "reason": str(error)}))
            return
        count = len(mine.shards)
        cpus = (self._cpus[-count:][index % len(self._cpus)],) if self._cpus else ()
        mine.shards[index].write(replace(read, cpus=cpus, client=client).to_json())

    def _client_here(self, job: Job, group: int, trusted: bytes) -> ClientOptions:
        """The options of clients on this host; raises `LoadError` if it has too few files or addresses."""
        client, mine = job.client, self._groups[group]
        if job.connections + machine.FILES_BESIDE_CLIENTS > (limit := machine.open_files().soft):
            raise LoadError(
                f"{job.connections:,} connections of a shard need more than the {limit:,} open files that this host"
                " allows; raise its hard limit (`ulimit -Hn`), or use more hosts"
            )
        if trusted:
            self._files = self._files or tempfile.TemporaryDirectory(prefix="rtsite-host-")
            file = Path(self._files.name) / f"{group}.pem"
            file.write_bytes(trusted)
            client = replace(client, ca=str(file))
        connections = job.connections * len(mine.shards)
        needed = addresses_needed(connections, _ports())
        if needed == 1:
            return client
        sources = [mine.source, *other_addresses(mine.source)][:needed]
        if len(sources) < needed:
            raise LoadError(
                f"{connections:,} connections from one host need {needed} addresses, because each has"
                f" {_ports():,} ports; give it more (`ip address add`), or use more hosts"
            )
        return replace(client, sources=tuple(sources))

    async def send(self, group: int, index: int, command: dict[str, Any]) -> None:
        """Send a command to a shard; no effect if its group has ended."""
        if group in self._groups:
            self._groups[group].shards[index].send(command)

    async def stop_early(self, group: int) -> None:
        """End the slices in progress of a group as if their time were over."""
        for shard in self._groups[group].shards if group in self._groups else ():
            shard.stop_early()

    async def events(self, patience_s: float) -> list[tuple[int, int, dict[str, Any]]]:
        """Wait for events; returns those that there are, after at most so many seconds none. Each is beside the number
        of its group and the index of its shard.
        """
        self._asked_s = time.monotonic()
        found = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                found.append(await self._events.get())
        while not self._events.empty():
            found.append(self._events.get_nowait())
        return found

    async def clock(self) -> int:
        """The reading of the clock by which shards measure, in nanoseconds."""
        return clock_ns()

    async def open_window(self) -> None:
        """Watch the machine from now on."""
        self._steal, self._throttled = machine.read_steal(), control_groups.throttled_periods()

    async def close_window(self) -> dict[str, Any]:
        """What the machine did since: steal in percent of all CPUs, and periods in which its control group was
        throttled; and the memory of all shards.
        """
        stolen, spent = (after - before for after, before in zip(machine.read_steal(), self._steal, strict=True))
        pids = [shard.pid for group in self._groups.values() for shard in group.shards if shard.pid]
        return {
            "steal_percent": round(100 * stolen / spent, 3) if spent > 0 else 0.0,
            "throttled_periods": control_groups.throttled_periods() - self._throttled,
            "memory_mb": round(sum(map(_pss_bytes, pids)) / 1e6, 1),
        }

    async def stop(self, group: int) -> None:
        """End the shards of a group and wait for their end."""
        ended = self._groups.pop(group, None)
        if ended is not None:
            await asyncio.to_thread(_stop_shards, ended.shards)

    async def end(self) -> None:
        """End all shards."""
        if self._watch is not None:
            self._watch.cancel()
        await self._end()

    async def _end(self) -> None:
        self._has_ended = True
        for group in list(self._groups):
            await self.stop(group)
        if self._files is not None:
            self._files.cleanup()

    async def _end_if_abandoned(self) -> None:
        while not self._is_silent:
            await asyncio.sleep(_WATCH_S)
        await self._end()


def _stop_shards(shards: Sequence[Shard]) -> None:
    for shard in shards:
        shard.stop()


def reach(address: str, port: int) -> str:
    """Why this host cannot connect to a server at this address; empty if it can."""
    try:
        socket.create_connection((address, port), timeout=_REACH_S).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _pss_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_full_info().pss)
    except (psutil.Error, OSError):
        return 0
