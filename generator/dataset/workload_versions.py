"""The versions of workloads as they are defined today, from a generated file among the written pages."""

from __future__ import annotations

import json
from pathlib import Path


def load_workload_versions(path: Path) -> dict[str, str]:
    """The version of each workload by slug; empty if there is no such file, as outside a checkout."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(slug): str(version) for slug, version in found.items()} if isinstance(found, dict) else {}
