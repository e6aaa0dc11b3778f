"""The publication of a campaign's results: commit and push, while others may push too."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from runners.record import EVIDENCE_FOLDER, NothingToDoError, RtsiteError

ATTEMPTS = 5
_WAIT_S = 2.0
"""The mean wait in seconds before the second attempt. It doubles before each later attempt."""
_AUTHOR = ("rtsite", "rtsite@users.noreply.github.com")


class PushError(RtsiteError):
    """The results are committed in this checkout, but could not be pushed."""


def publish_results(
    root: Path,
    campaign: str,
    *,
    branch: str = "main",
    remote: str = "origin",
    chance: random.Random | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> str:
    """Commit ``results/<campaign>`` and push it to a branch; returns the commit.

    Results are only added, in folders of their own. So if somebody else pushed first, the commit is rebased onto theirs
    without conflicts. Raises `NothingToDoError` if nothing is new, and `PushError` after `ATTEMPTS` refusals.
    """
    chance = chance or random.Random()
    _git(root, "add", "--", f"results/{campaign}")
    if _run(root, "diff", "--cached", "--quiet", "--", "results").returncode == 0:
        raise NothingToDoError(f"everything in results/{campaign} is already committed; nothing was pushed")
    name, address = _AUTHOR
    message = _message(root, campaign)
    _git(root, "-c", f"user.name={name}", "-c", f"user.email={address}", "commit", "--quiet", "-m", message)
    refusal = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            sleep(chance.uniform(0.5, 1.5) * _WAIT_S * 2 ** (attempt - 1))
            _git(root, "fetch", "--quiet", remote, branch)
            _git(root, "-c", f"user.name={name}", "-c", f"user.email={address}", "rebase", "--quiet", "FETCH_HEAD")
        pushed = _run(root, "push", "--quiet", remote, f"HEAD:refs/heads/{branch}")
        if pushed.returncode == 0:
            return _git(root, "rev-parse", "HEAD").strip()
        refusal = " ".join(pushed.stderr.split())
    raise PushError(f"{remote} refused the push to {branch} {ATTEMPTS} times: {refusal[:500]}")


def _message(root: Path, campaign: str) -> str:
    """The commit message, with the number of staged runs; the campaign may already have others."""
    files = [Path(name) for name in _git(root, "diff", "--cached", "--name-only", "--", "results").splitlines()]
    runs = sum(file.name == "run.yml" for file in files)
    evidence = sum(file.parent.name == EVIDENCE_FOLDER for file in files)
    return f"Results of campaign {campaign}\n\n{runs} run(s) and the evidence of {evidence} framework(s)."


def _git(root: Path, *words: str) -> str:
    done = _run(root, *words)
    if done.returncode != 0:
        output = " ".join((done.stderr or done.stdout).split())
        raise RtsiteError(f"`git {' '.join(_without_settings(words))}` failed: {output[:500]}")
    return done.stdout


def _without_settings(words: Sequence[str]) -> list[str]:
    return [word for word in words if "=" not in word and word != "-c"]


def _run(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False, timeout=300)
