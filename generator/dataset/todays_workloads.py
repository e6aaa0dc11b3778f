"""Workloads as they are defined today, from a generated file among the written pages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple


class Definition(NamedTuple):
    """A workload of today: its version, and its scenarios, named by workload and parameters as in a cell key."""

    version: str
    scenarios: frozenset[str]


def load_workloads(path: Path) -> dict[str, Definition]:
    """Each workload by slug; empty if there is no such file, as outside a checkout."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {slug: Definition(one["version"], frozenset(one["scenarios"])) for slug, one in found.items()}
    except (OSError, ValueError, AttributeError, KeyError, TypeError):  # a file of another version has another form
        return {}
