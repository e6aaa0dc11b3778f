"""Redis is found, started empty, answers, and is stopped; if it is missing, the error is one sentence."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from runners.serving import broker
from tests.support import needs
from tests.support.processes import gone


def ask(url: str, command: bytes) -> bytes:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5) as connection:
        connection.sendall(command + b"\r\n")
        return connection.recv(1000)


def test_it_starts_empty_answers_and_stops(tmp_path: Path) -> None:
    program = needs.broker_program()
    assert program.facts().version[0].isdigit()
    redis = broker.start_broker(program, cpus=(), logs=tmp_path)
    try:
        assert ask(redis.url, b"PING") == b"+PONG\r\n"
        assert ask(redis.url, b"DBSIZE") == b":0\r\n"
        assert ask(redis.url, b"CONFIG GET save").split(b"\r\n")[-2] == b""
    finally:
        redis.stop()
    gone([redis.child.pid])
    with pytest.raises(OSError, match="refused"):
        ask(redis.url, b"PING")
    assert not list(tmp_path.glob("*.rdb"))


def test_none_is_one_sentence_with_the_cure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(broker.BrokerError, match="install Redis"):
        broker.find_broker()


def test_the_one_on_path_is_preferred(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = tmp_path / "valkey-server"
    server.write_text("#!/bin/sh\necho 'Valkey server v=8.1.2 sha=0'\n")
    server.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = broker.find_broker()
    assert (found.path, found.name, found.version, found.found_by) == (server, "Valkey", "8.1.2", "path")


def test_one_that_does_not_start_is_one_sentence(tmp_path: Path) -> None:
    server = tmp_path / "redis-server"
    server.write_text("#!/bin/sh\necho no such luck\nexit 1\n")
    server.chmod(0o755)
    with pytest.raises(broker.BrokerError, match=r"Redis does not answer on port .*: no such luck"):
        broker.start_broker(broker.BrokerProgram(server, "Redis", "1", "path"), cpus=(), logs=tmp_path)
