"""``rtsite load`` and ``calibrate``: the load generator alone."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

import typer

from runners import calibration, machine
from runners.cli.console import print_json, print_table, say
from runners.cli.options import JsonOption, app
from runners.loading import driver
from runners.record import RtsiteError, UsageError
from runners.subjects import catalog


@app.command("load")
def load_command(
    url: Annotated[str, typer.Argument(help="ws:// or wss:// address of an echo endpoint; Socket.IO: of the server.")],
    protocol: Annotated[str, typer.Option(help="websocket or socket.io.")] = "websocket",
    connections: Annotated[int, typer.Option(min=1, help="Clients.")] = 100,
    duration: Annotated[float, typer.Option(min=0.1, help="Seconds of the timed window.")] = 10.0,
    warmup: Annotated[float, typer.Option(min=0.0, help="Seconds before it.")] = 1.0,
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Messages per second over all clients; without it: closed loop.")
    ] = None,
    arrivals: Annotated[str, typer.Option(help="With --rate: steady, or poisson for independent users.")] = "steady",
    payload: Annotated[int, typer.Option(help="Bytes per message.")] = 64,
    shards: Annotated[int, typer.Option(min=1, help="Generator processes.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Point the load generator at any echo server of yours.

    Example: rtsite load ws://127.0.0.1:8000/echo --rate 1000 --json
    """
    if protocol not in ("websocket", "socket.io"):
        raise catalog.unknown_name("protocol", protocol, ("websocket", "socket.io"))
    if arrivals not in ("steady", "poisson"):
        raise catalog.unknown_name("kind of arrivals", arrivals, ("steady", "poisson"))
    parts = urlsplit(url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname:
        raise UsageError(f"{url!r} is no WebSocket address; it starts with ws:// or wss:// and names a host")
    job = driver.echo_job(
        url,
        "socket.io" if protocol == "socket.io" else "websocket",
        connections=connections,
        duration_s=duration,
        warmup_s=warmup,
        rate_per_s=rate,
        payload_bytes=payload,
        arrivals="poisson" if arrivals == "poisson" else "steady",
    )
    result = driver.apply(job, shards=shards)
    report = driver.report(result, open_loop=rate is not None)
    if as_json:
        print_json(report)
        return
    latency = report["latency_ms"]
    kind = "latency from the intended send" if rate is not None else "service time"
    rows = [
        ["messages per second", f"{report['messages_per_second']:,.1f}"],
        *[
            [f"{kind}, {name} (ms)", "too few samples" if value is None else f"{value:.3f}"]
            for name, value in latency.items()
        ],
        *[[name, str(report[name])] for name in ("sent", "received", "lost", "duplicated", "reordered", "corrupted")],
        ["generator CPU (%)", f"{report['generator_cpu_percent']:.0f}"],
        ["valid", "yes" if report["valid"] else "no: " + "; ".join(report["invalid_reasons"])],
    ]
    print_table(["figure", "value"], rows)


@app.command()
def calibrate(
    window: Annotated[float, typer.Option(min=1.0, help="Seconds of each timed window.")] = 4.0,
    as_json: JsonOption = False,
) -> None:
    """Measure the load generator's own limits here, and prove that it sees what servers do wrong.

    Servers that lie on purpose are measured; each lie must be seen, in the right amount. Takes about three minutes.
    Example: rtsite calibrate --json
    """
    cores = machine.share_cores(1, machine.physical_cores(), pinnable=machine.can_pin())
    if cores.note:
        say(f"Note: {cores.note}")
    with machine.claimed("rtsite calibrate"):
        result = calibration.calibrate(cores, say, window_s=window)
    if as_json:
        print_json(result.to_json())
    else:
        _print_calibration(result)
    if not result.ok:
        missed = ", ".join(f"{proof.name} ({proof.protocol})" for proof in result.proofs if not proof.ok)
        raise RtsiteError(f"the load generator does not see: {missed}; is the machine doing something else?")


def _print_calibration(result: calibration.Calibration) -> None:
    shares = calibration.SHARES_PERCENT
    print_table(
        ["protocol", "bytes", "ceiling, msg/s", *[f"send lag p99 at {share} %, ms" for share in shares]],
        [
            [
                ceiling.protocol,
                str(ceiling.payload_bytes),
                f"{ceiling.messages_per_s:,.0f}",
                *["–" if (lag := ceiling.send_lag_p99_ms[share]) is None else f"{lag:.4f}" for share in shares],
            ]
            for ceiling in result.ceilings
        ],
        title="What one generator process can do against a bare echo server",
    )
    print_table(
        ["lie", "protocol", "", "expected", "found"],
        [
            [proof.name, proof.protocol, "seen" if proof.ok else "MISSED", proof.expected, proof.found]
            for proof in result.proofs
        ],
        title="What it sees of servers that lie",
    )
