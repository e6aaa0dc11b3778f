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
    "echo": PublishedVersion("1ace8404daa8", "1ace8404daa8"),
    "dashboard": PublishedVersion("e6508ecca270", "e6508ecca270"),
    "crowd": PublishedVersion("557550a3c656", "557550a3c656"),
    "room": PublishedVersion("3b92d3591809", "3b92d3591809"),
    "polling": PublishedVersion("5e70146971c2", "5e70146971c2"),
    "sse": PublishedVersion("858c243d60e4", "858c243d60e4"),
    "connect": PublishedVersion("7acf553d8ff7", "7acf553d8ff7"),
    "payload": PublishedVersion("91272cfd5bc3", "91272cfd5bc3"),
    "scaleout": PublishedVersion("9279355f3a5b", "9279355f3a5b"),
    "slow-consumer": PublishedVersion("8541984eb1a9", "8541984eb1a9"),
    "recovery": PublishedVersion("71664dcfbb22", "71664dcfbb22"),
    "capacity": PublishedVersion("e919be744eae", "e919be744eae"),
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
