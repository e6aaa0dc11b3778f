"""The headline variants keep the contract on the newest version of Python that servers run on by default."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from runners.contract import Check
from runners.serving.deployment import serve_variant
from runners.serving.interpreter import NEWEST_PROVEN, RUNNING, InterpreterError, find_interpreter
from runners.subjects import catalog
from runners.subjects.catalog import Framework
from tests.support import needs

pytestmark = pytest.mark.matrix

HEADLINES = {framework.slug: framework for framework in catalog.discover() if framework.headline}
TRIES = 8
"""As behind proxies: what passes now and then loses a race on a busy machine."""


@pytest.fixture(scope="module")
def version() -> str:
    """The version as results name it; the test ends if this machine has none of it."""
    try:
        return "" if find_interpreter(NEWEST_PROVEN) == RUNNING else NEWEST_PROVEN
    except InterpreterError as error:
        needs.lack(str(error))


def broken(framework: Framework, version: str, logs: Path) -> list[Check]:
    """The contract checks of the headline variant that never pass."""
    assert framework.headline is not None
    variant = framework.headline.under(version, "direct")
    with needs.serving(variant), serve_variant(framework, variant, logs=logs) as serving:
        failed = [check for check in serving.server.check() if not check.ok]
        for _ in range(TRIES):
            failed = [check for one in failed for check in serving.server.check({one.name}) if not check.ok]
    return failed


@pytest.mark.parametrize("slug", HEADLINES)
def test_it_keeps_it(slug: str, version: str) -> None:
    with tempfile.TemporaryDirectory(prefix="rtsite-") as logs:
        assert broken(HEADLINES[slug], version, Path(logs)) == []
