"""What all brokers have in common: a program that is found on this machine, and a running broker."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from runners import process
from runners.record import BROKER_TITLES, BrokerFacts, UnavailableError
from runners.record.schema import BrokerName, FoundBy

SYSTEM_PLACES = ("/usr/sbin", "/usr/local/sbin", "/sbin")
"""Folders of servers, which are not on the PATH of every user."""
_VERSION_S = 20.0


class BrokerError(UnavailableError):
    """A broker is not installed, does not start, or has ended while it was needed."""


@dataclass(frozen=True)
class BrokerProgram:
    """A broker found on this machine."""

    path: Path
    name: str
    """Its title, for example ``Valkey``."""
    version: str
    found_by: FoundBy
    kind: BrokerName

    def facts(self) -> BrokerFacts:
        return BrokerFacts(name=self.name, version=self.version, found_by=self.found_by)


@dataclass
class Broker:
    """A running broker. It was empty when it started, and nothing of it is left after `stop`."""

    child: process.Child
    url: str
    name: str
    """The program's title."""
    left: ExitStack = field(default_factory=ExitStack)
    """Removes what the program leaves."""

    def stop(self) -> None:
        """End its processes and remove its files; raises `ProcessError` if a process cannot be ended."""
        with self.left:
            self.child.stop()

    @property
    def how_it_ended(self) -> str | None:
        """A sentence, if it has ended by itself; ``None`` if it runs."""
        if self.child.running:
            return None
        status = self.child.status
        how = "was killed" if status is None else f"ended with status {status}"
        return f"the broker of this variant, {self.name}, {how} while it was needed"


@dataclass(frozen=True)
class Kind:
    """A kind of broker. Each has a module of its own, and a row in the registry."""

    name: BrokerName
    variable: str
    """The environment variable in which an application finds its address."""
    package: str
    """Debian's package."""
    find: Callable[[], BrokerProgram]
    start: Callable[[BrokerProgram, Sequence[int], Path], Broker]
    """From the program, the CPUs (empty: any) and a folder for its log."""

    @property
    def title(self) -> str:
        return BROKER_TITLES[self.name]


def find_on_path(*names: str) -> Path | None:
    """The first of these programs on PATH. What wheels have installed into this virtual environment does not count."""
    own = Path(sysconfig.get_path("scripts")) if sys.prefix != sys.base_prefix else None
    path = os.pathsep.join(part for part in os.get_exec_path() if Path(part) != own)
    return next((Path(found) for name in names if (found := shutil.which(name, path=path))), None)


def find_in(places: Sequence[str | Path], name: str) -> Path | None:
    """The program of this name in one of these folders."""
    found = shutil.which(name, path=os.pathsep.join(map(str, places))) if places else None
    return Path(found) if found else None


def folder_of_wheel(package: str) -> Path | None:
    """The folder of an installed package; it is not imported."""
    spec = importlib.util.find_spec(package)
    return Path(spec.origin).parent if spec is not None and spec.origin is not None else None


def printed_by(command: Sequence[str | Path], **environment: str) -> str:
    """What a command prints about its version; raises `BrokerError`."""
    shown = " ".join(map(str, command))
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_VERSION_S, env={**os.environ, **environment}
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BrokerError(f"`{shown}` failed: {error}; repair it or remove it from PATH") from None
    return done.stdout + done.stderr


def version_in(text: str, pattern: str) -> str:
    """The version in what a program printed; ``0`` if it does not say."""
    found = re.search(pattern, text)
    return found[1] if found else "0"


def own_environment(**more: str) -> dict[str, str]:
    """The environment of a broker: no variable of the user's changes how it behaves."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
    return {**kept, "LC_ALL": "C", **more}


def folder_for(kind: BrokerName, left: ExitStack, *, parent: str | None = None) -> Path:
    """A new temporary folder, removed when ``left`` is closed. ``parent``: where (default: where they usually are)."""
    folder = Path(tempfile.mkdtemp(prefix=f"rtsite-{kind}-", dir=parent))
    left.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


def launch(
    program: BrokerProgram,
    command: Sequence[str],
    *,
    cpus: Sequence[int],
    logs: Path,
    folder: Path,
    environment: dict[str, str],
    port: int,
    answers: Callable[[int], bool],
    ready_s: float,
) -> process.Child:
    """Start a broker's command, and wait until it answers on its port.

    ``ready_s``: seconds that it may take. Raises `BrokerError` or `ProcessError`; the command is then ended.
    """
    child = process.start(
        program.name, command, folder=folder, environment=environment, cpus=cpus, log=logs / "broker.log"
    )
    if not process.becomes_ready(child, lambda: answers(port), ready_s):
        raise BrokerError(f"{program.name} does not answer on port {port}: {' '.join(child.last_lines(3))}")
    return child
