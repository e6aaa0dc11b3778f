"""What the kernel knows about the sockets of a server: real sockets on the loopback interface."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from runners import sockets
from runners.process import find_free_port

HOST = "127.0.0.1"


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server((HOST, 0), backlog=2) as listening:
        yield listening


def port_of(server: socket.socket) -> int:
    port: int = server.getsockname()[1]
    return port


def knocking(server: socket.socket, number: int) -> list[socket.socket]:
    """Clients that have sent their first packet. On the loopback interface the kernel has then handled it."""
    clients = [socket.socket() for _ in range(number)]
    for client in clients:
        client.setblocking(False)
        client.connect_ex(server.getsockname())
    return clients


@pytest.mark.parametrize(("number", "dropped"), [(3, False), (8, True)])
def test_attempts_beyond_the_backlog_are_counted(server: socket.socket, number: int, dropped: bool) -> None:
    before = sockets.read_listening(port_of(server))
    assert before == sockets.Listening(backlog=2, drops=0)
    clients = knocking(server, number)
    after = sockets.read_listening(port_of(server))
    for client in clients:
        client.close()
    assert after is not None
    assert (after.backlog, after.drops > 0) == (2, dropped)


def test_what_a_client_does_not_read_waits_with_the_server(server: socket.socket) -> None:
    with socket.create_connection(server.getsockname()) as client:
        accepted, _ = server.accept()
        with accepted:
            accepted.setblocking(False)
            empty = sockets.read_sending(port_of(server))
            sent = 0
            try:
                while True:
                    sent += accepted.send(bytes(65536))
            except BlockingIOError:
                full = sockets.read_sending(port_of(server))
        assert client.fileno() >= 0
    assert empty is not None
    assert full is not None
    assert empty.queued == 0
    assert 0 < full.queued <= sent
    assert full.buffer >= empty.buffer


def test_nothing_is_known_of_a_port_without_a_server() -> None:
    port = find_free_port()
    assert sockets.read_listening(port) is None
    assert sockets.read_sending(port) is None


def test_nothing_is_known_where_the_kernel_has_no_netlink(
    server: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(socket, "AF_NETLINK")
    assert sockets.read_listening(port_of(server)) is None
