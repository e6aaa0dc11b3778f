"""``rtsite load``: applies load to any echo server."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import typer

from runners.application.client_options import parse_client_options
from runners.application.echo_load import load_echo_server
from runners.cli.console import print_json, print_table, say
from runners.cli.options import JsonOption, app
from runners.judging.thresholds import WORKING_TIME
from runners.loadgen.job import Job
from runners.loadgen.pace import Arrivals, Closed, Open, Pace
from runners.record import UsageError, unknown_name


@app.command("load")
def load_command(
    url: Annotated[
        str,
        typer.Argument(help="ws:// or wss:// address of an echo endpoint; for Socket.IO, the address of the server."),
    ],
    protocol: Annotated[str, typer.Option(help="Protocol of the server: websocket or socket.io.")] = "websocket",
    connections: Annotated[int, typer.Option(min=1, help="Number of connections.")] = 100,
    duration: Annotated[float, typer.Option(min=0.1, help="Length of the timed window in seconds.")] = 10.0,
    warmup: Annotated[float, typer.Option(min=0.0, help="Warm-up in seconds.")] = 1.0,
    rate: Annotated[
        float | None,
        typer.Option(min=0.001, help="Open loop: messages per second over all connections (default: a closed loop)."),
    ] = None,
    arrivals: Annotated[
        str,
        typer.Option(
            help="Send times with --rate: steady (evenly spaced) or poisson (random, as from independent users)."
        ),
    ] = "steady",
    payload: Annotated[int, typer.Option(help="Size of a message in bytes.")] = 64,
    answers: Annotated[
        str,
        typer.Option(
            help="What answers a message: same (the message itself) or any (any message answers the oldest one that"
            " its connection waits for, and nothing is compared)."
        ),
    ] = "same",
    answer_timeout: Annotated[
        float,
        typer.Option(min=0.1, help="Seconds after which an unanswered message is lost."),
    ] = Job.answer_timeout_s,
    drain: Annotated[
        float,
        typer.Option(min=0.0, help="Seconds to wait for answers after the window of an open loop."),
    ] = Job.drain_s,
    shards: Annotated[int, typer.Option(min=1, help="Number of load generator processes.")] = 1,
    connect_timeout: Annotated[
        float, typer.Option(min=0.1, max=3600.0, help="Time in seconds in which a connection must be open.")
    ] = Job.connect_timeout_s,
    header: Annotated[
        list[str] | None,
        typer.Option(help="Header of the opening handshake, such as 'Authorization: Bearer TOKEN'; repeatable."),
    ] = None,
    origin: Annotated[str | None, typer.Option(help="Origin header, as a browser sends it.")] = None,
    subprotocol: Annotated[
        list[str] | None, typer.Option(help="WebSocket subprotocol to request; repeatable, the preferred first.")
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Accept every certificate of a wss:// server.")] = False,
    ca: Annotated[
        str | None, typer.Option(help="File of certificates in PEM to trust instead of the system's.")
    ] = None,
    namespace: Annotated[str | None, typer.Option(help="Namespace of Socket.IO (default: /).")] = None,
    auth: Annotated[
        str | None, typer.Option(help="JSON object that Socket.IO's CONNECT packet carries (default: none).")
    ] = None,
    event: Annotated[str | None, typer.Option(help="Socket.IO event that the server answers (default: echo).")] = None,
    deflate: Annotated[
        bool, typer.Option("--deflate", help="Offer to compress messages (permessage-deflate), as browsers do.")
    ] = False,
    serializer: Annotated[str, typer.Option(help="Serializer of Socket.IO's packets: json or msgpack.")] = "json",
    as_json: JsonOption = False,
) -> None:
    """Apply load to any echo server.

    Example: rtsite load ws://127.0.0.1:8000/echo --rate 1000 --json
    """
    pace = _parse_pace(rate, arrivals)
    report = load_echo_server(
        url,
        protocol,
        connections=connections,
        duration_s=duration,
        warmup_s=warmup,
        pace=pace,
        payload_bytes=payload,
        shards=shards,
        connect_timeout_s=connect_timeout,
        client=parse_client_options(
            headers=header or (),
            origin=origin,
            subprotocols=subprotocol or (),
            ca=ca,
            insecure=insecure,
            namespace=namespace,
            auth=auth,
            event=event,
            deflate=deflate,
        ),
        serializer=serializer,
        answers=answers,
        answer_timeout_s=answer_timeout,
        drain_s=drain,
    )
    if as_json:
        print_json(report)
    else:
        _print_report(report, "latency from the intended send" if isinstance(pace, Open) else "service time")
    for cause in report["causes"]:
        say(f"{cause['error']}, {cause['count']} ×: {cause['example']}")
    for note in report["notes"]:
        say(note)
    if WORKING_TIME.is_broken_by(report["generator_working_percent"]):
        say("The load generator was near its limit. Try more processes: --shards.")
    if report["received"] == report["corrupted"]:  # nothing that was expected was received, so nothing was measured
        raise typer.Exit(1)


_COUNTS = {
    "sent": "sent = received + lost + in flight",
    "received": "received",
    "lost": "lost",
    "in_flight": "in flight",
    "unanswered_at_end": "unanswered at the end of the window",
    "duplicated": "duplicated",
    "reordered": "reordered",
    "corrupted": "differing",
    "foreign": "foreign",
    "empty": "without data",
}
"""Rows of the table: keys of the report and their titles."""


def _parse_pace(rate: float | None, arrivals: str) -> Pace:
    if arrivals not in get_args(Arrivals):
        raise unknown_name("kind of arrivals", arrivals, get_args(Arrivals))
    if rate is None:
        return Closed()
    try:
        return Open(rate, "poisson" if arrivals == "poisson" else "steady")
    except ValueError as error:
        raise UsageError(f"--rate: {error}") from None


def _traffic_rows(report: dict[str, Any]) -> list[list[str]]:
    """The agreed compression, if any was offered, and the bytes per message."""
    compression, traffic = report["compression"], report["traffic"]
    rows = []
    if compression is not None:
        found = {**compression["agreements"], **({"declined": count} if (count := compression["declined"]) else {})}
        rows += [["compression", f"{answer} ({count} connections)"] for answer, count in found.items()]
    for way in ("sent", "received"):
        if traffic is not None and (payload := traffic[f"{way}_payload_bytes"]) is not None:
            wire = traffic[f"{way}_wire_bytes"]
            rows.append([f"bytes per message {way}, in frames", f"{payload:,.1f}, {wire:,.1f}"])
    return rows


def _print_report(report: dict[str, Any], latency_kind: str) -> None:
    latencies = [
        [f"{latency_kind}, {name} (ms)", "too few samples" if value is None else f"{value:.3f}"]
        for name, value in report["latency_ms"].items()
    ]
    counts = [[title, f"{report[name]}"] for name, title in _COUNTS.items()]
    errors = [[f"errors: {kind}", f"{count}"] for kind, count in report["errors"].items()] or [["errors", "0"]]
    print_table(
        ["metric", "value"],
        [
            ["messages per second", f"{report['messages_per_second']:,.1f}"],
            *latencies,
            *counts,
            *errors,
            *_traffic_rows(report),
            ["load generator CPU (%)", f"{report['generator_cpu_percent']:.0f}"],
            *([["interrupted", f"after {report['duration_s']:.1f} s"]] if report["interrupted"] else []),
            ["valid", "yes" if report["valid"] else "no: " + "; ".join(report["invalid_reasons"])],
        ],
    )
