"""The session of a measuring command: it has the machine to itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from runners import idle_cpus, machine


@contextmanager
def measuring_session(purpose: str, *, clients: int = 0) -> Iterator[None]:
    """Claim the machine for one command, keep its idle CPUs awake, and allow as many open files as its clients need.

    ``purpose``: shown to users who try to measure at the same time. ``clients``: the most at a time. Raises `BusyError`
    if the machine is claimed, and `OpenFilesError` if so many files are not allowed.
    """
    machine.allow_open_files(clients)
    with machine.claimed(purpose), idle_cpus.kept_awake():
        yield
