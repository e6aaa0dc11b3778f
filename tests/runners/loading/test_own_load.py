"""Loads with the messages of a server of its own: each answer is matched, and the ledger counts as for an echo."""

from __future__ import annotations

import json
from typing import Any

import pytest
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

from runners.loadgen.job import ClientOptions, OwnMessages
from runners.loadgen.pace import Closed, Open
from runners.loading import driver
from runners.loading.load_report import build_report, doubts_about_order, explain
from runners.loading.load_result import LoadResult
from tests.support.loading import CONNECTIONS, job, modes
from tests.support.servers import CERTIFICATE, Lie, Talk, serving, serving_compressed, serving_securely

pytestmark = pytest.mark.measures

PACES = {"open": Open(200.0), "closed": Closed()}
SAY = '{"type":"say","id":{seq},"from":{client}}'


def loaded(own: OwnMessages, lie: Lie, mode: Any = "closed", **changes: Any) -> tuple[LoadResult, list[str]]:
    """The result and its explanations; every message is in the ledger."""
    with serving(lie=lie) as server:
        asked = job(server.url, mode, own=own, first_client=10, **changes)
        result = driver.apply(asked)
        assert server.received == result.ledger.sent > 0
    ledger = result.ledger
    assert ledger.sent == ledger.received + ledger.lost + ledger.in_flight
    return result, list(explain(result, asked))


def prefix(talk: Talk, message: bytes) -> None:
    talk.send(b"Echo: " + message)


def reply(talk: Talk, message: bytes) -> None:
    """Another order of keys, and one that no template has."""
    asked = json.loads(message)
    talk.send(json.dumps({"at": talk.count, "from": asked["from"], "id": asked["id"], "ok": True}).encode())


def pong(talk: Talk, message: bytes) -> None:
    assert message == b"ping"
    talk.send(b"pong")


def noise_first(talk: Talk, message: bytes) -> None:
    talk.send(b'{"type":"typing"}')
    reply(talk, message)


def to_the_next(talk: Talk, message: bytes) -> None:
    """Answers go to somebody else."""
    others = talk.server.talks
    reply(others[(talk.number + 1) % len(others)], message)


def never(talk: Talk, message: bytes) -> None:
    pass


@modes
@pytest.mark.parametrize(
    ("own", "lie"),
    [
        (OwnMessages(answer="Echo: {message}"), prefix),
        (OwnMessages("hello {seq}", "Echo: {message}"), prefix),
        (OwnMessages("hello {seq} {seq} {seq} {seq} {seq}", "Echo: {message}"), prefix),
        (OwnMessages(SAY), lambda talk, message: talk.send(message)),
        (OwnMessages(SAY, '{"id":{seq},"from":{client},"ok":true}'), reply),
        (OwnMessages("ping", "pong"), pong),
    ],
    ids=["payload", "text", "many places", "echo", "json", "order"],
)
def test_what_a_template_describes_is_an_answer(mode: Any, own: OwnMessages, lie: Lie) -> None:
    result, notes = loaded(own, lie, mode)
    ledger = result.ledger
    assert ledger.sent == ledger.received
    assert (ledger.lost, ledger.corrupted, ledger.foreign, ledger.duplicated, ledger.reordered) == (0, 0, 0, 0, 0)
    assert result.histograms["latency"].total == ledger.received
    assert ("their order was assumed" in " ".join(notes)) == (own.message == "ping")


@modes
def test_numbers_of_clients_may_have_any_length(mode: Any) -> None:
    """Python then handles what the kernel cannot put in a table."""
    own = OwnMessages(SAY, '{"id":{seq},"from":{client}}')
    with serving(lie=reply) as server:
        result = driver.apply(job(server.url, mode, own=own, first_client=10 - CONNECTIONS // 2))
    assert result.ledger.sent == result.ledger.received > 0
    assert result.ledger.foreign == 0


@modes
@pytest.mark.parametrize(
    "own", [OwnMessages(SAY), OwnMessages(SAY, '{"from":{client},"id":{seq}}')], ids=["text", "json"]
)
def test_own_messages_over_compressed_and_over_encrypted_connections(mode: Any, own: OwnMessages) -> None:
    with serving_compressed(ServerPerMessageDeflateFactory()) as compressed, serving_securely() as secure:
        for url, options in (
            (compressed, ClientOptions(deflate=True)),
            (secure, ClientOptions(ca=str(CERTIFICATE))),
        ):
            asked = job(url, mode, own=own, client=options, first_client=10, warmup_s=0.2, pace=PACES[mode])
            ledger = driver.apply(asked).ledger
            assert ledger.sent == ledger.received > 0, url
            assert (ledger.corrupted, ledger.foreign) == (0, 0)


def test_what_matches_nothing_is_foreign() -> None:
    result, notes = loaded(OwnMessages(SAY, '{"id":{seq},"from":{client}}'), noise_first)
    assert result.ledger.received == result.ledger.sent == result.ledger.foreign
    (note,) = notes
    assert 'expected \'{"id":1' in note
    assert "--ignore" in note
    assert "are no answers to the client's own messages" in note
    assert '{"type":"typing"}' in note


@modes
def test_what_is_ignored_is_not_counted(mode: Any) -> None:
    own = OwnMessages(SAY, '{"id":{seq},"from":{client}}', ignore=('{"type":"typing"}', "{any} {client}!"))
    result, notes = loaded(own, noise_first, mode)
    assert result.ledger.received == result.ledger.sent
    assert (result.ledger.foreign, notes) == (0, [])
    ordered = OwnMessages(ignore=("tick",))
    for answers in ("same", "any"):
        result, _ = loaded(ordered, tick_and_echo, mode, answers=answers)
        assert result.ledger.received == result.ledger.sent
        assert result.ledger.foreign == result.total(lambda sample: sample.surplus) == 0


def tick_and_echo(talk: Talk, message: bytes) -> None:
    talk.send(b"tick")
    talk.send(message)


def test_a_number_that_comes_back_as_a_string_needs_quotes() -> None:
    def quote(talk: Talk, message: bytes) -> None:
        talk.send(json.dumps({"id": str(json.loads(message)["id"])}).encode())

    _, notes = loaded(OwnMessages(SAY, '{"id":{seq}}'), quote)
    text = " ".join(notes)
    assert 'put quotes around it in the answer, as in "{seq}"' in text
    assert "{any}" not in text
    result, _ = loaded(OwnMessages(SAY, '{"id":"{seq}"}'), quote)
    assert result.ledger.received == result.ledger.sent


def test_messages_of_other_clients_need_the_number_of_the_client() -> None:
    def to_all(talk: Talk, message: bytes) -> None:
        for other in talk.server.talks:
            other.send(message)

    own = OwnMessages('{"type":"say","id":{seq}}', '{"id":{seq}}')
    _, notes = loaded(own, to_all, "open")
    assert "put {client} into both templates" in " ".join(notes)
    _, notes = loaded(OwnMessages(SAY), to_all, "open")
    assert "put {client} into both templates" not in " ".join(notes)


def test_messages_that_were_due_on_closed_connections_are_lost() -> None:
    def hang_up(talk: Talk, message: bytes) -> None:
        talk.send(message)
        talk.transport.disconnect()

    with serving(lie=hang_up) as server:
        asked = job(server.url, "open", own=OwnMessages(SAY), first_client=10)
        result = driver.apply(asked)
    (note,) = [one for one in explain(result, asked) if "lost" in one]
    assert f"because the server closed {CONNECTIONS} connections. Messages that were due there later count" in note


def test_an_answer_for_another_client_is_foreign_and_the_message_lost() -> None:
    result, notes = loaded(OwnMessages(SAY, '{"id":{seq},"from":{client}}'), to_the_next, answer_timeout_s=0.3)
    assert result.ledger.received == 0
    assert result.ledger.lost == result.ledger.sent
    assert result.ledger.foreign >= CONNECTIONS
    assert "{any} stands for text that varies" in " ".join(notes)


def late_then_on_time(talk: Talk, message: bytes) -> None:
    """The first message of each client is answered after it was given up, and all others at once."""
    if talk.count == 1:
        talk.server.loop.call_later(0.5, pong, talk, message)
    else:
        pong(talk, message)


@modes
@pytest.mark.parametrize(
    ("own", "answers"), [(OwnMessages("ping", "pong"), "same"), (OwnMessages("ping"), "any"), (None, "any")]
)
def test_more_answers_than_messages_make_an_assumed_order_invalid(
    mode: Any, own: OwnMessages | None, answers: Any
) -> None:
    def and_one_more(talk: Talk, message: bytes) -> None:
        for _ in range(1 + (talk.count == 1)):  # late enough that the last one comes after the load
            talk.server.loop.call_later(0.1, talk.send, b"pong")

    with serving(lie=and_one_more) as server:
        asked = job(server.url, mode, own=own, answers=answers, answer_timeout_s=0.3)
        result = driver.apply(asked)
        assert server.received >= result.ledger.received > 0
    assert result.total(lambda sample: sample.surplus) >= CONNECTIONS
    (reason,) = doubts_about_order(result, asked)
    assert "more messages arrived than were sent, so it is not known which message each answers: " in reason
    assert ("put {seq} into both templates" in reason) == (own is not None)
    report = build_report(result, asked.pace, more_reasons=[reason])
    assert report["valid"] is False
    assert reason in report["invalid_reasons"]


@modes
def test_late_answers_are_not_too_many(mode: Any) -> None:
    with serving(lie=late_then_on_time) as server:
        asked = job(server.url, mode, own=OwnMessages("ping", "pong"), answer_timeout_s=0.3, drain_s=0.6)
        result = driver.apply(asked)
    assert result.ledger.lost + result.ledger.in_flight + result.ledger.received == result.ledger.sent
    assert list(doubts_about_order(result, asked)) == []


def test_an_answer_that_never_comes_is_lost() -> None:
    result, notes = loaded(OwnMessages(SAY, '{"id":{seq}}'), never, answer_timeout_s=0.3)
    assert (result.ledger.received, result.ledger.lost) == (0, result.ledger.sent)
    assert "messages are lost: unanswered after 0.3 s (--answer-timeout)" in " ".join(notes)


def test_a_payload_that_comes_back_changed_differs() -> None:
    def shout(talk: Talk, message: bytes) -> None:
        talk.send(b"Echo: " + message[:-1] + b"!")

    result, _ = loaded(OwnMessages(answer="Echo: {message}"), shout)
    assert result.ledger.corrupted == result.ledger.received == result.ledger.sent
