"""Which names may be written in result files, and be those of folders and files."""

from __future__ import annotations

import re

SLUG = r"[a-z0-9]+(-[a-z0-9]+)*"
"""Of frameworks, variants, workloads, profiles."""
IDENTIFIER = r"[A-Za-z0-9][A-Za-z0-9._-]*"
"""Of runs, campaigns, versions."""
MAX_SLUG_CHARACTERS = 48
MAX_IDENTIFIER_CHARACTERS = 96

EVIDENCE_FOLDER = "evidence"
"""Folder of a campaign with the evidence collected beside its runs."""
FLAME_SUFFIX = ".flame.yml"
"""End of the name of a file of flame graphs. A slug has no dot, so no framework document has such a name."""

_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
"""Names that Windows does not give to files, whatever follows the first dot:
https://learn.microsoft.com/windows/win32/fileio/naming-a-file."""
_RESERVED_FILES = _DEVICES | {"index", "run"}
"""``index`` is the first page of a folder of the site, and ``run.yml`` the file of a run."""
_RESERVED_FOLDERS = {
    "twins",
    "latest.json",
    "latest.csv",
    "history.json",
    "history.csv",
    "history.parquet",
    "evidence.json",
    "schema.json",
}
"""Names below ``data/`` on the site that are not those of campaigns."""
_RESULT_FILE = re.compile(rf"(?P<slug>{SLUG})(\.flame)?\.yml")


def is_slug(name: str) -> bool:
    """Whether the name can be that of a framework's folder, file and page."""
    fits = len(name) <= MAX_SLUG_CHARACTERS and re.fullmatch(SLUG, name) is not None
    # A pair's page has the name "first-vs-second"; with one more "vs" it would be that of two pairs.
    return fits and name not in _RESERVED_FILES and "vs" not in name.split("-")


def is_identifier(name: str) -> bool:
    """Whether the name can be that of a run or a campaign, and of its folder."""
    fits = len(name) <= MAX_IDENTIFIER_CHARACTERS and re.fullmatch(IDENTIFIER, name) is not None
    return fits and name.lower() not in _RESERVED_FOLDERS and not _is_device(name) and not name.endswith(".")


def is_result_file(parent: str, name: str) -> bool:
    """Whether ``<parent>/<name>`` can be a result file: ``<run>/run.yml``, ``<run>/<framework>.yml``, ``<run>/
    <framework>.flame.yml``, or ``evidence/<framework>.yml``.
    """
    found = _RESULT_FILE.fullmatch(name)
    if found is None or not is_identifier(parent):
        return False
    return is_slug(found["slug"]) or (name == "run.yml" and parent != EVIDENCE_FOLDER)


def _is_device(name: str) -> bool:
    return name.split(".")[0].lower() in _DEVICES
