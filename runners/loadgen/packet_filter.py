"""A client whose network is gone: its kernel drops every packet of one connection and acknowledges nothing.

A socket filter (socket(7), SO_ATTACH_FILTER) needs no privileges and no network namespace. On a TCP socket it sees each
segment before the protocol does, and a program that keeps 0 bytes drops the segment.
"""

from __future__ import annotations

import ctypes
import socket

_SO_ATTACH_FILTER = 26
_SO_DETACH_FILTER = 27
_BPF_RET = 0x06


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


def drop_packets(connection: socket.socket) -> None:
    """Drop all that arrives on a connected TCP socket from now on; raises `OSError` where the kernel has no filters."""
    drop_all = _Instruction(_BPF_RET, 0, 0, 0)
    program = _Program(1, ctypes.pointer(drop_all))
    connection.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, bytes(program))


def admit_packets(connection: socket.socket) -> None:
    """Let packets arrive again. The peer's kernel repeats those that were dropped, as its timer says (RFC 6298)."""
    connection.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
