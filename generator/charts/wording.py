"""The wording of names, numbers and parameters, in charts and on pages."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from functools import lru_cache

from generator.comparison import Reason
from generator.dataset import Parameters
from generator.statistics import Contrast, Interval
from runners.record import parameter_in_words

_UNPLAIN = re.compile(r"[^\w .,:+()/·×’%-]")


_LONGEST = 110
"""The most characters that a heading or label has room for."""
LONGEST_TITLE = 80
"""Characters that the title of a chart may have; it is a finding, and read at a glance."""


def plain(text: str, longest: int = _LONGEST) -> str:
    """Keep only letters, digits and harmless punctuation, for output that interprets markup.

    Plotly interprets HTML in labels, and MkDocs and Material put titles into pages unescaped. The tables always have
    the full text, escaped.
    """
    words = " ".join(_UNPLAIN.sub(" ", text.replace("'", "’")).split())
    if len(words) > longest:
        words = words[:longest].rsplit(" ", 1)[0]
    return words or "unnamed"


def fit_title(finding: str, short: str) -> str:
    """The title of a chart: a finding, or a shorter one if it has too many characters; both as `plain`."""
    long = plain(finding, 2 * LONGEST_TITLE)
    return long if len(long) <= LONGEST_TITLE else plain(short, LONGEST_TITLE)


@lru_cache(maxsize=65_536)  # the same value is on a dozen pages
def significant(value: float, digits: int = 3) -> str:
    """The value with ``digits`` significant digits and separated thousands: 66,800; 1.50; 0.0123."""
    if value == 0 or not math.isfinite(value):
        return "0"
    decimals = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    if rounded and math.floor(math.log10(abs(rounded))) > math.floor(math.log10(abs(value))):
        decimals -= 1
    return f"{rounded:,.{max(0, decimals)}f}"


def spoken_date(timestamp: str) -> str:
    """The date as ``20 November 2026``; an invalid timestamp is returned unchanged."""
    try:
        moment = datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        return timestamp
    return f"{moment.day} {_MONTHS[moment.month - 1]} {moment.year}"


_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


def between(interval: Interval) -> str:
    return f"{significant(interval.low)} – {significant(interval.high)}"


def bracket(low: int | None, high: int | None, *, conclusive: bool) -> str:
    """``12,000 to 12,600``; ``at least 12,000``; ``below 12,600``; or ``inconclusive``."""
    if low is not None and high is not None:
        return f"{low:,} to {high:,}" if conclusive else f"{low:,} to {high:,}, inconclusive"
    if low is not None:
        return f"at least {low:,}"
    return "inconclusive" if high is None else f"below {high:,}"


def times(ratio: float) -> str:
    """A ratio, such as ``0.393×``."""
    return f"{significant(ratio)}×"


def contrast_in_words(contrast: Contrast) -> str:
    """A ratio as ``0.393×``, a difference as ``+1.20`` or ``-0.300``."""
    if contrast.is_ratio:
        return times(contrast.value)
    return f"{'+' if contrast.value > 0 else ''}{significant(contrast.value)}"


def reason_in_words(reason: Reason) -> str:
    """Why a comparison is inconclusive, or practically equal."""
    return _REASONS[reason]


_REASONS: dict[Reason, str] = {
    "not enough data": "not enough data",
    "disturbed": "the machine was too disturbed for a p99",
    "size": "perhaps by too little to matter",
    "few rounds": "too few rounds",
    "noise": "too noisy",
    "floor": "both are too low for anybody to notice",
}


def parameters_in_words(parameters: Parameters) -> str:
    """Parameters as words: ``closed loop, 100 connections, 64 bytes, 1 server core``."""
    return ", ".join(parameter_in_words(name, value) for name, value in parameters.items())
