"""Facts about frameworks besides their speed: counted, timed, probed; never typed in."""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from runners import machine, revision
from runners.evidence import behaviour, code, lifecycle, packages
from runners.evidence.passes import TROUBLE, Question, Subject, unestablished
from runners.measurement import framework_facts, now, variant_facts
from runners.record import EVIDENCE_FOLDER, SCHEMA_VERSION, EvidenceDocument, Finding, VariantEvidence, save
from runners.serving import broker, environment
from runners.serving.environment import Environment, InstallError
from runners.subjects.catalog import Framework, Variant

__all__ = ["PASSES", "collect", "path_of"]

PASSES = 6
"""Over all frameworks, so that what is timed of each knows what the machine does in half an hour, not in one minute.
The extremes of six samples reach into those of six others of the same thing, except in one case of 462: of the ways to
share out 12 samples, 2 / C(12, 6) put all of one collection below all of the other."""

Say = Callable[[str], object]
_Key = tuple[str, str]
"""Slugs of a framework and of its variant."""


def path_of(results: Path, campaign: str, framework: str) -> Path:
    """Where a framework's evidence of a campaign is kept."""
    return results / campaign / EVIDENCE_FOLDER / f"{framework}.yml"


def collect(frameworks: Sequence[Framework], results: Path, campaign: str, say: Say) -> list[EvidenceDocument]:
    """All items for each framework and variant, those that are repeated in `PASSES` passes over all frameworks.

    Each document is on disk, with all its items, after the first pass; each further pass adds samples. What cannot be
    established is a finding without value and with the reason; a framework whose packages cannot be installed is left
    out, and said to be. Raises `OSError` where the results cannot be written, and `RtsiteError` where the type checker
    cannot be had at all, or no framework can be installed.
    """
    tools = {"mypy": packages.mypy_version()}
    frameworks, environments = _installed(frameworks, say)
    say(f"clients that vanish from {len(environments)} servers, {behaviour.PATIENCE_S:.0f} s at most …")
    vanished = _vanishing(frameworks, environments)
    under_way = [_Collection(framework, environments, vanished) for framework in frameworks]
    documents: dict[str, EvidenceDocument] = {}
    chance = random.Random(0)
    for number in range(1, PASSES + 1):
        for one in chance.sample(under_way, len(under_way)):
            one.visit(number, say)
            documents[one.framework.slug] = document = one.document(campaign, tools)
            save(document, path_of(results, campaign, one.framework.slug))
    return [documents[framework.slug] for framework in frameworks]


def _installed(frameworks: Sequence[Framework], say: Say) -> tuple[list[Framework], dict[_Key, Environment]]:
    """Those whose environments can be made, and these."""
    environments: dict[_Key, Environment] = {}
    able = []
    for framework in frameworks:
        try:
            made = {
                (framework.slug, one.slug): environment.prepare_environment(framework, one)
                for one in framework.variants
            }
        except InstallError as error:
            if len(frameworks) == 1:
                raise
            say(f"{framework.slug} is left out: {error}")
        else:
            able.append(framework)
            environments |= made
    if not able:
        raise InstallError(f"none of {len(frameworks)} frameworks can be installed; the reasons stand above")
    return able, environments


class _Collection:
    """The evidence of one framework, gathered pass by pass."""

    def __init__(
        self, framework: Framework, environments: dict[_Key, Environment], vanished: dict[_Key, list[list[Finding]]]
    ) -> None:
        self.framework = framework
        self._environments = {
            variant.slug: environments[framework.slug, variant.slug] for variant in framework.variants
        }
        self._whole = Subject(_of_framework(framework, self._first))
        self._variants = {
            variant.slug: Subject(
                _of_variant(
                    framework, variant, self._environments[variant.slug], vanished[framework.slug, variant.slug]
                )
            )
            for variant in framework.variants
        }

    @property
    def _first(self) -> Environment:
        return self._environments[self.framework.variants[0].slug]

    def visit(self, number: int, say: Say) -> None:
        with tempfile.TemporaryDirectory(prefix="rtsite-") as home:
            say(f"pass {number} of {PASSES}, {self.framework.slug} …")
            self._whole.visit(Path(home, "framework"))
            for slug, variant in self._variants.items():
                say(f"pass {number} of {PASSES}, {self.framework.slug}/{slug} …")
                variant.visit(Path(home, "variants", slug))

    def document(self, campaign: str, tools: dict[str, str]) -> EvidenceDocument:
        """What was established so far."""
        state = revision.describe_revision()
        return EvidenceDocument(
            schema_version=SCHEMA_VERSION,
            kind="evidence",
            campaign=campaign,
            framework=framework_facts(self.framework),
            version=packages.installed_version(self.framework.package, self._first.packages),
            collected=now(),
            rtsite_version=version("rtsite"),
            rtsite_commit=state.commit,
            rtsite_modified=state.modified,
            machine=machine.describe_machine(),
            tools=tools,
            findings=self._whole.findings(),
            variants=[
                VariantEvidence(
                    variant=variant_facts(variant, self._environments[variant.slug]),
                    findings=self._variants[variant.slug].findings(),
                )
                for variant in self.framework.variants
            ],
        )


def _of_framework(framework: Framework, first: Environment) -> list[Question]:
    return [
        Question(("statements", "files", "names", "concepts", "rooms"), lambda _: code.findings(framework)),
        Question(
            ("typing-errors", "typed", "pythons", "licence", "released", "release-age-days", "client-library-kb"),
            lambda _: packages.of_framework(framework, first),
        ),
        Question(("test-statements", "test-s"), lambda _: packages.tests(framework)),
        Question(("reloader", "reload-s"), lambda logs: lifecycle.reload(framework, first, logs=logs)),
    ]


def _of_variant(
    framework: Framework, variant: Variant, made: Environment, vanished: list[list[Finding]]
) -> list[Question]:
    clients = iter(vanished)

    def installing(logs: Path) -> list[Finding]:
        with packages.fresh(framework, variant) as (new, took), _broker(variant, logs) as redis_url:
            return [*took, lifecycle.first_message(framework, variant, new, redis_url=redis_url, logs=logs)]

    def starting(logs: Path) -> list[Finding]:
        with _broker(variant, logs) as redis_url:
            return lifecycle.start(framework, variant, made, redis_url=redis_url, logs=logs)

    def asking(logs: Path) -> list[Finding]:
        with (
            _broker(variant, logs) as redis_url,
            lifecycle.serving(framework, variant, made, redis_url=redis_url, logs=logs) as (started, _),
        ):
            return [*behaviour.of_server(started), *behaviour.when_there_is_garbage(started)]

    def raising(logs: Path) -> list[Finding]:
        with _broker(variant, logs) as redis_url:
            return behaviour.when_it_raises(framework, variant, made, redis_url=redis_url, logs=logs)

    def across_processes(logs: Path) -> list[Finding]:
        with _broker(variant, logs) as redis_url:
            return [behaviour.across_processes(framework, variant, made, redis_url=redis_url, logs=logs)]

    return [
        Question(("packages", "installed-mb"), lambda _: packages.of_variant(made)),
        Question(("install-cold-s", "install-warm-s", "first-message-s"), installing),
        Question(("start-s", "memory-mb", "processes"), starting),
        Question(
            (
                "transports",
                "broadcast-alone",
                "plain-websocket",
                "thread-per-client",
                "garbage-sender",
                "garbage-others",
            ),
            asking,
        ),
        Question(("raise-sender", "raise-logged", "raise-others"), raising),
        Question(("cross-process",), across_processes),
        Question(behaviour.VANISHED, lambda _: next(clients)),
    ]


def _vanishing(frameworks: Sequence[Framework], made: dict[_Key, Environment]) -> dict[_Key, list[list[Finding]]]:
    """Per variant a sample for each pass; of all servers at once, since it is only waited."""
    found: dict[_Key, list[list[Finding]]] = {}
    servers = {}
    with tempfile.TemporaryDirectory(prefix="rtsite-") as home, contextlib.ExitStack() as stack:
        for framework in frameworks:
            for variant in framework.variants:
                key, folder = (framework.slug, variant.slug), Path(home, framework.slug, variant.slug)
                folder.mkdir(parents=True)
                try:
                    redis_url = stack.enter_context(_broker(variant, folder))
                    serving = lifecycle.serving(framework, variant, made[key], redis_url=redis_url, logs=folder)
                    servers[key] = stack.enter_context(serving)[0]
                except TROUBLE as error:
                    found[key] = [unestablished(error, behaviour.VANISHED)]
        noticed = behaviour.until_noticed(list(servers.values()), PASSES)
    return found | dict(zip(servers, noticed, strict=True))


@contextlib.contextmanager
def _broker(variant: Variant, logs: Path) -> Iterator[str | None]:
    """The address of an empty Redis, where the variant has one."""
    if variant.broker != "redis":
        yield None
        return
    started = broker.start_broker(broker.find_broker(), cpus=(), logs=logs)
    try:
        yield started.url
    finally:
        started.stop()
