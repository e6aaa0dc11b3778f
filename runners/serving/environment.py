"""Isolated Python environments: one per framework folder and extra. uv installs them from a lock file with hashes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from runners.record import RtsiteError
from runners.revision import ROOT
from runners.subjects.catalog import Framework, Variant

HOME = ROOT / ".rtsite"
"""The folder of all environments; not committed."""
_TIMEOUT_S = 600
_LAYOUT = b"compiled"
"""Part of each environment's key. Change it when environments are created differently, so that old ones are not
used."""
_LIST_PACKAGES = (
    "import importlib.metadata as m, json, platform;"
    "print(json.dumps([platform.python_version(), {d.metadata['Name']: d.version for d in m.distributions()}]))"
)


class InstallError(RtsiteError):
    """An environment could not be installed."""


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
    """The variant's environment, which is installed if it does not exist; raises `InstallError`."""
    lock = framework.folder / variant.requirements_name()
    try:
        content = lock.read_bytes()
    except OSError as error:
        raise InstallError(
            f"{lock}: cannot be read ({error.strerror}); create it with `uv pip compile --universal --generate-hashes`"
        ) from None
    key = hashlib.sha256(content + sys.version.encode() + _LAYOUT).hexdigest()[:12]
    # Installed scripts contain the full path of their interpreter, so the path must not contain a symbolic link.
    folder = HOME.resolve() / "environments" / f"{framework.slug}-{variant.extra or 'base'}-{key}"
    facts = folder / "rtsite-packages.json"
    if not facts.is_file():
        try:
            create_environment(folder, lock, compiled=True)
            listed = _run([str(folder / "bin" / "python"), "-I", "-c", _LIST_PACKAGES], lock)
            partial = facts.with_suffix(".part")
            partial.write_text(listed, encoding="utf-8")
            partial.replace(facts)
        except OSError as error:
            raise InstallError(f"{folder}: the environment cannot be created there: {error.strerror}") from error
    python_version, packages = json.loads(facts.read_text(encoding="utf-8"))
    return Environment(folder, python_version, dict(sorted(packages.items(), key=lambda item: item[0].lower())))


def create_environment(
    folder: Path, lock: Path, variables: Mapping[str, str] | None = None, *, compiled: bool = False
) -> None:
    """Install the packages of a lock file into a new environment; raises `InstallError`.

    ``variables``: additional environment variables for uv. ``compiled``: compile to bytecode, so that the first start
    of a server is like any later one.
    """
    uv = find_uv_bin()
    if folder.exists():
        shutil.rmtree(folder)  # an interrupted installation left it
    _run([uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(folder)], lock, variables)
    _run(
        [
            uv, "pip", "sync", "--quiet", "--no-config", "--require-hashes", "--strict",
            *(["--compile-bytecode"] if compiled else []),
            "--python", str(folder / "bin" / "python"), str(lock),
        ],
        lock,
        variables,
    )  # fmt: skip


def _run(command: list[str], lock: Path, variables: Mapping[str, str] | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    environment |= variables or {}
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
            env=environment,
            cwd=lock.parent,
        )
    except subprocess.TimeoutExpired:
        raise InstallError(f"{lock}: installing took longer than {_TIMEOUT_S} s") from None
    if done.returncode != 0:
        words = " ".join(line.strip() for line in done.stderr.splitlines() if line.strip())
        raise InstallError(f"{lock}: its packages cannot be installed: {words[:1500]}")
    return done.stdout
