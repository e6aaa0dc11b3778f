"""Interpreters for servers are found on this machine, or one sentence says what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runners.record import UnavailableError, UsageError
from runners.serving import interpreter
from tests.support import needs

RUNNING = ".".join(map(str, sys.version_info[:2]))


@pytest.fixture(autouse=True)
def forgetful() -> None:
    interpreter.find_interpreter.cache_clear()


@pytest.mark.parametrize("text", ["3.13", "3.14t", "3.9"])
def test_versions(text: str) -> None:
    assert interpreter.check_version(text) == text


@pytest.mark.parametrize("text", ["", "3", "2.7", "3.13.1", "3.x", "python3.13", "3.14tt", "/usr/bin/python3", "-3.13"])
def test_no_versions(text: str) -> None:
    with pytest.raises(UsageError, match=r"is no version of Python for --python; write 3\.13, or 3\.14t"):
        interpreter.check_version(text)


@pytest.mark.parametrize("version", ["", RUNNING])
def test_the_running_one_needs_no_search(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert interpreter.find_interpreter(version) == interpreter.RUNNING


def test_another_one_is_of_the_version_that_was_asked_for() -> None:
    version = needs.other_python()
    found = interpreter.find_interpreter(version)
    assert found.version.startswith(f"{version}.")
    assert found.path != interpreter.RUNNING.path
    said = subprocess.run([found.path, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.strip() == f"Python {found.version}"


def test_the_versions_of_this_machine_are_listed_without_the_running_one() -> None:
    versions = interpreter.other_versions()
    assert needs.other_python() in versions
    assert RUNNING not in versions
    for version in versions:
        assert interpreter.find_interpreter(interpreter.check_version(version)).version.startswith(version.rstrip("t"))


def test_one_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(UnavailableError, match=r"no Python 3\.99 on this machine; install it with `uv python install"):
        interpreter.find_interpreter("3.99")


def test_the_newest_that_everything_allows_is_the_default() -> None:
    there = {"": interpreter.RUNNING.version} | {one: one for one in interpreter.other_versions()}
    proven = [name for name, version in there.items() if minor_of(version) <= minor_of(interpreter.NEWEST_PROVEN)]
    newest = max(proven, key=lambda name: minor_of(there[name]))
    assert interpreter.newest_allowed([">=3.11"]) == newest
    oldest = min(proven, key=lambda name: minor_of(there[name]))
    limit = f"<3.{minor_of(there[oldest]) + 1}"
    assert interpreter.newest_allowed([">=3.11", limit]) == oldest, "every one of them has to allow it"
    assert interpreter.newest_allowed([">=3.99"]) == "", "the running one, whose failure says why"


def minor_of(version: str) -> int:
    return int(version.rstrip("t").split(".")[1])


def test_no_default_is_newer_than_what_was_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interpreter, "NEWEST_PROVEN", RUNNING)
    newest = interpreter.newest_allowed([])
    assert newest == ""
    assert interpreter.spelled(newest) == RUNNING
    assert interpreter.spelled("3.14t") == "3.14t"


@pytest.mark.parametrize("pretends", ["exit 1", "echo nonsense"])
def test_one_that_does_not_start_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pretends: str) -> None:
    program = tmp_path / "python3.98"
    program.write_text(f"#!/bin/sh\n{pretends}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(UnavailableError, match=r"no Python 3\.98 on this machine"):
        interpreter.find_interpreter("3.98")


@pytest.mark.parametrize(("wanted", "there"), [("3.97", "3.97t"), ("3.97t", "3.97")])
def test_a_build_without_the_gil_never_stands_for_the_usual_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, there: str
) -> None:
    """What uv finds says itself what it is. (A program that says so stands in for it: no such build is needed here.)"""
    build = "3.97.0 free-threading build" if there.endswith("t") else "3.97.0"
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\necho '{json.dumps(['/python', '3.97.0', build])}'\n")
    program.chmod(0o755)
    ask = interpreter._ask
    monkeypatch.setattr(interpreter, "_ask", lambda command: str(program) if "find" in command else ask(command))
    with pytest.raises(UnavailableError, match=f"the only Python like {wanted} on this machine is {there}; install"):
        interpreter.find_interpreter(wanted)
    interpreter.find_interpreter.cache_clear()
    assert interpreter.find_interpreter(there).name == there


def test_those_of_pyenv_are_found_whichever_it_has_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = interpreter.find_interpreter(needs.other_python())
    folder = tmp_path / "versions" / found.version / "bin"
    folder.mkdir(parents=True)
    (folder / f"python{needs.other_python()}").symlink_to(found.path)
    interpreter.find_interpreter.cache_clear()
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", os.defpath)
    assert interpreter.find_interpreter(needs.other_python()).version == found.version
