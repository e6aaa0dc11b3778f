"""Every framework folder is found, is locked correctly, and passes its own tests in its own environment."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from runners.process import Finished
from tests.support import needs
from tests.support.marks import few_of
from tests.support.suites import run_tests

ROOT = Path(__file__).parents[3]
FRAMEWORKS = ROOT / "runners" / "frameworks"
FOLDERS = [
    *sorted(path.parent for path in FRAMEWORKS.glob("*/pyproject.toml")),
    ROOT / "benchmarks" / "power" / "twins",
]
SUITES_AT_ONCE = 4


def _name(folder: Path) -> str:
    return folder.name


every_folder = pytest.mark.parametrize("folder", FOLDERS, ids=_name)


def project(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text())


def test_there_are_folders_and_one_is_the_reference() -> None:
    assert [folder.name for folder in FOLDERS if project(folder)["tool"]["rtsite"].get("reference")] == ["reference"]


@every_folder
def test_the_folder_is_complete(folder: Path) -> None:
    for name in ("app.py", "test_app.py", "notes.md"):
        assert (folder / name).is_file(), name
    for variant in project(folder)["tool"]["rtsite"]["variants"]:
        extra = f"-{variant['extra']}" if "extra" in variant else ""
        assert (folder / f"requirements{extra}.txt").is_file(), variant["slug"]


@every_folder
def test_the_locks_hold_hashes_and_no_address(folder: Path) -> None:
    for lock in folder.glob("requirements*.txt"):
        text = lock.read_text()
        assert not re.search(r"://|^\s*-", text.replace("    --hash=sha256:", ""), re.MULTILINE), lock.name
        pinned = re.findall(r"^(\S+)==\S+.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
        assert pinned
        assert text.count("--hash=sha256:") >= len(pinned)
        for tool in ("pytest", "pytest-asyncio", "httpx2"):
            assert tool not in pinned, "what only the tests need is not served"


@every_folder
def test_the_framework_and_its_servers_are_in_the_lock(folder: Path) -> None:
    table = project(folder)["tool"]["rtsite"]
    for variant in table["variants"]:
        extra = f"-{variant['extra']}" if "extra" in variant else ""
        lock = (folder / f"requirements{extra}.txt").read_text()
        for package in (table["package"], variant["server"]):
            assert f"\n{package}==" in f"\n{lock}", package


def test_helpers_are_the_same_wherever_they_are() -> None:
    """Rooms through Redis are two files, for asyncio and for threads. For each, the program that publishes is one."""
    rooms = [path.read_text() for path in FRAMEWORKS.glob("*/redis_rooms.py")]
    assert len(set(rooms)) == 2
    for helper in set(rooms):
        folders = [path.parent for path in FRAMEWORKS.glob("*/redis_rooms.py") if path.read_text() == helper]
        publishing = [one for one in folders if "publish/process" not in project(one)["tool"]["rtsite"]["cannot"]]
        lacking = [one.name for one in publishing if not (one / "redis_publisher.py").is_file()]
        assert lacking == [], "name it as publisher, or say in [tool.rtsite.cannot] why not"
        assert len({(one / "redis_publisher.py").read_text() for one in publishing}) == 1
        for one in publishing:
            variants = project(one)["tool"]["rtsite"]["variants"]
            assert ["python", "redis_publisher.py"] in [variant.get("publisher") for variant in variants], one.name


@every_folder
def test_its_links_are_https(folder: Path) -> None:
    text = (folder / "notes.md").read_text()
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert links
    assert [link for link in links if not link.startswith("https://")] == []


@pytest.fixture(scope="module")
def suites(request: pytest.FixtureRequest) -> Iterator[dict[Path, Future[Finished]]]:
    """The folders' suites that are wanted, several at a time: they mostly wait for a beat of their app."""
    wanted = {
        item.callspec.params["folder"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == test_its_own_tests_pass.__name__
    }
    with ThreadPoolExecutor(SUITES_AT_ONCE) as threads:
        yield {folder: threads.submit(run_tests, folder) for folder in FOLDERS if folder in wanted}


@pytest.mark.parametrize("folder", few_of(FOLDERS, {"reference", "starlette"}, _name))
def test_its_own_tests_pass(folder: Path, suites: dict[Path, Future[Finished]]) -> None:
    result = suites[folder].result()
    if result.returncode:
        needs.check_libraries(result.stdout + result.stderr)
    assert result.returncode == 0, result.stdout + result.stderr
