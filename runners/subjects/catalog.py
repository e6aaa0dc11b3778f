"""The catalog of framework folders. Each folder is described by its own ``pyproject.toml``."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from runners.loadgen.job import OVER_SSE, Exchange, Protocol, Serializer, Transport
from runners.record import RtsiteError, UsageError, as_argument, is_slug, nearest_names, unknown_name
from runners.record.naming import MAX_SLUG_CHARACTERS
from runners.record.schema import (
    USUAL_TOPOLOGY,
    BrokerName,
    HttpsUrl,
    Legacy,
    Loop,
    NotForProduction,
    PackageName,
    Slug,
    Text,
    Topology,
    Tuning,
    WorkloadPart,
)
from runners.subjects import matching
from runners.subjects.scenarios import Narrowing
from runners.subjects.topologies import TOPOLOGIES
from runners.subjects.workloads import WORKLOADS

FRAMEWORKS = Path(__file__).resolve().parents[1] / "frameworks"
PLACEHOLDERS = {"host", "port", "workers"}
TLS_PLACEHOLDERS = {"certificate", "key"}


NO_OWN_TLS = "has no tls in its folder, because its server has no TLS of its own; use --topology nginx-tls for it"


class CatalogError(RtsiteError):
    """A framework's folder cannot be used. The message names the file and the problem in it."""


class _Described(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Variant(_Described):
    """One way to serve a framework's application."""

    slug: Slug
    title: Text
    server: Text
    command: Annotated[list[str], Field(min_length=1)]
    tls: Annotated[list[str], Field(min_length=1)] | None = None
    """What is appended to its command so that its server speaks TLS; ``None`` if its server has no TLS of its own."""
    environment: dict[str, str] = {}
    broker: BrokerName = "none"
    transports: list[Transport]
    publisher: Annotated[list[str], Field(min_length=1)] | None = None
    """The command of a program that publishes to rooms through the broker; ``None`` if it has none."""
    exchanges: list[Exchange] | None = None
    """The exchanges that it is measured under; ``None``: all of the application's."""
    only: Narrowing | None = None
    """The kind of scenarios that it is measured under, if it equals another variant in all others."""
    tuning: Tuning = "defaults"
    loop: Loop | None = None
    """What runs the connections, if the folder states it."""
    headline: bool = False
    """Whether conclusions about the framework are drawn from it. Every framework except the reference has one."""
    recommended_by: HttpsUrl | None = None
    """The page of the documentation that recommends this deployment for production. The headline variant has one."""
    not_for_production: NotForProduction | None = None
    """Why its makers say that it is not for production."""
    legacy: Legacy | None = None
    """Why its makers say that nobody should begin with it any more."""
    serializer: Serializer = "json"
    """Serializer of Socket.IO's packets."""
    extra: Slug | None = None
    """The group of optional dependencies in its environment, in addition to the folder's own dependencies."""
    quickstart: bool = False
    """Whether `rtsite quickstart` measures it."""
    start_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 20.0
    """Seconds for its server to listen after its start."""

    @property
    def uses_broker(self) -> bool:
        return self.broker != "none"

    @property
    def scales(self) -> bool:
        """Whether several server processes can serve it and reach each other's clients."""
        return self.uses_broker and any("{workers}" in word for word in self.command)

    # A run sets these. A folder cannot, since they are no keys of its description.
    _python: str = PrivateAttr("")
    _topology: Topology = PrivateAttr(USUAL_TOPOLOGY)

    @property
    def python(self) -> str:
        """Version of Python that runs it; empty: the one that runs the harness."""
        return self._python

    @property
    def topology(self) -> Topology:
        """What is between the clients and its server."""
        return self._topology

    def under(self, python: str, topology: Topology) -> Variant:
        """The variant on this version of Python, and behind this topology."""
        other = self.model_copy()
        other._python, other._topology = python, topology
        return other

    def requirements_name(self) -> str:
        """The name of its lock file."""
        return f"requirements-{self.extra}.txt" if self.extra else "requirements.txt"

    def fits(self, topology: Topology) -> bool:
        """Whether it can be served in this topology: the server's own TLS needs a server that has it."""
        return TOPOLOGIES[topology].tls != "server" or self.tls is not None

    def fill(self, *, host: str, port: int, workers: int, tls: tuple[Path, Path] | None = None) -> list[str]:
        """The command with its placeholders replaced. ``tls``: files of certificate and private key, if the server
        itself speaks TLS. Raises `UsageError` if it cannot.
        """
        values = {"{host}": host, "{port}": str(port), "{workers}": str(workers)}
        command = list(self.command)
        if tls is not None:
            if self.tls is None:
                raise UsageError(f"the variant {self.slug!r} {NO_OWN_TLS}")
            values |= {"{certificate}": str(tls[0]), "{key}": str(tls[1])}
            command += self.tls
        filled = []
        for word in command:
            for placeholder, value in values.items():
                word = word.replace(placeholder, value)
            filled.append(word)
        return filled


class Documented(_Described):
    """What a framework has according to documentation. It is not tested."""

    value: Literal["built in", "with own code", "with another package", "with a load balancer", "no"]
    """Whether it has it."""
    how: Text
    """By what, for example ``AuthMiddlewareStack``."""
    documented: HttpsUrl | None = None
    """The page that describes it. Only ``no`` needs none: no page states that something is missing."""

    @model_validator(mode="after")
    def _has_page(self) -> Self:
        if self.documented is None and self.value != "no":
            raise ValueError(f"{self.value!r} needs documented, the https:// address of the page that describes it")
        return self


class DocumentedTypes(Documented):
    """Other packages that declare the types of a framework that declares none."""

    packages: Annotated[list[PackageName], Field(min_length=1)]
    """Their distributions. The type checker sees them beside the variant's environment."""


class EvidenceHints(_Described):
    """Hints about the application that the collection of evidence cannot determine by itself."""

    echo: Text | None = None
    """The first line in app.py that processes a message in the echo handler."""
    receive: Text | None = None
    """The part of that line that receives, if the line both receives and answers."""
    rooms: Text | None = None
    """The name of the framework's own function for sending to a room, if it has one. The app must use it."""
    reload: list[str] = []
    """The command that serves the app with the framework's own reloader; empty if it has none."""
    reload_environment: dict[str, str] = {}
    """Environment variables of that command."""
    reload_extra: Slug | None = None
    """The group of optional dependencies that command needs, if not that of the headline variant."""
    test_client: Documented | None = None
    """The client in the framework's own test support that speaks the handlers' protocol, with or without a server."""
    types: DocumentedTypes | None = None
    """Other packages that declare the types of a framework that declares none."""
    own_tls: Text | None = None
    """The function of the application that makes TLS settings of the command's options, as other servers do themselves.
    It does not count as code of the application."""
    supervisor: Text | None = None
    """A module of the folder, or a function of its app, that starts processes: what a server's command line or the
    process supervisor of the documentation does. It does not count as code of the application."""
    apart: dict[Exchange, list[Text]] = {}
    """The names in the app that serve only one of the exchanges which not every framework has. They, what mentions
    them and what only that uses do not count as code of the application."""
    several_processes: Documented | None = None
    """How several processes serve one address by all transports, if a variant's command alone does not do it."""
    rooms_across: Literal["built-in", "helper", "no"] | None = None
    """How a message reaches the members of a room in other processes: by the framework, by the helper
    ``redis_rooms.py`` in the folder, or not at all."""
    authentication: Documented | None = None
    """Whether the connect step of the protocol knows the host application's user, as its HTTP requests do, and can
    refuse before any message of the application."""


class _Description(_Described):
    title: Text
    homepage: HttpsUrl
    package: PackageName
    protocol: Protocol
    interface: Text
    exchanges: list[Exchange]
    """The exchanges of the contract that the application implements."""
    workloads: list[Slug] = []
    """The workloads that it is measured under; empty: all that its exchanges and transports allow."""
    cannot: dict[WorkloadPart, Text] = {}
    """Workloads that it does not support, or scenarios of them such as ``publish/http``, with the reasons."""
    choose: Text | None = None
    """When to choose it, in one sentence by the maintainers. It is the only statement here that no measurement
    supports."""
    reference: bool = False
    """Whether it is the reference, which is measured in every round of every run and compared with the others."""
    role: Literal["framework", "library"] = "framework"
    """A library is measured and shown, but is never the recommended answer."""
    variants: Annotated[list[Variant], Field(min_length=1)]
    evidence: EvidenceHints = EvidenceHints()


class Framework(_Description):
    """A framework: its folder and its description."""

    slug: Slug
    folder: Path
    requires_python: str = ""
    """The versions of Python that the project file states (PEP 440); empty: any."""

    @property
    def headline(self) -> Variant | None:
        """The variant from which conclusions are drawn; ``None`` for the reference and where it was not chosen."""
        return next((variant for variant in self.variants if variant.headline), None)

    @property
    def only_streams(self) -> bool:
        """Whether the application answers no messages, because all its exchanges are over server-sent events."""
        return set(self.exchanges) <= OVER_SSE

    def exchanges_of(self, variant: Variant) -> list[Exchange]:
        """The exchanges that one of its variants is measured under."""
        return self.exchanges if variant.exchanges is None else variant.exchanges

    @property
    def app_sha256(self) -> str:
        return self.sources["app.py"]

    @property
    def sources(self) -> dict[str, str]:
        """SHA-256 by file name of all files that determine what runs: modules (without tests), project file and lock
        files.
        """
        files = [
            path
            for pattern in ("*.py", "pyproject.toml", "requirements*.txt")
            for path in sorted(self.folder.glob(pattern))
            if not path.name.startswith("test_")
        ]
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def discover(folder: Path = FRAMEWORKS) -> list[Framework]:
    """Every framework below ``folder``, by slug; raises `CatalogError`."""
    found = [read_folder(path.parent) for path in sorted(folder.glob("*/pyproject.toml"))]
    return sorted(found, key=lambda framework: (framework.reference, framework.slug))


def read_folder(folder: Path) -> Framework:
    """Read one framework's folder; raises `CatalogError` with the file and the problem in it."""
    path = folder / "pyproject.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CatalogError(f"{path}: not found; a framework's folder has a pyproject.toml") from None
    except OSError as error:
        raise CatalogError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise CatalogError(f"{path}: cannot be read: byte {error.start} is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(f"{path}: not valid TOML: {error}") from None
    tools = data.get("tool")
    table = tools.get("rtsite") if isinstance(tools, dict) else None
    if not isinstance(table, dict):
        raise CatalogError(f"{path}: no [tool.rtsite] table; `rtsite list frameworks` shows folders that have one")
    slug = folder.resolve().name
    if not is_slug(slug):
        raise CatalogError(
            f"{folder.resolve()}: this name cannot name results; rename the folder to lowercase letters, digits and"
            f" single dashes, at most {MAX_SLUG_CHARACTERS} characters (names such as run and index are reserved)"
        )
    project = data.get("project")
    required = str(project.get("requires-python", "")) if isinstance(project, dict) else ""
    try:
        SpecifierSet(required)
        framework = Framework(**{**table, "slug": slug, "folder": folder.resolve(), "requires_python": required})
    except InvalidSpecifier:
        raise CatalogError(f"{path}: requires-python {required!r} is not valid; write for example '>=3.11'") from None
    except ValidationError as error:
        raise CatalogError(f"{path}: {_first_problem(error)}") from None
    _check_commands(framework, path)
    if (problem := _wrong_headline(framework)) is not None:
        raise CatalogError(f"{path}: {problem}")
    if (problem := _unmeasurable(framework)) is not None:
        raise CatalogError(f"{path}: {problem}")
    if not (framework.folder / "app.py").is_file():
        raise CatalogError(f"{framework.folder / 'app.py'}: not found; a framework's folder has its application there")
    return framework


def _first_problem(error: ValidationError) -> str:
    """The first error of the description, with the most similar name if one is unknown."""
    detail = error.errors(include_url=False)[0]
    place = f"[tool.rtsite] {'.'.join(str(step) for step in detail['loc'])}"
    if detail["type"] == "literal_error":
        known = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
        near = nearest_names(str(detail["input"]), known)
        return f"{place}: unknown value {detail['input']!r}, expected {detail['ctx']['expected']}; {near}"
    if detail["type"] == "extra_forbidden":
        models: dict[str, type[BaseModel]] = {"variants": Variant, "evidence": EvidenceHints}
        model = models.get(str(detail["loc"][0]), _Description)
        key = str(detail["loc"][-1])
        return f"{place}: unknown key {key!r}; {nearest_names(key, model.model_fields)}"
    return f"{place}: {detail['msg']}"


def _unmeasurable(framework: Framework) -> str | None:
    """Why a part of what the folder lists could never be measured; ``None`` if everything can."""
    for key, names in (("workloads", framework.workloads), ("cannot", framework.cannot)):
        for name in names:
            slug, slash, kind = name.partition("/")
            if slug not in WORKLOADS:
                return f"[tool.rtsite] {key}: unknown workload {slug!r}; {nearest_names(slug, WORKLOADS)}"
            if slash and kind not in WORKLOADS[slug].kinds:
                return f"[tool.rtsite] {key}: unknown scenario {name!r}; {nearest_names(kind, WORKLOADS[slug].kinds)}"
    measured = set()
    for variant in framework.variants:
        if foreign := set(framework.exchanges_of(variant)) - set(framework.exchanges):
            return (
                f"variant {variant.slug!r}: exchanges has {min(foreign)!r}, which the exchanges of [tool.rtsite] do not"
                " have; add it there, or remove it here"
            )
        scenarios = matching.runnable_scenarios(framework, variant)
        if not scenarios:
            return (
                f"variant {variant.slug!r}: no workload fits its exchanges {framework.exchanges_of(variant)} and its"
                f" transports {variant.transports}; an empty list, or one without 'websocket', is usually a mistake"
                + ("" if variant.only is None else f"; it is narrowed to only = {variant.only!r}")
            )
        if "polling" in variant.transports and framework.protocol != "socket.io":
            return (
                f"variant {variant.slug!r}: the transport 'polling' needs the protocol 'socket.io'; this application's"
                f" is {framework.protocol!r}"
            )
        measured |= {scenario.exchange for scenario in scenarios}
    for exchange in framework.exchanges:
        if exchange not in measured:
            return (
                f"[tool.rtsite] exchanges has {exchange!r}, but no variant can be measured under it; it may lack a"
                " transport (events need 'sse')"
            )
    runnable = matching.runnable_workloads(framework)
    for slug in framework.workloads:
        if slug not in runnable:
            return (
                f"[tool.rtsite] workloads has {slug!r}, which no variant can run; remove it, or add the exchange or the"
                " transport that it needs"
            )
    return None


def _wrong_headline(framework: Framework) -> str | None:
    """Why conclusions could not be drawn from exactly one recommended variant; ``None`` if they can."""
    headlines = [variant for variant in framework.variants if variant.headline]
    if not headlines:
        if framework.reference:
            return None
        return (
            "no variant has headline = true; write it, and recommended_by, in the deployment that the framework's"
            " documentation recommends for production"
        )
    if len(headlines) > 1:
        listed = " and ".join(repr(variant.slug) for variant in headlines)
        return f"the variants {listed} have headline = true; a framework has exactly one headline variant"
    (headline,) = headlines
    if headline.recommended_by is None:
        return (
            f"variant {headline.slug!r}: headline = true needs recommended_by, the https:// address of the"
            " documentation that recommends this deployment for production"
        )
    for key in ("not_for_production", "legacy"):
        if getattr(headline, key) is not None:
            return f"variant {headline.slug!r}: it has headline = true and {key}; choose another headline variant"
    return None


def _check_commands(framework: Framework, path: Path) -> None:
    seen = set()
    for variant in framework.variants:
        if variant.slug in seen:
            raise CatalogError(f"{path}: two variants are called {variant.slug!r}; slugs are unique")
        seen.add(variant.slug)
        unknown = {name for word in variant.command for name in _placeholders(word) if name not in PLACEHOLDERS}
        if unknown:
            raise CatalogError(
                f"{path}: variant {variant.slug!r}: unknown placeholder {{{min(unknown)}}} in its command;"
                f" there are {', '.join(f'{{{name}}}' for name in sorted(PLACEHOLDERS))}"
            )
        known = PLACEHOLDERS | TLS_PLACEHOLDERS
        unknown = {name for word in variant.tls or () for name in _placeholders(word) if name not in known}
        if unknown:
            raise CatalogError(
                f"{path}: variant {variant.slug!r}: unknown placeholder {{{min(unknown)}}} in its tls;"
                f" there are {', '.join(f'{{{name}}}' for name in sorted(known))}"
            )
        for name in sorted(TLS_PLACEHOLDERS):
            if variant.tls is not None and f"{{{name}}}" not in " ".join(variant.tls):
                raise CatalogError(f"{path}: variant {variant.slug!r}: its tls never names {{{name}}}")
        if variant.publisher is not None and not variant.uses_broker:
            raise CatalogError(
                f"{path}: variant {variant.slug!r}: it has a publisher, but no broker to publish through; write broker,"
                " or remove publisher"
            )
        if "{port}" not in " ".join(variant.command):
            raise CatalogError(f"{path}: variant {variant.slug!r}: its command never names {{port}}")


def _placeholders(word: str) -> Iterable[str]:
    for part in word.split("{")[1:]:
        name, brace, _ = part.partition("}")
        if brace and name.isidentifier():
            yield name


def choose_frameworks(
    wanted: Sequence[str], frameworks: Sequence[Framework] | None = None, *, are_kept: bool = True
) -> list[Framework]:
    """The frameworks given by slug, slug/variant, or folder path (default: all).

    ``are_kept``: whether results are kept by the frameworks' names, so that no two may have the same. Raises
    `UsageError` with the most similar names for an unknown name, and for two folders of one name.
    """
    known = discover() if frameworks is None else frameworks
    if not wanted:
        return list(known)
    by_slug = {framework.slug: framework for framework in known}
    chosen: dict[Path, Framework] = {}
    variants: dict[Path, set[str]] = {}
    for name in wanted:
        framework, slugs = _named(name, by_slug)
        chosen.setdefault(framework.folder, framework)
        variants.setdefault(framework.folder, set()).update(slugs)
        other = next(one for one in chosen.values() if one.slug == framework.slug)
        if are_kept and other.folder != framework.folder:
            raise UsageError(
                f"{other.folder} and {framework.folder}: both are called {framework.slug!r}, and results are kept by"
                " this name; rename one of the folders, or use two commands"
            )
    return [
        framework.model_copy(update={"variants": [one for one in framework.variants if one.slug in variants[folder]]})
        for folder, framework in chosen.items()
    ]


def naming_options(frameworks: Iterable[Framework]) -> list[str | Path]:
    """The options with which another command finds those of these frameworks that are folders outside `FRAMEWORKS`."""
    outside = dict.fromkeys(one.folder for one in frameworks if one.folder.parent != FRAMEWORKS)
    return [word for folder in outside for word in ("--framework", folder)]


def quickstart_frameworks(known: Sequence[Framework]) -> list[Framework]:
    """The frameworks with variants marked for the quick start, with only these variants."""
    narrowed = [
        framework.model_copy(update={"variants": [variant for variant in framework.variants if variant.quickstart]})
        for framework in known
    ]
    return [framework for framework in narrowed if framework.variants]


def without_brokers(
    frameworks: Sequence[Framework], missing: Collection[BrokerName]
) -> tuple[list[Framework], list[str]]:
    """The frameworks with only the variants that need none of these brokers, and the names of the others."""
    dropped = [
        f"{framework.slug}/{variant.slug}"
        for framework in frameworks
        for variant in framework.variants
        if variant.broker in missing
    ]
    narrowed = [
        framework.model_copy(update={"variants": [one for one in framework.variants if one.broker not in missing]})
        for framework in frameworks
    ]
    return [framework for framework in narrowed if framework.variants], dropped


def _named(name: str, by_slug: Mapping[str, Framework]) -> tuple[Framework, list[str]]:
    """The framework that this name or path means, and the slugs of the variants that it means; raises `UsageError`."""
    slug, slash, variant = name.partition("/")
    is_slug_of_ours = slug in by_slug and not name.endswith("/")
    if name.startswith((".", "/")) or (slash and not is_slug_of_ours and Path(name).is_dir()):
        framework = read_folder(Path(name))
        return framework, [one.slug for one in framework.variants]
    if slug not in by_slug:
        if name and (Path(name) / "pyproject.toml").is_file():
            raise UsageError(f"unknown framework {name!r}; a folder is given by its path: {as_argument(Path(name))}")
        raise unknown_name("framework", slug, by_slug)
    known = [one.slug for one in by_slug[slug].variants]
    if slash and variant not in known:
        raise unknown_name(f"variant of {slug}", variant, known)
    return by_slug[slug], [variant] if slash else known
