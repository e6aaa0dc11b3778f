"""Each framework is set up fairly: recommended, charged for its own packages only, and on the loop that it states."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from runners.evidence.behaviour import processes_findings
from runners.evidence.rooms import HELPER
from runners.evidence.source_code import modules_of
from runners.record.schema import BrokerName
from runners.subjects import catalog
from runners.subjects.catalog import Framework, Variant
from tests.support import needs

FRAMEWORKS = catalog.discover()
every_framework = pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda one: one.slug)
SEVERAL = [
    (one, variant)
    for one in FRAMEWORKS
    for variant in one.variants
    if variant.headline and not variant.scales and any("{workers}" in word for word in variant.command)
]
SHARED = [
    pytest.param(one, variant, id=f"{one.slug}/{variant.slug}")
    for one in FRAMEWORKS
    for variant in one.variants
    if variant.scales
]
"""The variants with rooms across processes."""
CLIENTS: Mapping[BrokerName, set[str]] = {
    "redis": {"redis", "channels-redis"},
    "postgresql": {"psycopg", "psycopg-binary", "channels-postgres"},
    "rabbitmq": {"aio-pika", "kombu"},
    "nats": {"nats-py", "channels-nats"},
}
"""The packages with which applications use brokers."""


def required(framework: Framework) -> set[str]:
    """The names of the packages that all variants of a framework need."""
    project = tomllib.loads((framework.folder / "pyproject.toml").read_text())["project"]
    return {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}


def locked(framework: Framework, variant: Variant) -> set[str]:
    """The names of the packages in a variant's lock."""
    lock = (framework.folder / variant.requirements_name()).read_text()
    return {canonicalize_name(name) for name in re.findall(r"^([^\s=\[]+)(?:\[.*?\])?==", lock, re.MULTILINE)}


@every_framework
def test_its_headline_variant_comes_first_and_all_state_their_loops(framework: Framework) -> None:
    assert framework.headline is framework.variants[0]
    assert [variant.slug for variant in framework.variants if variant.loop is None] == []


@every_framework
def test_no_variant_is_charged_for_the_packages_of_another(framework: Framework) -> None:
    def needed(variant: Variant) -> set[str]:
        return {variant.server, variant.loop or "", *CLIENTS.get(variant.broker, set())}

    shared = set.intersection(*map(needed, framework.variants))
    for variant in framework.variants:
        of_others = set.union(*map(needed, framework.variants)) - shared - {framework.package}
        assert not required(framework) & of_others, "put it into the extras of the variants that need it"
        others = set.union(*(clients for broker, clients in CLIENTS.items() if broker != variant.broker))
        assert not locked(framework, variant) & others


@every_framework
def test_its_locks_belong_to_its_variants(framework: Framework) -> None:
    used = {variant.requirements_name() for variant in framework.variants}
    assert {path.name for path in framework.folder.glob("requirements*.txt")} == used


@every_framework
def test_a_loop_that_is_stated_is_installed(framework: Framework) -> None:
    for variant in framework.variants:
        packages = locked(framework, variant)
        if variant.loop in ("uvloop", "gevent", "eventlet"):
            assert variant.loop in packages, variant.slug
        if variant.loop in ("asyncio", "threads"):
            # uvloop stays where the framework requires it and has a setting against it, which `rtsite check` proves.
            switched_off = {"uvloop"} if any("UVLOOP" in name for name in variant.environment) else set()
            assert not (packages - switched_off) & {"uvloop", "gevent", "eventlet"}, variant.slug


@every_framework
def test_rooms_across_processes_are_served_as_the_folder_says(framework: Framework) -> None:
    ways = {
        path.name for variant in framework.variants if variant.scales for path in modules_of(framework.folder, variant)
    }
    stated = framework.evidence.rooms_across
    assert (HELPER in ways) == (stated == "helper") == (framework.folder / HELPER).is_file()
    assert bool(ways) == (stated in ("helper", "built-in"))


def test_the_helper_for_rooms_across_processes_is_the_same_for_everybody() -> None:
    """Applications in threads have its counterpart: the same methods, without coroutines. Its thread needs no stop: it
    ends with the process.
    """
    by_concurrency: dict[bool, set[str]] = {}
    for framework in FRAMEWORKS:
        if framework.evidence.rooms_across == "helper":
            text = (framework.folder / HELPER).read_text()
            in_threads = all(variant.loop in ("threads", "gevent") for variant in framework.variants)
            by_concurrency.setdefault(in_threads, set()).add(text)
    (asynchronous,), (threaded,) = by_concurrency[False], by_concurrency[True]
    methods, counterparts = (re.findall(r"def (\w+)", text) for text in (asynchronous, threaded))
    assert [name for name in methods if name != "stop"] == counterparts


def processes_of(variant: Variant) -> bool | str:
    """What evidence says of several processes of a variant that can start them: long-polling needs sticky sessions."""
    return "with a load balancer" if "polling" in variant.transports else True


@pytest.mark.matrix
@pytest.mark.parametrize(("framework", "variant"), SHARED)
def test_a_room_reaches_the_members_on_all_processes(framework: Framework, variant: Variant, tmp_path: Path) -> None:
    with needs.serving(variant):
        served = needs.on_allowed_python(framework, variant)
        several, spanning = processes_findings(framework, served, logs=tmp_path)
    assert several.value == processes_of(variant), several.note
    assert spanning.value is True, spanning.note


def test_where_a_command_starts_one_process_a_documented_way_counts(tmp_path: Path) -> None:
    known = {(one.slug, variant.slug): (one, variant) for one in FRAMEWORKS for variant in one.variants}
    several, spanning = processes_findings(*known["flask-socketio", "gunicorn-threads"], logs=tmp_path)
    assert (several.value, spanning.value) == ("with a load balancer", False)
    assert several.documented is not None
    framework, variant = known["python-socketio", "django"]
    hints = framework.evidence.model_copy(update={"several_processes": None})
    silent = framework.model_copy(update={"evidence": hints})
    several, _ = processes_findings(silent, variant, logs=tmp_path)
    assert (several.value, several.documented) == (False, None)


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("framework", "variant"), SEVERAL, ids=[f"{one.slug}/{variant.slug}" for one, variant in SEVERAL]
)
def test_a_command_with_a_number_of_processes_starts_them(
    framework: Framework, variant: Variant, tmp_path: Path
) -> None:
    with needs.serving(variant):
        (several, _) = processes_findings(framework, needs.on_allowed_python(framework, variant), logs=tmp_path)
    assert several.value == processes_of(variant), several.note
