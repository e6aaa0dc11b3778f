"""Evidence from the source code of an app."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from runners.evidence import source_code
from runners.evidence.collection import main_variant
from runners.evidence.counted_code import EVERYBODYS
from runners.evidence.source_code import CodeVocabulary
from runners.record import Finding
from runners.serving.environment import prepare_environment
from runners.subjects import catalog
from runners.subjects.catalog import Variant
from tests.support import needs
from tests.support.marks import few_of

FRAMEWORKS = [framework for framework in catalog.discover() if not framework.reference]


API = frozenset(
    ["accept", "emit", "get", "listen", "on", "on_close", "on_message", "open", "send", "subscribe", "websocket"]
)
"""The attributes that classes of the package ``some`` have."""


def vocabulary(*sources: str, local: set[str] | None = None) -> CodeVocabulary:
    seen = CodeVocabulary(local or set(), API)
    seen.read(map(ast.parse, sources))
    return seen


def variant(command: list[str], **environment: str) -> Variant:
    return Variant(
        slug="one", title="one", server="one", command=command, environment=environment, transports=["websocket"]
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", 0),
        ('"""Only words."""\n', 0),
        ("import os\n\n\nx = (\n    1,\n    2,\n)\n", 2),
        ('def f():\n    """Words."""\n    if True:\n        return 1\n    return 2\n', 4),
        ("class A:\n    x: int = 1\n\n    async def f(self): pass\n", 4),
    ],
)
def test_statements(source: str, expected: int) -> None:
    assert source_code.count_statements(ast.parse(source)) == expected


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import asyncio\nfrom collections import deque\nasyncio.run(deque())", set()),
        ("from fastapi import FastAPI, WebSocket\napp = FastAPI()", {"fastapi.FastAPI"}),
        ("from fastapi import FastAPI as Web\nWeb(); Web()", {"fastapi.FastAPI"}),
        ("import tornado.web\nclass A(tornado.web.RequestHandler): ...", {"tornado.web.RequestHandler"}),
        (
            "from aiohttp import web\nweb.WSMsgType.TEXT; web.run_app()",
            {"aiohttp.web.WSMsgType", "aiohttp.web.run_app"},
        ),
        ("import numpy as np\nnp.array(np.float64.max)", {"numpy.array", "numpy.float64.max"}),
        ("from app import thing\nthing()", set()),
    ],
)
def test_names_that_come_from_packages(source: str, names: set[str]) -> None:
    assert vocabulary(source, local={"app"}).names == names


def test_decorators_hooks_and_settings() -> None:
    seen = vocabulary(
        "import functools\n"
        "from contextlib import asynccontextmanager\n"
        "from some import Base, Server\n"
        "app = Server()\n"
        "class Own: ...\n"
        "class Handler(Base):\n"
        "    async def on_message(self): ...\n"
        "    def _private(self): ...\n"
        "class Other(Own):\n"
        "    def not_a_hook(self): ...\n"
        "@app.websocket('/echo')\n"
        "@asynccontextmanager\n"
        "@functools.cache\n"
        "def echo(): ...\n"
        "class Property:\n"
        "    @property\n"
        "    def x(self): ...\n"
        "    @x.setter\n"
        "    def x(self, value): ...\n"
    )
    assert seen.members == set()
    assert seen.decorators == {"websocket"}
    assert seen.hooks == {"on_message"}
    assert seen.concepts == {"some.Base", "some.Server", "@websocket", "on_message()"}
    settings = "ROOT = 'app'\nlower = 1\nif True:\n    NESTED = 1\n"
    assert vocabulary(settings).settings == set()
    seen.read_settings([ast.parse(settings)])
    assert seen.settings == {"ROOT"}


def test_what_is_used_of_a_packages_objects() -> None:
    seen = vocabulary(
        "from some import Base, Server, Socket\n"
        "server = Server()\n"
        "other: list[int] = list()\n"
        "@server.on('x')\n"
        "async def echo(socket: Socket, number: int):\n"
        "    await socket.send(other.append(number.real))\n"
        "    server.emit('x')\n"
        "class Handler(Base):\n"
        "    kept: int = 0\n"
        "    def opened(self):\n"
        "        self.name = 'x'\n"
        "        self.accept(self.name, self.kept, self.own())\n"
        "    def own(self): ...\n"
        "class Mine:\n"
        "    def go(self): self.anything()\n"
    )
    assert seen.members == {"send", "emit", "accept"}
    assert seen.decorators == {"on"}


def test_objects_without_a_known_type_count_too() -> None:
    """Handlers may annotate what they get as Any, or not at all; keys of JSON and own names are no concepts."""
    seen = vocabulary(
        "import json\n"
        "from typing import Any\n"
        "from some import Server\n"
        "server = Server()\n"
        "clients: set[Any] = set()\n"
        "class Own:\n"
        "    def emit(self): ...\n"
        "def opened(ws: Any, other, own: Own, text: str):\n"
        "    ws.subscribe(text.accept)\n"
        "    other.accept()\n"
        "    own.send()\n"
        "    own.emit()\n"
        "    json.loads(text).get('x')\n"
        "    clients.add(ws)\n"
        "    for client in list(clients):\n"
        "        client.send(text.upper())\n"
        "        client.no_such_name\n"
        "server.get('/', lambda res: res.listen())\n"
    )
    assert seen.members == {"subscribe", "accept", "send", "get", "listen"}


def test_own_names_are_no_concepts_even_in_classes_that_extend_a_packages() -> None:
    base = (
        "from some import Handler\n"
        "class Connection(Handler):\n"
        "    def answer(self): self.send()\n"
        "    def open(self): ...\n"
    )
    derived = (
        "from base import Connection\n"
        "class Echo(Connection):\n"
        "    def on_message(self): self.answer()\n"
        "    def own(self): self.name = self.own()\n"
    )
    seen = vocabulary(derived, base, local={"base"})
    assert seen.hooks == {"open", "on_message"}
    assert seen.members == {"send"}


def test_modules_are_followed_by_import_and_by_name(tmp_path: Path) -> None:
    sources = {
        "app": "import os\nfrom helper import help\nos.environ.setdefault('SETTINGS', 'settings')",
        "helper": "import app",
        "settings": "X = 1",
        "unused": "",
        "test_app": "import unused",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    assert [path.stem for path in source_code.modules_of(tmp_path, variant(["serve", "app:app"]))] == [
        "app",
        "helper",
        "settings",
    ]
    assert [path.stem for path in source_code.modules_of(tmp_path, variant(["python", "unused.py"]))] == ["unused"]
    assert [path.stem for path in source_code.modules_of(tmp_path, variant(["serve"], MODULE="unused"))] == ["unused"]


def test_settings_are_modules_that_only_a_string_names(tmp_path: Path) -> None:
    sources = {
        "app": "import helper\nnames = ['settings', 'helper', 'app']",
        "helper": "",
        "settings": "X = 1",
        "unused": "Y = 1",
    }
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    assert source_code.settings_of(tmp_path, variant(["serve", "app:app"])) == [tmp_path / "settings.py"]
    assert source_code.settings_of(tmp_path, variant(["serve", "unused"], SETTINGS="settings")) == [
        tmp_path / "settings.py"
    ]


def test_a_setting_that_names_an_object_leads_to_its_module(tmp_path: Path) -> None:
    sources = {"settings": "API = ['app:api']\nURL = 'helper://app'", "app": "import helper", "helper": "", "api": ""}
    for name, source in sources.items():
        (tmp_path / f"{name}.py").write_text(source)
    served = variant(["serve"], SETTINGS="settings")
    assert [path.stem for path in source_code.modules_of(tmp_path, served)] == ["app", "helper", "settings"]
    assert [path.stem for path in source_code.settings_of(tmp_path, served)] == ["settings"]


@cache
def findings_of(slug: str) -> dict[str, Finding]:
    """The findings of a folder of ours, by item."""
    (framework,) = catalog.choose_frameworks([slug])
    main = needs.on_allowed_python(framework, main_variant(framework))
    found = source_code.code_findings(framework, main, prepare_environment(framework, main))
    return {finding.item: finding for finding in found}


@pytest.mark.parametrize("framework", few_of(FRAMEWORKS, {"django-channels", "websockets"}, lambda one: one.slug))
def test_every_folder_has_a_size_and_a_vocabulary(framework: catalog.Framework) -> None:
    found = findings_of(framework.slug)
    assert set(found) == {"statements", "files", "names", "concepts", "rooms"}
    if not set(framework.exchanges) & set(EVERYBODYS):
        assert {finding.value for finding in found.values()} == {None}
        return
    for item in ("statements", "names", "concepts"):
        value = found[item].value
        assert isinstance(value, int)
        assert value >= 2
    assert found["rooms"].value is not None, found["rooms"].note
    names, concepts = found["names"].value, found["concepts"].value
    assert isinstance(names, int)
    assert isinstance(concepts, int)
    assert concepts > names, "no app uses names only"
    assert "answer()" not in str(found["concepts"].note), "a method of our own is no concept of the framework"


def test_what_stands_for_a_process_supervisor_is_no_code_of_the_app() -> None:
    assert findings_of("django-channels")["files"].note == "app.py, settings.py"


def test_handlers_that_are_annotated_as_any_are_counted() -> None:
    note = findings_of("socketify")["concepts"].note
    for name in (".get_parameter", ".get_user_data", ".subscribe", ".upgrade"):
        assert name in str(note), name
