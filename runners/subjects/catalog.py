"""The catalog of framework folders. Each folder is described by its own ``pyproject.toml``."""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runners.loadgen.job import Exchange, Protocol, Serializer, Transport
from runners.record import RtsiteError, UsageError
from runners.record.schema import BrokerName, HttpsUrl, PackageName, Slug, Text, Tuning

FRAMEWORKS = Path(__file__).resolve().parents[1] / "frameworks"
PLACEHOLDERS = {"host", "port", "workers"}


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
    environment: dict[str, str] = {}
    broker: BrokerName = "none"
    transports: list[Transport]
    exchanges: list[Exchange] | None = None
    """The exchanges that it is measured under; ``None``: all of the application's."""
    steady_only: bool = False
    """Whether it is measured only under a steady load of small messages, because it is otherwise like another
    variant."""
    tuning: Tuning = "defaults"
    serializer: Serializer = "json"
    """Serializer of Socket.IO's packets."""
    extra: Slug | None = None
    """The group of optional dependencies in its environment, in addition to the folder's own dependencies."""
    quickstart: bool = False
    """Whether `rtsite quickstart` measures it."""

    @property
    def uses_broker(self) -> bool:
        return self.broker != "none"

    @property
    def scales(self) -> bool:
        """Whether several server processes can serve it and reach each other's clients."""
        return self.uses_broker and any("{workers}" in word for word in self.command)

    def requirements_name(self) -> str:
        """The name of its lock file."""
        return f"requirements-{self.extra}.txt" if self.extra else "requirements.txt"

    def fill(self, *, host: str, port: int, workers: int) -> list[str]:
        """The command with its placeholders replaced."""
        values = {"{host}": host, "{port}": str(port), "{workers}": str(workers)}
        filled = []
        for word in self.command:
            for placeholder, value in values.items():
                word = word.replace(placeholder, value)
            filled.append(word)
        return filled


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


class _Description(_Described):
    title: Text
    homepage: HttpsUrl
    package: PackageName
    protocol: Protocol
    interface: Text
    exchanges: list[Exchange]
    """The exchanges of the contract that the application implements."""
    cannot: dict[Slug, Text] = {}
    """Workloads that it does not support, with the reasons."""
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
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise CatalogError(f"{path}: not valid TOML: {error}") from None
    tools = data.get("tool")
    table = tools.get("rtsite") if isinstance(tools, dict) else None
    if not isinstance(table, dict):
        raise CatalogError(f"{path}: no [tool.rtsite] table; `rtsite list frameworks` shows folders that have one")
    _refuse_workloads(table, path)
    try:
        framework = Framework(**{**table, "slug": folder.resolve().name, "folder": folder.resolve()})
    except ValidationError as error:
        raise CatalogError(f"{path}: {_first_problem(error)}") from None
    _check_commands(framework, path)
    if not (framework.folder / "app.py").is_file():
        raise CatalogError(f"{framework.folder / 'app.py'}: not found; a framework's folder has its application there")
    return framework


_EXCHANGES_OF_OLD: dict[str, Exchange] = {"echo": "echo", "room": "room", "dashboard": "dashboard", "sse": "events"}
"""Workloads that folders used to list, and the exchange that replaces each of them."""


def _refuse_workloads(table: dict[str, Any], path: Path) -> None:
    """Raise `CatalogError` if a folder lists workloads, as folders used to."""
    variants = table.get("variants")
    for place in (table, *(variants if isinstance(variants, list) else ())):
        if isinstance(place, dict) and isinstance(listed := place.get("workloads"), list):
            exchanges = [exchange for slug, exchange in _EXCHANGES_OF_OLD.items() if slug in listed] or ["echo"]
            written = ", ".join(f'"{exchange}"' for exchange in exchanges)
            raise CatalogError(
                f"{path}: [tool.rtsite] lists workloads, which now follow from what an application has;"
                f" write exchanges = [{written}] instead of workloads = […]"
            )


def _first_problem(error: ValidationError) -> str:
    detail = error.errors(include_url=False)[0]
    place = ".".join(str(step) for step in detail["loc"])
    return f"[tool.rtsite] {place}: {detail['msg']}"


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
        if "{port}" not in " ".join(variant.command):
            raise CatalogError(f"{path}: variant {variant.slug!r}: its command never names {{port}}")


def _placeholders(word: str) -> Iterable[str]:
    for part in word.split("{")[1:]:
        name, brace, _ = part.partition("}")
        if brace and name.isidentifier():
            yield name


def choose_frameworks(wanted: Sequence[str], frameworks: Sequence[Framework] | None = None) -> list[Framework]:
    """The frameworks given by slug, slug/variant, or folder path (default: all).

    Raises `UsageError` with the most similar names for an unknown name.
    """
    known = discover() if frameworks is None else frameworks
    if not wanted:
        return list(known)
    by_slug = {framework.slug: framework for framework in known}
    chosen: dict[str, Framework] = {}
    for name in wanted:
        slug, slash, variant = name.partition("/")
        if slug in by_slug and not name.startswith("."):
            before = chosen.get(slug)
            chosen[slug] = _narrowed(by_slug[slug], variant, before) if slash else by_slug[slug]
        elif name.startswith((".", "/")) or (slash and Path(name).is_dir()):
            framework = read_folder(Path(name))
            chosen[framework.slug] = framework
        else:
            raise unknown_name("framework", slug, by_slug)
    return list(chosen.values())


def quickstart_frameworks(known: Sequence[Framework]) -> list[Framework]:
    """The frameworks with variants marked for the quick start, with only these variants."""
    narrowed = [
        framework.model_copy(update={"variants": [variant for variant in framework.variants if variant.quickstart]})
        for framework in known
    ]
    return [framework for framework in narrowed if framework.variants]


def _narrowed(framework: Framework, variant: str, before: Framework | None) -> Framework:
    """The framework with this variant and those chosen before; raises `UsageError`."""
    slugs = [known.slug for known in framework.variants]
    if variant not in slugs:
        raise unknown_name(f"variant of {framework.slug}", variant, slugs)
    wanted = {variant} | ({known.slug for known in before.variants} if before else set())
    return framework.model_copy(update={"variants": [v for v in framework.variants if v.slug in wanted]})


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for an unknown name, with the most similar known names."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3)
    offer = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names)}."
    return UsageError(f"unknown {kind} {name!r}: {offer}")
