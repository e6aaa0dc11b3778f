"""The pace of a load, which is set by the answers, by a clock, or by the server."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Arrivals = Literal["steady", "poisson"]


CLOSED_LOOP_RATE = "answers in the planned window; a message waited for at its end counts by its wait within the window"
"""The definition of a closed loop's throughput. It is part of the versions of workloads, so do not reword it."""


@dataclass(frozen=True)
class Closed:
    """Closed loop: the next message is sent when the last one is answered.

    ``in_flight``: number of messages in flight in a room at a time. Without a room each connection has one.
    """

    in_flight: int = 1

    def __post_init__(self) -> None:
        if self.in_flight < 1:
            raise ValueError(f"a closed loop has at least 1 message in flight, not {self.in_flight}")


@dataclass(frozen=True)
class Open:
    """Open loop: messages are sent when they are due, whether or not the earlier ones are answered.

    ``rate_per_s``: messages per second over all connections. In a room each message goes to every member. ``arrivals``:
    evenly spaced, or random, as from many independent users.
    """

    rate_per_s: float
    arrivals: Arrivals = "steady"

    def __post_init__(self) -> None:
        if not (self.rate_per_s > 0 and math.isfinite(self.rate_per_s)):
            raise ValueError(f"an open loop sends more than 0 messages per second, not {self.rate_per_s:g}")


@dataclass(frozen=True)
class PushOnly:
    """Clients send nothing; the server pushes by its own clock."""


Pace = Closed | Open | PushOnly

_NAMES: dict[type[Pace], str] = {Closed: "closed", Open: "open", PushOnly: "push-only"}


def share_of(pace: Pace, connections: int, total: int) -> Pace:
    """The pace for ``connections`` of the load's ``total`` connections: a shard's part of the rate."""
    return replace(pace, rate_per_s=pace.rate_per_s * connections / total) if isinstance(pace, Open) else pace


def to_mapping(pace: Pace) -> dict[str, Any]:
    """The pace as a JSON object: ``{"loop": "open", "rate_per_s": 100.0, "arrivals": "steady"}``."""
    return {"loop": _NAMES[type(pace)], **asdict(pace)}


def from_mapping(data: dict[str, Any]) -> Pace:
    """The pace from the result of `to_mapping`; raises `ValueError` or `TypeError` for anything else."""
    fields = dict(data)
    loop = fields.pop("loop", None)
    for kind, name in _NAMES.items():
        if name == loop:
            return kind(**fields)
    raise ValueError(f"unknown pace of a load: {loop!r}")
