"""The brokers that variants use. Each is found on this machine, and started for one deployment.

A broker has a module here that finds, starts and stops it, a row in `KINDS`, and a title in `runners.record`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from runners.record.schema import BrokerName
from runners.serving.broker import nats, postgresql, rabbitmq, redis
from runners.serving.broker.program import Broker, BrokerError, BrokerProgram, Kind

__all__ = ["KINDS", "Broker", "BrokerError", "BrokerProgram", "Kind", "find_broker", "start_broker"]

KINDS: Mapping[BrokerName, Kind] = {kind.name: kind for kind in (redis.KIND, postgresql.KIND, rabbitmq.KIND, nats.KIND)}
"""Every broker, by the name that folders use."""


def find_broker(name: BrokerName) -> BrokerProgram:
    """The broker of this name on this machine; raises `BrokerError` with how to install it."""
    return KINDS[name].find()


def start_broker(program: BrokerProgram, *, cpus: Sequence[int], logs: Path) -> Broker:
    """Start an empty broker on a free port of the loopback, on these CPUs (empty: any); raises `BrokerError` or
    `ProcessError`. It logs into the folder ``logs``.
    """
    return KINDS[program.kind].start(program, cpus, logs)
