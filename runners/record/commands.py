"""Commands in messages to the user: they work as printed, from the folder where the user is."""

from __future__ import annotations

import os
import shlex
from pathlib import Path


def as_argument(path: Path) -> str:
    """The path, quoted for a shell. A relative path has a dot in front, so that it is no option and no framework's
    name.
    """
    text = str(path)
    if not path.is_absolute() and path.parts[:1] != (os.pardir,):
        text = os.path.join(os.curdir, text) if text != os.curdir else text  # noqa: PTH118 - Path drops the dot
    return shlex.quote(text)


def as_command(*words: str | Path) -> str:
    """An `rtsite` command with these words: paths as by `as_argument`, everything else quoted if necessary."""
    return " ".join(["rtsite", *(as_argument(word) if isinstance(word, Path) else shlex.quote(word) for word in words)])
