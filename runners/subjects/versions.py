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
    "echo": PublishedVersion("d86246a66d68", "d86246a66d68"),
    "dashboard": PublishedVersion("3105c58d04f5", "3105c58d04f5"),
    "crowd": PublishedVersion("034dedcde312", "034dedcde312"),
    "room": PublishedVersion("8034752a296c", "8034752a296c"),
    "polling": PublishedVersion("b5a65890f039", "b5a65890f039"),
    "sse": PublishedVersion("05cf6283bcbb", "05cf6283bcbb"),
    "connect": PublishedVersion("7acf553d8ff7", "7acf553d8ff7"),
    "payload": PublishedVersion("181226d95d75", "181226d95d75"),
    "scaleout": PublishedVersion("6cf31ba58edd", "6cf31ba58edd"),
    "slow-consumer": PublishedVersion("47266127fe73", "47266127fe73"),
    "recovery": PublishedVersion("9d02be31230c", "9d02be31230c"),
    "capacity": PublishedVersion("da91442351f1", "da91442351f1"),
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
