"""The session of a measuring command: it has the machine to itself, and cleans up when it is terminated."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from runners import machine


@contextmanager
def measuring_session(purpose: str) -> Iterator[None]:
    """Claim the machine for one command, and treat SIGTERM like Ctrl-C; raises `BusyError` if the machine is claimed.

    ``purpose``: shown to users who try to measure at the same time.
    """
    with machine.claimed(purpose), terminated_like_interrupted():
        yield


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """Make SIGTERM raise `KeyboardInterrupt`, so that the same code stops every child process."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
