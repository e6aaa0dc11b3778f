"""Runs the programs that tests start: `rtsite` and git."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from generator.cli import main
from runners import signals

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Done:
    """The result of a finished command."""

    returncode: int
    stdout: str
    stderr: str


class Shell:
    """Calls the command's entry point in this process, which is much faster than a new process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def rtsite(self, *arguments: object) -> Done:
        """Run `rtsite` with these arguments; asserts that it prints no traceback."""
        self._capfd.readouterr()
        self._monkeypatch.setattr(sys, "argv", ["rtsite", *map(str, arguments)])
        before = {number: signal.getsignal(number) for number in signals.NUMBERS}
        try:
            with pytest.raises(SystemExit) as ended:
                main()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        captured = self._capfd.readouterr()
        assert "Traceback" not in captured.err
        return Done(int(ended.value.code or 0), captured.out, captured.err)

    def answer(self, *arguments: object, status: int = 0) -> dict[str, Any]:
        """Run `rtsite` and return the JSON object on stdout without its schema version."""
        done = self.rtsite(*arguments, "--json")
        assert done.returncode == status, done.stderr
        found = json.loads(done.stdout)
        assert found.pop("schema_version") == 1
        return dict(found)


def git(folder: Path, *words: str) -> str:
    """Run git in this folder with a test identity; returns its stripped output."""
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()
