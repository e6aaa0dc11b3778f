"""Text of other programs, made fit for a result file: printable, of bounded length, without folders of a machine."""

from __future__ import annotations

import re

MOST_CHARACTERS = 2000
_INSTALLED = re.compile(r"/(?:[^\s:;,'\"/]+/)*(?:site|dist)-packages/")
_FOLDERS = re.compile(r"(?<![\w.:/<])/(?:[^\s:;,'\"/]+/)+")


def publishable(text: str) -> str:
    """The text without folders. An installed file keeps its path within the package, any other file its name alone.

    Addresses (``http://``, ``ws://``) and markup are unchanged.
    """
    text = text.encode("utf-8", "replace").decode()  # a server's answer may hold half a surrogate pair
    text = _FOLDERS.sub("", _INSTALLED.sub("", text))
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + " …"
