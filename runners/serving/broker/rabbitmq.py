"""RabbitMQ: a node of its own, with its files in a temporary folder.

Erlang starts epmd, a daemon that knows the ports of nodes. It gets a port of its own too, so that it serves this node
only. It is a descendant of the broker's warden, which ends it with the node.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from runners import process
from runners.record.schema import FoundBy
from runners.serving.broker.program import (
    Broker,
    BrokerError,
    BrokerProgram,
    Kind,
    find_in,
    find_on_path,
    folder_for,
    launch,
    own_environment,
    version_in,
)

_READY_S = 60.0
"""It needs 4 s on a quiet machine of 2026, and several times as long on a busy one."""
_NAME = "rabbitmq-server"
_DEBIAN = Path("/usr/lib/rabbitmq/bin")
_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = b"\x01"


def find_rabbitmq() -> BrokerProgram:
    """The ``rabbitmq-server`` of this machine; raises `BrokerError`.

    Debian has a wrapper on PATH, which changes the user and refuses to work for most. What it calls is taken instead.
    """
    found = find_on_path(_NAME)
    if found is not None and _is_the_script(found):
        return _identify(found, "path")
    found = find_in([_DEBIAN], _NAME)
    if found is not None and _is_the_script(found):
        return _identify(found, "system")
    raise BrokerError(
        f"no rabbitmq-server on PATH or in {_DEBIAN}; install RabbitMQ, for example with"
        " `apt-get install rabbitmq-server`"
    )


def _is_the_script(path: Path) -> bool:
    script = path.resolve()
    return script.name == _NAME and (script.parent / "rabbitmq-env").is_file()


def _identify(path: Path, found_by: FoundBy) -> BrokerProgram:
    """The version is in the name of a folder. ``rabbitmqctl version`` would take a second, and leave an epmd behind."""
    parts = sorted(path.name for path in (path.resolve().parents[1] / "plugins").glob("rabbit-*"))
    version = version_in(" ".join(parts), r"rabbit-(\d[\w.+-]*?)(?:\.ez)?(?: |$)")
    return BrokerProgram(path, "RabbitMQ", version, found_by, "rabbitmq")


def start_rabbitmq(program: BrokerProgram, cpus: Sequence[int], logs: Path) -> Broker:
    """Start an empty node on free ports of the loopback; raises `BrokerError` or `ProcessError`."""
    if shutil.which("erl") is None:
        raise BrokerError("RabbitMQ needs Erlang, and there is no erl on PATH; install it, as `apt-get install` does")
    amqp, between_nodes, epmd = _free_ports(3)
    left = ExitStack()
    try:
        folder = folder_for("rabbitmq", left)
        for name, text in {
            "rabbitmq.conf": f"listeners.tcp.1 = {process.LOOPBACK}:{amqp}\nlog.console.level = warning\n",
            "enabled_plugins": "[].\n",
            "environment": "",
        }.items():
            (folder / name).write_text(text, encoding="ascii")
        environment = own_environment(
            HOME=str(folder),  # the cookie of the node is there
            ERL_EPMD_ADDRESS=process.LOOPBACK,
            ERL_EPMD_PORT=str(epmd),
            RABBITMQ_ALLOW_INPUT="1",  # the node is then the command's own process, without a shell above it
            RABBITMQ_ADVANCED_CONFIG_FILE=str(folder / "advanced.config"),
            RABBITMQ_CONF_ENV_FILE=str(folder / "environment"),
            RABBITMQ_CONFIG_FILE=str(folder / "rabbitmq.conf"),
            RABBITMQ_DIST_PORT=str(between_nodes),
            RABBITMQ_ENABLED_PLUGINS_FILE=str(folder / "enabled_plugins"),
            RABBITMQ_LOG_BASE=str(folder),
            RABBITMQ_LOGS="-",
            RABBITMQ_MNESIA_BASE=str(folder / "mnesia"),
            RABBITMQ_NODENAME=f"rtsite-{amqp}@localhost",
            RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}",
        )
        child = launch(
            program,
            [str(program.path), "-noinput"],
            cpus=cpus,
            logs=logs,
            folder=folder,
            environment=environment,
            port=amqp,
            answers=_answers,
            ready_s=_READY_S,
        )
        return Broker(child, f"amqp://guest:guest@{process.LOOPBACK}:{amqp}/", program.name, left)
    except BaseException:
        left.close()
        raise


def _free_ports(count: int) -> list[int]:
    ports: set[int] = set()
    while len(ports) < count:
        ports.add(process.find_free_port())
    return list(ports)


def _answers(port: int) -> bool:
    """Whether it begins AMQP's handshake, which it does when it has started completely."""
    try:
        with socket.create_connection((process.LOOPBACK, port), timeout=1.0) as connection:
            connection.sendall(_HEADER)
            return connection.recv(1) == _METHOD_FRAME
    except OSError:
        return False


KIND = Kind("rabbitmq", "AMQP_URL", "rabbitmq-server", find_rabbitmq, start_rabbitmq)
