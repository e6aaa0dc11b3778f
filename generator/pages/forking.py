"""Computes something in a process that is forked from this one, while this one goes on."""

from __future__ import annotations

import gc
import pickle
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, TypeVar

Found = TypeVar("Found")


@contextmanager
def forked(compute: Callable[[], Found]) -> Iterator[Callable[[], Found]]:
    """Begin to compute, and give a function that waits for the result. That raises what ``compute`` raised.

    The process ends at the end of the context at the latest. If this process is killed, it ends when it has computed.
    """
    context = get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=_compute, args=(compute, sending), daemon=True)
    with warnings.catch_warnings():
        # Of threads that hold locks; those of libraries are idle now.
        warnings.simplefilter("ignore", DeprecationWarning)
        child.start()
    sending.close()
    try:
        yield lambda: _result(receiving)
    finally:
        receiving.close()
        child.kill()
        child.join()


def _compute(compute: Callable[[], object], sending: Connection) -> None:
    gc.disable()
    try:
        message = pickle.dumps((compute(), None), protocol=5)
    except BaseException as error:  # noqa: BLE001 - the other process raises it
        message = pickle.dumps((None, error), protocol=5)
    sending.send_bytes(message)


def _result(receiving: Connection) -> Any:
    found, error = pickle.loads(receiving.recv_bytes())  # noqa: S301 - of our own process
    if error is not None:
        raise error
    return found
