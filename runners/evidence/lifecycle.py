"""Timings of an application's start and first answer, and of its reloader."""

from __future__ import annotations

import asyncio
import contextlib
import time
import urllib.error
from pathlib import Path

from runners import resources
from runners.evidence.copies import altered
from runners.record import BROKER_TITLES, Finding, RtsiteError
from runners.serving import server
from runners.serving.deployment import serve_variant
from runners.subjects.catalog import Framework, Variant

RELOAD_TIMEOUT_S = 30.0
_POLL_S = 0.01
_WHOLE_SECOND_S = 1.0
"""Pause before a change. Some reloaders compare modification times in whole seconds, and then see a different one."""


def start_findings(framework: Framework, variant: Variant, *, logs: Path) -> list[Finding]:
    """Measure the times until the server listens and until its first answer, and its memory after that answer.

    An application that only has an event stream answers no message: its memory is measured after some events.
    """
    with serve_variant(framework, variant, logs=logs) as deployment:
        answers = send_one_message(deployment.server)
        first_answer_s = time.perf_counter() - deployment.started_at
        memory_mb = resources.read_memory(deployment.server.child.pid).pss / 1e6
        start_s = deployment.start_s
    broker = BROKER_TITLES.get(variant.broker)
    parts = [variant.server, *([broker] if broker else [])]
    return [
        Finding(item="start-s", value=start_s),
        Finding(item="first-answer-s", value=first_answer_s)
        if answers
        else Finding(item="first-answer-s", note="its events come by the beat, and it answers no messages"),
        Finding(item="memory-mb", value=memory_mb, note=f"of the server, without {broker}" if broker else None),
        Finding(item="parts", value=len(parts), note=" and ".join(parts)),
    ]


def send_one_message(started: server.Server) -> bool:
    """Send one message and receive its echo. Returns false if the application only has an event stream, and then reads
    events.

    Raises `RtsiteError` if something else comes back.
    """
    app = started.client()
    transport = next((one for one in started.variant.transports if one != "sse"), None)
    if transport is None:
        (events,) = started.check(["events"])
        if not events.ok:
            raise RtsiteError(events.detail)
        return False

    async def exchange() -> object:
        async with app.echoer(transport) as echoer:
            return await asyncio.wait_for(echoer.echo("first"), app.timeout_s)

    answer = asyncio.run(exchange())
    if answer != "first":
        raise RtsiteError(f"the echo answered {answer!r} to 'first'")
    return True


def reload_findings(framework: Framework, main: Variant, *, logs: Path) -> list[Finding]:
    """Measure the time that the folder's reloader takes to serve a changed application, in the environment of
    ``main``, or in that of the extra that the folder names for it.
    """
    hints = framework.evidence
    if not hints.reload:
        why = "neither the framework nor its server has one of its own"
        return [Finding(item="reloader", value=False, note=why), Finding(item="reload-s", note=why)]
    environment = main.environment | hints.reload_environment
    extra = hints.reload_extra or main.extra
    reloading = main.model_copy(
        update={"command": hints.reload, "environment": environment, "extra": extra, "broker": "none"}
    )
    with altered(framework) as copy:
        marked = _MarkedApp(copy.folder)
        marked.write("before")
        with serve_variant(copy, reloading, logs=logs) as deployment:
            if marked.last_loaded() != "before":
                return _no_reload("the application did not record that it was loaded")
            time.sleep(_WHOLE_SECOND_S)
            began = time.perf_counter()
            marked.write("after")
            if not _wait_until_served(deployment.server, marked, began + RELOAD_TIMEOUT_S):
                lines = " | ".join(deployment.server.child.last_lines(3))
                return _no_reload(f"the changed application did not answer within {RELOAD_TIMEOUT_S:.0f} s: {lines}")
            seconds = time.perf_counter() - began
    return [Finding(item="reloader", value=True, note=" ".join(hints.reload)), Finding(item="reload-s", value=seconds)]


class _MarkedApp:
    """The ``app.py`` of a copy, which records in a file which of its versions was loaded last."""

    def __init__(self, folder: Path) -> None:
        self._record = folder / "loaded"
        self._app = folder / "app.py"
        self._source = self._app.read_text(encoding="utf-8")
        self._cut = _first_statement(self._source)

    def write(self, name: str) -> None:
        """Change ``app.py`` so that it records this name when it is loaded."""
        mark = f"\nimport pathlib as _pathlib\n_pathlib.Path({str(self._record)!r}).write_text({name!r})\n"
        self._app.write_text(self._source[: self._cut] + mark + self._source[self._cut :], encoding="utf-8")

    def last_loaded(self) -> str:
        return self._record.read_text(encoding="utf-8")


def _no_reload(why: str) -> list[Finding]:
    return [Finding(item=item, note=why) for item in ("reloader", "reload-s")]


def _first_statement(source: str) -> int:
    """The offset of the first line after the docstring."""
    end = source.index('"""', 3) + 3 if source.startswith('"""') else 0
    return source.find("\n", end) + 1 if end else 0


def _wait_until_served(started: server.Server, marked: _MarkedApp, until: float) -> bool:
    """Wait until the changed module is loaded and the server answers again; returns false if that takes too long."""
    while time.perf_counter() < until:
        if marked.last_loaded() == "after":
            with contextlib.suppress(OSError, ValueError):
                try:
                    with server.DIRECT.open(f"{started.base_url}/healthz", timeout=1.0):
                        return True
                except urllib.error.HTTPError as error:
                    error.close()
        time.sleep(_POLL_S)
    return False
