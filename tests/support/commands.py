"""The programs that tests start: `rtsite` as somebody types it, and git."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
RTSITE = (sys.executable, "-c", "from generator.cli import main; main()")


def rtsite(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `rtsite` in a process of its own, in the checkout."""
    return subprocess.run(
        [*RTSITE, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=ROOT, timeout=120
    )


def git(folder: Path, *words: str) -> str:
    """Run git in this folder under a test identity; returns what it prints, without white space at both ends."""
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()
