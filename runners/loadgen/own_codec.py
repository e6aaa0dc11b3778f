"""The codec for messages and answers of the user's own server, as templates describe them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from runners.loadgen.job import Answers, OwnMessages
from runners.loadgen.message import (
    DIGITS,
    LAST_SEQUENCE,
    Answer,
    Template,
    TemplateCodec,
    TemplatePart,
    echo_payload,
    payload_mark,
)
from runners.loadgen.own_messages import (
    IN_IGNORED,
    IN_MESSAGE,
    AnswerPattern,
    Part,
    Place,
    numbered,
    of_client,
    parts_of,
    with_message,
)

_NEVER = b"(?!)"


class OwnCodec(TemplateCodec):
    """Messages of a template, and answers that another template describes.

    The kernel compares answers with the shortest text of their template, or with the form that earlier answers had. All
    others are parsed here. Without ``{seq}`` in the answer, each answers the oldest message that its connection waits
    for.
    """

    def __init__(self, own: OwnMessages, client: int, payload_bytes: int, answers: Answers = "same") -> None:
        request = sent_parts(own, client, payload_bytes)
        answer = with_message(of_client(parts_of(own.answer), client), request)
        super().__init__(
            (_part_of(request),),
            (_part_of(answer),),
            mark=_NEVER if own.message else payload_mark(client),
            any_answer=answers == "any",
        )
        self._pattern = AnswerPattern(answer)
        self._ignored = [AnswerPattern(of_client(parts_of(text, IN_IGNORED), client)) for text in own.ignore]
        self._latest: tuple[bytes, int] | None = None
        """The latest answer that was parsed here, and its number."""

    def parse(self, data: bytes, *, binary: bool) -> Answer | None:
        if any(pattern.read(data) is not None for pattern in self._ignored):
            return None
        if self._any_answer:
            return Answer(is_next=True)
        sequence = self._pattern.read(data)
        if sequence is None:
            return self._marked(data)
        if not binary:
            self._latest = data, sequence
        return Answer(is_next=True) if sequence < 0 else Answer(sequence)

    def learned_answer(self) -> TemplatePart:
        """The form of answers: that of the latest one, if others that differ in their number alone are answers too."""
        if self._latest is None:
            return self.answer[0]
        data, sequence = self._latest
        digits = b"%08d" % sequence if sequence >= 0 else b""
        template = Template(data, tuple(found.start() for found in re.finditer(digits, data)) if digits else ())
        other = LAST_SEQUENCE if sequence >= 0 else sequence
        is_form = self._pattern.read(bytes(template.fill(other))) == other
        return TemplatePart(template) if is_form else self.answer[0]


def sent_parts(own: OwnMessages, client: int, payload_bytes: int) -> tuple[Part, ...]:
    """What this client sends: its template, or the payload of an echo."""
    if own.message:
        return of_client(parts_of(own.message, IN_MESSAGE), client)
    payload = echo_payload(client, payload_bytes)
    (place,) = payload.places
    return payload.text[:place].decode(), Place.SEQUENCE, payload.text[place + DIGITS :].decode()


def _part_of(parts: Sequence[Part]) -> TemplatePart:
    text, places = numbered(parts)
    return TemplatePart(Template(text, places))
