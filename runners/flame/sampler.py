"""py-spy: its location, its command line, and its output."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runners.record import RtsiteError

RATE_PER_S = 100
"""Samples per second. py-spy varies the time between samples at random, so that they do not follow the server's
rhythm."""
_PACKAGE = "py-spy"
_TRY_AGAIN = "`rtsite run --flame --resume RUN` tries again"
_DENIED = re.compile(r"permission denied|operation not permitted|os error 1\b|os error 13\b", re.IGNORECASE)
_OUTCOME = re.compile(r"Samples: (?P<samples>\d+) Errors: (?P<errors>\d+)")
_BEHIND = re.compile(r"(?P<seconds>\d+(?:\.\d+)?)s behind in sampling")
_YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")


class SamplerError(RtsiteError):
    """py-spy is not installed, or it recorded nothing."""


@dataclass(frozen=True)
class Sampler:
    """An installed py-spy."""

    path: Path
    version: str

    def command(self, *, pid: int | str, file: Path | str, duration_s: int, shares_core: bool) -> list[str]:
        """The command that samples a process tree.

        A server that shares its only CPU with the sampler does not run while the sampler reads its memory, so it does
        not have to be stopped. Stopping it with ptrace takes many times longer than reading, and wakes its idle
        threads, which then count as busy. If the two do not share a CPU, the server is stopped, because inconsistent
        stacks of a running server are worse.
        """
        return [
            str(self.path), "record", "--pid", str(pid), "--subprocesses", "--function", "--full-filenames",
            "--format", "raw", "--rate", str(RATE_PER_S), "--duration", str(duration_s),
            *(["--nonblocking"] if shares_core else []), "--output", str(file),
        ]  # fmt: skip


@dataclass(frozen=True)
class SamplerReport:
    """py-spy's report about a recording. ``behind_s``: seconds by which it fell behind its rate, if any."""

    errors: int
    behind_s: float | None


def find_sampler() -> Sampler:
    """The py-spy that is installed with this Python, or the one on PATH; raises `SamplerError`."""
    try:
        installed = importlib.metadata.distribution(_PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        raise SamplerError("the package py-spy is not installed beside rtsite; install it with `uv sync`") from None
    beside = [Path(str(file.locate())) for file in installed.files or () if file.name == _PACKAGE]
    beside.append(Path(sysconfig.get_path("scripts"), _PACKAGE))
    for path in beside:
        if os.access(path, os.X_OK):
            return Sampler(path.resolve(), installed.version)
    if found := shutil.which(_PACKAGE):
        return Sampler(Path(found), installed.version)
    raise SamplerError(
        "the package py-spy is installed, but its program is neither in the scripts folder nor on PATH;"
        " install it again with `uv sync --reinstall-package py-spy`"
    )


def read_report(lines: Sequence[str]) -> SamplerReport:
    """Read py-spy's output."""
    text = "\n".join(lines)
    outcome = _OUTCOME.search(text)
    behind = [float(match["seconds"]) for match in _BEHIND.finditer(text)]
    return SamplerReport(int(outcome["errors"]) if outcome else 0, max(behind, default=None))


def explain_failure(lines: Sequence[str], status: int | None, *, yama: Path = _YAMA) -> SamplerError:
    """The reason why there is no recording, and what to do about it."""
    text = " ".join(lines)
    if _DENIED.search(text):
        scope = _ptrace_scope(yama)
        found = f" (kernel.yama.ptrace_scope is {scope}; 0 would do)" if scope not in (None, "0") else ""
        return SamplerError(
            f"the kernel does not let py-spy read the server's memory{found}: allow it with `sudo sysctl"
            f" kernel.yama.ptrace_scope=0`, in a container with the capability SYS_PTRACE, or run as root; {_TRY_AGAIN}"
        )
    last = next((line for line in reversed(lines) if line.strip()), "nothing")
    ended = "recorded nothing" if status is None else f"ended with status {status} and recorded nothing"
    return SamplerError(f"py-spy {ended}; its last message: {last[:300]}; {_TRY_AGAIN}")


def _ptrace_scope(yama: Path) -> str | None:
    try:
        return yama.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
