"""The interfaces through which a use case reports its progress."""

from __future__ import annotations

from typing import Protocol

from runners.campaign.observer import RunObserver

__all__ = ["MessageObserver", "RunObserver"]


class MessageObserver(Protocol):
    """Receives messages for the user, one line each. A run reports to a `RunObserver`, which distinguishes events."""

    def __call__(self, message: str, /) -> None: ...
