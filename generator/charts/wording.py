"""How names, numbers and parameters read, in charts and on pages alike."""

from __future__ import annotations

import math
import re
from functools import lru_cache

from generator.dataset import Parameters
from generator.statistics import Interval

_UNPLAIN = re.compile(r"[^\w .,:+()/·%-]")


_LONGEST = 110
"""Characters: what a heading or a label has room for."""


def plain(text: str) -> str:
    """Letters, digits and harmless punctuation only, for places that read markup of their own.

    Plotly understands HTML in labels, and MkDocs and Material put titles into pages unescaped. The
    full text always stands, escaped, in the tables.
    """
    words = " ".join(_UNPLAIN.sub(" ", text).split())
    if len(words) > _LONGEST:
        words = words[:_LONGEST].rsplit(" ", 1)[0]
    return words or "unnamed"


@lru_cache(maxsize=65_536)  # a figure stands on a dozen pages
def significant(value: float, digits: int = 3) -> str:
    """``digits`` significant digits, in plain notation with thousands separated: 66,800; 1.50; 0.0123."""
    if value == 0 or not math.isfinite(value):
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    if rounded and math.floor(math.log10(abs(rounded))) > math.floor(math.log10(abs(value))):
        decimals -= 1
    return f"{rounded:,.{max(0, decimals)}f}"


def between(interval: Interval) -> str:
    return f"{significant(interval.low)} – {significant(interval.high)}"


def bracket(low: int | None, high: int | None, *, conclusive: bool) -> str:
    """``12,000 to 12,600``; ``at least 12,000``; ``below 12,600``; without a bracket, that there is none."""
    if low is not None and high is not None:
        return f"{low:,} to {high:,}" if conclusive else f"{low:,} to {high:,}, inconclusive"
    if low is not None:
        return f"at least {low:,}"
    return "inconclusive" if high is None else f"below {high:,}"


def times(ratio: float) -> str:
    """A ratio as ``0.393×``."""
    return f"{significant(ratio)}×"


def describe(parameters: Parameters) -> str:
    """Parameters in words: ``closed loop, 100 connections, 64 bytes, 1 server core``."""
    return ", ".join(_one(name, value) for name, value in parameters.items())


def _one(name: str, value: float | str) -> str:
    if name == "search":
        return {"rate": "highest rate", "users": "most users"}.get(str(value), f"highest {value}")
    if name == "p99_limit_ms":
        return f"p99 below {value:,} ms"
    if name == "cores_at_most":
        return f"up to {value:,} server cores"
    if name == "at_once":
        return f"{value:,} at a time"
    if isinstance(value, str):
        return {"closed": "closed loop", "open": "fixed rate", "text": "text", "binary": "binary"}.get(
            value, f"{name.replace('_', ' ')} {value}"
        )
    number = f"{value:,}"
    unit = {
        "connections": ("connection", "connections"),
        "users": ("user", "users"),
        "members": ("member", "members"),
        "clients": ("client", "clients"),
        "viewers": ("viewer", "viewers"),
        "deaf": ("of them not reading", "of them not reading"),
        "under_way": ("message under way", "messages under way"),
        "deliveries_per_s": ("delivery/s", "deliveries/s"),
        "snapshots_per_s": ("snapshot/s", "snapshots/s"),
        "messages_per_user_per_s": ("message/s each", "messages/s each"),
        "payload_bytes": ("byte", "bytes"),
        "rate_per_s": ("message/s", "messages/s"),
        "server_cores": ("server core", "server cores"),
        "updates_per_user_per_s": ("update/s each", "updates/s each"),
        "workers": ("worker", "workers"),
    }.get(name)
    return f"{name.replace('_', ' ')} {number}" if unit is None else f"{number} {unit[value != 1]}"
