"""What the kernel knows about the TCP sockets of a local server: its listen queue, and the buffers of its connections.

It is read over netlink (sock_diag(7), `struct inet_diag_msg` of ``linux/inet_diag.h``), as ``ss`` does. That needs no
permission. On other systems, or where netlink is not allowed, nothing is known.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

_SOCK_DIAG = 4
"""NETLINK_SOCK_DIAG of ``linux/netlink.h``."""
_BY_FAMILY = 20
_DUMP = 0x301
"""NLM_F_REQUEST | NLM_F_ROOT | NLM_F_MATCH."""
_ERROR, _DONE = 2, 3
_SKMEMINFO = 7
"""INET_DIAG_SKMEMINFO: counters of a socket's memory, in the order of ``linux/sock_diag.h``."""
_SNDBUF, _DROPS = 3, 8
_ESTABLISHED, _LISTEN = 1, 10
_HEADER = struct.Struct("=IHHII")
_REQUEST = struct.Struct("=BBBBI")
_ID_BYTES = 48
_QUEUES = struct.Struct("=II")
_MESSAGE_BYTES = 72
_ATTRIBUTE = struct.Struct("=HH")
_RECEIVE_BYTES = 1 << 18


@dataclass(frozen=True)
class Listening:
    """The listen queues of a server."""

    backlog: int
    """How many connections may wait to be accepted; of several processes the smallest."""
    drops: int
    """Connection attempts dropped since the start because a queue was full, summed over the processes."""


@dataclass(frozen=True)
class Sending:
    """The send buffers of a server's connections, in bytes."""

    buffer: int
    """The largest SO_SNDBUF."""
    queued: int
    """The most data that was not acknowledged on one connection."""


@dataclass(frozen=True)
class _Socket:
    state: int
    send_queue: int
    memory: tuple[int, ...]


def read_listening(port: int) -> Listening | None:
    """The listen queues on this TCP port; ``None`` if nothing listens there or the kernel does not say."""
    found = [one for one in _sockets(port) if one.state == _LISTEN and len(one.memory) > _DROPS]
    if not found:
        return None
    return Listening(min(one.send_queue for one in found), sum(one.memory[_DROPS] for one in found))


def read_sending(port: int) -> Sending | None:
    """The send buffers of the server on this TCP port; ``None`` if it has no connection or the kernel does not say."""
    found = [one for one in _sockets(port) if one.state == _ESTABLISHED and len(one.memory) > _SNDBUF]
    if not found:
        return None
    return Sending(max(one.memory[_SNDBUF] for one in found), max(one.send_queue for one in found))


def _sockets(port: int) -> list[_Socket]:
    """The server's sockets: those whose own port is this one."""
    family = getattr(socket, "AF_NETLINK", None)
    if family is None:
        return []
    states = (1 << _ESTABLISHED) | (1 << _LISTEN)
    wanted = _REQUEST.pack(socket.AF_INET, socket.IPPROTO_TCP, 1 << (_SKMEMINFO - 1), 0, states)
    wanted += struct.pack(">H", port) + bytes(_ID_BYTES - 2)
    try:
        with socket.socket(family, socket.SOCK_RAW, _SOCK_DIAG) as channel:
            channel.settimeout(1.0)
            channel.send(_HEADER.pack(_HEADER.size + len(wanted), _BY_FAMILY, _DUMP, 1, 0) + wanted)
            return list(_answers(channel))
    except OSError:
        return []


def _answers(channel: socket.socket) -> Iterator[_Socket]:
    while True:
        data = channel.recv(_RECEIVE_BYTES)
        offset = 0
        while offset + _HEADER.size <= len(data):
            length, kind, *_ = _HEADER.unpack_from(data, offset)
            if kind in (_ERROR, _DONE) or length < _HEADER.size:
                return
            yield _read(data[offset + _HEADER.size : offset + length])
            offset += _aligned(length)


def _read(message: bytes) -> _Socket:
    """One `struct inet_diag_msg` with its attributes."""
    _, queued = _QUEUES.unpack_from(message, 4 + _ID_BYTES + 4)
    memory: tuple[int, ...] = ()
    offset = _MESSAGE_BYTES
    while offset + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, offset)
        if length < _ATTRIBUTE.size:
            break
        if kind == _SKMEMINFO:
            content = message[offset + _ATTRIBUTE.size : offset + length]
            memory = struct.unpack(f"={len(content) // 4}I", content)
        offset += _aligned(length)
    return _Socket(message[1], queued, memory)


def _aligned(length: int) -> int:
    return (length + 3) & ~3
