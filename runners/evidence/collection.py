"""The collection of evidence: facts about frameworks and their variants, then several passes of timings over all."""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path

from runners import machine, revision
from runners.evidence import behaviour, lifecycle, packages, source_code, type_checking
from runners.evidence.documentation import documented_findings
from runners.evidence.passes import EXPECTED_ERRORS, Findings, ItemProbe, not_determined
from runners.evidence.rooms import rooms_across_finding
from runners.measurement import framework_facts, now, variant_facts
from runners.record import (
    EVIDENCE_FOLDER,
    SCHEMA_VERSION,
    EvidenceDocument,
    Finding,
    RtsiteError,
    VariantEvidence,
    save,
)
from runners.serving import environment
from runners.serving.deployment import serve_variant
from runners.serving.environment import Environment, InstallError
from runners.subjects.catalog import Framework, Variant

PASSES = 6
"""Number of passes. Passes go over all frameworks, so the timings of each framework include changes of the machine over
half an hour, not only over one minute. The ranges of two equal collections with six samples each fail to overlap with a
probability of 1 in 462. This is the share of ways to divide 12 samples that put one collection below the other, 2 /
C(12, 6)."""

FACTS_AT_ONCE = 2
"""Number of variants whose facts are determined at the same time. Most of that time is spent waiting. With more, a
server might miss a deadline because of another one."""
_NEEDED_BYTES = 1 << 20
"""Free space for the documents of a campaign."""

ShowMessage = Callable[[str], None]
_Key = tuple[str, str]
"""Slugs of a framework and of its variant."""


def path_of(results: Path, campaign: str, framework: str) -> Path:
    """The path of a framework's evidence in a campaign."""
    return results / campaign / EVIDENCE_FOLDER / f"{framework}.yml"


def check_folder(results: Path, campaign: str) -> None:
    """Raise `RtsiteError` if a campaign's evidence cannot be written, before minutes are spent on collecting it."""
    folder = path_of(results, campaign, "any").parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_NEEDED_BYTES))
    except OSError as error:
        raise RtsiteError(
            f"{folder}: cannot be written: {error.strerror}; choose another folder with --results"
        ) from error


def collect_evidence(
    frameworks: Sequence[Framework], results: Path, campaign: str, show: ShowMessage
) -> list[EvidenceDocument]:
    """Collect all items for each framework and variant; repeated items in `PASSES` passes over all frameworks.

    Facts come first, `FACTS_AT_ONCE` variants at a time. While servers wait to notice silent clients, source code and
    packages are inspected. Timings follow, one after the other.

    Each document is on disk, with all its items, after the first pass; each later pass adds samples. An item that
    cannot be determined becomes a finding without a value, with the reason. A framework whose packages cannot be
    installed is skipped with a message. Raises `OSError` if the results cannot be written, and `RtsiteError` if the
    type checker or no framework at all can be installed.
    """
    tools = {"mypy": type_checking.mypy_version()}
    frameworks, environments = _installed(frameworks, show)
    collections = [_Collection(framework, environments) for framework in frameworks]
    with _threads(FACTS_AT_ONCE) as threads:
        show(f"waiting for {len(environments)} servers to notice silent and dead clients, {behaviour.PATIENCE_S:g} s …")
        inspecting = [threads.submit(one.inspect, show) for one in collections]
        vanished = _vanished_clients(frameworks)
        for done in inspecting:
            done.result()
        for one in collections:
            one.expect(vanished)
        for done in [threads.submit(fact) for one in collections for fact in one.facts(show)]:
            done.result()
    documents: dict[str, EvidenceDocument] = {}
    order = random.Random(0)
    for number in range(1, PASSES + 1):
        for one in order.sample(collections, len(collections)):
            one.collect_pass(number, show)
            documents[one.framework.slug] = document = one.document(campaign, tools)
            save(document, path_of(results, campaign, one.framework.slug))
    return [documents[framework.slug] for framework in frameworks]


@contextlib.contextmanager
def _threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that end with the block: after an error or an interruption, what has not begun does not begin."""
    threads = ThreadPoolExecutor(count)
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)


def _installed(frameworks: Sequence[Framework], show: ShowMessage) -> tuple[list[Framework], dict[_Key, Environment]]:
    """The frameworks whose environments can be installed, and these environments."""
    environments: dict[_Key, Environment] = {}
    able = []
    for framework in frameworks:
        try:
            installed = {
                (framework.slug, variant.slug): environment.prepare_environment(framework, variant)
                for variant in framework.variants
            }
        except InstallError as error:
            if len(frameworks) == 1:
                raise
            show(f"{framework.slug} is skipped: {error}")
        else:
            able.append(framework)
            environments |= installed
    if not able:
        raise InstallError(f"none of {len(frameworks)} frameworks can be installed; see the messages above")
    return able, environments


class _Collection:
    """The evidence of one framework: facts, then the samples of each pass."""

    def __init__(self, framework: Framework, environments: dict[_Key, Environment]) -> None:
        self.framework = framework
        self._environments = {
            variant.slug: environments[framework.slug, variant.slug] for variant in framework.variants
        }
        self._main = main_variant(framework)
        self._inspected = Findings(_inspections(framework, self._main, self._environments[self._main.slug]))
        self._reloading = Findings([_reload_probe(framework, self._main)])
        self._variants: dict[str, Findings] = {}

    def expect(self, vanished: dict[_Key, list[list[Finding]]]) -> None:
        """Take over the findings on silent and dead clients: one list per variant and pass."""
        self._variants = {
            variant.slug: Findings(
                _variant_probes(
                    self.framework,
                    variant,
                    self._environments[variant.slug],
                    vanished[self.framework.slug, variant.slug],
                )
            )
            for variant in self.framework.variants
        }

    def inspect(self, show: ShowMessage) -> None:
        """Determine what needs no server."""
        show(f"inspecting {self.framework.slug} …")
        with tempfile.TemporaryDirectory(prefix="rtsite-") as home:
            self._inspected.collect(Path(home), repeated=False)

    def facts(self, show: ShowMessage) -> list[Callable[[], None]]:
        """One function per variant, which determines its facts."""

        def determine(slug: str) -> None:
            show(f"testing {self.framework.slug}/{slug} …")
            with tempfile.TemporaryDirectory(prefix="rtsite-") as home:
                self._variants[slug].collect(Path(home), repeated=False)

        return [partial(determine, slug) for slug in self._variants]

    def collect_pass(self, number: int, show: ShowMessage) -> None:
        """Add a sample of each repeated item."""
        with tempfile.TemporaryDirectory(prefix="rtsite-") as home:
            show(f"pass {number} of {PASSES}, {self.framework.slug} …")
            self._reloading.collect(Path(home, "framework"), repeated=True)
            for slug, variant in self._variants.items():
                variant.collect(Path(home, "variants", slug), repeated=True)

    def document(self, campaign: str, tools: dict[str, str]) -> EvidenceDocument:
        """The document with everything collected so far."""
        state = revision.describe_revision()
        of_variants = {slug: found.merged() for slug, found in self._variants.items()}
        spanning = {
            slug: finding for slug, found in of_variants.items() for finding in found if finding.item == "cross-process"
        }
        return EvidenceDocument(
            schema_version=SCHEMA_VERSION,
            kind="evidence",
            campaign=campaign,
            framework=framework_facts(self.framework),
            version=packages.installed_version(self.framework.package, self._environments[self._main.slug].packages),
            collected=now(),
            rtsite_version=version("rtsite"),
            rtsite_commit=state.commit,
            rtsite_modified=state.modified,
            machine=machine.describe_machine(),
            tools=tools,
            findings=[
                *self._inspected.merged(),
                rooms_across_finding(self.framework, self._main, spanning),
                *self._reloading.merged(),
            ],
            variants=[
                VariantEvidence(
                    variant=variant_facts(variant, self._environments[variant.slug]),
                    findings=of_variants[variant.slug],
                )
                for variant in self.framework.variants
            ],
        )


def main_variant(framework: Framework) -> Variant:
    """The variant that stands for the framework: its headline variant, or the first of those that were chosen."""
    return framework.headline or framework.variants[0]


def _inspections(framework: Framework, main: Variant, installed: Environment) -> list[ItemProbe]:
    """Probes that need no server. ``installed``: the environment of ``main``."""
    return [
        ItemProbe(
            ("statements", "files", "names", "concepts", "rooms"),
            lambda _: source_code.code_findings(framework, main, installed),
        ),
        ItemProbe(("types-known",), lambda _: [type_checking.types_finding(framework, main, installed)]),
        ItemProbe(
            ("typed", "pythons", "recent-python", "licence"), lambda _: packages.metadata_findings(framework, installed)
        ),
        ItemProbe(
            ("released", "latest-released"), lambda _: packages.release_findings(framework.package, installed.packages)
        ),
        ItemProbe(("client-library-kb",), lambda _: [packages.client_library(framework)]),
        ItemProbe(("reconnecting-client", "authentication", "test-client"), lambda _: documented_findings(framework)),
    ]


def _reload_probe(framework: Framework, main: Variant) -> ItemProbe:
    return ItemProbe(("reloader", "reload-s"), lambda logs: lifecycle.reload_findings(framework, main, logs=logs))


def _variant_probes(
    framework: Framework, variant: Variant, installed: Environment, vanished: list[list[Finding]]
) -> list[ItemProbe]:
    """``vanished``: for each pass, the findings on a silent and a dead client."""
    clients = iter(vanished)

    def of_messages(items: tuple[str, ...], determine: Callable[[Path], list[Finding]]) -> ItemProbe:
        """A probe that sends messages to the application, or has the reason why there is none to send them to."""

        def run(logs: Path) -> list[Finding]:
            if not behaviour.answers_messages(framework):
                return behaviour.without_messages(framework, items)
            return determine(logs)

        return ItemProbe(items, run)

    return [
        ItemProbe(("packages", "installed-mb"), lambda _: packages.variant_findings(installed)),
        ItemProbe(
            ("start-s", "first-answer-s", "memory-mb", "parts"),
            lambda logs: lifecycle.start_findings(framework, variant, logs=logs),
        ),
        ItemProbe(
            (
                "transports",
                "sse",
                "polling",
                "broadcast-alone",
                "plain-websocket",
                "thread-per-client",
                "garbage-sender",
                "garbage-close-frame",
                "garbage-others",
            ),
            lambda logs: behaviour.server_findings(framework, variant, logs=logs),
        ),
        of_messages(
            ("raise-sender", "raise-reported", "raise-logged", "raise-others"),
            lambda logs: behaviour.exception_findings(framework, variant, logs=logs),
        ),
        of_messages(
            ("drain-answered", "drain-close-frame", "drain-client", "drain-s"),
            lambda logs: behaviour.drain_findings(framework, variant, logs=logs),
        ),
        ItemProbe(behaviour.PROCESSES, lambda logs: behaviour.processes_findings(framework, variant, logs=logs)),
        ItemProbe(behaviour.VANISHED, lambda _: next(clients)),
    ]


def _vanished_clients(frameworks: Sequence[Framework]) -> dict[_Key, list[list[Finding]]]:
    """One sample per variant and pass. All servers run at the same time, because the test only waits."""
    found: dict[_Key, list[list[Finding]]] = {}
    servers = {}
    with tempfile.TemporaryDirectory(prefix="rtsite-") as home, contextlib.ExitStack() as stack:
        for framework in frameworks:
            for variant in framework.variants:
                key, logs = (framework.slug, variant.slug), Path(home, f"{framework.slug}.{variant.slug}")
                if not behaviour.answers_messages(framework):
                    found[key] = [behaviour.without_messages(framework, behaviour.VANISHED)]
                    continue
                try:
                    deployment = stack.enter_context(serve_variant(framework, variant, logs=logs))
                except EXPECTED_ERRORS as error:
                    found[key] = [not_determined(error, behaviour.VANISHED)]
                else:
                    servers[key] = deployment.server
        noticed = behaviour.wait_until_noticed(list(servers.values()), PASSES)
    return found | dict(zip(servers, noticed, strict=True))
