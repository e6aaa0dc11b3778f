"""Tests that are repeated because their result can be a race: one rule for every such item. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from runners.record import NOT_ALWAYS, Finding

TRIES = 20
"""Number of tries where the result can be a race, such as whether a close frame arrives before the connection is cut.
What happens half of the time is the same in all 20 with a probability of 1 in 524,288. What happens in 86 % of the
tries happens in all 20 with a probability of 5 %."""


def judge_tries(item: str, answers: Sequence[bool], of: str = "tries") -> Finding:
    """Yes if every answer is yes, no if every one is no, and otherwise not always; the note has the share.

    ``of``: what was counted, in the plural.
    """
    yes = sum(answers)
    value = yes == len(answers) if yes in (0, len(answers)) else NOT_ALWAYS
    return Finding(item=item, value=value, note=f"{yes} of {len(answers)} {of}")


def describe_tries(seen: Sequence[str]) -> str:
    """What was seen; with the numbers, the most frequent first, where it was not the same every time."""
    counted = Counter(seen).most_common()
    if len(counted) == 1:
        return counted[0][0]
    return "; ".join(f"{what} ({count} of {len(seen)})" for what, count in counted)[:400]
