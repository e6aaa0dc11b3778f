"""The connection to a Dask cluster: its hosts and what they say, and actors on them."""

from __future__ import annotations

import contextlib
import logging
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from runners.cluster.agreement import RESOURCE, HostFacts
from runners.loading.shards import LoadError
from runners.record import HostLostError, RtsiteError, UsageError

CONNECT_S = 10.0
"""Seconds in which the scheduler must answer."""
SILENCE_S = 15.0
"""Seconds after which a host that answers nothing counts as lost. It answers at least once per second."""
OPEN_TO_OTHERS = (
    "The scheduler speaks plain TCP, and not only on this machine: whoever reaches it can run any program on its hosts."
    " Use tls:// with certificates, or a network of your own."
)


def call_actor(actor: Any, facts: HostFacts, method: str, *arguments: Any, patience_s: float | None = None) -> Any:
    """The result of a method of an actor on a host. Raises `LoadError` with the host's name if the host says why it
    cannot do it, and `HostLostError` if it says nothing.

    ``patience_s``: seconds that it may take; ``None``: `SILENCE_S`.
    """
    patience_s = SILENCE_S if patience_s is None else patience_s
    try:
        return getattr(actor, method)(*arguments).result(timeout=patience_s)
    except RtsiteError as error:
        raise LoadError(f"{facts.name}: {error}") from None
    except TimeoutError:
        why = f"it did not answer for {patience_s:g} s"
    except Exception as error:  # noqa: BLE001 - the connection to a worker ends in many ways
        why = str(error) or type(error).__name__
    raise HostLostError(
        f"host {facts.name} ({facts.address}) is lost: {why}; look at its worker's log, and start it again"
    )


@contextmanager
def connected(scheduler: str) -> Iterator[Any]:
    """A client of the scheduler at this address, such as ``tcp://host:8786``, and what it started ends with the block.

    Raises `UsageError` if Dask is not installed or if the address is none, and `LoadError` if nothing answers there.
    """
    check_scheduler(scheduler)
    try:
        from distributed import Client, Security
    except ImportError:
        raise UsageError(
            "--scheduler needs Dask, which is an optional part; install it with `uv sync --extra cluster`"
        ) from None
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is an error of ours
    try:
        # Certificates are those of Dask's own configuration, as for `dask worker`.
        security = Security() if scheduler.startswith("tls://") else None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions, which are compared later
            client = Client(scheduler, timeout=CONNECT_S, security=security)  # actors need it as the default
    except TypeError:
        raise UsageError(
            f"{scheduler} needs certificates, and Dask's configuration has none; set distributed.comm.tls.ca-file,"
            " .client.cert and .client.key, as in https://distributed.dask.org/en/stable/tls.html"
        ) from None
    except (OSError, ValueError, RuntimeError) as error:
        cause = " ".join(str(error).split()) or type(error).__name__
        raise LoadError(
            f"the scheduler {scheduler} cannot be reached within {CONNECT_S:g} s: {cause:.300}; start one with"
            " `dask scheduler`, and use the address that it prints"
        ) from None
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):  # what is left ends without its client
            client.close(timeout=5)


def start_actor(client: Any, actor_class: type, facts: HostFacts) -> Any:
    """An actor of this class on a host. Raises `LoadError` if the host refuses, and `HostLostError` if it is silent."""
    future = client.submit(actor_class, actor=True, workers=[facts.address], allow_other_workers=False, pure=False)
    try:
        actor = future.result(timeout=SILENCE_S)
    except LoadError as error:
        raise LoadError(f"{facts.name}: {error}") from None
    except TimeoutError:
        raise HostLostError(
            f"host {facts.name} ({facts.address}) did not take the work within {SILENCE_S:g} s; look at its worker's"
            " log"
        ) from None
    actor.kept = future  # an actor ends when nobody holds its future
    return actor


def hosts_of(client: Any, most_hosts: int | None) -> tuple[HostFacts, list[HostFacts]]:
    """The facts about this machine, and about the hosts that take part, by name; raises `UsageError`."""
    from runners.cluster.host import host_facts, worker_facts

    own = HostFacts.from_mapping(host_facts())
    try:
        answers = client.run(worker_facts, on_error="return")
    except Exception as error:  # noqa: BLE001 - a worker without rtsite cannot even read the request
        raise UsageError(_not_installed(str(error))) from None
    broken = {address: one for address, one in answers.items() if isinstance(one, Exception)}
    if broken:
        address, fault = next(iter(broken.items()))
        raise UsageError(_not_installed(f"{address}: {fault}"))
    hosts = sorted((HostFacts.from_mapping(one) for one in answers.values()), key=lambda one: one.name)
    if not hosts:
        raise UsageError(
            "the scheduler has no workers; start one on each host with"
            f" `dask worker ADDRESS --resources {RESOURCE}=N`, N for its cores"
        )
    if most_hosts is not None:
        if most_hosts > len(hosts):
            raise UsageError(f"--hosts {most_hosts}: the scheduler has {len(hosts)} workers; start more, or use fewer")
        hosts = hosts[:most_hosts]
    return own, hosts


def _not_installed(what: str) -> str:
    return (
        f"a worker cannot run rtsite: {' '.join(what.split()):.300}; install the same commit there, with its extra"
        " `cluster`, and start the worker in that environment"
    )


def check_scheduler(address: str) -> None:
    """Raise `UsageError` if this is no address of a scheduler."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    if parts.scheme not in ("tcp", "tls") or not parts.hostname or not port:
        raise UsageError(
            f"{address!r} is not the address of a scheduler; expected one such as tcp://192.0.2.1:8786, or tls:// with"
            " certificates"
        )


def is_open_to_others(address: str) -> bool:
    """Whether anybody in the network could give work to the scheduler: plain TCP, not only on this machine."""
    parts = urlsplit(address)
    if parts.scheme != "tcp":
        return False
    try:
        return not ip_address(socket.gethostbyname(parts.hostname or "")).is_loopback
    except OSError:
        return True
