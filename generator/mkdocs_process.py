"""Runs MkDocs as a child process, so that its warnings and state stay separate.

This module is also the program of that process: MkDocs, which ends when its parent does, however the parent ended.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import yaml

_ENVIRONMENT = {
    # Material announces its end of life in every build.
    "NO_MKDOCS_2_WARNING": "1",
    "PYTHONUTF8": "1",
}


OVERRIDES = Path(__file__).parent / "overrides"
"""What we change of the theme's templates."""
OVERRIDDEN = "overrides"
"""The folder beside the configuration into which they are copied: programs that read the configuration resolve a path
out of its folder differently."""


class Addresses(NamedTuple):
    """``site``: where the site is published. ``repository``: of the project; empty without."""

    site: str
    repository: str = ""


def write_config(
    target: Path, base: Path, docs: Path, site: Path, addresses: Addresses, nav: Sequence[Any], assets: Collection[str]
) -> None:
    """Write the configuration that MkDocs reads: ``base`` with the address and the navigation of the staged pages.

    ``assets``: paths below ``docs``; pages load the scripts and styles directly in ``assets``. MkDocs resolves folders
    relative to the configuration file, so this file contains all of them.
    """
    here = target.parent
    loaded = [path for path in assets if path.count("/") == 1]
    text = yaml.safe_dump(
        {
            "INHERIT": os.path.relpath(base, here),
            "docs_dir": os.path.relpath(docs, here),
            "site_dir": os.path.relpath(site, here),
            "site_url": addresses.site,
            **({"repo_url": addresses.repository} if addresses.repository else {}),
            "theme": {"custom_dir": OVERRIDDEN},
            "nav": list(nav),
            "extra_css": [path for path in loaded if path.endswith(".css")],
            "extra_javascript": [path for path in loaded if path.endswith(".js")],
        },
        sort_keys=False,
        allow_unicode=True,
    )
    target.write_text(text, encoding="utf-8")


def render(config: Path, into: Path, meanwhile: Callable[[], None]) -> str | None:
    """Build with ``--strict`` into a folder; returns the warnings and errors of MkDocs, or ``None``.

    ``meanwhile`` is called while MkDocs runs. Do not add ``--quiet``: it also hides warnings from ``--strict``.
    """
    code = str(Path(__file__).resolve().parents[1])
    # -P: without it, modules in the current folder would replace those of Python and MkDocs.
    with subprocess.Popen(
        [sys.executable, "-P", "-m", __name__, "build", "--strict", "-f", str(config), "-d", str(into)],
        env=os.environ | _ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(filter(None, [code, os.getenv("PYTHONPATH")]))},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # Ctrl-C reaches the parent only, which ends this process
    ) as child:
        try:
            meanwhile()
            assert child.stderr is not None
            messages = child.stderr.read()  # not communicate(), which closes stdin: the process would end
            child.wait()
        except BaseException:
            child.kill()
            raise
    if child.returncode == 0:
        return None
    lines = [line.strip() for line in messages.splitlines()]
    serious = [line for line in lines if line and not line.startswith("INFO")]
    return "\n".join(serious[-20:]) or f"exit code {child.returncode}"


def _end_with_parent() -> None:
    """End this process when the parent's end of stdin closes; the kernel closes it even if the parent was killed."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def _main() -> None:
    Thread(target=_end_with_parent, daemon=True).start()
    from mkdocs.__main__ import cli

    try:
        cli()
    except Exception as error:  # noqa: BLE001 - MkDocs lets errors of the system and of its plugins pass
        sys.stderr.write(f"ERROR - {type(error).__name__}: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    _main()
