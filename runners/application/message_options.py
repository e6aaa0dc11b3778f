"""The templates of ``rtsite load`` for messages and answers of the user's own server, checked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from runners.loadgen.job import OwnMessages
from runners.loadgen.own_messages import IN_IGNORED, IN_MESSAGE, Place, parts_of
from runners.record import UsageError

_IN_BRACES = re.compile(r"\{\s*([A-Za-z_]{1,20})\s*\}")
_LEAST_LIKENESS = 0.6
"""Names in braces that are less similar to a placeholder are literal, as in a query of GraphQL."""
IN_ANSWER = tuple(Place)
CLIENT_ONLY = (Place.CLIENT,)
"""The placeholder of what is sent once."""


def parse_own_messages(
    message: str | None, answer: str | None, ignore: Iterable[str] = (), *, names: tuple[str, str]
) -> OwnMessages | None:
    """What clients send and what answers it; ``None`` if nothing is given, which is an echo of a payload.

    ``ignore``: messages that are no answers. ``names``: what the first two are called. Raises `UsageError` for a
    template that cannot work.
    """
    ignored = tuple(ignore)
    if message is None and answer is None and not ignored:
        return None
    sends, expects = names
    if message is not None:
        check_template(message, IN_MESSAGE, sends)
    if answer is not None:
        check_template(answer, IN_ANSWER, expects)
    for text in ignored:
        check_template(text, IN_IGNORED, "--ignore")
    own = OwnMessages(message or OwnMessages.message, OwnMessages.answer if answer is None else answer, ignore=ignored)
    if message is not None and Place.SEQUENCE in parts_of(own.answer) and Place.SEQUENCE not in parts_of(message):
        raise UsageError(
            f"{expects} has {{seq}}, but {sends} has none, so no answer can have the number; add {{seq}} to {sends}, or"
            f" remove it from {expects} to match answers in their order"
        )
    return own


def check_template(template: str, places: Sequence[Place], name: str) -> None:
    """Raise `UsageError` if a template is empty, is no text, or has a placeholder that only looks like a known one
    or belongs elsewhere.
    """
    if not template:
        raise UsageError(f"{name} is empty; expected a text such as '{{\"id\":{{seq}}}}'")
    try:
        template.encode()
    except UnicodeEncodeError:
        raise UsageError(f"{name} {template!a} is not valid UTF-8, so it cannot be sent as text") from None
    known = [place.value for place in places]
    others = {place.value for place in Place} - set(known)
    for found in _IN_BRACES.finditer(template):
        near = get_close_matches(found[1].lower(), known, n=1, cutoff=_LEAST_LIKENESS)
        if near and found[0] != f"{{{near[0]}}}":
            raise UsageError(f"{name} has the unknown placeholder {found[0]}: did you mean {{{near[0]}}}?")
        if found[1].lower() in others:
            allowed = " and ".join(f"{{{one}}}" for one in known)
            raise UsageError(
                f"{name} has {found[0]}, which has no meaning there: only {allowed} can be in it; in JSON, \\u007b is a"
                " literal brace"
            )
