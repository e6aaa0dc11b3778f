"""The excerpt of an app contains the code that serves an exchange."""

from __future__ import annotations

from generator.pages.code_excerpts import EXCHANGES, excerpt

ECHO, ROOM, DASHBOARD = EXCHANGES

SOURCE = """
LIMIT = 64


def cut(text):
    return text[:LIMIT]


@app.websocket("/echo")
async def echo(socket):
    await socket.send(cut(await socket.receive()))


def enter(socket):
    socket.subscribe("room")


def leave(socket):
    pass


common = {"close": leave}
app.ws("/room/:name", {**common, "open": enter})


def update(message):
    pass


def push_snapshots():
    pass
"""


def test_definitions_named_for_an_exchange_come_with_what_they_use() -> None:
    assert excerpt(SOURCE, ECHO) == (
        'LIMIT = 64\n\n\ndef cut(text):\n    return text[:LIMIT]\n\n\n@app.websocket("/echo")\n'
        "async def echo(socket):\n    await socket.send(cut(await socket.receive()))\n"
    )


def test_definitions_registered_for_its_path_count_whatever_their_names() -> None:
    assert excerpt(SOURCE, ROOM) == 'def enter(socket):\n    socket.subscribe("room")\n'


def test_events_and_tasks_of_the_contract_count() -> None:
    assert excerpt(SOURCE, DASHBOARD) == "def update(message):\n    pass\n\n\ndef push_snapshots():\n    pass\n"


def test_what_is_no_python_or_has_none_of_it_has_no_excerpt() -> None:
    assert excerpt("def (", ECHO) is None
    assert excerpt("def other(): pass\n", ECHO) is None
