"""Every variant keeps the contract directly, and the headline variants in every topology and on the newest Python."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from runners.contract import Check
from runners.record.schema import USUAL_TOPOLOGY, Topology
from runners.serving.deployment import serve_variant
from runners.serving.interpreter import NEWEST_PROVEN, RUNNING, InterpreterError, find_interpreter
from runners.serving.server import Server
from runners.subjects import catalog
from runners.subjects.catalog import Framework, Variant
from runners.subjects.topologies import TOPOLOGIES
from tests.support import halts, needs

pytestmark = [
    pytest.mark.matrix,
    # Clients of Socket.IO over TLS leave some sockets to the garbage collector. The contract is judged by its checks.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

TRIES = 8
RACES = {"close"}
"""Flask-Sock loses the close frame by a race (its notes.md), on a busy machine every other time. What never passes is
broken. All other checks have one try."""
HALT_S = 1.0
"""After a halt of the machine that is as long, what failed is judged again: snapshots are due every second."""
AT_ONCE = 2
"""They mostly wait for a beat of their app."""


class Case(NamedTuple):
    """A variant in a setting. ``on_newest``: on `NEWEST_PROVEN` instead of a version that its framework allows."""

    framework: Framework
    variant: Variant
    topology: Topology = USUAL_TOPOLOGY
    on_newest: bool = False

    def __str__(self) -> str:
        setting = "newest-python" if self.on_newest else self.topology
        return f"{self.framework.slug}/{self.variant.slug}-{setting}"


EVERYTHING = [(framework, variant) for framework in catalog.discover() for variant in framework.variants]
CASES = [
    *(Case(framework, variant) for framework, variant in EVERYTHING),
    *(
        Case(framework, variant, topology)
        for framework, variant in EVERYTHING
        for topology in TOPOLOGIES
        if variant.headline and topology != USUAL_TOPOLOGY and variant.fits(topology)
    ),
    *(Case(framework, variant, on_newest=True) for framework, variant in EVERYTHING if variant.headline),
]


@cache
def newest() -> str:
    """The newest proven version as results name it; the test ends if this machine has none of it."""
    try:
        return "" if find_interpreter(NEWEST_PROVEN) == RUNNING else NEWEST_PROVEN
    except InterpreterError as error:
        needs.lack(str(error))


def broken_in(case: Case, logs: Path) -> list[str]:
    """The contract checks that fail, those with a race however often they are repeated, and what the server printed.

    What fails while the machine halts is checked again.
    """
    python = newest() if case.on_newest else needs.allowed_python(case.framework)
    variant = case.variant.under(python, case.topology)
    with needs.serving(variant), serve_variant(case.framework, variant, logs=logs) as serving:
        for _ in range(TRIES):
            with halts.watched() as watch:
                failed = failing(serving.server)
            if not failed:
                return []
            if watch.longest_s < HALT_S:
                break
        return [
            *(f"{check.name}: {check.detail}" for check in failed),
            f"the machine halted for {watch.longest_s:.2f} s at most",
            *(f"server: {line}" for line in serving.server.child.last_lines()),
        ]


def failing(server: Server) -> list[Check]:
    """The contract checks that fail, and fail again if they are a race."""
    failed = [check for check in server.check() if not check.ok]
    for _ in range(TRIES):
        again = {one.name for one in failed} & RACES
        failed = [one for one in failed if one.name not in RACES]
        failed += [check for check in server.check(again) if not check.ok] if again else []
    return failed


@pytest.fixture(scope="module")
def checked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[list[str]]]]:
    """The checks that are wanted, several at a time."""
    items = [item for item in request.session.items if isinstance(item, pytest.Function)]
    wanted = {
        str(item.callspec.params["case"]) for item in items if item.originalname == test_the_contract_is_kept.__name__
    }
    with ThreadPoolExecutor(AT_ONCE) as threads:
        yield {
            str(case): threads.submit(broken_in, case, tmp_path_factory.mktemp("logs"))
            for case in CASES
            if str(case) in wanted
        }


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_contract_is_kept(case: Case, checked: dict[str, Future[list[str]]]) -> None:
    found = checked[str(case)].result()
    gc.collect()  # here, where the warnings are expected
    assert found == []
