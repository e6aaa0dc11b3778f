"""Runs MkDocs as a child process, so that its warnings and state stay separate."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import yaml

_MKDOCS = (sys.executable, "-P", "-m", "mkdocs")
"""With ``-P``, modules in the current folder cannot replace those of MkDocs."""
_ENVIRONMENT = {
    # Material announces its end of life in every build.
    "NO_MKDOCS_2_WARNING": "1",
}


_SCRIPTS = ("page", "charts", "choose", "weights", "tables", "pick")
"""In the order in which they run: the others build on the first, and an order of a table comes after the weights."""


def write_config(
    target: Path, base: Path, docs: Path, site: Path, nav: Sequence[Any], assets: Collection[str] = ()
) -> None:
    """Write the configuration that MkDocs reads: ``base`` with the navigation of the staged pages.

    ``assets``: paths below ``docs``, with those of scripts and styles as ``assets/<name>.<digest>.js``. MkDocs resolves
    folders relative to the configuration file, so this file contains all of them.
    """
    here = target.parent
    text = yaml.safe_dump(
        {
            "INHERIT": os.path.relpath(base, here),
            "docs_dir": os.path.relpath(docs, here),
            "site_dir": os.path.relpath(site, here),
            "nav": list(nav),
            "extra_css": [path for path in assets if path.endswith(".css")],
            "extra_javascript": sorted(filter(_is_own_script, assets), key=lambda path: _SCRIPTS.index(_stem(path))),
        },
        sort_keys=False,
        allow_unicode=True,
    )
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        target.write_text(text, encoding="utf-8")


def _stem(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0]


def _is_own_script(path: str) -> bool:
    return path.endswith(".js") and _stem(path) in _SCRIPTS


def render(config: Path, into: Path, meanwhile: Callable[[], None]) -> str | None:
    """Build with ``--strict`` into a folder; returns the warnings and errors of MkDocs, or ``None``.

    ``meanwhile`` is called while MkDocs runs. Do not add ``--quiet``: it also hides warnings from ``--strict``.
    """
    with subprocess.Popen(
        [*_MKDOCS, "build", "--strict", "-f", str(config), "-d", str(into)],
        env=os.environ | _ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            meanwhile()
            _, messages = child.communicate()
        except BaseException:
            child.kill()
            raise
    if child.returncode == 0:
        return None
    lines = [line.strip() for line in messages.splitlines()]
    serious = [line for line in lines if line and not line.startswith("INFO")]
    return "\n".join(serious[-20:]) or f"exit code {child.returncode}"


def start_mkdocs(config: Path, host: str, port: int) -> subprocess.Popen[bytes]:
    """Start the server of MkDocs with live reload; the caller ends it."""
    return subprocess.Popen(
        [
            *(*_MKDOCS, "serve", "--quiet", "--livereload"),
            *("-f", str(config), "-a", f"{host}:{port}"),
        ],
        env=os.environ | _ENVIRONMENT,
    )
