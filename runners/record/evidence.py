"""The evidence document: what was determined about a framework, except performance, and what each item means."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion
from packaging.version import Version as PythonVersion
from pydantic import Field, StringConstraints, model_validator

from runners.record.schema import (
    Document,
    FolderName,
    FrameworkFacts,
    HttpsUrl,
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
Facet = Literal[
    "code",
    "included",
    "setup",
    "scale-out",
    "openness",
    "robustness",
    "footprint",
    "types",
    "feedback",
    "errors",
    "upkeep",
]
Value = bool | int | float | Text | list[Text]

FACETS: dict[Dimension, tuple[Facet, ...]] = {
    "ease-of-use": ("code", "included", "setup"),
    "architecture": ("scale-out", "openness", "robustness", "footprint"),
    "development-experience": ("types", "feedback", "errors", "upkeep"),
}
"""The parts of each dimension. Every item that counts belongs to one of them, so that nothing counts twice."""

BUILT_IN = "built in"
"""Value of an item that can also be done by own code: the framework has it."""
NOT_POSSIBLE = "no"
"""Value of such an item: it is not possible."""
NOT_ALWAYS = "not always"
"""Value of an item that was yes in some tries and no in others; the note has the share."""


def degree_of(value: Value | None) -> float | None:
    """How far a yes is true: 1.0 for yes and ``built in``, 0.0 for no, 0.5 for every other text; ``None`` for a value
    that is neither. Other texts are, for example, ``with 24 lines`` and ``not always``.
    """
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        return {BUILT_IN: 1.0, NOT_POSSIBLE: 0.0}.get(value, 0.5)
    return None


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
    """Unit of a number; ``date``: the value is a day (ISO 8601), and its age at the day of collection counts."""
    better: Literal["lower", "higher", "yes", "no"] | None = None
    """``None``: it decides nothing, it only informs. ``lower`` of a date means the lower age."""
    facet: Facet | None = None
    """The part of the dimension in which it counts; ``None``: it is shown and does not count."""
    floor: float = 0.0
    """Amounts below it are equal, in ``unit`` (days for a date): nobody notices the difference."""
    repeated: bool = False
    """It differs from one time to the next, so it is repeated and carries its spread."""
    needs: str | None = None
    """Another item of the same variant: a yes counts only if that one has a value."""
    otherwise: str = ""
    """Why a yes does not count without it."""
    since: str = ""
    """The day (ISO 8601) since which it is determined as `how` states; empty: always. Values from before it are shown
    until the evidence is collected anew, and pages mark them."""

    def is_older_rule(self, collected: Timestamp) -> bool:
        """Whether evidence collected at this time determined it in another way."""
        return collected[:10] < self.since


_ONE_RULE = "2026-11-29"
"""The day since which races are tried often, and only code counts that serves what every framework offers."""
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
            "Counted in the syntax trees of the app's modules, without docstrings; formatting does not count. Left out"
            " is what serves only an exchange that not every framework has, the event stream, and what starts"
            " processes.",
            better="lower",
            facet="code",
            since=_ONE_RULE,
        ),
        Item(
            "files",
            "Files of the app",
            _EASE,
            "framework",
            "The modules that the headline variant's command leads to, by their imports and by the settings it names,"
            " without one that only starts processes.",
            since=_ONE_RULE,
        ),
        Item(
            "names",
            "Names imported from packages",
            _EASE,
            "framework",
            "Distinct names in the same code that come from installed packages, not from Python's own library.",
            since=_ONE_RULE,
        ),
        Item(
            "concepts",
            "Concepts to learn",
            _EASE,
            "framework",
            "Those names, what is used of the framework's objects, decorators, methods the framework calls, settings;"
            " each once. Objects count whether or not the app annotates their types.",
            better="lower",
            facet="code",
            since=_ONE_RULE,
        ),
        Item(
            "rooms",
            "Rooms and broadcast built in",
            _EASE,
            "framework",
            "The name that the folder gives for it is used in the app and comes from an installed package.",
            better="yes",
            facet="included",
        ),
        Item(
            "rooms-across",
            "Rooms across processes",
            _EASE,
            "framework",
            "Built in; with the lines of our Redis helper, which is the same for every framework; or no. A variant with"
            " two processes has to prove it.",
            better="yes",
            facet="included",
            since=_ONE_RULE,
        ),
        Item(
            "reconnecting-client",
            "A client that reconnects by itself",
            _EASE,
            "framework",
            "The protocol has a client library that reconnects; documented, not tested. Browsers' WebSocket does not.",
            better="yes",
            facet="included",
        ),
        Item(
            "authentication",
            "Authentication of the host application",
            _EASE,
            "framework",
            "Built in, with own code, or no. The connect step must know the user as HTTP requests do, and be able to"
            " refuse before any message of the application. The step is a handshake, or Socket.IO's connect event."
            " Documented, not tested; the note links the documentation.",
            better="yes",
            facet="included",
        ),
        Item(
            "parts",
            "Parts to operate",
            _EASE,
            "variant",
            "Programs that run in production: the server and, where the variant has one, its broker.",
            better="lower",
            facet="setup",
        ),
        Item(
            "first-answer-s",
            "From start to the first answer",
            _EASE,
            "variant",
            "From starting the command until an echo is back; packages are compiled to bytecode, the app is not.",
            unit="s",
            better="lower",
            facet="setup",
            floor=1.0,
            repeated=True,
        ),
        Item(
            "packages",
            "Packages installed",
            _EASE,
            "variant",
            "Distributions in the environment made from the variant's lock.",
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
            "several-processes",
            "Several processes at one address",
            _ARCHITECTURE,
            "variant",
            "Its command is started with two processes: are clients of its address connected to both, and served by"
            " each of its transports, long-polling included? If not, the folder may name a documented way to have"
            " several, such as a load balancer with sticky sessions; that is not tested.",
            better="yes",
            facet="scale-out",
            since=_ONE_RULE,
        ),
        Item(
            "thread-per-client",
            "Threads per connected client",
            _ARCHITECTURE,
            "variant",
            "Threads of the server with 20 clients connected, less those with none, per client.",
            better="lower",
            facet="scale-out",
            floor=0.25,
        ),
        Item(
            "cross-process",
            "A room spans processes",
            _ARCHITECTURE,
            "variant",
            "Two processes, with the variant's broker if it has one; clients on both; does each message reach all?",
            better="yes",
        ),
        Item(
            "plain-websocket",
            "A plain WebSocket client can talk to it",
            _ARCHITECTURE,
            "variant",
            "A WebSocket client without any other protocol sends a text to the echo: does the same text come back?",
            better="yes",
            facet="openness",
        ),
        Item(
            "sse",
            "Server-sent events",
            _ARCHITECTURE,
            "variant",
            "An independent HTTP client reads the contract's events.",
            better="yes",
            facet="openness",
        ),
        Item(
            "polling",
            "The protocol falls back to long-polling",
            _ARCHITECTURE,
            "variant",
            "An independent client of the protocol uses long-polling instead of WebSocket for the contract's echo. Any"
            " application can answer long polls in code of its own.",
        ),
        Item(
            "transports",
            "Transports",
            _ARCHITECTURE,
            "variant",
            "Each one that the folder names is used by an independent client for the contract's echo or events.",
        ),
        Item(
            "dead-peer",
            "A dead client's connection is freed",
            _ARCHITECTURE,
            "variant",
            "A client's machine is gone: all packets to it are dropped. Does the server end the TCP connection within"
            " 150 s? A session may end before; a silent client's close frame shows when.",
            better="yes",
            facet="robustness",
            since=_ONE_RULE,
        ),
        Item(
            "dead-peer-s",
            "A dead client's connection is freed after",
            _ARCHITECTURE,
            "variant",
            "The same: after how long? Whole seconds, of clients that connect one after the other; intervals of the"
            " server's settings determine it, not the machine.",
            unit="s",
            better="lower",
            repeated=True,
        ),
        Item(
            "silent-close-s",
            "A silent client gets a close frame after",
            _ARCHITECTURE,
            "variant",
            "A client receives and acknowledges, but answers nothing, pings included: when does the server send a close"
            " frame or its protocol's close packet?",
            unit="s",
            better="lower",
            repeated=True,
        ),
        Item(
            "silent-end-s",
            "A silent client is disconnected after",
            _ARCHITECTURE,
            "variant",
            "The same: when does the server end the TCP connection?",
            unit="s",
            better="lower",
            repeated=True,
        ),
        Item(
            "garbage-close-frame",
            "Bytes that are no frame: a close frame says so",
            _ARCHITECTURE,
            "variant",
            "After the handshake a client sends a frame with reserved bits. Does the server send a close frame with a"
            " code, as RFC 6455 (7.1.7) advises, before it ends the connection? 20 clients do so, because that can be a"
            " race.",
            better="yes",
            facet="robustness",
            since=_ONE_RULE,
        ),
        Item(
            "garbage-sender",
            "Bytes that are no frame: their sender",
            _ARCHITECTURE,
            "variant",
            "The same: what does the server do?",
            since=_ONE_RULE,
        ),
        Item(
            "garbage-others",
            "Bytes that are no frame: other clients go on",
            _ARCHITECTURE,
            "variant",
            "The same: does a viewer of the dashboard, connected before, still get its answers?",
            better="yes",
            facet="robustness",
        ),
        Item(
            "raise-others",
            "A handler raises: other clients go on",
            _ARCHITECTURE,
            "variant",
            "A line that raises is put into the echo handler of a copy of the app. Does a viewer of the dashboard,"
            " connected before, still get its answers and snapshots?",
            better="yes",
            facet="robustness",
        ),
        Item(
            "drain-answered",
            "SIGTERM: a message in flight is answered, and the server ends",
            _ARCHITECTURE,
            "variant",
            "The echo of a copy of the app takes 0.3 s. The server gets SIGTERM meanwhile. 20 clients must still get"
            " their answers, or one if the server handles one message after the other. Then the server must end by"
            " itself within 10 s. One that goes on as if nothing had happened does not.",
            better="yes",
            facet="robustness",
            needs="drain-s",
            otherwise="it was answered, but the server did not end within 10 s",
            since=_ONE_RULE,
        ),
        Item(
            "drain-close-frame",
            "SIGTERM: clients get a close frame",
            _ARCHITECTURE,
            "variant",
            "The same: are 20 other clients informed by a close frame, or by their protocol's close packet? The server"
            " sends it, or the app where the framework's documentation shows how.",
            better="yes",
            facet="robustness",
            since=_ONE_RULE,
        ),
        Item(
            "drain-client",
            "SIGTERM: a connected client",
            _ARCHITECTURE,
            "variant",
            "The same: what do these clients see?",
            since=_ONE_RULE,
        ),
        Item(
            "drain-s",
            "SIGTERM: the server ends after",
            _ARCHITECTURE,
            "variant",
            "The same: until the last process has ended. The server has its default timeouts, not those of the command,"
            " but those that the app sets; we wait 10 s, as long as docker stop waits.",
            unit="s",
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
            facet="footprint",
            floor=5.0,
            repeated=True,
        ),
        Item(
            "typed",
            "The package declares its types",
            _DEVELOPMENT,
            "framework",
            "The installed package has a py.typed marker. If another package declares its types, the folder names it;"
            " documented, not tested.",
            better="yes",
            facet="types",
        ),
        Item(
            "types-known",
            "Names with a known type",
            _DEVELOPMENT,
            "framework",
            "The names that the app imports from packages; mypy determines the type of each. Any, and names that mypy"
            " cannot find, are not known. If another package declares the types, mypy sees it too.",
            unit="%",
            better="higher",
            facet="types",
        ),
        Item(
            "reloader",
            "A reloader",
            _DEVELOPMENT,
            "framework",
            "The folder names a documented reloader of the framework itself or of its server; it serves a changed copy"
            " of the app without being started again. A general tool that restarts any program does not count.",
            better="yes",
            facet="feedback",
        ),
        Item(
            "reload-s",
            "Reload after a change",
            _DEVELOPMENT,
            "framework",
            "That reloader runs a copy of the app; from writing a change until the changed app answers.",
            unit="s",
            better="lower",
            facet="feedback",
            floor=1.0,
            repeated=True,
        ),
        Item(
            "test-client",
            "A test client for real-time handlers",
            _DEVELOPMENT,
            "framework",
            "Whether the framework's test support has a client that speaks the handlers' protocol: built in, with"
            " another package, or no. It runs within the process or with a server that it starts. Documented, not"
            " tested;"
            " the note links the documentation, except for no.",
            better="yes",
            facet="feedback",
        ),
        Item(
            "start-s",
            "Start",
            _DEVELOPMENT,
            "variant",
            "From starting the command until /healthz answers; packages are compiled to bytecode, the app is not.",
            unit="s",
            better="lower",
            floor=1.0,
            repeated=True,
        ),
        Item(
            "raise-reported",
            "A handler raises: its client gets an error",
            _DEVELOPMENT,
            "variant",
            "A line that raises is put into the echo handler of a copy of the app. Does its client get an error, such"
            " as a close frame with code 1011? 20 clients try, because that can be a race.",
            better="yes",
            facet="errors",
            since=_ONE_RULE,
        ),
        Item(
            "raise-logged",
            "A handler raises: the traceback is logged",
            _DEVELOPMENT,
            "variant",
            "The same: does the server print the exception?",
            better="yes",
            facet="errors",
        ),
        Item(
            "raise-sender",
            "A handler raises: its client",
            _DEVELOPMENT,
            "variant",
            "The same: what does the client see?",
            since=_ONE_RULE,
        ),
        Item(
            "latest-released",
            "Latest release",
            _DEVELOPMENT,
            "framework",
            "The day of the newest release that the package index had on the day that fixes this project's packages.",
            unit="date",
            better="lower",
            facet="upkeep",
            floor=180.0,
        ),
        Item(
            "released",
            "Release measured",
            _DEVELOPMENT,
            "framework",
            "The first day on which the package index lets this version be resolved.",
            unit="date",
        ),
        Item(
            "recent-python",
            "A recent Python is declared",
            _DEVELOPMENT,
            "framework",
            "The package's classifiers name the Python that has been out for a year, or a newer one; where they name no"
            " version, Requires-Python admits it. Python has a release each October (PEP 602).",
            better="yes",
            facet="upkeep",
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
    )
}

RETIRED: dict[str, str] = {
    "install-cold-s": "it measured the network and the package index",
    "install-warm-s": "it measured the installer",
    "first-message-s": "it measured the compilation to bytecode; first-answer-s replaces it",
    "processes": "it counted helper processes of multiprocessing; parts replaces it",
    "typing-errors": "it measured our own annotations; types-known replaces it",
    "test-statements": "it measured our own tests; test-client replaces it",
    "test-s": "it measured our own tests",
    "vanish-noticed": "it overlooked close frames and waited 75 s; dead-peer replaces it",
    "vanish-s": "the same; silent-close-s, silent-end-s and dead-peer-s replace it",
    "release-age-days": "an age changes every day; latest-released replaces it",
}
"""Items of older files, which are still read, with the reasons why nothing collects or shows them any more."""


class Finding(Document):
    """One item of evidence. Without a ``value``, the ``note`` says why."""

    item: Slug
    """The evidence item."""
    value: Value | None = None
    """What was determined; the median of a repeated item. Old files also have items that are not collected any more."""
    low: float | None = None
    """Smallest sample of a repeated item."""
    high: float | None = None
    """Largest sample of a repeated item."""
    samples: Annotated[int, Field(ge=1)] | None = None
    """Number of samples of a repeated item."""
    note: LongText | None = None
    """What else was seen, or why there is no value."""
    documented: HttpsUrl | None = None
    """The page that documents the value; absent if the value was determined by a test."""

    @model_validator(mode="after")
    def _known_and_told(self) -> Finding:
        if self.item not in ITEMS and self.item not in RETIRED:
            raise ValueError(f"there is no item {self.item!r}")
        if self.value is None and self.note is None:
            raise ValueError("a finding without a value says why in its note")
        if self.item in ITEMS and ITEMS[self.item].unit == "date" and self.value is not None:
            dt.date.fromisoformat(str(self.value))
        if (self.low is None) != (self.high is None) or (self.low is not None and self.samples is None):
            raise ValueError("a spread has a low end, a high end and a number of samples")
        return self


def supports_python(pythons: Value | None, python: str) -> bool | None:
    """Whether a package supports a version of Python such as ``3.13``, by a value of the item ``pythons``.

    A list of versions: it, or a newer one, is among them. A bound, as of packages that name no versions: it is within
    (PEP 440). ``None`` if there is no value, or none of this form.
    """
    try:
        if isinstance(pythons, list) and pythons:
            return PythonVersion(python) <= max(map(PythonVersion, pythons))
        if isinstance(pythons, str):
            return SpecifierSet(pythons).contains(python)
    except (InvalidVersion, InvalidSpecifier):
        pass
    return None


def amount_of(finding: Finding, collected: Timestamp) -> float | None:
    """The amount that counts: the number, the length of a list, or the age of a date in days.

    ``collected``: when the evidence was collected. ``None`` for other values, and for none.
    """
    value = finding.value
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, list):
        return float(len(value))
    if finding.item in ITEMS and ITEMS[finding.item].unit == "date":
        return float((dt.date.fromisoformat(collected[:10]) - dt.date.fromisoformat(value)).days)
    return None


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
