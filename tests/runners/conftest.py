"""Fixtures shared by the tests of the harness."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.subjects import catalog
from runners.subjects.catalog import Framework


@pytest.fixture(scope="session")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where environments are made in tests: once for all of them, and not in the checkout."""
    return tmp_path_factory.mktemp("environments")


@pytest.fixture(scope="session")
def reference() -> Framework:
    """The folder of the reference."""
    (found,) = (one for one in catalog.discover() if one.reference)
    return found
