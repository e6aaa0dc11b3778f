"""Facts about frameworks besides their speed: counted, timed, probed; never typed in."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

from socketio.exceptions import SocketIOError
from websockets.exceptions import WebSocketException

from runners import broker, environment, machine, revision
from runners.catalog import Framework, Variant
from runners.environment import Environment
from runners.evidence import behaviour, code, lifecycle, packages
from runners.measure import framework_facts, now, variant_facts
from runners.record import (
    EVIDENCE_FOLDER,
    ITEMS,
    EvidenceDocument,
    Finding,
    RtsiteError,
    VariantEvidence,
    publishable,
    save,
)

__all__ = ["collect", "path_of"]

Say = Callable[[str], object]


def path_of(results: Path, campaign: str, framework: str) -> Path:
    """Where a framework's evidence of a campaign is kept."""
    return results / campaign / EVIDENCE_FOLDER / f"{framework}.yml"


def collect(frameworks: Sequence[Framework], results: Path, campaign: str, say: Say) -> list[EvidenceDocument]:
    """All items for each framework and variant; each document is on disk before the next framework is begun.

    What cannot be established is a finding without value and with the reason. Raises `OSError` where the results
    cannot be written, and `RtsiteError` where the type checker cannot be had at all.
    """
    tools = {"mypy": packages.mypy_version()}
    made = {framework.slug: _environments(framework) for framework in frameworks}
    say(f"clients that vanish from {sum(map(len, made.values()))} servers, {behaviour.PATIENCE_S:.0f} s at most …")
    vanished = _vanishing(frameworks, made)
    documents = []
    for framework in frameworks:
        with tempfile.TemporaryDirectory(prefix="rtsite-") as logs:
            document = _collect(framework, made[framework.slug], vanished, campaign, tools, Path(logs), say)
        save(document, path_of(results, campaign, framework.slug))
        documents.append(document)
    return documents


def _environments(framework: Framework) -> dict[str, Environment]:
    return {variant.slug: environment.prepare(framework, variant) for variant in framework.variants}


def _collect(
    framework: Framework,
    made: dict[str, Environment],
    vanished: dict[tuple[str, str], list[Finding]],
    campaign: str,
    tools: dict[str, str],
    logs: Path,
    say: Say,
) -> EvidenceDocument:
    first = made[framework.variants[0].slug]
    say(f"{framework.slug}: source, packages, types, tests …")
    findings = [
        *_established(lambda: code.findings(framework), of="framework", among=_CODE),
        *_established(lambda: packages.of_framework(framework, first), of="framework", among=_PACKAGES),
        *_established(
            lambda: lifecycle.reloads(framework, first, logs=logs), of="framework", among=("reloader", "reload-s")
        ),
    ]
    variants = []
    for variant in framework.variants:
        say(f"{framework.slug}/{variant.slug}: installing, starting, asking …")
        found = _of_variant(framework, variant, made[variant.slug], logs / variant.slug)
        found += vanished[framework.slug, variant.slug]
        variants.append(VariantEvidence(variant=variant_facts(variant, made[variant.slug]), findings=found))
    state = revision.describe()
    return EvidenceDocument(
        schema_version=1,
        kind="evidence",
        campaign=campaign,
        framework=framework_facts(framework),
        version=packages.version_of(framework.package, first.packages),
        collected=now(),
        rtsite_version=version("rtsite"),
        rtsite_commit=state.commit,
        rtsite_modified=state.modified,
        machine=machine.describe(),
        tools=tools,
        findings=findings,
        variants=variants,
    )


_CODE = ("statements", "files", "names", "concepts", "rooms")
_PACKAGES = (
    "typing-errors", "typed", "test-statements", "test-s", "pythons", "licence", "released", "release-age-days",
    "client-library-kb",
)  # fmt: skip


def _of_variant(framework: Framework, variant: Variant, made: Environment, logs: Path) -> list[Finding]:
    logs.mkdir()
    with ExitStack() as stack:
        redis_url = _redis(variant, stack, logs)

        def installing() -> list[Finding]:
            with packages.fresh(framework, variant) as (new, took):
                return [
                    *took,
                    lifecycle.first_message(framework, variant, new, redis_url=redis_url, logs=logs / "first"),
                ]

        def asking() -> list[Finding]:
            with lifecycle.serving(framework, variant, made, redis_url=redis_url, logs=logs / "asked") as (started, _):
                return [*behaviour.of_server(started), *behaviour.when_there_is_garbage(started)]

        return [
            *_established(lambda: packages.of_variant(made), among=("packages", "installed-mb")),
            *_established(installing, among=("install-cold-s", "install-warm-s", "first-message-s")),
            *_established(
                lambda: lifecycle.starts(framework, variant, made, redis_url=redis_url, logs=logs / "starts"),
                among=("start-s", "memory-mb", "processes"),
            ),
            *_established(asking, among=_ASKED),
            *_established(
                lambda: behaviour.when_it_raises(framework, variant, made, redis_url=redis_url, logs=logs / "raising"),
                among=("raise-sender", "raise-logged", "raise-others"),
            ),
            *_established(
                lambda: [
                    behaviour.across_processes(framework, variant, made, redis_url=redis_url, logs=logs / "processes")
                ],
                among=("cross-process",),
            ),
        ]


_ASKED = ("transports", "broadcast-alone", "plain-websocket", "thread-per-client", "garbage-sender", "garbage-others")


def _vanishing(
    frameworks: Sequence[Framework], made: dict[str, dict[str, Environment]]
) -> dict[tuple[str, str], list[Finding]]:
    """Of all servers at once, since it is only waited."""
    found: dict[tuple[str, str], list[Finding]] = {}
    servers = {}
    with tempfile.TemporaryDirectory(prefix="rtsite-") as home, ExitStack() as stack:
        for framework in frameworks:
            for variant in framework.variants:
                key, folder = (framework.slug, variant.slug), Path(home, framework.slug, variant.slug)
                folder.mkdir(parents=True)
                try:
                    redis_url = _redis(variant, stack, folder)
                    serving = lifecycle.serving(
                        framework, variant, made[framework.slug][variant.slug], redis_url=redis_url, logs=folder
                    )
                    servers[key] = stack.enter_context(serving)[0]
                except _TROUBLE as error:
                    found[key] = _unestablished(error, _VANISHED)
        noticed = behaviour.until_noticed(list(servers.values()))
    return found | dict(zip(servers, noticed, strict=True))


_VANISHED = ("vanish-noticed", "vanish-s")


def _redis(variant: Variant, stack: ExitStack, logs: Path) -> str | None:
    if variant.broker != "redis":
        return None
    started = broker.start(broker.find(), cpus=(), logs=logs)
    stack.callback(started.stop)
    return started.url


def _established(establish: Callable[[], list[Finding]], *, among: Sequence[str], of: str = "variant") -> list[Finding]:
    """What was found; if it failed as a whole, each of the items with the reason."""
    assert all(ITEMS[item].of == of for item in among)
    try:
        return establish()
    except _TROUBLE as error:
        return _unestablished(error, among)


def _unestablished(error: Exception, items: Sequence[str]) -> list[Finding]:
    why = publishable(f"{type(error).__name__}: {error}"[:1000])
    return [Finding(item=item, note=why) for item in items]


_TROUBLE = (RtsiteError, OSError, ValueError, subprocess.SubprocessError, WebSocketException, SocketIOError)
"""What may go wrong with one framework and is no reason to give up the others."""
