"""Framework folders for tests: a small app that misbehaves in several ways, and a description without an app."""

from __future__ import annotations

import hashlib
import platform
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from zipfile import ZipFile

from runners.subjects import catalog

APP = """
import asyncio, collections, contextlib, http, http.cookies, json, os, signal, sqlite3, sys, time
from websockets.asyncio.server import broadcast, serve

behaviour, port = os.environ["BEHAVIOUR"], int(sys.argv[1])
MANY = 200  # more than the contract's checks send
ROOM = 15
seen = 0
inside = 0
print("behaviour", behaviour, flush=True)
if behaviour == "exits":
    print("no licence found", flush=True)
    sys.exit(3)
if behaviour == "silent":
    time.sleep(600)
if behaviour == "gibberish":
    import socket
    listening = socket.create_server(("127.0.0.1", port))
    while True:
        connection, _ = listening.accept()
        connection.recv(1000)
        connection.sendall(b"\\x00\\x01 what? \\xff\\r\\n\\r\\n")
        connection.close()


rooms = collections.defaultdict(set)


async def room(websocket):
    members = rooms[websocket.request.path]
    members.add(websocket)
    async for message in websocket:
        if behaviour == "waits":  # for the slowest member
            for member in list(members):
                await member.send(message)
        else:  # it keeps what a member does not read
            broadcast(members, message)
    members.discard(websocket)


async def generate(websocket, chunks, per_s):
    begun = time.monotonic()
    for seq in range(chunks):
        await asyncio.sleep(begun + seq / per_s - time.monotonic())
        if behaviour == "goes-on":  # whether or not the client is there
            broadcast([websocket], json.dumps({"seq": seq, "text": "word "}))
        else:
            await websocket.send(json.dumps({"seq": seq, "text": "word "}))
        until = time.perf_counter() + 0.0005  # it computes the words
        while time.perf_counter() < until:
            pass


tasks = set()


async def stream(websocket):
    async for message in websocket:
        if behaviour == "goes-on":
            tasks.add(asyncio.create_task(generate(websocket, **json.loads(message))))
        else:
            await generate(websocket, **json.loads(message))


WORK_S = float(os.environ.get("WORK_S", "0.005"))


async def work(websocket):
    async for message in websocket:
        if behaviour == "lazy":
            pass
        elif websocket.request.path == "/work-inline" or behaviour == "blocks":
            time.sleep(WORK_S)
        else:
            await asyncio.to_thread(time.sleep, WORK_S)
        await websocket.send(message)


async def session(websocket):
    if behaviour == "accepts" and websocket.user is None:
        return await websocket.close(1008, "no session")
    async for _ in websocket:
        await websocket.send("guest" if behaviour == "welcomes" else websocket.user)


def user_of(request):
    cookies = http.cookies.SimpleCookie(request.headers.get("Cookie", ""))
    token = cookies["session"].value if "session" in cookies else ""
    patience_s = 600 if behaviour == "patient" else 0.2
    place = f"file:{os.environ['SESSIONS_DB']}?mode=ro"
    with contextlib.closing(sqlite3.connect(place, uri=True, timeout=patience_s)) as file:
        found = file.execute("SELECT user FROM sessions WHERE token = ?", (token,)).fetchone()
    return found and found[0]


async def echo(websocket):
    global seen, inside
    if websocket.request.path.startswith("/work"):
        return await work(websocket)
    if websocket.request.path == "/session":
        return await session(websocket)
    if websocket.request.path == "/stream":
        return await stream(websocket)
    if websocket.request.path.startswith("/room/"):
        return await room(websocket)
    inside += 1
    async for message in websocket:
        seen += 1
        if behaviour == "wrong":
            message = message[:-1] + message[-1:].swapcase()
        if seen > MANY and behaviour == "dies":
            print("out of luck", flush=True)
            os._exit(7)
        if seen > MANY and behaviour == "hangs":
            print("thinking", flush=True)
            time.sleep(600)
        await websocket.send(message)
    inside -= 1


def health(connection, request):
    if request.path == "/healthz":
        return connection.respond(http.HTTPStatus.OK, "ok")
    if request.path == "/session" and behaviour != "welcomes":
        try:
            connection.user = user_of(request)
        except sqlite3.OperationalError as error:
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        if connection.user is None and behaviour == "drops":
            connection.transport.abort()
        elif connection.user is None and behaviour != "accepts":
            return connection.respond(http.HTTPStatus.UNAUTHORIZED, "no session")
    if behaviour == "small" and inside >= ROOM:
        return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "full")


async def look_around():
    while True:
        until = time.perf_counter() + 0.005
        while time.perf_counter() < until:
            pass
        await asyncio.sleep(0.005)


async def main():
    if behaviour == "restless":
        looking = asyncio.create_task(look_around())
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    async with serve(echo, "127.0.0.1", port, process_request=health):
        await asyncio.Future()


asyncio.run(main())
"""
BEHAVIOURS = (
    "good",
    "exits",
    "silent",
    "gibberish",
    "wrong",
    "dies",
    "hangs",
    "stubborn",
    "restless",
    "small",
    "waits",
)

_HEAD = """
[tool.rtsite]
title = "Mine"
homepage = "https://example.org"
package = "websockets"
protocol = "websocket"
interface = "own"
exchanges = ["echo"]
"""
_VARIANT = """
[[tool.rtsite.variants]]
slug = "{0}"
title = "{0}"
server = "websockets"
command = ["python", "app.py", "{{port}}"]
environment = {{ BEHAVIOUR = "{0}", MARKER = "{1}" }}
transports = ["websocket"]
"""
_HEADLINE = """
headline = true
recommended_by = "https://example.org/deploy"
"""


def make(folder: Path, behaviours: Sequence[str] = BEHAVIOURS, marker: str = "") -> Path:
    """Write the folder; every server has ``marker`` in its environment."""
    folder.mkdir(parents=True)
    (folder / "app.py").write_text(APP)
    variants = [_VARIANT.format(name, marker) + (_HEADLINE if at == 0 else "") for at, name in enumerate(behaviours)]
    (folder / "pyproject.toml").write_text(_HEAD + "".join(variants))
    shutil.copy(catalog.FRAMEWORKS / "websockets" / "requirements.txt", folder)
    return folder


DESCRIBED = """
[tool.rtsite]
title = "My framework"
homepage = "https://example.org"
package = "mine"
protocol = "websocket"
interface = "ASGI"
exchanges = ["echo"]

[[tool.rtsite.variants]]
slug = "one"
title = "One"
server = "own"
command = ["python", "app.py", "{host}", "--port={port}", "{workers}"]
headline = true
recommended_by = "https://example.org/deploy"
transports = ["websocket"]

[[tool.rtsite.variants]]
slug = "two"
title = "Two"
server = "own"
command = ["python", "app.py", "{port}"]
transports = ["websocket"]
extra = "fast"
broker = "redis"
"""
"""A valid `pyproject.toml` with two variants."""


def describe(tmp_path: Path, text: str = DESCRIBED, name: str = "mine", *, app: bool = True) -> Path:
    """Write a folder with this description and, if ``app``, an app that does nothing."""
    path = tmp_path / name
    path.mkdir(parents=True)
    (path / "pyproject.toml").write_text(text)
    if app:
        (path / "app.py").write_text("print()\n")
    return path


def wheel_for_this_python_alone(folder: Path) -> str:
    """Write a wheel that no other version of Python can install; returns its line of a lock."""
    tag = f"cp{sys.version_info.major}{sys.version_info.minor}"
    folder.mkdir()
    path = folder / f"only_here-1.0-{tag}-{tag}-linux_{platform.machine()}.whl"
    said = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: false\nTag: {path.stem.split('-', 2)[2]}\n"
    names = {
        "only_here.py": "",
        "only_here-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: only-here\nVersion: 1.0\n",
        "only_here-1.0.dist-info/WHEEL": said,
    }
    record = "".join(f"{name},,\n" for name in [*names, "only_here-1.0.dist-info/RECORD"])
    with ZipFile(path, "w") as archive:
        for name, content in (names | {"only_here-1.0.dist-info/RECORD": record}).items():
            archive.writestr(name, content)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"only-here @ {path.as_uri()} \\\n    --hash=sha256:{digest}\n"
