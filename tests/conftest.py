"""Distributes tests over five workers. The machines that run them have two cores, but many tests mostly wait."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from tests.support.commands import Shell

# The time of an example depends on the load of the machine, so it has no deadline.
settings.register_profile("rtsite", deadline=None)
settings.load_profile("rtsite")

# Tests start hundreds of programs. Without bytecode files, each would compile all its imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Servers of tests run on the Python of the tests, whose environments are there, unless a test says otherwise.
os.environ["RTSITE_PYTHON"] = f"{sys.version_info.major}.{sys.version_info.minor}"

MARKS = ("measures", "runs", "long")
GROUPS = ("measures", "site", "runs", "long")
"""Groups of tests that run in one worker, in order of their start.

``measures``: tests with this mark, because simultaneous measurements would disturb each other.
``site``: tests that use this fixture, because a site takes long to build.
``runs``: tests with this mark. They measure too, but no value matters.
``long``: tests with this mark. They start early, so that none of them runs alone at the end.
"""

BESIDE_MEASURING = 10
"""Niceness of the workers that do not measure, as setpriority(2) counts it."""


def group_of(item: pytest.Item) -> str | None:
    """The group of a test, or ``None``."""
    for name in MARKS:
        if item.get_closest_marker(name):
            return name
    return "site" if "site" in getattr(item, "fixturenames", ()) else None


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a path that does not exist. Workers would refuse it too, but their words are lost."""
    if config.option.numprocesses and not hasattr(config, "workerinput"):
        for given in config.args:
            if not (config.invocation_params.dir / given.partition("::")[0]).exists():
                raise pytest.UsageError(f"file or directory not found: {given}")


def pytest_configure_node(node: WorkerController) -> None:
    """Prepare a file for the worker's groups, because a scheduler gets test names from workers, but no marks."""
    folder = tempfile.TemporaryDirectory(prefix="rtsite-groups-")
    node.config.add_cleanup(folder.cleanup)
    file = Path(folder.name) / "groups.json"
    file.write_text("{}")  # for a worker whose collection fails
    node.workerinput["groups"] = str(file)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sort the tests by group. Tests without a group are last and run on whichever worker is free."""
    groups = {item: group_of(item) for item in items}
    items.sort(key=lambda item: GROUPS.index(group) if (group := groups[item]) else len(GROUPS))
    if hasattr(config, "workerinput"):
        named = {item.nodeid: group for item, group in groups.items() if group}
        Path(config.workerinput["groups"]).write_text(json.dumps(named))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let tests that measure go first. They mostly wait, and what disturbs them makes the whole suite longer.

    A worker that has them has them first. The priority, which child processes inherit, can only be lowered.
    """
    if hasattr(item.config, "workerinput") and group_of(item) != "measures":
        os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), BESIDE_MEASURING))


class GroupsFirst(LoadScopeScheduling):  # type: ignore[misc]
    """Assigns each group to one worker, and the other tests file by file to a free worker."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        self._groups: dict[str, str] = {}

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        self._groups = json.loads(Path(node.workerinput["groups"]).read_text())
        super().add_node_collection(node, collection)

    def _split_scope(self, nodeid: str) -> str:
        return self._groups.get(nodeid, nodeid.partition("::")[0])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> GroupsFirst:
    return GroupsFirst(config, log)


@pytest.fixture(scope="session", autouse=True)
def temporary_folder() -> Iterator[None]:
    """A temporary folder of this worker. A command's claim of the machine is there, and workers must not wait for each
    other's.
    """
    with tempfile.TemporaryDirectory(prefix="rtsite-tests-") as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Shell:
    """Runs `rtsite` like a script: arguments in; exit code, stdout and stderr out."""
    return Shell(monkeypatch, capfd)
