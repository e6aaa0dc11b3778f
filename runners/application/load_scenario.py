"""The file of ``rtsite load --scenario``: what clients do, in strict YAML. It sets what options set otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from runners.application.client_options import parse_client_options
from runners.application.message_options import CLIENT_ONLY, check_template, parse_own_messages
from runners.loadgen.job import OwnMessages
from runners.loadgen.own_messages import IN_IGNORED, IN_MESSAGE, is_numbered
from runners.loading.address import read_address
from runners.loading.job_building import MOST_CONNECTIONS, MOST_PER_S, MOST_SECONDS
from runners.record import Fault, RecordError, UsageError, load_strictly, require_between
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
    expect: str | None = None
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
    ignore: list[str] = Field(default_factory=list)
    """Templates of messages that are no answers and are not counted."""
    clients: int = Field(default=100, ge=1, le=MOST_CONNECTIONS)
    duration_s: float = Field(default=10.0, ge=0.1, le=MOST_SECONDS)

    @property
    def rate_per_s(self) -> float | None:
        """Messages per second over all clients; ``None`` for a closed loop."""
        return self.clients / self.send.every_s if self.send.every_s is not None else self.send.rate_per_s


def read_load_scenario(path: Path) -> LoadScenario:
    """Read a scenario; raises `UsageError` with the line of each fault, and for a template that cannot work."""
    try:
        return load_strictly(path, LoadScenario, _faults_of)
    except RecordError as error:
        raise UsageError(str(error)) from None


def _faults_of(scenario: LoadScenario) -> Iterator[Fault]:
    """What cannot be sent or cannot work."""
    for steps, check in _checks_of(scenario):
        try:
            check()
        except UsageError as error:
            said = str(error)
            for option, key in _KEYS.items():
                said = said.replace(option, key)
            yield Fault(steps, said)


def _checks_of(scenario: LoadScenario) -> Iterator[tuple[tuple[str | int, ...], Callable[[], object]]]:
    """Functions that raise `UsageError`, each with the steps to the value that it is about."""
    connect, send = scenario.connect, scenario.send
    yield ("connect", "url"), partial(check_template, connect.url, CLIENT_ONLY, "it")
    yield ("connect", "url"), partial(read_address, connect.url)
    for name, value in connect.headers.items():
        yield ("connect", "headers", name), partial(parse_client_options, headers=[f"{name}: {value}"])
    for index, name in enumerate(connect.subprotocols):
        yield ("connect", "subprotocols", index), partial(parse_client_options, subprotocols=[name])
    for index, one in enumerate(scenario.subscribe):
        yield ("subscribe", index, "message"), partial(check_template, one.message, CLIENT_ONLY, "it")
        if one.expect is not None:
            yield ("subscribe", index, "expect"), partial(check_template, one.expect, IN_IGNORED, "it")
    yield ("send", "message"), partial(check_template, send.message, IN_MESSAGE, "it")
    for index, text in enumerate(scenario.ignore):
        yield ("ignore", index), partial(check_template, text, IN_IGNORED, "it")
    if scenario.rate_per_s is not None:
        rate = partial(require_between, "messages over all clients", scenario.rate_per_s, 0.001, MOST_PER_S, "per s")
        yield ("send", "rate_per_s" if send.every_s is None else "every_s"), rate
    message = "{seq}" if "{seq}" in send.message else "-"  # what else is wrong with it is another fault
    yield ("expect",), partial(parse_own_messages, message, scenario.expect, names=("send.message", "expect"))
    for index, one in enumerate(scenario.subscribe):
        if one.expect is None:
            yield ("subscribe", index), partial(_require_numbers, scenario)


def _require_numbers(scenario: LoadScenario) -> None:
    """Raise `UsageError` if a reply that nobody waits for could be taken for an answer."""
    own = OwnMessages(scenario.send.message, OwnMessages.answer if scenario.expect is None else scenario.expect)
    if not is_numbered(own):
        raise UsageError(
            "it has no expect, and answers have no {seq}, so its reply could be taken for an answer; give it expect, or"
            " put {seq} into both templates"
        )


_KEYS = {"use --subprotocol": "use subprotocols", "--header": "the header", "--subprotocol": "the subprotocol"}
"""What options are called in the file."""
