"""How an app starts and reloads."""

from __future__ import annotations

import asyncio
import contextlib
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from runners import contract, resources
from runners.evidence.copies import altered
from runners.record import Finding, RtsiteError
from runners.serving import server
from runners.serving.environment import Environment
from runners.subjects.catalog import Framework, Variant

RELOAD_TIMEOUT_S = 30.0
_POLL_S = 0.01
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@contextlib.contextmanager
def serving(
    framework: Framework,
    variant: Variant,
    environment: Environment,
    *,
    redis_url: str | None,
    logs: Path,
    workers: int = 1,
) -> Iterator[tuple[server.Server, float]]:
    """A server that answers, and the seconds from starting its command until it did."""
    began = time.perf_counter()
    started = server.start_server(
        framework, variant, environment, cpus=(), workers=workers, redis_url=redis_url, logs=logs
    )  # fmt: skip
    try:
        started.wait_until_listening()
        yield started, time.perf_counter() - began
    finally:
        started.stop()


def start(
    framework: Framework, variant: Variant, environment: Environment, *, redis_url: str | None, logs: Path
) -> list[Finding]:
    """How long the server takes to start, and what it then takes of the machine."""
    with serving(framework, variant, environment, redis_url=redis_url, logs=logs) as (started, seconds):
        echo(started)
        memory_mb = resources.read_memory(started.child.pid).pss / 1e6
        processes = resources.count_processes(started.child.pid)
    broker = 1 if redis_url else 0
    told = f"{processes} of the server" + (", and Redis" if broker else "")
    return [
        Finding(item="start-s", value=seconds),
        Finding(item="memory-mb", value=memory_mb, note="of the server, Redis left out" if broker else None),
        Finding(item="processes", value=processes + broker, note=told),
    ]


def first_message(
    framework: Framework, variant: Variant, environment: Environment, *, redis_url: str | None, logs: Path
) -> Finding:
    """From starting a server until an echo is back; the environment must be new."""
    began = time.perf_counter()
    with serving(framework, variant, environment, redis_url=redis_url, logs=logs) as (started, _):
        echo(started)
        return Finding(item="first-message-s", value=time.perf_counter() - began)


def echo(started: server.Server) -> None:
    """One message there and back; raises `RtsiteError`."""
    app = contract.client_of(started.base_url, started.framework.protocol, started.variant.serializer)
    transport = next(one for one in started.variant.transports if one != "sse")

    async def once() -> object:
        async with app.echoer(transport) as echoer:
            return await asyncio.wait_for(echoer.echo("first"), app.timeout_s)

    answer = asyncio.run(once())
    if answer != "first":
        raise RtsiteError(f"the echo answered {answer!r} to 'first'")


def reload(framework: Framework, environment: Environment, *, logs: Path) -> list[Finding]:
    """How long the framework's own reloader takes to serve a changed app."""
    hints = framework.evidence
    if not hints.reload:
        why = "the folder names none"
        return [Finding(item="reloader", value=False, note=why), Finding(item="reload-s", note=why)]
    variant = framework.variants[0].model_copy(
        update={"command": hints.reload, "environment": framework.variants[0].environment | hints.reload_environment}
    )
    with altered(framework) as copy:
        mark = copy.folder / "loaded"
        told = f"\nimport pathlib as _pathlib\n_pathlib.Path({str(mark)!r}).write_text('{{}}')\n"
        app = copy.folder / "app.py"
        source = app.read_text(encoding="utf-8")
        cut = _first_statement(source)
        app.write_text(source[:cut] + told.format("before") + source[cut:], encoding="utf-8")
        with serving(copy, variant, environment, redis_url=None, logs=logs) as (started, _):
            if mark.read_text(encoding="utf-8") != "before":
                return _no_reload("the app did not say that it was loaded")
            time.sleep(1.0)  # a reloader that looks at whole seconds must see another one
            began = time.perf_counter()
            app.write_text(source[:cut] + told.format("after") + source[cut:], encoding="utf-8")
            if not _until_served(started, mark, began + RELOAD_TIMEOUT_S):
                lines = " | ".join(started.child.last_lines(3))
                return _no_reload(f"no changed app answered within {RELOAD_TIMEOUT_S:.0f} s: {lines}")
            seconds = time.perf_counter() - began
    return [Finding(item="reloader", value=True, note=" ".join(hints.reload)), Finding(item="reload-s", value=seconds)]


def _no_reload(why: str) -> list[Finding]:
    return [Finding(item=item, note=why) for item in ("reloader", "reload-s")]


def _first_statement(source: str) -> int:
    """Where the first line after the docstring begins."""
    end = source.index('"""', 3) + 3 if source.startswith('"""') else 0
    return source.find("\n", end) + 1 if end else 0


def _until_served(started: server.Server, mark: Path, until: float) -> bool:
    """Until the changed module was loaded and the server answers again."""
    while time.perf_counter() < until:
        if mark.read_text(encoding="utf-8") == "after":
            with contextlib.suppress(OSError, ValueError):
                try:
                    with _DIRECT.open(f"{started.base_url}/healthz", timeout=1.0):
                        return True
                except urllib.error.HTTPError as error:
                    error.close()
        time.sleep(_POLL_S)
    return False


def checks_of(started: server.Server, only: Sequence[str], transports: Sequence[str]) -> list[contract.Check]:
    """Checks of the contract over these transports alone."""
    return asyncio.run(
        contract.check_contract(
            started.base_url,
            started.framework.protocol,
            only=only,
            transports=transports,
            serializer=started.variant.serializer,
        )
    )
