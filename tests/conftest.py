"""How tests are distributed over two workers: as many as the machines that run them have cores."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from tests.support.commands import Shell

# How long an example takes depends on what else the machine does, not on whether the property holds.
settings.register_profile("rtsite", deadline=None)
settings.load_profile("rtsite")

# Hundreds of programs are started. Where the shell forbids bytecode files, each would compile all that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

GROUPS = ("measures", "site")
"""Tests that stay in one worker, in the order in which their groups begin.

``measures``: all tests with this mark, because two that measure at the same time would disturb each other.
``site``: all tests that use this fixture, because a site takes long to build.
"""


def group_of(item: pytest.Item) -> str | None:
    """The group of a test, or None."""
    if item.get_closest_marker("measures"):
        return "measures"
    return "site" if "site" in getattr(item, "fixturenames", ()) else None


def pytest_configure_node(node: WorkerController) -> None:
    """A scheduler gets the names of tests from its workers, but no marks: each worker writes its groups to a file."""
    with tempfile.NamedTemporaryFile("w", prefix="rtsite-groups-", suffix=".json", delete=False) as file:
        file.write("{}")  # for a worker that cannot collect
        node.workerinput["groups"] = file.name


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests by group. What is in no group comes last, and fills the worker that has nothing else to do."""
    groups = {item: group_of(item) for item in items}
    items.sort(key=lambda item: GROUPS.index(group) if (group := groups[item]) else len(GROUPS))
    if hasattr(config, "workerinput"):
        named = {item.nodeid: group for item, group in groups.items() if group}
        Path(config.workerinput["groups"]).write_text(json.dumps(named))


class GroupsFirst(LoadScopeScheduling):  # type: ignore[misc]
    """Gives each group to one worker as a whole, and the other tests file by file to the worker that is free."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        self._groups: dict[str, str] = {}

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        written = Path(node.workerinput["groups"])
        self._groups = json.loads(written.read_text())
        written.unlink()
        super().add_node_collection(node, collection)

    def _split_scope(self, nodeid: str) -> str:
        return self._groups.get(nodeid, nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupsFirst:
    return GroupsFirst(config, log)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Shell:
    """`rtsite` as a script meets it: arguments, exit code, stdout and stderr."""
    return Shell(monkeypatch, capfd)
