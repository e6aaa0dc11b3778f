"""The next message of every connection as bytes on the wire, so that the kernel does not have to encode or parse
messages.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from runners.loadgen import arrays, frames
from runners.loadgen.arrays import MOST_PLACES, WireMessages
from runners.loadgen.connection import Connection
from runners.loadgen.message import FIRST_SEQUENCE, Codec, Template, TemplateCodec, TemplatePart

MASK_BYTES = 4


@dataclass(frozen=True)
class Client:
    """A connection, its number in the load, its codec, and the ``mask`` of its frames."""

    number: int
    codec: Codec
    connection: Connection
    mask: bytes = b""


class _Layout(NamedTuple):
    """A message as bytes on the wire, the mask of each byte (zeros for headers), and the places of its number."""

    data: bytes
    mask: bytes
    places: tuple[int, ...]


def lay_out(clients: Sequence[Client]) -> WireMessages:
    """The arrays of messages for the kernel. Requests have the number before the first, and answers have the first
    number.

    They are filled only if `are_alike` holds. Otherwise the kernel cannot send or compare messages.
    """
    if not are_alike(clients):
        return arrays.wire_messages(1, 0, 0)
    codecs = [client.codec for client in clients if isinstance(client.codec, TemplateCodec)]
    requests = [
        _request_layout(codec.request_parts, client.mask) for codec, client in zip(codecs, clients, strict=True)
    ]
    answers = [_answer_layout(codec.answer) for codec in codecs]
    table = _table([answer.data for answer in answers])
    return WireMessages(
        requests=_table([request.data for request in requests]),
        masks=_table([request.mask for request in requests]),
        answers=table,
        unmasked=np.zeros(table.shape[1], dtype=np.uint8),
        places=arrays.places_of(requests[0].places, answers[0].places),
    )


def are_alike(clients: Sequence[Client]) -> bool:
    """Whether all messages are templates that differ only in their bytes, so that they fit in tables."""
    codecs = [client.codec for client in clients if isinstance(client.codec, TemplateCodec)]
    forms = {(_form(codec.request_parts), _form(codec.answer)) for codec in codecs}
    if len(codecs) < len(clients) or len(forms) > 1:
        return False
    return all(len(places) <= MOST_PLACES for form in forms for part in form for _, places in part)


class AnswerTable(NamedTuple):
    """The expected answers of all connections, and the places of their number."""

    answers: arrays.Array
    places: tuple[int, ...]
    header: int
    """The bytes of their header."""


def lay_out_answers(parts: Sequence[TemplatePart]) -> AnswerTable | None:
    """The answers of one form each; ``None`` if they do not fit in a table."""
    if len({_form([part]) for part in parts}) != 1 or len(parts[0].template.places) > MOST_PLACES:
        return None
    layouts = [_answer_layout([part]) for part in parts]
    header = len(layouts[0].data) - len(parts[0].template.text)
    return AnswerTable(_table([one.data for one in layouts]), layouts[0].places, header)


def _form(parts: Sequence[TemplatePart]) -> tuple[tuple[int, tuple[int, ...]], ...]:
    return tuple((len(template.text), template.places) for template, _ in parts)


def headers_of(clients: Sequence[Client]) -> tuple[int, int]:
    """The bytes of headers in a request and in an answer, if messages are templates; otherwise zeros."""
    if not clients or not are_alike(clients) or not isinstance(clients[0].codec, TemplateCodec):
        return 0, 0
    request, answer = clients[0].codec.request_parts, clients[0].codec.answer
    return (
        len(_request_layout(request, bytes(MASK_BYTES)).data) - sum(len(template.text) for template, _ in request),
        len(_answer_layout(answer).data) - sum(len(template.text) for template, _ in answer),
    )


def are_single_frames(clients: Sequence[Client]) -> bool:
    """Whether each request and each answer is one frame."""
    codec = clients[0].codec if clients else None
    return isinstance(codec, TemplateCodec) and len(codec.request_parts) == len(codec.answer) == 1


def _table(rows: Sequence[bytes]) -> arrays.Array:
    return np.frombuffer(bytearray().join(rows), dtype=np.uint8).reshape(len(rows), -1)


def _request_layout(parts: Sequence[TemplatePart], mask: bytes) -> _Layout:
    layout = _Layout(b"", b"", ())
    for template, binary in parts:
        size = len(template.text)
        frame = frames.encode_frame(_opcode(binary), template.fill(FIRST_SEQUENCE - 1), mask)
        # Masked zeros are the mask itself, as long as the payload. The header is not masked.
        cover = bytes(len(frame) - size) + frames.masked(bytes(size), mask)
        layout = _append(layout, frame, cover, template)
    return layout


def _answer_layout(parts: Sequence[TemplatePart]) -> _Layout:
    layout = _Layout(b"", b"", ())
    for template, binary in parts:
        frame = frames.server_frame(_opcode(binary), template.fill(FIRST_SEQUENCE))
        layout = _append(layout, frame, bytes(len(frame)), template)
    return layout


def _append(layout: _Layout, frame: bytes, mask: bytes, template: Template) -> _Layout:
    start = len(layout.data) + len(frame) - len(template.text)
    places = tuple(start + place for place in template.places)
    return _Layout(layout.data + frame, layout.mask + mask, layout.places + places)


def _opcode(binary: bool) -> int:
    return frames.BINARY if binary else frames.TEXT


def masks(seed: int, count: int) -> list[bytes]:
    """One masking key per connection. All frames have the same key, because there are no proxies to protect."""
    source = random.Random(seed)
    return [bytes(source.randrange(1, 256) for _ in range(MASK_BYTES)) for _ in range(count)]
