"""How long a machine halted this process, so that nobody else is blamed for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

_STEP_S = 0.02
_TRIES = 5


class HaltWatch:
    """The longest time in which this process was not run although it wanted to, in seconds."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._ended = threading.Event()

    def run(self) -> None:
        """Look until `end`."""
        seen = time.monotonic()
        is_over = False
        while not is_over:
            is_over = self._ended.wait(_STEP_S)
            now = time.monotonic()
            self.longest_s = max(self.longest_s, now - seen - _STEP_S)  # also of a halt in which the block ended
            seen = now

    def end(self) -> None:
        self._ended.set()


@contextmanager
def watched() -> Iterator[HaltWatch]:
    """Watches for halts while the block runs."""
    watch = HaltWatch()
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join()


def undisturbed(make: Callable[[], T], most_s: float) -> T:
    """What ``make`` returns while the machine did not halt for longer; of the last try, if it did in each.

    For tests whose exact outcome needs a server and a load that run when they want to.
    """
    for _ in range(_TRIES):
        with watched() as watch:
            made = make()
        if watch.longest_s <= most_s:
            break
    return made
