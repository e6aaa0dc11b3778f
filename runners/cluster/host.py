"""What runs on a host of a cluster, in the process of its Dask worker: facts, and the shards of one load."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import platform
import queue
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from time import perf_counter_ns as clock_ns
from typing import Any

import psutil

from runners import control_groups, machine, revision
from runners.cluster.agreement import RESOURCE, HostFacts, addresses_needed
from runners.loadgen.job import Job
from runners.loading.shards import Events, LoadError, Shard

ABANDONED_S = 20.0
"""Seconds without a request for events after which the client that placed the load counts as gone."""
_WATCH_S = 1.0
_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
_USUAL_PORTS = 28_232
"""Ports from which Linux connects by default: 32768 to 60999."""

_busy: list[HostShards] = []
"""The shards of the load that this worker takes part in: one at a time."""


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
        hostname=platform.node(),
        shards=shards,
        cores=len(machine.physical_cores()),
        rtsite=version("rtsite"),
        code=load_generator_digest(),
        python=platform.python_version(),
        distributed=version("distributed"),
        kernel=platform.release(),
        open_files=machine.open_files().hard,
        memory_bytes=machine.available_memory_bytes(),
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


class HostShards:
    """The shards of a load on one host: an actor of Dask, whose methods run on the event loop of the worker.

    One load at a time. If its client requests no events for `ABANDONED_S`, the shards end.
    """

    def __init__(self) -> None:
        for other in _busy:
            if not other.has_ended:
                raise LoadError("another load runs on this host; wait for its end")
        _busy[:] = [self]
        self.has_ended: bool = False
        self._events: Events = queue.SimpleQueue()
        self._shards: list[Shard] = []
        self._cpus: list[int] = []
        self._sources: tuple[str, ...] = ()
        self._asked_s, self._abandoned_s = time.monotonic(), ABANDONED_S
        self._watch: asyncio.Task[None] | None = None
        self._steal: tuple[float, float] = (0.0, 0.0)
        self._throttled = 0

    async def start(self, count: int, connections: int, source: str, abandoned_s: float = ABANDONED_S) -> list[int]:
        """Start so many shards for so many connections together; returns their process IDs.

        ``source``: the address from which this host reaches the server. ``abandoned_s``: seconds after which they end
        if nobody requests events. Raises `LoadError` if it has too few addresses, and `OpenFilesError`.
        """
        self._asked_s, self._abandoned_s = time.monotonic(), abandoned_s
        self._watch = asyncio.create_task(self._end_if_abandoned())
        machine.allow_open_files(-(-connections // count))
        cores = machine.physical_cores()
        self._cpus = [core[0] for core in cores][-count:] if len(cores) > 1 else []
        needed = addresses_needed(connections, _ports())
        if needed > 1:
            sources = [source, *other_addresses(source)][:needed]
            if len(sources) < needed:
                raise LoadError(
                    f"{connections:,} connections from one host need {needed} addresses, because each has"
                    f" {_ports():,} ports; give it more (`ip address add`), or use more hosts"
                )
            self._sources = tuple(sources)
        for index in range(count):
            self._shards.append(await asyncio.to_thread(Shard, index, self._events))
        return [shard.pid for shard in self._shards if shard.pid is not None]

    async def begin(self, index: int, job: str) -> None:
        """Give a shard its part of the load, which is then pinned to a core of this host."""
        cpus = (self._cpus[index % len(self._cpus)],) if self._cpus else ()
        read = Job.from_json(job)
        mine = replace(read, cpus=cpus, client=replace(read.client, sources=self._sources))
        self._shards[index].write(mine.to_json())

    async def send(self, index: int, command: dict[str, Any]) -> None:
        """Send a command to a shard."""
        self._shards[index].send(command)

    async def stop_early(self) -> None:
        """End the slices in progress as if their time were over."""
        for shard in self._shards:
            shard.stop_early()

    async def events(self, patience_s: float) -> list[tuple[int, dict[str, Any]]]:
        """Wait for events; returns those that there are, after at most so many seconds none."""
        self._asked_s = time.monotonic()
        return await asyncio.to_thread(self._waiting, patience_s)

    def _waiting(self, patience_s: float) -> list[tuple[int, dict[str, Any]]]:
        found = []
        with contextlib.suppress(queue.Empty):
            found.append(self._events.get(timeout=patience_s))
            while True:
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
        throttled.
        """
        stolen, spent = (after - before for after, before in zip(machine.read_steal(), self._steal, strict=True))
        return {
            "steal_percent": round(100 * stolen / spent, 3) if spent > 0 else 0.0,
            "throttled_periods": control_groups.throttled_periods() - self._throttled,
            "memory_mb": round(sum(_pss_bytes(shard.pid) for shard in self._shards if shard.pid) / 1e6, 1),
        }

    async def stop(self) -> None:
        """End all shards and wait for their end."""
        self.has_ended = True
        if self._watch is not None:
            self._watch.cancel()
        await asyncio.to_thread(self._stop_shards)

    def _stop_shards(self) -> None:
        for shard in self._shards:
            shard.stop()
        self._shards = []

    async def _end_if_abandoned(self) -> None:
        while time.monotonic() - self._asked_s < self._abandoned_s:
            await asyncio.sleep(_WATCH_S)
        self.has_ended = True
        await asyncio.to_thread(self._stop_shards)


def _pss_bytes(pid: int) -> int:
    try:
        return int(psutil.Process(pid).memory_full_info().pss)
    except (psutil.Error, OSError):
        return 0
