"""Versions of workloads. Results of different versions are never compared.

A workload's version is a digest of its definition, until results are published under it. After that its row in
`PUBLISHED` freezes the version. So a definition can be rewritten while its results remain comparable.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple


class PublishedVersion(NamedTuple):
    """The version under which results are published, and the digest of its definition."""

    version: str
    definition: str


PUBLISHED: dict[str, PublishedVersion] = {
    "echo": PublishedVersion("9abc294f7fe3", "9eac18e67023"),
    "dashboard": PublishedVersion("bd2bd9a88300", "1ff8c12a8b46"),
    "crowd": PublishedVersion("3cc53a06393d", "141194e1e7a4"),
    "room": PublishedVersion("326af09b0697", "b0c3baf35839"),
    "polling": PublishedVersion("0c406f69fb3f", "1224297ff31f"),
    "sse": PublishedVersion("fe2d8a13c1b5", "253bb46c4fa5"),
    "connect": PublishedVersion("bdd8ae6d2e0f", "8cce98b2030d"),
    "payload": PublishedVersion("1a73edc4cf70", "032a145d4938"),
    "scaleout": PublishedVersion("6581e1b2dee8", "c9d547433e46"),
    "slow-consumer": PublishedVersion("39f7aa828f70", "e684a77f50c7"),
    "recovery": PublishedVersion("b9c6a83121c1", "38cc3e0593c7"),
    "capacity": PublishedVersion("8ceaa3e46ca8", "bb700d0cd693"),
}


def digest_of(definition: Mapping[str, object]) -> str:
    """A digest of twelve hexadecimal digits. It changes with the definition, but not with the order of its keys."""
    text = json.dumps(definition, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def version_of(slug: str, definition: Mapping[str, object]) -> str:
    """The published version if the definition is the recorded one; otherwise the digest of the definition."""
    digest = digest_of(definition)
    published = PUBLISHED.get(slug)
    return published.version if published and published.definition == digest else digest


def problem_with(slug: str, definition: Mapping[str, object]) -> str | None:
    """Instructions if the definition of a published workload differs from the recorded one; ``None`` if it does not."""
    digest = digest_of(definition)
    published = PUBLISHED.get(slug)
    if published is None or published.definition == digest:
        return None
    return (
        f"the definition of {slug} has changed: if new results are comparable with published ones, write"
        f' PublishedVersion("{published.version}", "{digest}") in runners/subjects/versions.py; if not, write'
        f' PublishedVersion("{digest}", "{digest}") there and add the change to the log of the method'
    )
