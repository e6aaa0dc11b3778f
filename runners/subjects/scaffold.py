"""The creation of a new framework's folder, as a copy of one that keeps the contract.

The copy has the headline variant alone, with its lock and the modules that it needs: a newcomer's first variant is the
one that is judged.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from pathlib import Path

from runners.record import RtsiteError, UsageError, is_slug
from runners.subjects.catalog import Framework, Variant

_NOTES = """# {name}

What surprised you, with a link to the thread or the line of source that explains it, and how the test covers it.
"""
_WORKLOADS = "\nworkloads = []  # all that these exchanges allow; or the slugs of some, see `rtsite list workloads`"
_PLACES = (
    (re.compile(r'^name = ".*"$', re.MULTILINE), 'name = "rtsite-{name}"', 1),
    (re.compile(r'^title = ".*"$', re.MULTILINE), 'title = "{name}"', 1),
    (re.compile(r"^choose = .*\n", re.MULTILINE), "", 1),
    (re.compile(r"^exchanges = .*$", re.MULTILINE), r"\g<0>" + _WORKLOADS, 1),
    (re.compile(r"^reference = true$", re.MULTILINE), "reference = false", 1),
    (re.compile(r"^quickstart = true$", re.MULTILINE), "quickstart = false", 0),
)
"""Changes to the copy's ``pyproject.toml``: pattern, replacement, number of replacements (0: all). The first title is
the framework's; the others belong to its variants."""


_VARIANT = re.compile(r"(?:^#.*\n)*^\[\[tool\.rtsite\.variants\]\]\n(?:(?!#|\[).*\n?)*", re.MULTILINE)
"""A variant's table, with the comments above it."""
_DEPENDENCIES = re.compile(r"^(dependencies = \[\n(?: .*\n)*)\]\n", re.MULTILINE)
"""The list of the packages that all variants need."""
_EXCHANGES = re.compile(r"^exchanges = .*\n", re.MULTILINE)
"""The exchanges of the application, and then those of a variant."""
_GROUP = re.compile(r"^\[project\.optional-dependencies\]\n(?:.+\n)*\n?", re.MULTILINE)


def create_folder(name: str, like: Framework, parent: Path) -> Path:
    """Create a folder below ``parent`` that is a copy of ``like`` under this name; returns its path.

    Raises `UsageError` if the name is not a slug or is in use, and `RtsiteError` if the folder cannot be written.
    """
    if not is_slug(name):
        raise UsageError(
            f"{name!r} is not a valid name: use only lowercase letters, digits and single dashes; names such as run and"
            " index are reserved"
        )
    folder = parent / name
    if folder.exists():
        raise UsageError(f"{folder}: already exists; choose another name, or edit that folder")
    try:
        shutil.copytree(like.folder, folder, ignore=shutil.ignore_patterns("__pycache__", ".*", "notes.md"))
        described = folder / "pyproject.toml"
        text = described.read_text(encoding="utf-8")
        if like.headline is not None:
            text = _with_one_variant(text, like.headline)
            _remove_unused(folder, like.headline)
        for place, line, count in _PLACES:
            text = place.sub(line.format(name=name), text, count)
        described.write_text(text, encoding="utf-8")
        (folder / "notes.md").write_text(_NOTES.format(name=name), encoding="utf-8")
    except OSError as error:
        raise RtsiteError(
            f"{folder}: cannot be written: {error.strerror}; choose another parent folder with --folder"
        ) from error
    return folder


def _with_one_variant(text: str, kept: Variant) -> str:
    """The project file without the other variants, and with the packages of this one among its dependencies."""
    is_kept = re.compile(rf'^slug = "{kept.slug}"$', re.MULTILINE)
    text = _VARIANT.sub(lambda found: found[0] if is_kept.search(found[0]) else "", text).rstrip() + "\n"
    text = text.replace('rooms_across = "helper"', 'rooms_across = "no"')  # the variant with the helper is gone
    if kept.extra:
        own = tomllib.loads(text)["project"]["optional-dependencies"][kept.extra]
        lines = "".join(f"    {json.dumps(requirement)},\n" for requirement in own)
        text = _DEPENDENCIES.sub(lambda found: f"{found[1]}{lines}]\n", text, count=1)
        text = text.replace(f'extra = "{kept.extra}"\n', "")
    if kept.exchanges is not None:  # the application's exchanges are this variant's now
        first = iter([f"exchanges = {json.dumps(kept.exchanges)}\n"])
        text = _EXCHANGES.sub(lambda _: next(first, ""), text)
    return _GROUP.sub("", text)


def _remove_unused(folder: Path, kept: Variant) -> None:
    """Remove the locks of other variants, and the modules that neither this variant nor the tests need."""
    own = (folder / kept.requirements_name()).read_bytes()
    for lock in folder.glob("requirements*.txt"):
        lock.unlink()
    (folder / "requirements.txt").write_bytes(own)
    modules = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.py")}
    words = " ".join([*kept.command, *(kept.publisher or ()), *kept.environment.values()])
    needed = {name for name in modules if name == "app" or name.startswith("test_") or _names(words, name)}
    while more := {name for name in modules.keys() - needed if any(_imports(modules[one], name) for one in needed)}:
        needed |= more
    for name in modules.keys() - needed:
        (folder / f"{name}.py").unlink()


def _names(words: str, module: str) -> bool:
    return re.search(rf"(?<![\w-]){module}\b", words) is not None


def _imports(source: str, module: str) -> bool:
    return re.search(rf"^\s*(from|import) {module}\b", source, re.MULTILINE) is not None
