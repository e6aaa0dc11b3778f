"""What processes of a deployment use while a load lasts, and what disturbs it."""

from __future__ import annotations

from collections.abc import Mapping

from runners import resources
from runners.measurement.interference import Interference
from runners.record import Usage


class Watching:
    """A context manager for the time of a load, in which `look` is called about once per second.

    ``watches``: of the server, and of its broker and proxy if there are any.
    """

    def __init__(self, watches: Mapping[str, resources.Watch], interference: Interference) -> None:
        self._watches, self._interference = watches, interference

    def __enter__(self) -> None:
        self._interference.begin()
        for watch in self._watches.values():
            watch.begin()

    def __exit__(self, *_: object) -> None:
        for watch in self._watches.values():
            watch.end()
        self._interference.end()
        self.look()

    def look(self) -> None:
        """Read the memory of all processes."""
        for watch in self._watches.values():
            watch.look()

    def usages(self, messages: int) -> dict[str, Usage | None]:
        """What each used, also per message, by key of a measurement."""
        return {name: watch.usage(messages, alone=True) for name, watch in self._watches.items()}
