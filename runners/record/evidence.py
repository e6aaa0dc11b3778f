"""The evidence document: what was determined about a framework, except performance, and what each item means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from runners.record.schema import (
    Document,
    FolderName,
    FrameworkFacts,
    LongText,
    Machine,
    SchemaVersion,
    Slug,
    Text,
    Timestamp,
    VariantFacts,
    Version,
)

Dimension = Literal["ease-of-use", "architecture", "development-experience"]
Value = bool | int | float | Text | list[Text]


@dataclass(frozen=True)
class Item:
    """An item that is determined for each framework, or for each of its variants."""

    slug: str
    title: str
    dimension: Dimension
    of: Literal["framework", "variant"]
    how: str
    """How it is determined, as a sentence."""
    unit: str = ""
    better: Literal["lower", "higher", "yes", "no"] | None = None
    """``None``: it decides nothing, it only informs."""
    repeated: bool = False
    """It differs from one time to the next, so it is repeated and carries its spread."""
    grows: bool = False
    """It changes with the day of collection alone, so it is no difference between two collections."""


_EASE: Dimension = "ease-of-use"
_ARCHITECTURE: Dimension = "architecture"
_DEVELOPMENT: Dimension = "development-experience"

ITEMS: dict[str, Item] = {
    item.slug: item
    for item in (
        Item(
            "statements",
            "Statements of the app",
            _EASE,
            "framework",
            "Counted in the syntax trees of the app's modules, without docstrings; formatting does not count.",
            better="lower",
        ),
        Item(
            "files",
            "Files of the app",
            _EASE,
            "framework",
            "The modules that the first variant's command leads to, by their imports and by the settings it names.",
            better="lower",
        ),
        Item(
            "names",
            "Names imported from packages",
            _EASE,
            "framework",
            "Distinct names in the syntax trees that come from installed packages, not from Python's own library.",
            better="lower",
        ),
        Item(
            "concepts",
            "Concepts to learn",
            _EASE,
            "framework",
            "Those names, what is used of their objects, decorators, methods the framework calls, settings; each once.",
            better="lower",
        ),
        Item(
            "packages",
            "Packages installed",
            _EASE,
            "variant",
            "Distributions in the environment made from the folder's lock.",
            better="lower",
        ),
        Item(
            "installed-mb",
            "Size installed",
            _EASE,
            "variant",
            "All files of these packages, without compiled bytecode.",
            unit="MB",
            better="lower",
        ),
        Item(
            "install-cold-s",
            "Install, nothing cached",
            _EASE,
            "variant",
            "An environment is made from the lock in an empty folder with an empty cache; depends on the network.",
            unit="s",
            better="lower",
            repeated=True,
        ),
        Item(
            "install-warm-s",
            "Install, packages cached",
            _EASE,
            "variant",
            "The same with the cache that the first time left.",
            unit="s",
            repeated=True,
        ),
        Item(
            "first-message-s",
            "From start to the first message",
            _EASE,
            "variant",
            "From starting the command in such a new environment, nothing compiled yet, until an echo is back.",
            unit="s",
            better="lower",
            repeated=True,
        ),
        Item(
            "client-library-kb",
            "Client library for a browser",
            _EASE,
            "framework",
            "WebSocket is built into browsers; for Socket.IO, its minified client, compressed, of its newest release.",
            unit="kB",
            better="lower",
        ),
        Item(
            "broadcast-alone",
            "Broadcast needs no broker",
            _EASE,
            "variant",
            "Three clients in a room of one server, no broker running: does each message reach all of them?",
            better="yes",
        ),
        Item(
            "plain-websocket",
            "A plain WebSocket client can talk to it",
            _ARCHITECTURE,
            "variant",
            "A WebSocket client without any other protocol sends a text to the echo: does the same text come back?",
            better="yes",
        ),
        Item(
            "transports",
            "Transports",
            _ARCHITECTURE,
            "variant",
            "Each one that the folder names is used by an independent client for the contract's echo or events.",
        ),
        Item(
            "rooms",
            "Rooms and broadcast built in",
            _ARCHITECTURE,
            "framework",
            "The name that the folder gives for it is used in the app and comes from an installed package.",
            better="yes",
        ),
        Item(
            "cross-process",
            "A room spans processes",
            _ARCHITECTURE,
            "variant",
            "Two processes, with Redis where the variant has a broker; clients on both; does each message reach all?",
            better="yes",
        ),
        Item(
            "thread-per-client",
            "Threads per connected client",
            _ARCHITECTURE,
            "variant",
            "Threads of the server with 20 clients connected, less those with none, per client.",
            better="lower",
        ),
        Item(
            "processes",
            "Processes it takes",
            _ARCHITECTURE,
            "variant",
            "Processes of the server with one worker, and of the broker, counted while they run.",
            better="lower",
        ),
        Item(
            "memory-mb",
            "Memory at rest",
            _ARCHITECTURE,
            "variant",
            "Proportional set size of the server's processes after the first message, without the broker's.",
            unit="MB",
            better="lower",
            repeated=True,
        ),
        Item(
            "start-s",
            "Start",
            _DEVELOPMENT,
            "variant",
            "From starting the command until /healthz answers; packages are compiled to bytecode, the app is not.",
            unit="s",
            better="lower",
            repeated=True,
        ),
        Item(
            "reloader",
            "It brings a reloader",
            _DEVELOPMENT,
            "framework",
            "The folder names the framework's own; it serves a changed copy of the app without being started again.",
            better="yes",
        ),
        Item(
            "reload-s",
            "Reload after a change",
            _DEVELOPMENT,
            "framework",
            "That reloader runs a copy of the app; from writing a change until the changed app answers.",
            unit="s",
            better="lower",
            repeated=True,
        ),
        Item(
            "typing-errors",
            "Errors of strict type checking",
            _DEVELOPMENT,
            "framework",
            "mypy --strict over the app's modules, in the environment of the first variant.",
            better="lower",
        ),
        Item(
            "typed",
            "The package declares its types",
            _DEVELOPMENT,
            "framework",
            "The installed package has a py.typed marker.",
            better="yes",
        ),
        Item(
            "test-statements",
            "Statements of its tests",
            _DEVELOPMENT,
            "framework",
            "Counted in test_app.py, which uses the framework's own test tools where there are any.",
        ),
        Item(
            "test-s",
            "Its tests take",
            _DEVELOPMENT,
            "framework",
            "As pytest reports, in an environment of their own.",
            unit="s",
            better="lower",
            repeated=True,
        ),
        Item(
            "raise-sender",
            "A handler raises: its client",
            _DEVELOPMENT,
            "variant",
            "A line that raises is put into the echo handler of a copy of the app. What does the client see?",
        ),
        Item(
            "raise-logged",
            "A handler raises: the traceback is logged",
            _DEVELOPMENT,
            "variant",
            "The same: does the server print the exception?",
            better="yes",
        ),
        Item(
            "raise-others",
            "A handler raises: other clients go on",
            _DEVELOPMENT,
            "variant",
            "The same: does a viewer of the dashboard, connected before, still get its answers and snapshots?",
            better="yes",
        ),
        Item(
            "garbage-sender",
            "Bytes that are no frame: their sender",
            _DEVELOPMENT,
            "variant",
            "After the handshake a client sends a frame with reserved bits. What does the server do?",
        ),
        Item(
            "garbage-others",
            "Bytes that are no frame: other clients go on",
            _DEVELOPMENT,
            "variant",
            "The same: does a viewer of the dashboard, connected before, still get its answers?",
            better="yes",
        ),
        Item(
            "vanish-noticed",
            "A client that vanishes is noticed",
            _DEVELOPMENT,
            "variant",
            "A client answers nothing any more, pings included: does the server end its connection within 75 s?",
            better="yes",
        ),
        Item(
            "vanish-s",
            "A client that vanishes is noticed after",
            _DEVELOPMENT,
            "variant",
            "The same: after how long? Whole seconds, of clients that come one after the other; it is set by intervals,"
            " not by the machine.",
            unit="s",
            repeated=True,
        ),
        Item(
            "pythons",
            "Python versions",
            _DEVELOPMENT,
            "framework",
            "From the installed package's metadata.",
        ),
        Item(
            "licence",
            "Licence",
            _DEVELOPMENT,
            "framework",
            "From the installed package's metadata.",
        ),
        Item(
            "released",
            "Release measured",
            _DEVELOPMENT,
            "framework",
            "The first day on which the package index lets this version be resolved.",
        ),
        Item(
            "release-age-days",
            "Age of that release",
            _DEVELOPMENT,
            "framework",
            "From that day to the day of collection.",
            unit="days",
            better="lower",
            grows=True,
        ),
    )
}


class Finding(Document):
    """One item of evidence. Without a ``value``, the ``note`` says why."""

    item: Slug
    """The evidence item."""
    value: Value | None = None
    """What was determined; the median of a repeated item."""
    low: float | None = None
    """Smallest sample of a repeated item."""
    high: float | None = None
    """Largest sample of a repeated item."""
    samples: Annotated[int, Field(ge=1)] | None = None
    """Number of samples of a repeated item."""
    note: LongText | None = None
    """What else was seen, or why there is no value."""

    @model_validator(mode="after")
    def _known_and_told(self) -> Finding:
        if self.item not in ITEMS:
            raise ValueError(f"there is no item {self.item!r}")
        if self.value is None and self.note is None:
            raise ValueError("a finding without a value says why in its note")
        if (self.low is None) != (self.high is None) or (self.low is not None and self.samples is None):
            raise ValueError("a spread has a low end, a high end and a number of samples")
        return self


class VariantEvidence(Document):
    """Evidence of one variant."""

    variant: VariantFacts
    """The variant."""
    findings: list[Finding]
    """One per item."""


class EvidenceDocument(Document):
    """``evidence/<framework>.yml``: what one collection determined about one framework."""

    schema_version: SchemaVersion
    """Version of the file format."""
    kind: Literal["evidence"]
    """Always ``evidence`` in this file."""
    campaign: FolderName
    """ID of the campaign."""
    framework: FrameworkFacts
    """The framework."""
    version: Version
    """Version of the framework's package."""
    collected: Timestamp
    """When the evidence was collected, UTC."""
    rtsite_version: Version
    """Version of rtsite that collected it."""
    rtsite_commit: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")] | None = None
    """Commit of the checkout; absent if it was not a git checkout."""
    rtsite_modified: bool | None = None
    """Whether the measuring code differed from that commit. Other changes of the checkout do not count."""
    machine: Machine
    """The machine that collected it."""
    tools: dict[Slug, Version] = Field(default_factory=dict)
    """Other programs that determined findings, with their versions."""
    findings: list[Finding]
    """Evidence of the framework as a whole."""
    variants: list[VariantEvidence]
    """Evidence of each variant."""
