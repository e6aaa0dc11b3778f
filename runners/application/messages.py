"""The interface through which a use case reports its progress."""

from __future__ import annotations

from typing import Protocol


class MessageObserver(Protocol):
    """Receives messages for the user, one line each. A run reports to a `runners.campaign.observer.RunObserver`, which
    distinguishes events.
    """

    def __call__(self, message: str, /) -> None: ...
