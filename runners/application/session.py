"""The session of a measuring command: it has the machine to itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from runners import machine


@contextmanager
def measuring_session(purpose: str) -> Iterator[None]:
    """Claim the machine for one command; raises `BusyError` if the machine is claimed.

    ``purpose``: shown to users who try to measure at the same time.
    """
    with machine.claimed(purpose):
        yield
