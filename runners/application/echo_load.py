"""Load on an echo server that rtsite did not start."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from runners.loading import driver
from runners.loading.job_building import build_echo_job
from runners.loading.load_report import build_report
from runners.record import UsageError
from runners.subjects import catalog


def load_echo_server(
    url: str,
    protocol: str,
    *,
    connections: int,
    duration_s: float,
    warmup_s: float,
    rate_per_s: float | None,
    arrivals: str,
    payload_bytes: int,
    shards: int,
) -> dict[str, Any]:
    """Apply a load, and report it with the keys of ``rtsite load --json``.

    ``rate_per_s``: over all connections; ``None``: a closed loop. Raises `UsageError` for values that do not exist,
    and `LoadError` if the load makes no sense or cannot be applied.
    """
    if protocol not in ("websocket", "socket.io"):
        raise catalog.unknown_name("protocol", protocol, ("websocket", "socket.io"))
    if arrivals not in ("steady", "poisson"):
        raise catalog.unknown_name("kind of arrivals", arrivals, ("steady", "poisson"))
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise UsageError(f"{url!r} is no WebSocket address; it starts with ws:// or wss:// and names a host")
    job = build_echo_job(
        url,
        "socket.io" if protocol == "socket.io" else "websocket",
        connections=connections,
        duration_s=duration_s,
        warmup_s=warmup_s,
        rate_per_s=rate_per_s,
        payload_bytes=payload_bytes,
        arrivals="poisson" if arrivals == "poisson" else "steady",
    )
    return build_report(driver.apply(job, shards=shards), open_loop=rate_per_s is not None)
