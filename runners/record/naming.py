"""Which names may be written in result files, and be those of folders and files."""

from __future__ import annotations

import re

SLUG = r"[a-z0-9]+(-[a-z0-9]+)*"
"""Of frameworks, variants, workloads, profiles."""
IDENTIFIER = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""Of runs, campaigns, versions."""
MAX_SLUG_CHARACTERS = 48
MAX_IDENTIFIER_CHARACTERS = 96


def is_slug(name: str) -> bool:
    """Whether the name can be that of a framework's folder."""
    return len(name) <= MAX_SLUG_CHARACTERS and re.fullmatch(SLUG, name) is not None


def is_identifier(name: str) -> bool:
    """Whether the name can be that of a run or a campaign."""
    return len(name) <= MAX_IDENTIFIER_CHARACTERS and re.fullmatch(IDENTIFIER, name) is not None
