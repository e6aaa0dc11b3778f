"""The headline variants keep the contract through every proxy."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from runners.contract import Check
from runners.record.schema import Topology
from runners.serving.deployment import serve_variant
from runners.serving.proxy import ProxyProgram, start_proxy
from runners.subjects import catalog
from runners.subjects.catalog import Framework
from tests.support import needs

pytestmark = pytest.mark.matrix

HEADLINES = {framework.slug: framework for framework in catalog.discover() if framework.headline}
TRIES = 8
"""Flask-Sock loses the close frame by a race (its notes.md), on a busy machine every other time. What never passes is
broken."""
AT_ONCE = 4
"""They mostly wait for a beat of their app."""


def broken_behind(framework: Framework, programs: list[ProxyProgram], logs: Path) -> list[tuple[Topology, Check]]:
    """The contract checks that fail through a proxy."""
    assert framework.headline is not None
    broken = []
    with needs.serving(framework.headline), serve_variant(framework, framework.headline, logs=logs) as serving:
        for program in programs:
            proxy = start_proxy(program, serving.server.port, cpus=(), logs=logs)
            try:
                behind = replace(serving.server, front_url=f"http://127.0.0.1:{proxy.port}")
                failed = [check for check in behind.check() if not check.ok]
                for _ in range(TRIES):
                    failed = [check for one in failed for check in behind.check({one.name}) if not check.ok]
                broken += [(program.topology, check) for check in failed]
            finally:
                proxy.stop()
    return broken


@pytest.fixture(scope="module")
def checked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[list[tuple[Topology, Check]]]]]:
    """The checks of the headline variants that are wanted, several at a time."""
    programs = [needs.proxy_program(topology) for topology in get_args(Topology) if topology != "direct"]
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    wanted = {str(item.callspec.params["slug"]) for item in items if item.originalname == test_it_keeps_it.__name__}
    with ThreadPoolExecutor(AT_ONCE) as threads:
        yield {
            slug: threads.submit(broken_behind, HEADLINES[slug], programs, tmp_path_factory.mktemp(slug))
            for slug in sorted(wanted)
        }


@pytest.mark.parametrize("slug", HEADLINES)
def test_it_keeps_it(slug: str, checked: dict[str, Future[list[tuple[Topology, Check]]]]) -> None:
    assert checked[slug].result() == []
