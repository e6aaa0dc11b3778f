"""The one policy of signals: Ctrl-C (SIGINT), SIGTERM and a closed terminal (SIGHUP) end every command in the same way.

While a command imports its modules there is nothing to clean up, so the process ends at once. While the command works,
the first signal raises `Interrupted`, so that the same ``finally`` stops every process and removes every folder.

This module uses the standard library only, because it comes before everything else.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 130
"""The exit code of a command that one of the signals ended."""
PATIENCE_S = 10.0
"""Seconds after the first signal in which further ones do not disturb the cleaning up. `timeout` and terminals send the
same signal more than once, and impatient users do too. A later one ends the process at once."""
NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(KeyboardInterrupt):
    """A signal of `NUMBERS` arrived. It is a `KeyboardInterrupt`, which asyncio and Typer never swallow."""


class _Received:
    """The first signal since the command started to work, and what it does instead of raising."""

    number: int | None = None
    at_s = 0.0
    action: Callable[[], object] | None = None


_received = _Received()


def received() -> str | None:
    """The name of the signal that interrupted the command, or ``None``."""
    return None if _received.number is None else signal.Signals(_received.number).name


def end_at_once() -> None:
    """From now on each signal ends the process, with one sentence and exit code 130.

    A signal that the starter of this process ignores stays ignored, for example SIGHUP under nohup(1).
    """
    _handle_with(_end)


@contextmanager
def raised() -> Iterator[None]:
    """Inside, the first signal raises `Interrupted` in the main thread. Afterwards one ends the process at once."""
    _received.number = None
    _handle_with(_raise)
    try:
        yield
    finally:
        _handle_with(_end)


@contextmanager
def taken_by(action: Callable[[], object]) -> Iterator[None]:
    """Inside `raised`: the first signal calls ``action`` instead of raising, for work that can end early by itself."""
    _received.action = action
    try:
        yield
    finally:
        _received.action = None


def _handle_with(handler: signal._HANDLER) -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # only the main thread can handle signals
    for number in NUMBERS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def _end(number: int, _frame: FrameType | None) -> None:
    """End without Python's cleaning up. Children end by themselves when their pipes close."""
    try:
        os.write(2, f"Interrupted by {signal.Signals(number).name}.\n".encode())
    finally:
        os._exit(EXIT_CODE)


def _raise(number: int, frame: FrameType | None) -> None:
    now_s = time.monotonic()
    if _received.number is None:
        _received.number, _received.at_s = number, now_s
        if _received.action is None:
            raise Interrupted
        _received.action()
    if now_s - _received.at_s > PATIENCE_S:
        _end(number, frame)
