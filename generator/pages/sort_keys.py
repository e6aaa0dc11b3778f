"""Keys by which tables sort, made at build time: the attribute ``data-value`` of a cell, which `tables.js` reads.

A key is empty (no value, sorted last), one or several numbers (the first that differs decides), or a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup
from packaging.version import InvalidVersion, Version

from generator.comparison import Bracket
from generator.statistics import RankRange

_RELEASE_PARTS = 5
"""Parts of a version that take part in an order; shorter ones end in zeros, as 1.0 is 1.0.0 (PEP 440)."""
_DIGITS = 12
"""Significant digits of a number in a key. The last bits of a mean differ between versions of Python, as sums do."""
_BEYOND = 1e300
"""The number of an end that was not found, above all others."""


def sort_key(value: Any) -> Markup:
    """The attribute with the key of a value: ``None``, a number, a text, a version, or a range.

    A text that is a version (PEP 440) has that version's key; a timestamp sorts as text.
    """
    return Markup(' data-value="{}"').format(key_text(value))


def key_text(value: Any) -> str:
    """The key of a value as text."""
    match value:
        case None:
            return ""
        case bool():
            return str(int(value))
        case int():
            return repr(value)
        case float():
            return f"{value:.{_DIGITS}g}"
        case RankRange():
            return f"{value.first} {value.last}"
        case Bracket():
            return _of_bracket(value)
        case str():
            return _of_text(value)
        case Sequence():
            return " ".join(map(key_text, value))
    raise TypeError(f"{type(value).__name__} has no order")


def _of_bracket(found: Bracket) -> str:
    """Its ends; one without a low end is below all others, one without a high end above those that begin with it."""
    if found.low is None and found.high is None:
        return ""
    return f"{found.low or 0} {_BEYOND if found.high is None else found.high}"


def _of_text(text: str) -> str:
    try:
        version = Version(text)
    except InvalidVersion:
        return text
    release = (*version.release, *(0,) * _RELEASE_PARTS)[:_RELEASE_PARTS]
    if version.pre is not None:
        phase, number = {"a": -3, "b": -2, "rc": -1}[version.pre[0]], version.pre[1]
    elif version.post is not None:
        phase, number = 1, version.post
    else:
        phase, number = (-4 if version.dev is not None else 0), version.dev or 0
    development = -1 if version.dev is not None else 0
    return " ".join(map(str, (version.epoch, *release, phase, number, development)))
