"""Scenario files and templates: what they mean, and what each fault in them says."""

from __future__ import annotations

from pathlib import Path

import pytest

from runners.application.load_scenario import read_load_scenario
from runners.application.message_options import parse_own_messages
from runners.loadgen.job import OwnMessages
from runners.loading.job_building import first_client_of
from runners.record import UsageError

NAMES = ("--message", "--answer")
SCENARIO = """\
connect:
  url: ws://127.0.0.1:8000/chat
  headers:
    Authorization: Bearer {client}
  subprotocols: [chat.v2]
subscribe:
- message: '{"type":"join","user":{client}}'
  expect: '{"type":"joined"}'
send:
  message: '{"type":"say","id":{seq}}'
  every_s: 0.5
expect: '{"id":{seq}}'
clients: 20
duration_s: 3
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "chat.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_scenario_says_all_about_clients(tmp_path: Path) -> None:
    found = read_load_scenario(written(tmp_path, SCENARIO))
    assert found.connect.url == "ws://127.0.0.1:8000/chat"
    assert found.connect.headers == {"Authorization": "Bearer {client}"}
    assert (found.clients, found.duration_s, found.rate_per_s) == (20, 3.0, 40.0)
    short = read_load_scenario(written(tmp_path, "connect: {url: 'ws://a/'}\nsend: {message: ping}\nexpect: pong\n"))
    assert (short.clients, short.duration_s, short.rate_per_s, short.subscribe) == (100, 10.0, None, [])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  url:", "  ulr:", ["chat.yml:2:8: connect.ulr: unknown key: did you mean url?", "connect.url: Field req"]),
        ("- message:", "- mesage:", ["chat.yml:7:11: subscribe[0].mesage: unknown key: did you mean message?"]),
        ("clients: 20", "client: 20", ["chat.yml:13:9: client: unknown key: did you mean clients?"]),
        ("clients: 20", "clients: many", ["chat.yml:13:10: clients: Input should be a valid integer", "'many'"]),
        ("clients: 20", "clients: 0", ["chat.yml:13:10: clients: Input should be greater than or equal to 1"]),
        ("expect: '{\"id\":{seq}}'\nc", 'expect: {"id":{seq}}\nc', ["chat.yml:12:9: expect: ", "write it in quotes"]),
        (
            "every_s: 0.5",
            "every_s: 0.5\n  rate_per_s: 3",
            ["chat.yml:10:3: send: every_s and rate_per_s are two paces"],
        ),
        ("every_s: 0.5", "every_s: 0", ["every_s: Input should be greater than 0"]),
        ("send:", "&s send:", ["the anchor &s is not allowed here"]),
        ("clients: 20", "clients: 100000", ["chat.yml:13:10: clients: Input should be less than or equal to 65535"]),
        (
            "url: ws://",
            "url: http://",
            ["chat.yml:2:8: connect.url: 'http://127.0.0.1:8000/chat' is not a WebSocket ad"],
        ),
        ("8000/chat", "8000/{cleint}", ["chat.yml:2:8: connect.url: it has the unknown placeholder {cleint}"]),
        (
            "Bearer {client}",
            "Bearer {clinet}",
            ["chat.yml:4:20: connect.headers.Authorization: the header Authorization has the unknown placeholder"],
        ),
        ("Authorization:", "Upgrade:", ["chat.yml:4:14: connect.headers.Upgrade: the header cannot set Upgrade"]),
        ("[chat.v2]", "[a b]", ["chat.yml:5:18: connect.subprotocols[0]: the subprotocol 'a b' is not a name"]),
        ("[chat.v2]", "chat", ["chat.yml:5:17: connect.subprotocols: expected a list", "such as `- chat`"]),
        (
            "  headers:\n    Authorization: Bearer {client}",
            "  headers: x",
            ["connect.headers: expected keys with values"],
        ),
        (
            "  every_s: 0.5",
            "\tevery_s: 0.5",
            ["chat.yml:11:1: not valid YAML: a tab, with which nothing can begin here"],
        ),
        ("every_s: 0.5", "every_s: 100000", ["chat.yml:11:12: send.every_s: messages over all clients: 0.0002 is not"]),
        (
            '"id":{seq}}\'\n  e',
            '"id":1}\'\n  e',
            ["chat.yml:12:9: expect: expect has {seq}, but send.message has none"],
        ),
        (
            "expect: '{\"id\":{seq}}'",
            "ignore: ['{sqe}', '{any}', '{seq}']",
            ["ignore[2]: it has {seq}, which has no mean"],
        ),
        (
            SCENARIO[SCENARIO.index("  expect:") : SCENARIO.index("clients:")],
            "send:\n  message: hello\nexpect: welcome\n",
            ["chat.yml:7:3: subscribe[0]: it has no expect, and answers have no {seq}"],
        ),
        ("clients: 20", "clients: 20\nclients: 21", ["the key 'clients' appears twice"]),
        (
            "{seq}}'\n  every",
            "{sqe}}'\n  every",
            ["chat.yml:10:12: send.message: it has the unknown placeholder {sqe}: did you"],
        ),
        (
            '"user":{client}',
            '"user":{seq}',
            ["chat.yml:7:12: subscribe[0].message: it has {seq}, which has no meaning there"],
        ),
    ],
)
def test_each_fault_of_a_scenario_has_its_place(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    assert old in SCENARIO
    with pytest.raises(UsageError) as found:
        read_load_scenario(written(tmp_path, SCENARIO.replace(old, new, 1)))
    for one in words:
        assert one in str(found.value)


def test_a_scenario_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_load_scenario(tmp_path / "none.yml")


@pytest.mark.parametrize(
    ("message", "answer", "words"),
    [
        ("ping", "pong {seq}", r"--answer has \{seq\}, but --message has none"),
        ("{sqe}", None, r"--message has the unknown placeholder \{sqe\}: did you mean \{seq\}\?"),
        ("{Seq}", None, r"unknown placeholder \{Seq\}: did you mean \{seq\}\?"),
        ("{ client }", None, r"unknown placeholder \{ client \}: did you mean \{client\}\?"),
        ("{seq}", "{mesage}", r"--answer has the unknown placeholder \{mesage\}: did you mean \{message\}\?"),
        ("", None, "--message is empty"),
        ("{any}", None, r"--message has \{any\}, which has no meaning there: only \{seq\} and \{client\} can be in it"),
        ("{seq} {message}", None, r"--message has \{message\}, which has no meaning there"),
        ("{seq}", "", "--answer is empty"),
        ("\udcff", None, "not valid UTF-8"),
    ],
)
def test_templates_that_cannot_work(message: str, answer: str | None, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_own_messages(message, answer, names=NAMES)


@pytest.mark.parametrize("message", ['{"query":"{user{name}}"}', "{id} {seq}", '{"a":{"b":{}}}', "{many}", '{"id":'])
def test_braces_that_are_no_placeholders_are_literal(message: str) -> None:
    assert parse_own_messages(message, None, names=NAMES) == OwnMessages(message)


def test_nothing_given_is_an_echo() -> None:
    assert parse_own_messages(None, None, names=NAMES) is None
    assert parse_own_messages(None, "Echo: {message}", names=NAMES) == OwnMessages("", "Echo: {message}")


@pytest.mark.parametrize("connections", [1, 9, 10, 90, 91, 100, 900, 901, 65_535])
def test_all_clients_have_numbers_of_equally_many_digits(connections: int) -> None:
    first = first_client_of(connections)
    assert len(str(first)) == len(str(first + connections - 1))
    assert first == 1 or len(str(first // 10)) != len(str(first // 10 + connections - 1))
