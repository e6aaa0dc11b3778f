"""Dask clusters for tests: schedulers and workers as processes, on this machine or on hosts in network namespaces."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from tests.support import needs
from tests.support.processes import until

_LISTENS = re.compile(r"Scheduler at:\s+(\S+)")
_NETWORKS = count(1)
_NEW_TIME_NAMESPACE = 0x80
"""CLONE_NEWTIME of unshare(2)."""


@dataclass
class Cluster:
    """A scheduler with its workers. ``workers``: by name. ``security``: options of all of them."""

    address: str
    folder: Path
    security: Sequence[str] = ()
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def start(
        self,
        name: str,
        *,
        shards: int | None = 1,
        host: Host | None = None,
        ahead_s: float = 0.0,
        temporary: Path | None = None,
    ) -> None:
        """Start a worker and wait until it is registered. ``ahead_s``: how far its clock is ahead of ours.
        ``temporary``: the folder of its temporary files.
        """
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--name", name, "--death-timeout", "60"]
        options += self.security
        if shards is not None:
            options += ["--resources", f"shard={shards}"]
        if host is not None:
            options += ["--host", host.address]
        command = [*_DASK, "worker", self.address, *options]
        if ahead_s:
            command = [sys.executable, "-c", _AHEAD, f"{ahead_s}", *command]
        if host is not None:
            command = ["ip", "netns", "exec", host.name, *command]
        if temporary is not None:
            command = ["env", f"TMPDIR={temporary}", *command, "--local-directory", str(self.folder)]
        self.workers[name] = _started(command, self.folder, name)
        until(lambda: "Starting established connection" in self.log(name) or self._has_ended(name), f"{name} started")
        assert not self._has_ended(name), self.log(name)

    def _has_ended(self, name: str) -> bool:
        return self.workers[name].poll() is not None

    def stop(self) -> None:
        for worker in self.workers.values():
            _end(worker)


_DASK = [sys.executable, "-m", "dask"]

_AHEAD = f"""
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare({_NEW_TIME_NAMESPACE}):
    sys.exit(f"no time namespace: {{os.strerror(ctypes.get_errno())}}")
seconds, rest = divmod(int(float(sys.argv[1]) * 1e9), 10**9)
with open("/proc/self/timens_offsets", "w") as offsets:
    offsets.write(f"monotonic {{seconds}} {{rest}}\\n")
if child := os.fork():
    import signal
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: os.kill(child, number))
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
libc.prctl(1, 9)
os.execvp(sys.argv[2], sys.argv[2:])
"""
"""Runs a program whose steady clock is ahead: only children of the process are in its new time namespace."""


def _started(command: Sequence[str], folder: Path, name: str) -> subprocess.Popen[bytes]:
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder, start_new_session=True
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started, even if it is stopped."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def cluster(folder: Path, *, at: str = "127.0.0.1", security: Sequence[str] = ()) -> Iterator[Cluster]:
    """A scheduler on a free port, without workers."""
    options = ["--host", at, "--port", "0", "--no-dashboard", *security]
    scheduler = _started([*_DASK, "scheduler", *options], folder, "scheduler")
    log = folder / "scheduler.log"
    try:
        until(lambda: bool(_LISTENS.search(log.read_text())) or scheduler.poll() is not None, "the scheduler listens")
        found = _LISTENS.search(log.read_text())
        assert found is not None, log.read_text()
        made = Cluster(found[1], folder, security)
        try:
            yield made
        finally:
            made.stop()
    finally:
        _end(scheduler)


# Hosts in network namespaces


@dataclass(frozen=True)
class Host:
    """A network namespace with an address of its own. ``name``: of the namespace."""

    name: str
    address: str

    def set_ports(self, first: int, last: int) -> None:
        """Limit the ports from which it connects."""
        text = f"echo {first} {last} > /proc/sys/net/ipv4/ip_local_port_range"
        _inside(self, "sh", "-c", text)


@dataclass(frozen=True)
class Network:
    """Hosts that reach each other and this machine. ``address``: of this machine."""

    address: str
    hosts: tuple[Host, ...]
    ends: tuple[str, ...]
    """The link to each host, on this machine."""

    def cut(self, host: Host) -> None:
        """Drop all packets from and to a host."""
        _ip("link", "set", self.ends[self.hosts.index(host)], "down")


@contextmanager
def network(count: int, *, more_addresses: int = 0) -> Iterator[Network]:
    """So many hosts on one bridge. ``more_addresses``: of each host, besides its own."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    if shutil.which("ip") is None:
        needs.lack("there is no ip; install it, for example with `apt-get install iproute2`")
    number = next(_NETWORKS)
    own = f"{os.getpid() % 10_000}x{number % 10}"
    place = os.getpid() * 4 + number  # those of several processes that test at the same time differ
    bridge, subnet = f"rtb{own}", f"10.{200 + place % 50}.{place // 50 % 250}"
    with ExitStack() as stack:
        done = subprocess.run(["ip", "link", "add", bridge, "type", "bridge"], capture_output=True, check=False)
        if done.returncode:
            pytest.skip(f"no bridge can be made here: {done.stderr.decode().strip()}")
        stack.callback(_ip, "link", "delete", bridge)
        _ip("address", "add", f"{subnet}.1/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        hosts, ends = [], []
        for number in range(count):
            host = Host(f"rt{own}h{number}", f"{subnet}.{10 + number}")
            _ip("netns", "add", host.name)
            stack.callback(_ip, "netns", "delete", host.name)
            ours, theirs = f"rt{own}v{number}", f"rt{own}w{number}"
            _ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", host.name)
            _ip("link", "set", ours, "master", bridge, "up")
            _inside(host, "ip", "link", "set", "lo", "up")
            _inside(host, "ip", "link", "set", theirs, "up")
            for address in [host.address, *(f"{subnet}.{100 + 10 * number + n}" for n in range(more_addresses))]:
                _inside(host, "ip", "address", "add", f"{address}/24", "dev", theirs)
            hosts.append(host)
            ends.append(ours)
        yield Network(f"{subnet}.1", tuple(hosts), tuple(ends))


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _inside(host: Host, *command: str) -> None:
    _ip("netns", "exec", host.name, *command)


@contextmanager
def full_disk(folder: Path) -> Iterator[Path]:
    """A folder on a file system of its own, which has room for two pages."""
    if os.geteuid() != 0:
        pytest.skip("a file system of its own needs root")
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def has_time_namespaces() -> bool:
    """Whether a process here can have another steady clock."""
    return os.geteuid() == 0 and Path("/proc/self/ns/time").exists() and hasattr(ctypes.CDLL(None), "unshare")
