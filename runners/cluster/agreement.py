"""What a host of a cluster has, and whether load from it can be added to that of others. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from runners.machine import FILES_BESIDE_CLIENTS

RESOURCE = "shard"
"""The resource of Dask by which a worker says how many shards it runs."""


@dataclass(frozen=True)
class HostFacts:
    """What is known of a host before load is placed on it."""

    name: str
    """The name of its worker."""
    address: str
    """The address of its worker."""
    shards: int
    """The shards that its worker may run; 0 if the worker does not say."""
    cores: int
    """Physical cores that the worker may use."""
    rtsite: str
    """Version of rtsite."""
    code: str
    """Digest of the load generator's code."""
    python: str
    distributed: str
    kernel: str
    """Release of the operating system's kernel."""
    open_files: int
    """The most open files that a process may have."""
    memory_bytes: int
    """Memory that new processes can use."""
    total_memory_bytes: int
    cpu_model: str
    ports: int
    """Ports from which one address of it can connect."""
    commit: str = ""
    """The commit that it runs, with a plus sign if the measuring code was changed; empty if it is no checkout."""
    system: str = "Linux"

    @classmethod
    def from_mapping(cls, data: dict[str, Any]) -> HostFacts:
        return cls(**data)

    def to_mapping(self) -> dict[str, Any]:
        return asdict(self)


def refusals(hosts: Sequence[HostFacts], own: HostFacts, connections: int, connection_bytes: int = 0) -> Iterator[str]:
    """Why these hosts cannot apply a load together, one sentence with the cure for each fault.

    ``own``: this machine, whose versions count. ``connections``: of the whole load. ``connection_bytes``: memory that
    each needs.
    """
    shares = connections_of(hosts, connections)
    for host, share in zip(hosts, shares, strict=True):
        if host.system != "Linux":
            yield f"{host.name} runs {host.system}, and the load generator needs epoll; use a worker on Linux"
            continue
        if host.shards < 1:
            yield (
                f"{host.name} does not say how many shards it runs; start its worker with"
                f" `--resources {RESOURCE}={max(1, host.cores)}`"
            )
        yield from _differences(host, own)
        per_shard = -(-share // max(1, host.shards))
        if per_shard + FILES_BESIDE_CLIENTS > host.open_files:
            yield (
                f"{host.name} allows {host.open_files:,} open files, and {per_shard:,} connections of a shard need"
                f" {per_shard + FILES_BESIDE_CLIENTS:,}; raise the hard limit there (`ulimit -Hn`), or use more hosts"
            )
        if share * connection_bytes > host.memory_bytes:
            yield (
                f"{share:,} connections need about {share * connection_bytes / 1e9:,.1f} GB of memory on {host.name},"
                f" which has {host.memory_bytes / 1e9:,.1f} GB available; reduce --connections or --payload, or use"
                " more hosts"
            )


def refusals_of_blocks(hosts: Sequence[HostFacts], own: HostFacts) -> Iterator[str]:
    """Why these hosts cannot measure blocks of one campaign, likewise. Every block is measured by the same code."""
    for host in hosts:
        yield from _differences(host, own)
        if host.commit != own.commit:
            yield (
                f"{host.name} runs {_commit_in_words(host.commit)}, and this machine {_commit_in_words(own.commit)};"
                " check out the same commit, without changes"
            )
        if host.cores < _LEAST_CORES:
            yield f"{host.name} has {host.cores} core; one for the server and one for the load generator are needed"


_LEAST_CORES = 2


def _commit_in_words(commit: str) -> str:
    if not commit:
        return "no checkout"
    return f"commit {commit[:12]}{' with changes' if commit.endswith('+') else ''}"


def _differences(host: HostFacts, own: HostFacts) -> Iterator[str]:
    """Versions that must be the same everywhere. Dask itself needs equal versions of Python and distributed."""
    if (host.rtsite, host.code) != (own.rtsite, own.code):
        yield (
            f"{host.name} has another rtsite ({host.rtsite}, load generator {host.code}) than this machine"
            f" ({own.rtsite}, load generator {own.code}); install the same commit there"
        )
    for what, theirs, ours in (("Python", host.python, own.python), ("distributed", host.distributed, own.distributed)):
        if theirs != ours:
            yield f"{host.name} has {what} {theirs}, and this machine {ours}; use the same version everywhere"


def connections_of(hosts: Sequence[HostFacts], connections: int) -> list[int]:
    """The connections of each host: shards get equal parts, the first ones one more."""
    shards = [max(1, host.shards) for host in hosts]
    total = sum(shards)
    of_shard = [connections // total + (index < connections % total) for index in range(total)]
    found, first = [], 0
    for count in shards:
        found.append(sum(of_shard[first : first + count]))
        first += count
    return found


def spread_over(hosts: Sequence[HostFacts], shards: int) -> list[int]:
    """The number of shards of each host in a group of so many, at most all: one on each host before a second one is
    on any.
    """
    counts = [0] * len(hosts)
    left = shards
    while left > 0 and any(count < host.shards for count, host in zip(counts, hosts, strict=True)):
        for index, host in enumerate(hosts):
            if left > 0 and counts[index] < host.shards:
                counts[index] += 1
                left -= 1
    return counts


def addresses_needed(connections: int, ports: int) -> int:
    """The addresses from which a host has to connect to one server: each has so many ports."""
    return max(1, -(-connections // max(1, ports)))
