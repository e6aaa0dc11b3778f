"""The kernel learns the form of answers between slices, and only what the template allows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from runners.loadgen.engine import Engine
from runners.loadgen.handshake import open_all
from runners.loadgen.job import LedgerTotals, OwnMessages
from runners.loadgen.message import FIRST_SEQUENCE, Answer
from runners.loadgen.own_codec import OwnCodec
from runners.loadgen.pace import Closed, Open
from runners.loadgen.wire import Client, masks
from tests.support.loading import job, modes
from tests.support.servers import Talk, serving

pytestmark = pytest.mark.measures

OWN = OwnMessages('{"id":{seq},"from":{client}}', '{"id":{seq},"ok":true}')
CLIENTS = 3


LOOKS = 4
"""How often two slices are loaded anew in which the machine stood still for most of the time."""


def slices(more: Callable[[Talk, Any], dict[str, Any]], own: OwnMessages, mode: str) -> list[tuple[LedgerTotals, int]]:
    """The ledger of each of two slices, and how many of its answers Python parsed. The server adds ``more``."""
    for _ in range(LOOKS):
        found = _two_slices(more, own, mode)
        if all(ledger.sent > CLIENTS for ledger, _ in found):
            break
    for ledger, _ in found:
        assert ledger.sent == ledger.received + ledger.lost + ledger.in_flight > CLIENTS
    return found


def _two_slices(
    more: Callable[[Talk, Any], dict[str, Any]], own: OwnMessages, mode: str
) -> list[tuple[LedgerTotals, int]]:
    parsed = 0

    class Counting(OwnCodec):
        def parse(self, data: bytes, *, binary: bool) -> Answer | None:
            nonlocal parsed
            parsed += 1
            return super().parse(data, binary=binary)

    def reply(talk: Talk, message: bytes) -> None:
        asked = json.loads(message)
        talk.send(json.dumps({"ok": True, "id": asked["id"], **more(talk, asked)}).encode())

    found = []
    with serving(lie=reply) as server:
        asked = job(server.url, connections=CLIENTS, own=own, pace=Open(500.0) if mode == "open" else Closed())
        keys = masks(1, CLIENTS)
        clients = []
        for one in open_all(server.url, "websocket", keys, at_once=1, timeout_s=5.0):
            assert one.connection is not None
            codec = Counting(own, 1 + one.number, asked.payload_bytes)
            clients.append(Client(1 + one.number, codec, one.connection, keys[one.number]))
        engine = Engine(asked, clients)
        for _ in range(2):
            engine.forget()
            parsed = 0
            engine.load(0.1)
            found.append((engine.totals.ledger, parsed))
        traffic = engine.totals.traffic
        engine.close()
    ledger, _ = found[-1]
    assert traffic.received_messages == ledger.received + ledger.foreign
    assert traffic.received_payload_bytes < traffic.received_wire_bytes
    return found


@modes
def test_answers_of_one_form_are_the_kernels(mode: str) -> None:
    (first, parsed), (second, parsed_later) = slices(
        lambda talk, asked: {"more": [1, 2], "id2": asked["id"]}, OWN, mode
    )
    assert parsed == first.received == first.sent
    assert parsed_later == 0
    assert second.received == second.sent
    assert second.foreign == 0


@modes
def test_answers_that_differ_in_more_than_their_number_are_parsed(mode: str) -> None:
    (_, _), (second, parsed) = slices(lambda talk, asked: {"count": 10**6 + talk.count}, OWN, mode)
    assert parsed == second.received == second.sent
    (_, _), (second, parsed) = slices(lambda talk, asked: {"name": "x" * talk.number}, OWN, mode)
    assert parsed == second.received == second.sent


def test_what_the_template_excludes_stays_foreign() -> None:
    """The server answers each client's first two messages rightly, and all others wrongly."""

    def wrong(talk: Talk, asked: Any) -> dict[str, Any]:
        return {"ok": talk.count < 3}

    (_, _), (second, parsed) = slices(wrong, OWN, "open")
    assert second.received == 0
    assert second.foreign == parsed == second.sent


def test_answers_without_a_number_are_learned_in_their_order() -> None:
    own = OwnMessages(OWN.message, '{"ok":true}')
    (first, parsed), (second, parsed_later) = slices(lambda talk, asked: {"id": 0}, own, "closed")
    assert parsed == first.received
    assert (parsed_later, second.received) == (0, second.sent)


def test_a_form_is_one_that_the_template_allows_for_every_number() -> None:
    codec = OwnCodec(OwnMessages("{seq}", '{"id":{seq},"other":10000042}'), 0, 64)
    before = codec.learned_answer()
    number = FIRST_SEQUENCE + 42
    assert codec.parse(b'{"id": 10000042, "other": 10000042}', binary=False) == Answer(number)
    assert codec.learned_answer() == before, "the other number is a literal"
    assert codec.parse(b'{"id": 10000043, "other": 10000042}', binary=False) == Answer(number + 1)
    template, binary = codec.learned_answer()
    assert (bytes(template.fill(77_777_777)), binary) == (b'{"id": 77777777, "other": 10000042}', False)
    codec.parse(b'{"other": 10000042, "id": 10000044}', binary=True)
    assert codec.learned_answer()[0].places == template.places, "a binary frame has another header"
