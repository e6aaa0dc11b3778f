"""Isolated Python environments: one per framework folder and extra. uv installs them from a lock file with hashes."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import SpecifierSet
from uv import find_uv_bin

from runners import process
from runners.record import RtsiteError, UnavailableError, as_argument
from runners.revision import ROOT
from runners.serving.interpreter import RUNNING, Interpreter, find_interpreter
from runners.subjects.catalog import Framework, Variant

HOME = Path(os.environ.get("RTSITE_HOME") or ROOT / ".rtsite")
"""The folder of all environments; not committed."""
_TIMEOUT_S = 600
_LAYOUT = b"compiled"
"""Part of each environment's key. Change it when environments are created differently, so that old ones are not
used."""
_FACTS = "rtsite-packages.json"
"""The file in each complete environment that lists its Python version and its packages."""
_LIST_PACKAGES = (
    "import importlib.metadata as m, json, platform;"
    "print(json.dumps([platform.python_version(), {d.metadata['Name']: d.version for d in m.distributions()}]))"
)


class InstallError(RtsiteError):
    """An environment could not be installed, because a framework's folder is wrong."""


class CannotInstallError(InstallError, UnavailableError):
    """An environment could not be installed on this machine. The framework's folder may be right."""


@dataclass(frozen=True)
class Environment:
    """The environment of a variant, with the versions of its packages by name."""

    folder: Path
    python_version: str
    packages: dict[str, str]

    @property
    def bin(self) -> Path:
        return self.folder / "bin"

    def resolve(self, command: list[str]) -> list[str]:
        """The command with the full path of its program; raises `InstallError` if the program is not installed."""
        program = self.bin / command[0]
        if not program.exists():
            raise InstallError(
                f"the command {command[0]!r} is not in the environment; add the package that installs it to the lock"
            )
        return [str(program), *command[1:]]


def prepare_environment(framework: Framework, variant: Variant) -> Environment:
    """The variant's environment, which is installed if it does not exist; raises `InstallError`.

    Only one process installs an environment at a time; others wait until it is complete.
    """
    lock = framework.folder / variant.requirements_name()
    interpreter = find_interpreter(variant.python)
    if not SpecifierSet(framework.requires_python).contains(interpreter.version, prereleases=True):
        raise CannotInstallError(
            f"{framework.folder / 'pyproject.toml'}: requires Python {framework.requires_python}, and this is"
            f" {interpreter.version}; choose another one with --python"
        )
    try:
        content = lock.read_bytes()
    except OSError as error:
        made = "" if variant.extra is None else f"--extra {variant.extra} "
        project, target = (as_argument(path) for path in (framework.folder / "pyproject.toml", lock))
        raise InstallError(
            f"{lock}: cannot be read ({error.strerror}); create it with"
            f" `uv pip compile --universal --generate-hashes {made}{project} --output-file {target}`"
        ) from None
    # Installed scripts contain the full path of their interpreter. So the path must not contain a symbolic link, and an
    # environment that was moved is not used.
    home = HOME.resolve()
    key = hashlib.sha256(content + interpreter.build.encode() + os.fsencode(home) + _LAYOUT).hexdigest()[:12]
    folder = home / "environments" / f"{framework.slug}-{variant.extra or 'base'}-{key}"
    try:
        if (installed := _installed(folder)) is not None:
            return installed
        with _locked(folder):
            return _installed(folder) or _install(folder, lock, interpreter)
    except OSError as error:
        raise CannotInstallError(
            f"{folder}: the environment cannot be created there: {error.strerror or error}; to use another folder, set"
            " the environment variable RTSITE_HOME"
        ) from error


def _installed(folder: Path) -> Environment | None:
    """The environment in this folder; ``None`` if it is not complete."""
    try:
        python_version, packages = json.loads((folder / _FACTS).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    if not (folder / "bin" / "python").exists():  # its interpreter is no longer on this machine
        return None
    return Environment(folder, python_version, dict(sorted(packages.items(), key=lambda item: item[0].lower())))


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Wait until no other process installs this environment. The lock ends with its process."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(folder: Path, lock: Path, interpreter: Interpreter) -> Environment:
    """Install an environment. Its file of facts is written last, so an interrupted installation has none."""
    create_environment(folder, lock, interpreter)
    partial = (folder / _FACTS).with_suffix(".part")
    listed = _run([str(folder / "bin" / "python"), "-I", "-c", _LIST_PACKAGES], lock, interpreter).stdout
    partial.write_text(listed, encoding="utf-8")
    partial.replace(folder / _FACTS)
    installed = _installed(folder)
    assert installed is not None
    return installed


def create_environment(folder: Path, lock: Path, interpreter: Interpreter = RUNNING) -> None:
    """Install the packages of a lock file into a new environment. Raises `InstallError`.

    They are compiled to bytecode, so that the first start of a server is like any later one.
    """
    uv = find_uv_bin()
    if folder.exists():
        shutil.rmtree(folder)  # an interrupted installation left it
    made = [uv, "venv", "--quiet", "--no-project", "--no-config", "--python", str(interpreter.path), str(folder)]
    _run(made, lock, interpreter)
    _run(
        [
            uv, "pip", "sync", "--quiet", "--no-config", "--require-hashes", "--strict", "--compile-bytecode",
            "--python", str(folder / "bin" / "python"), str(lock),
        ],
        lock,
        interpreter,
    )  # fmt: skip


_NO_WHEEL = re.compile(r"\b([\w.-]+)==\S+ has no (?:usable )?wheels\b|Failed to build `([\w.-]+)==")
"""What uv says of a package that has no wheel for an interpreter, and no source or one that it cannot build."""


def _run(command: list[str], lock: Path, interpreter: Interpreter) -> process.Finished:
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    try:
        done = process.run("uv", command, folder=lock.parent, environment=environment, timeout_s=_TIMEOUT_S)
    except process.ProcessError as error:
        raise CannotInstallError(f"{lock}: its packages cannot be installed: {error}") from None
    if done.returncode != 0:
        words = " ".join(line.strip() for line in done.stderr.splitlines() if line.strip())
        kind = CannotInstallError if is_complete(lock) else InstallError
        if (lacking := _NO_WHEEL.search(words)) is not None:
            raise kind(
                f"{lock}: {lacking[1] or lacking[2]} has no wheel for Python {interpreter.name}, and cannot be built"
                " here; choose another version with --python, or lock a release that has one"
            )
        raise kind(f"{lock}: its packages cannot be installed: {words[:1500]}")
    return done


def is_complete(lock: Path) -> bool:
    """Whether a lock file states a hash for each of its requirements, as `uv pip compile` writes it.

    If such a file cannot be installed, the reason is outside of the folder: the network, the disk, this Python, or the
    package index.
    """
    for line in lock.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ").splitlines():
        requirement, *hashes = re.split(r"\s+--hash=", line.partition(" #")[0].strip())
        if not requirement or requirement.startswith(("#", "-")):
            continue
        try:
            Requirement(requirement)
        except InvalidRequirement:
            return False
        if not hashes:
            return False
    return True
