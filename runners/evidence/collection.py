"""The collection of evidence: the probes of a framework and its variants, in several passes over all frameworks."""

from __future__ import annotations

import contextlib
import random
import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from runners import machine, revision
from runners.evidence import behaviour, lifecycle, packages, source_code
from runners.evidence.passes import EXPECTED_ERRORS, Findings, ItemProbe, not_determined
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

    Each document is on disk, with all its items, after the first pass; each later pass adds samples. An item that
    cannot be determined becomes a finding without a value, with the reason. A framework whose packages cannot be
    installed is skipped with a message. Raises `OSError` if the results cannot be written, and `RtsiteError` if the
    type checker or no framework at all can be installed.
    """
    tools = {"mypy": packages.mypy_version()}
    frameworks, environments = _installed(frameworks, show)
    show(f"waiting for {len(environments)} servers to notice vanished clients, {behaviour.PATIENCE_S:.0f} s at most …")
    vanished = _vanished_clients(frameworks)
    collections = [_Collection(framework, environments, vanished) for framework in frameworks]
    documents: dict[str, EvidenceDocument] = {}
    order = random.Random(0)
    for number in range(1, PASSES + 1):
        for one in order.sample(collections, len(collections)):
            one.collect_pass(number, show)
            documents[one.framework.slug] = document = one.document(campaign, tools)
            save(document, path_of(results, campaign, one.framework.slug))
    return [documents[framework.slug] for framework in frameworks]


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
    """The evidence of one framework, collected pass by pass."""

    def __init__(
        self, framework: Framework, environments: dict[_Key, Environment], vanished: dict[_Key, list[list[Finding]]]
    ) -> None:
        self.framework = framework
        self._environments = {
            variant.slug: environments[framework.slug, variant.slug] for variant in framework.variants
        }
        self._first = self._environments[framework.variants[0].slug]
        self._whole = Findings(_framework_probes(framework, self._first))
        self._variants = {
            variant.slug: Findings(
                _variant_probes(
                    framework, variant, self._environments[variant.slug], vanished[framework.slug, variant.slug]
                )
            )
            for variant in framework.variants
        }

    def collect_pass(self, number: int, show: ShowMessage) -> None:
        with tempfile.TemporaryDirectory(prefix="rtsite-") as home:
            show(f"pass {number} of {PASSES}, {self.framework.slug} …")
            self._whole.collect_pass(Path(home, "framework"))
            for slug, variant in self._variants.items():
                show(f"pass {number} of {PASSES}, {self.framework.slug}/{slug} …")
                variant.collect_pass(Path(home, "variants", slug))

    def document(self, campaign: str, tools: dict[str, str]) -> EvidenceDocument:
        """The document with everything collected so far."""
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
            findings=self._whole.merged(),
            variants=[
                VariantEvidence(
                    variant=variant_facts(variant, self._environments[variant.slug]),
                    findings=self._variants[variant.slug].merged(),
                )
                for variant in self.framework.variants
            ],
        )


def _framework_probes(framework: Framework, first: Environment) -> list[ItemProbe]:
    """``first``: the environment of the framework's first variant."""
    return [
        ItemProbe(
            ("statements", "files", "names", "concepts", "rooms"), lambda _: source_code.code_findings(framework)
        ),
        ItemProbe(
            ("typed", "pythons", "licence", "released", "client-library-kb"),
            lambda _: packages.framework_findings(framework, first),
        ),
        ItemProbe(("reloader", "reload-s"), lambda logs: lifecycle.reload_findings(framework, logs=logs)),
    ]


def _variant_probes(
    framework: Framework, variant: Variant, installed: Environment, vanished: list[list[Finding]]
) -> list[ItemProbe]:
    """``vanished``: for each pass, the findings of the vanished client."""
    clients = iter(vanished)
    return [
        ItemProbe(("packages", "installed-mb"), lambda _: packages.variant_findings(installed)),
        ItemProbe(
            ("start-s", "first-answer-s", "memory-mb", "parts"),
            lambda logs: lifecycle.start_findings(framework, variant, logs=logs),
        ),
        ItemProbe(
            (
                "transports",
                "broadcast-alone",
                "plain-websocket",
                "thread-per-client",
                "garbage-sender",
                "garbage-others",
            ),
            lambda logs: behaviour.server_findings(framework, variant, logs=logs),
        ),
        ItemProbe(
            ("raise-sender", "raise-logged", "raise-others"),
            lambda logs: behaviour.exception_findings(framework, variant, logs=logs),
        ),
        ItemProbe(("cross-process",), lambda logs: [behaviour.cross_process_finding(framework, variant, logs=logs)]),
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
                try:
                    deployment = stack.enter_context(serve_variant(framework, variant, logs=logs))
                except EXPECTED_ERRORS as error:
                    found[key] = [not_determined(error, behaviour.VANISHED)]
                else:
                    servers[key] = deployment.server
        noticed = behaviour.wait_until_noticed(list(servers.values()), PASSES)
    return found | dict(zip(servers, noticed, strict=True))
