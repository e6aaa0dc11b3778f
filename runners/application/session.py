"""What every measuring command needs: the machine to itself, and an orderly end when it is terminated."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from runners import machine


@contextmanager
def measuring_session(purpose: str) -> Iterator[None]:
    """Claim the machine for one command, whose SIGTERM acts like Ctrl-C; raises `BusyError` if it is taken.

    ``purpose``: shown to whoever tries to measure at the same time.
    """
    with machine.claimed(purpose), terminated_like_interrupted():
        yield


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM raises `KeyboardInterrupt`, so that the same code stops every child process."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
