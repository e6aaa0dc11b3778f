"""``rtsite load``: applies load to any echo server."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from runners.application.client_options import parse_client_options
from runners.application.echo_load import load_echo_server
from runners.application.load_scenario import read_load_scenario
from runners.application.message_options import parse_own_messages
from runners.application.stream_load import load_event_streams
from runners.cli.console import print_json, print_table, say
from runners.cli.options import HostsOption, JsonOption, SchedulerOption, app
from runners.judging.thresholds import WORKING_TIME
from runners.loadgen.job import Job
from runners.loadgen.pace import Arrivals, Closed, Open, Pace
from runners.record import UsageError, unknown_name


@app.command("load")
def load_command(
    context: typer.Context,
    url: Annotated[
        str | None,
        typer.Argument(
            help="ws:// or wss:// address of the endpoint; for Socket.IO, the address of the server. {client} in it"
            " becomes the number of the client."
        ),
    ] = None,
    protocol: Annotated[str, typer.Option(help="Protocol of the server: websocket or socket.io.")] = "websocket",
    connections: Annotated[int, typer.Option(min=1, help="Number of connections.")] = 100,
    duration: Annotated[float, typer.Option(min=0.1, help="Length of the timed window in seconds.")] = 10.0,
    warmup: Annotated[float, typer.Option(min=0.0, help="Warm-up in seconds.")] = 1.0,
    rate: Annotated[
        float | None,
        typer.Option(
            min=0.001, help="Open loop: messages, or streams, per second over all connections (default: a closed loop)."
        ),
    ] = None,
    arrivals: Annotated[
        str,
        typer.Option(
            help="Send times with --rate: steady (evenly spaced) or poisson (random, as from independent users)."
        ),
    ] = "steady",
    payload: Annotated[
        int | None, typer.Option(help=f"Size of a message in bytes (default: {Job.payload_bytes}).", show_default=False)
    ] = None,
    message: Annotated[
        str | None,
        typer.Option(
            help="Template of a message instead of a payload: text or JSON, with {seq} for its number and {client} for"
            " the number of the client."
        ),
    ] = None,
    answer: Annotated[
        str | None,
        typer.Option(
            help="Template of the answer: also with {message} for the whole message, and {any} for text or a value that"
            " varies. JSON may have more keys, in any order (default: {message})."
        ),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            help="Template of a message that is no answer and is not counted, such as a sign of life; repeatable."
            " It has {client} and {any}."
        ),
    ] = None,
    scenario: Annotated[
        Path | None,
        typer.Option(
            help="File in YAML that says how clients connect and subscribe, what they send and expect, how many there"
            " are and for how long. It replaces the address and the options for these."
        ),
    ] = None,
    sse: Annotated[
        bool,
        typer.Option(
            "--sse",
            help="Read event streams of an http:// or https:// address instead: one request per stream, which ends with"
            " its body or with [DONE].",
        ),
    ] = False,
    method: Annotated[
        str | None, typer.Option(help="With --sse: GET or POST (default: POST if there is a body, or else GET).")
    ] = None,
    body: Annotated[
        str | None, typer.Option(help="With --sse: template of the body of a request, with {seq} and {client}.")
    ] = None,
    answers: Annotated[
        str,
        typer.Option(
            help="What answers a message: same (the message itself) or any (any message answers the oldest one that"
            " its connection waits for, and nothing is compared)."
        ),
    ] = "same",
    answer_timeout: Annotated[
        float,
        typer.Option(min=0.1, help="Seconds after which an unanswered message is lost, and a silent stream broken."),
    ] = Job.answer_timeout_s,
    drain: Annotated[
        float,
        typer.Option(
            min=0.0, help="Seconds to wait for answers after the window of an open loop, or for streams to end."
        ),
    ] = Job.drain_s,
    shards: Annotated[int, typer.Option(min=1, help="Number of load generator processes.")] = 1,
    scheduler: SchedulerOption = None,
    hosts: HostsOption = None,
    connect_timeout: Annotated[
        float, typer.Option(min=0.1, max=3600.0, help="Time in seconds in which a connection must be open.")
    ] = Job.connect_timeout_s,
    header: Annotated[
        list[str] | None,
        typer.Option(
            help="Header of the opening handshake, such as 'Authorization: Bearer TOKEN'; repeatable."
            " {client} in its value becomes the number of the client."
        ),
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
    """Apply load to any echo server, or to a server that answers in its own way.

    Example: rtsite load ws://127.0.0.1:8000/echo --rate 1000 --json
    """
    if hosts is not None and scheduler is None:
        raise UsageError("--hosts is the number of workers of a Dask scheduler; add --scheduler")
    if scheduler is not None:
        _refuse_beside("--scheduler", context, ["shards", "sse"])
    if sse:
        _refuse_beside("--sse", context, _FOR_MESSAGES)
    elif method is not None or body is not None:
        raise UsageError("--method and --body are for event streams; add --sse, or use --message")
    subscriptions: list[tuple[str, str]] = []
    if scenario is not None:
        _refuse_beside(f"{scenario}", context, _IN_SCENARIO)
        read = read_load_scenario(scenario)
        url, message, answer, rate = read.connect.url, read.send.message, read.expect, read.rate_per_s
        header = [f"{name}: {value}" for name, value in read.connect.headers.items()]
        subprotocol, connections, duration = read.connect.subprotocols, read.clients, read.duration_s
        ignore = read.ignore
        subscriptions = [(one.message, one.expect or "") for one in read.subscribe]
    if url is None:
        raise UsageError("no address is given; expected one such as ws://127.0.0.1:8000/echo, or --scenario FILE")
    pace = _parse_pace(rate, arrivals)
    client = parse_client_options(
        headers=header or (),
        origin=origin,
        subprotocols=subprotocol or (),
        subscriptions=subscriptions,
        ca=ca,
        insecure=insecure,
        namespace=namespace,
        auth=auth,
        event=event,
        deflate=deflate,
    )
    if sse:
        streams = load_event_streams(
            url,
            method=method,
            body=body,
            connections=connections,
            duration_s=duration,
            warmup_s=warmup,
            pace=pace,
            shards=shards,
            client=client,
            connect_timeout_s=connect_timeout,
            answer_timeout_s=answer_timeout,
            drain_s=drain,
        )
        _show(streams, _stream_rows(streams), as_json=as_json, is_empty=not streams["chunks"])
        return
    own = parse_own_messages(message, answer, ignore or (), names=("--message", "--answer"))
    if payload is not None and message is not None:
        raise UsageError("--payload is the size of the usual message, and --message is another one; omit one of them")
    report = load_echo_server(
        url,
        protocol,
        connections=connections,
        duration_s=duration,
        warmup_s=warmup,
        pace=pace,
        payload_bytes=Job.payload_bytes if payload is None else payload,
        own=own,
        shards=shards,
        connect_timeout_s=connect_timeout,
        client=client,
        serializer=serializer,
        answers=answers,
        answer_timeout_s=answer_timeout,
        drain_s=drain,
        scheduler=scheduler or "",
        most_hosts=hosts,
    )
    latency_kind = "latency from the intended send" if isinstance(pace, Open) else "service time"
    # If nothing that was expected was received, nothing was measured.
    is_empty = report["received"] == report["corrupted"]
    _show(report, _message_rows(report, latency_kind), as_json=as_json, is_empty=is_empty)


def _show(report: dict[str, Any], rows: list[list[str]], *, as_json: bool, is_empty: bool) -> None:
    """Print a report and what explains it. The command fails if nothing was measured."""
    if as_json:
        print_json(report)
    else:
        print_table(["metric", "value"], rows)
        if report.get("hosts"):
            print_table(_HOST_COLUMNS, _host_rows(report["hosts"]))
    for cause in report["causes"]:
        say(f"{cause['error']}, {cause['count']} ×: {cause['example']}")
    for note in report["notes"]:
        say(note)
    if WORKING_TIME.is_broken_by(report["generator_working_percent"]):
        say("The load generator was near its limit. Try more processes: --shards.")
    if is_empty:
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


_IN_SCENARIO = [
    "url",
    "protocol",
    "connections",
    "duration",
    "rate",
    "payload",
    "message",
    "answer",
    "ignore",
    "header",
    "subprotocol",
    "namespace",
    "auth",
    "event",
    "serializer",
]
"""The parameters that a scenario sets or excludes."""
_FOR_MESSAGES = [
    "protocol",
    "payload",
    "message",
    "answer",
    "ignore",
    "scenario",
    "answers",
    "subprotocol",
    "namespace",
    "auth",
    "event",
    "deflate",
    "serializer",
    "arrivals",
]
"""The parameters that have no meaning for event streams."""


def _refuse_beside(what: str, context: typer.Context, excluded: Sequence[str]) -> None:
    """Raise `UsageError` if the command line sets what this excludes."""
    given = [
        "the address" if name == "url" else f"--{name}"
        for name in excluded
        if (source := context.get_parameter_source(name)) is not None and source.name == "COMMANDLINE"
    ]
    if given:
        raise UsageError(f"{what} leaves no place for {' and '.join(given)}; omit one of them")


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


def _message_rows(report: dict[str, Any], latency_kind: str) -> list[list[str]]:
    return [
        ["messages per second", f"{report['messages_per_second']:,.1f}"],
        *_percentile_rows(latency_kind, report["latency_ms"]),
        *([title, f"{report[name]}"] for name, title in _COUNTS.items()),
        *_error_rows(report),
        *_traffic_rows(report),
        *_last_rows(report),
    ]


_STREAM_COUNTS = {
    "begun": "begun = completed + broken + unfinished",
    "completed": "completed",
    "done": "completed by [DONE]",
    "broken": "broken",
    "unfinished": "unfinished",
    "chunks": "chunks",
}
"""Rows of the table of streams: keys of the report and their titles."""


def _stream_rows(report: dict[str, Any]) -> list[list[str]]:
    return [
        ["streams per second", f"{report['streams_per_second']:,.1f}"],
        ["chunks per second", f"{report['chunks_per_second']:,.1f}"],
        *_percentile_rows("time to first chunk", report["first_chunk_ms"]),
        *_percentile_rows("gap between chunks", report["chunk_gap_ms"]),
        *_percentile_rows("whole stream", report["stream_ms"]),
        *([title, f"{report[name]}"] for name, title in _STREAM_COUNTS.items()),
        *_error_rows(report),
        *_last_rows(report),
    ]


_HOST_COLUMNS = ["host", "shards", "connections", "messages per s", "CPU (%)", "send lag p99 (ms)", "memory (MB)"]


def _host_rows(hosts: Sequence[dict[str, Any]]) -> list[list[str]]:
    return [
        [
            host["name"],
            f"{host['shards']}",
            f"{host['connections']:,}",
            f"{host['messages_per_second']:,.1f}",
            f"{host['generator_working_percent']:.0f}",
            "–" if host["send_lag_ms"]["p99"] is None else f"{host['send_lag_ms']['p99']:.3f}",
            f"{host['memory_mb']:,.0f}",
        ]
        for host in hosts
    ]


def _percentile_rows(title: str, percentiles: dict[str, float | None]) -> list[list[str]]:
    return [
        [f"{title}, {name} (ms)", "too few samples" if value is None else f"{value:.3f}"]
        for name, value in percentiles.items()
    ]


def _error_rows(report: dict[str, Any]) -> list[list[str]]:
    return [[f"errors: {kind}", f"{count}"] for kind, count in report["errors"].items()] or [["errors", "0"]]


def _last_rows(report: dict[str, Any]) -> list[list[str]]:
    return [
        ["load generator CPU (%)", f"{report['generator_cpu_percent']:.0f}"],
        *([["interrupted", f"after {report['duration_s']:.1f} s"]] if report["interrupted"] else []),
        ["valid", "yes" if report["valid"] else "no: " + "; ".join(report["invalid_reasons"])],
    ]
