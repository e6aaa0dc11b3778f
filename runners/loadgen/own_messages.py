"""Templates of what clients send to servers that are no echo servers, and of what answers it. Pure.

Placeholders are ``{seq}``, the number of the message, and ``{client}``, the number of the client. An answer also has
``{any}``, which stands for any text or value, and ``{message}``, the whole message that it answers. All other braces
are literal, because JSON and GraphQL are full of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple

from runners.loadgen.job import Answers, OwnMessages
from runners.loadgen.message import DIGITS, FIRST_SEQUENCE, LAST_SEQUENCE


class Place(Enum):
    """A placeholder in a template."""

    SEQUENCE = "seq"
    CLIENT = "client"
    ANYTHING = "any"
    MESSAGE = "message"


IN_MESSAGE: Final = (Place.SEQUENCE, Place.CLIENT)
"""What stands for something in a message. In an answer, all placeholders do."""
IN_IGNORED: Final = (Place.CLIENT, Place.ANYTHING)
"""What stands for something in a message that is ignored, or that answers a subscription."""
Part = str | Place
_QUOTE_OR_ESCAPE = re.compile(r'\\.?|"', re.DOTALL)
_SEQUENCE_TEXT, _ANY_TEXT, _SEQUENCE_VALUE, _ANY_VALUE = _SIGNS = "\ue000\ue001\ue002\ue003"
"""Characters for private use that stand for placeholders while JSON is parsed: in a string, and as a whole value."""
_SIGN_IN_TEXT = re.compile(f"([{_SEQUENCE_TEXT}{_ANY_TEXT}])")


def parts_of(template: str, places: Sequence[Place] = tuple(Place)) -> tuple[Part, ...]:
    """The literal texts and placeholders of a template, in order. Only these ``places`` are placeholders."""
    names = "|".join(place.value for place in places)
    pieces = re.split(rf"\{{({names})\}}", template)
    return tuple(Place(piece) if index % 2 else piece for index, piece in enumerate(pieces) if index % 2 or piece)


def of_client(parts: Sequence[Part], client: int) -> tuple[Part, ...]:
    """The parts with the number of the client written out."""
    return tuple(str(client) if part is Place.CLIENT else part for part in parts)


def is_numbered(own: OwnMessages) -> bool:
    """Whether answers have the number of the message that they answer. Otherwise their order is assumed."""
    answer = parts_of(own.answer)
    sent = not own.message or Place.SEQUENCE in parts_of(own.message, IN_MESSAGE)
    return Place.SEQUENCE in answer or (sent and Place.MESSAGE in answer)


def assumes_order(own: OwnMessages | None, answers: Answers) -> bool:
    """Whether each answer belongs to the oldest message that its connection waits for, because it has no number."""
    return answers == "any" or (own is not None and not is_numbered(own))


class Numbered(NamedTuple):
    """Text with zeros in place of the number of the message, and the offsets of these zeros."""

    text: bytes
    places: tuple[int, ...]


def numbered(parts: Sequence[Part]) -> Numbered:
    """The bytes of a message or of an answer, in which ``{any}`` is nothing."""
    text, places = b"", []
    for part in parts:
        if part is Place.SEQUENCE:
            places.append(len(text))
            text += b"0" * DIGITS
        elif isinstance(part, str):
            text += part.encode()
    return Numbered(text, tuple(places))


def with_message(answer: Sequence[Part], message: Sequence[Part]) -> tuple[Part, ...]:
    """The parts of an answer with the message in place of ``{message}``. In a string of JSON the message is escaped, if
    the answer is JSON only then.
    """
    if Place.MESSAGE not in answer:
        return tuple(answer)
    escaped = _inserted(answer, message, escapes=True)
    return escaped if _json_value(escaped) is not None else _inserted(answer, message, escapes=False)


def _inserted(answer: Sequence[Part], message: Sequence[Part], *, escapes: bool) -> tuple[Part, ...]:
    found: list[Part] = []
    for part, is_quoted in _with_quotes(answer):
        if part is not Place.MESSAGE:
            found.append(part)
        elif is_quoted and escapes:
            found += [json.dumps(one, ensure_ascii=False)[1:-1] if isinstance(one, str) else one for one in message]
        else:
            found += message
    return tuple(found)


def _with_quotes(parts: Sequence[Part]) -> Iterator[tuple[Part, bool]]:
    """Each part, and whether it begins within a string of JSON."""
    is_quoted = False
    for part in parts:
        yield part, is_quoted
        if isinstance(part, str):
            is_quoted ^= sum(found[0] == '"' for found in _QUOTE_OR_ESCAPE.finditer(part)) % 2 == 1


class AnswerPattern:
    """Determines which message an incoming message answers.

    A template that is an object or an array of JSON is compared as JSON: objects may have other keys besides, in any
    order. Every other template is compared as text.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        """``parts`` without ``{client}`` and ``{message}``."""
        self._value = _json_value(parts)
        self._text = _text_pattern(parts)

    def read(self, data: bytes) -> int | None:
        """The number of the answered message; -1 if the template has none, ``None`` if ``data`` is no such answer."""
        numbers: set[int] = set()
        if self._value is None:
            found = self._text.fullmatch(data)
            if found is None:
                return None
            numbers.update(int(number) for number in found.groups() if number)
        else:
            try:
                value = json.loads(data)
            except (ValueError, RecursionError):
                return None
            if not _is_like(self._value, value, numbers):
                return None
        if not numbers:
            return -1
        number = numbers.pop()
        return number if not numbers and FIRST_SEQUENCE <= number <= LAST_SEQUENCE else None


def _text_pattern(parts: Sequence[Part]) -> re.Pattern[bytes]:
    pattern = b""
    is_numbered = False
    for part, before in zip(parts, (None, *parts), strict=False):
        if part is Place.SEQUENCE:
            pattern += b"(?P=seq)" if is_numbered else rb"(?P<seq>\d{%d})" % DIGITS
            is_numbered = True
        elif part is Place.ANYTHING and before is not Place.ANYTHING:  # two would take the square of the time
            pattern += b".*"
        elif isinstance(part, str):
            pattern += re.escape(part.encode())
    return re.compile(pattern, re.DOTALL)


class _Sign(Enum):
    NUMBER = _SEQUENCE_VALUE
    ANYTHING = _ANY_VALUE


def _json_value(parts: Sequence[Part]) -> Any:
    """The object or the array that a template describes, with patterns in it; ``None`` if it is no JSON."""
    text = ""
    for part, is_quoted in _with_quotes(parts):
        if isinstance(part, str):
            if any(sign in part for sign in _SIGNS):
                return None
            text += part
        elif part is Place.CLIENT:
            text += "0"
        elif part is Place.MESSAGE:
            return None
        elif is_quoted:
            text += _SEQUENCE_TEXT if part is Place.SEQUENCE else _ANY_TEXT
        else:
            text += f'"{_SEQUENCE_VALUE if part is Place.SEQUENCE else _ANY_VALUE}"'
    try:
        value = json.loads(text)
        return _as_pattern(value) if isinstance(value, (dict, list)) else None
    except (ValueError, RecursionError):
        return None


def _as_pattern(value: Any) -> Any:
    """A value of JSON with patterns instead of signs. Raises `ValueError` for a sign in a key."""
    match value:
        case dict():
            if any(sign in key for sign in _SIGNS for key in value):
                raise ValueError(value)
            return {key: _as_pattern(one) for key, one in value.items()}
        case list():
            return [_as_pattern(one) for one in value]
        case str() if value in (_SEQUENCE_VALUE, _ANY_VALUE):
            return _Sign(value)
        case str() if _SIGN_IN_TEXT.search(value):
            pieces = {_SEQUENCE_TEXT: f"([0-9]{{{DIGITS}}})", _ANY_TEXT: ".*"}
            text = "".join(pieces.get(one) or re.escape(one) for one in _SIGN_IN_TEXT.split(value))
            return re.compile(text, re.DOTALL)
    return value


def _is_like(pattern: Any, value: Any, numbers: set[int]) -> bool:
    """Whether a value has the form of the pattern. Numbers of messages in it are added to ``numbers``."""
    match pattern:
        case _Sign.ANYTHING:
            return True
        case _Sign.NUMBER:
            if type(value) is not int:
                return False
            numbers.add(value)
            return True
        case re.Pattern():
            found = pattern.fullmatch(value) if isinstance(value, str) else None
            if found is not None:
                numbers.update(map(int, found.groups()))
            return found is not None
        case dict():
            return isinstance(value, dict) and all(
                key in value and _is_like(one, value[key], numbers) for key, one in pattern.items()
            )
        case list():
            return (
                isinstance(value, list)
                and len(value) == len(pattern)
                and all(_is_like(one, other, numbers) for one, other in zip(pattern, value, strict=True))
            )
    return bool(pattern == value and isinstance(pattern, bool) == isinstance(value, bool))
