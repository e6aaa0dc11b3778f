"""Words of others as they may stand in a result: printable, of bounded length, naming no folder of a machine."""

from __future__ import annotations

import re

MOST_CHARACTERS = 2000
_INSTALLED = re.compile(r"/(?:[^\s:;,'\"/]+/)*(?:site|dist)-packages/")
_FOLDERS = re.compile(r"(?<![\w.:/<])/(?:[^\s:;,'\"/]+/)+")


def publishable(text: str) -> str:
    """The text without what tells where it was written: an installed file from its package on, others by name alone.

    Addresses (``http://``, ``ws://``) and markup are left as they are.
    """
    text = text.encode("utf-8", "replace").decode()  # a server's answer may hold half a surrogate pair
    text = _FOLDERS.sub("", _INSTALLED.sub("", text))
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + " …"
