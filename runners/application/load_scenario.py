"""The file of ``rtsite load --scenario``: what clients do, in strict YAML. It sets what options set otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from runners.application.message_options import CLIENT_ONLY, IN_ANSWER, check_template
from runners.loadgen.own_messages import IN_MESSAGE, Place, parts_of
from runners.record import RecordError, UsageError, load_strictly
from runners.record.schema import Document

Positive = Annotated[float, Field(gt=0)]


class Connect(Document):
    """How clients connect."""

    url: str
    headers: dict[str, str] = Field(default_factory=dict)
    """Header fields of the opening handshake."""
    subprotocols: list[str] = Field(default_factory=list)
    """WebSocket subprotocols to request, the preferred first."""


class Subscription(Document):
    """What a client sends once, as soon as its connection is open."""

    message: str
    expect: str = ""
    """Template of the answer that it waits for; if not given, it does not wait."""


class SendingPart(Document):
    """What clients send again and again. Without a pace, each sends when its last message is answered."""

    message: str
    every_s: Positive | None = None
    """Seconds between two messages of a client."""
    rate_per_s: Positive | None = None
    """Messages per second over all clients."""

    @model_validator(mode="after")
    def _has_one_pace(self) -> SendingPart:
        if self.every_s is not None and self.rate_per_s is not None:
            raise ValueError("every_s and rate_per_s are two paces; keep one")
        return self


class LoadScenario(Document):
    """The whole file."""

    connect: Connect
    subscribe: list[Subscription] = Field(default_factory=list)
    send: SendingPart
    expect: str | None = None
    """Template of the answer; if not given, the message itself."""
    clients: int = Field(default=100, ge=1)
    duration_s: float = Field(default=10.0, ge=0.1)

    @property
    def rate_per_s(self) -> float | None:
        """Messages per second over all clients; ``None`` for a closed loop."""
        return self.clients / self.send.every_s if self.send.every_s is not None else self.send.rate_per_s


def read_load_scenario(path: Path) -> LoadScenario:
    """Read a scenario; raises `UsageError` with the line of each fault, and for a template that cannot work."""
    try:
        scenario = load_strictly(path, LoadScenario)
    except RecordError as error:
        raise UsageError(str(error)) from None
    for subscription in scenario.subscribe:
        for text, places, name in (
            (subscription.message, CLIENT_ONLY, "message"),
            (subscription.expect or "-", (Place.CLIENT, Place.ANYTHING), "expect"),
        ):
            check_template(text, places, f"{path}: subscribe {name}")
            if Place.SEQUENCE in parts_of(text, IN_MESSAGE):
                raise UsageError(f"{path}: subscribe {name} has {{seq}}, but it is sent once and has no number")
    check_template(scenario.send.message, IN_MESSAGE, f"{path}: send.message")
    if scenario.expect is not None:
        check_template(scenario.expect, IN_ANSWER, f"{path}: expect")
    return scenario
