"""Load for an echo server that rtsite did not start."""

from __future__ import annotations

import math
from ipaddress import ip_address
from typing import Any, get_args
from urllib.parse import urlsplit

from runners import control_groups, machine, signals
from runners.application.client_options import check_client_options
from runners.application.message_options import CLIENT_ONLY, check_template
from runners.cluster.host_reports import healths_of_hosts, host_reports
from runners.cluster.hosts import ClusterHosts, check_shards, placed
from runners.cluster.scheduling import OPEN_TO_OTHERS, is_open_to_others
from runners.loadgen.job import NO_OPTIONS, Answers, ClientOptions, Job, OwnMessages, Protocol, Serializer
from runners.loadgen.own_messages import assumes_order
from runners.loadgen.pace import Pace
from runners.loading import driver
from runners.loading.address import read_address
from runners.loading.job_building import MOST_CONNECTIONS, MOST_ON_CLUSTER, build_echo_job, connection_bytes
from runners.loading.load_place import HostWindow
from runners.loading.load_report import build_report, doubts_about_order, explain
from runners.record import UsageError, require_between, unknown_name

MOST_SHARDS = 1024


def load_echo_server(
    url: str,
    protocol: str,
    *,
    connections: int,
    duration_s: float,
    warmup_s: float,
    pace: Pace,
    payload_bytes: int,
    shards: int,
    connect_timeout_s: float = Job.connect_timeout_s,
    client: ClientOptions = NO_OPTIONS,
    serializer: str = "json",
    answers: str = "same",
    own: OwnMessages | None = None,
    answer_timeout_s: float = Job.answer_timeout_s,
    drain_s: float = Job.drain_s,
    scheduler: str = "",
    most_hosts: int | None = None,
) -> dict[str, Any]:
    """Apply a load and return its report, with the keys of ``rtsite load --json``. A signal in the timed window ends
    it; then the report has what was measured so far, and ``interrupted`` is true.

    ``scheduler``: the address of a Dask scheduler whose workers apply the load, at most ``most_hosts`` of them. Each
    says how many shards it runs. Empty: this machine.

    Raises `UsageError` for an unknown protocol, serializer or kind of answers, for an invalid address or load, and for
    options that do not fit them. Raises `LoadError` if the load cannot be applied.
    """
    if protocol not in get_args(Protocol):
        raise unknown_name("protocol", protocol, get_args(Protocol))
    if answers not in get_args(Answers):
        raise unknown_name("kind of answers", answers, get_args(Answers))
    if serializer not in get_args(Serializer):
        raise unknown_name("serializer", serializer, get_args(Serializer))
    if serializer != "json" and protocol != "socket.io":
        raise UsageError(f"--serializer {serializer} is for Socket.IO; add --protocol socket.io or omit it")
    if own is not None and protocol == "socket.io":
        raise UsageError(
            "--message, --answer and --ignore are for raw WebSocket; Socket.IO has --event, and --answers any"
        )
    if own is not None and answers == "any" and own.answer != OwnMessages.answer:
        raise UsageError(
            "--answers any accepts every message as an answer, so --answer, or expect in a scenario, has no effect;"
            " omit one of them"
        )
    if assumes_order(own, "any" if answers == "any" else "same"):
        for message, reply in client.subscriptions:
            if not reply:
                raise UsageError(
                    f"the subscription {message!r} has no expect, so its reply could be taken for an answer; give it"
                    " expect, or put {seq} into both templates"
                )
    require_between("--shards", shards, 1, MOST_SHARDS, "processes")
    if url:
        check_template(url, CLIENT_ONLY, "the address")
    address = read_address(url)
    parts = urlsplit(address)
    check_client_options(client, parts.scheme, protocol)
    job = build_echo_job(
        address,
        "socket.io" if protocol == "socket.io" else "websocket",
        connections=connections,
        duration_s=duration_s,
        warmup_s=warmup_s,
        pace=pace,
        payload_bytes=payload_bytes,
        connect_timeout_s=connect_timeout_s,
        client=client,
        serializer="msgpack" if serializer == "msgpack" else "json",
        answers="any" if answers == "any" else "same",
        own=own,
        answer_timeout_s=answer_timeout_s,
        drain_s=drain_s,
        memory_bytes=math.inf if scheduler else machine.available_memory_bytes(),
        most_connections=MOST_ON_CLUSTER if scheduler else MOST_CONNECTIONS,
    )
    if scheduler:
        needed = connection_bytes(job.payload_bytes, client)
        with placed(scheduler, connections, connection_bytes=needed, most_hosts=most_hosts) as place:
            report = _load_from_hosts(job, place)
        notes = [OPEN_TO_OTHERS] if is_open_to_others(scheduler) else []
    else:
        report, notes = _load_from_here(job, shards), []
    return {
        **report,
        "order_assumed": assumes_order(own, job.answers),
        "notes": [*report["notes"], *notes],
        "interrupted": signals.received() is not None,
    }


def _load_from_here(job: Job, shards: int) -> dict[str, Any]:
    machine.allow_open_files(-(-job.connections // min(shards, job.connections)))
    throttled: list[int] = []
    hooks = driver.Hooks(
        window_start=lambda: throttled.append(control_groups.throttled_periods()),
        window_end=lambda: throttled.append(control_groups.throttled_periods()),
    )
    result = driver.apply(job, shards=shards, hooks=hooks, can_stop_early=True)
    report = build_report(
        result,
        job.pace,
        more_reasons=doubts_about_order(result, job),
        throttled_periods=throttled[1] - throttled[0],
        shared_core=(is_local(job.url) and len(machine.physical_cores(machine.existing_cpus())) < 2) or None,
    )
    return {**report, "notes": list(explain(result, job)), "hosts": []}


def _load_from_hosts(job: Job, place: ClusterHosts) -> dict[str, Any]:
    check_shards(place, job.connections)
    windows: list[HostWindow] = []
    hooks = driver.Hooks(
        window_start=place.open_window,
        window_end=lambda: windows.extend(place.close_window()),
    )
    shards = place.most_shards()
    result = driver.apply(job, shards=shards, hooks=hooks, can_stop_early=True, launch=place.launcher(shards))
    healths = healths_of_hosts(result, windows)
    report = build_report(
        result,
        job.pace,
        more_reasons=doubts_about_order(result, job),
        throttled_periods=sum(one.throttled_periods for one in windows),
        steal_percent=max(one.steal_percent for one in windows),
        hosts=healths,
    )
    return {**report, "notes": list(explain(result, job)), "hosts": host_reports(result, healths, windows, place.hosts)}


def is_local(address: str) -> bool:
    """Whether a server with this address runs on this machine."""
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")  # RFC 6761, section 6.3
