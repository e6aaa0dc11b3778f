"""The frameworks that a pull request changes, and those that are measured with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runners.ci.committing import run_git
from runners.record import RtsiteError, UsageError
from runners.subjects.catalog import Framework

NEIGHBOURS = 2


def changed_frameworks(root: Path, base: str, known: Sequence[Framework]) -> list[Framework]:
    """The frameworks whose folder differs from the merge base with the commit ``base``; raises `RtsiteError`."""
    if base.startswith("-"):
        raise UsageError(f"{base!r} is not a commit; give a branch or a commit ID with --base")
    done = run_git(root, "diff", "--name-only", "-z", "--merge-base", base, "--", "runners/frameworks", timeout_s=60)
    if done.returncode != 0:
        raise RtsiteError(f"`git diff` against {base} failed: {' '.join(done.stderr.split())[:300]}")
    folders = {Path(name).parts[2] for name in done.stdout.split("\0") if len(Path(name).parts) > 3}
    return [framework for framework in known if framework.slug in folders]


def with_neighbours(changed: Sequence[Framework], known: Sequence[Framework]) -> list[Framework]:
    """The changed frameworks and `NEIGHBOURS` others, without the reference: first those of the same protocol, by
    name.
    """
    if not changed:
        return []
    slugs = {framework.slug for framework in changed}
    protocols = {framework.protocol for framework in changed}
    others = [framework for framework in known if framework.slug not in slugs and not framework.reference]
    others.sort(key=lambda framework: (framework.protocol not in protocols, framework.slug))
    return [*changed, *(_first_variant(framework) for framework in others[:NEIGHBOURS])]


def _first_variant(framework: Framework) -> Framework:
    return framework.model_copy(update={"variants": framework.variants[:1]})
