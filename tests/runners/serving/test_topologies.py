"""The headline variants keep the contract in every topology."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from runners.contract import Check
from runners.record.schema import USUAL_TOPOLOGY, Topology
from runners.serving.deployment import serve_variant
from runners.serving.server import Server
from runners.subjects import catalog
from runners.subjects.catalog import Framework
from runners.subjects.topologies import TOPOLOGIES
from tests.support import needs

pytestmark = [
    pytest.mark.matrix,
    # Clients of Socket.IO over TLS leave some sockets to the garbage collector. The contract is judged by its checks.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

HEADLINES = {framework.slug: framework for framework in catalog.discover() if framework.headline}
TRIES = 8
"""Flask-Sock loses the close frame by a race (its notes.md), on a busy machine every other time. What never passes is
broken."""
AT_ONCE = 2
"""They mostly wait for a beat of their app."""


def broken_in(framework: Framework, topology: Topology, logs: Path) -> list[Check]:
    """The contract checks that fail in a topology, however often they are repeated."""
    assert framework.headline is not None
    python = needs.on_allowed_python(framework, framework.headline).python
    variant = framework.headline.under(python, topology)
    with needs.serving(variant), serve_variant(framework, variant, logs=logs) as serving:
        return failing(serving.server)


def failing(server: Server) -> list[Check]:
    """The contract checks that fail, and fail again."""
    failed = [check for check in server.check() if not check.ok]
    for _ in range(TRIES):
        failed = [check for one in failed for check in server.check({one.name}) if not check.ok]
    return failed


CASES: list[tuple[str, Topology]] = [
    (slug, topology)
    for slug, framework in HEADLINES.items()
    for topology in TOPOLOGIES
    if topology != USUAL_TOPOLOGY and framework.headline is not None and framework.headline.fits(topology)
]


@pytest.fixture(scope="module")
def checked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, Topology], Future[list[Check]]]]:
    """The checks that are wanted, several at a time."""
    for topology, row in TOPOLOGIES.items():
        if row.is_proxy:
            needs.proxy_program(topology)
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    wanted = {
        (item.callspec.params["slug"], item.callspec.params["topology"])
        for item in items
        if item.originalname == test_it_keeps_it.__name__
    }
    with ThreadPoolExecutor(AT_ONCE) as threads:
        yield {
            (slug, topology): threads.submit(
                broken_in, HEADLINES[slug], topology, tmp_path_factory.mktemp(f"{slug}-{topology}")
            )
            for slug, topology in CASES
            if (slug, topology) in wanted
        }


@pytest.mark.parametrize(("slug", "topology"), CASES)
def test_it_keeps_it(slug: str, topology: Topology, checked: dict[tuple[str, Topology], Future[list[Check]]]) -> None:
    found = checked[slug, topology].result()
    gc.collect()  # here, where the warnings are expected
    assert found == []
