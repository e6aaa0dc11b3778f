"""A client whose packets are dropped: for its server it is as if its machine had lost power."""

from __future__ import annotations

import socket
import sys

import pytest

from runners import resources
from runners.loadgen.packet_filter import admit_packets, drop_packets

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has socket filters")


def test_a_dead_client_receives_nothing_and_its_server_still_counts_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        server, _ = listening.accept()
        with client, server:
            server.sendall(b"before")
            assert client.recv(100) == b"before"
            drop_packets(client)
            server.sendall(b"after")
            client.setblocking(False)
            with pytest.raises(BlockingIOError):
                client.recv(100)
            pair = (listening.getsockname()[1], client.getsockname()[1])
            assert pair in resources.read_established()
            server.close()
            assert pair not in resources.read_established()
            assert pair[::-1] in resources.read_established(), "the client does not learn of it"


def test_what_was_dropped_arrives_when_packets_are_admitted_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        server, _ = listening.accept()
        with client, server:
            drop_packets(client)
            server.sendall(b"lost on the way")
            admit_packets(client)
            client.settimeout(10.0)
            assert client.recv(100) == b"lost on the way"
