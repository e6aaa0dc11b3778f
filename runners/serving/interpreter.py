"""Python interpreters for servers. uv finds them on this machine; none is downloaded."""

from __future__ import annotations

import functools
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet
from uv import find_uv_bin

from runners.record import UnavailableError, UsageError

_TIMEOUT_S = 60
_MAJOR, _OLDEST_MINOR = 3, 11
"""The oldest version is that of rtsite, and of its frameworks."""
NEWEST_PROVEN = "3.13"
"""The newest version on which all headline variants keep the contract, with packages of their locks: tests with the
mark ``matrix`` show it. It is the newest that servers run on by default. `--python` may name a newer one."""
DEFAULT_VARIABLE = "RTSITE_PYTHON"
"""The environment variable with the version for servers where none is named."""
_VERSION = re.compile(r"3\.\d{1,3}t?")
_IDENTIFY = "import json, platform, sys; print(json.dumps([sys.executable, platform.python_version(), sys.version]))"


class InterpreterError(UnavailableError):
    """There is no such interpreter on this machine, or it does not start."""


@dataclass(frozen=True)
class Interpreter:
    """An interpreter: its path, its version such as ``3.13.0``, and all that it says about its build."""

    path: Path
    version: str
    build: str

    @property
    def name(self) -> str:
        """``3.13``, or ``3.14t`` without the GIL."""
        minor = ".".join(self.version.split(".")[:2])
        return f"{minor}t" if "free-threading" in self.build else minor


RUNNING = Interpreter(Path(sys.executable), platform.python_version(), sys.version)
"""The interpreter of this process."""


def check_version(text: str) -> str:
    """The text, if it is the name of a version, such as ``3.13``, or ``3.14t`` without the GIL; raises `UsageError`."""
    if not _VERSION.fullmatch(text):
        raise UsageError(
            f"{text!r:.40} is no version of Python for --python; write 3.13, or 3.14t for the build without the GIL"
        )
    return text


@functools.cache
def find_interpreter(version: str) -> Interpreter:
    """The interpreter of this version (`check_version`), or the running one if it is empty; raises `InterpreterError`.

    The running one is preferred if it is of this version.
    """
    if not version or version == RUNNING.name:
        return RUNNING
    path = _ask([find_uv_bin(), "python", "find", "--no-python-downloads", "--no-project", "--system", version])
    if not path:
        raise InterpreterError(
            f"there is no Python {version} on this machine; install it with `uv python install {version}`, or remove"
            f" --python {version}"
        )
    said = _ask([path, "-I", "-c", _IDENTIFY])
    try:
        executable, exact, build = json.loads(said)
    except ValueError:
        raise InterpreterError(f"{path}: does not say its version; repair it, or remove --python {version}") from None
    found = Interpreter(Path(executable), exact, build)
    if found.name != version:  # uv takes a build without the GIL for the usual one, if there is no other
        raise InterpreterError(
            f"the only Python like {version} on this machine is {found.name}; install the other with"
            f" `uv python install {version}`, or use --python {found.name}"
        )
    return found


def named_python(version: str) -> str:
    """The version as results name it: empty if it is the one that runs this. Raises `UsageError` for what is no
    version, and `InterpreterError` if this machine has none of it.
    """
    return "" if find_interpreter(check_version(version)) == RUNNING else version


def newest_allowed(required: Iterable[str]) -> str:
    """The newest version on this machine that all of these allow, of those up to `NEWEST_PROVEN`, as results name it.

    ``required``: as in ``requires-python``. Without the GIL there is none, since packages for it are fewer. If no other
    version is allowed, it is the running one, and what does not allow that fails later with its reason.
    """
    rules = [SpecifierSet(one) for one in required]
    for minor in range(int(NEWEST_PROVEN.split(".")[1]), _OLDEST_MINOR - 1, -1):
        version = f"{_MAJOR}.{minor}"
        try:
            found = find_interpreter(version)
        except InterpreterError:
            continue
        if all(rule.contains(found.version) for rule in rules):
            return "" if found == RUNNING else version
    return ""


def spelled(version: str) -> str:
    """The version as `check_version` takes it, of one as results name it."""
    return version or RUNNING.name


def other_versions() -> list[str]:
    """The versions on this machine that `find_interpreter` finds, without the running one and those that are too
    old, in ascending order.
    """
    said = _ask(
        [find_uv_bin(), "python", "list", "--only-installed", "--no-python-downloads", "--output-format", "json"]
    )
    found = {
        (one["version_parts"]["minor"], "t" if one["variant"] == "freethreaded" else "")
        for one in json.loads(said or "[]")
        if one["implementation"] == "cpython"
        and one["version_parts"]["major"] == _MAJOR
        and one["version_parts"]["minor"] >= _OLDEST_MINOR
    }
    return [name for minor, kind in sorted(found) if (name := f"{_MAJOR}.{minor}{kind}") != RUNNING.name]


def _ask(command: list[str]) -> str:
    """The output of a command; empty if it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S, env=_environment()
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _environment() -> dict[str, str]:
    """The environment for uv, with the interpreters of pyenv on PATH.

    pyenv puts programs on PATH that start an interpreter only if it is chosen, so uv would not find the others.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = [str(path) for path in sorted(pyenv.glob("versions/3.*/bin"))]
    inherited = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    return {**inherited, "PATH": os.pathsep.join([os.environ.get("PATH", os.defpath), *folders])}
