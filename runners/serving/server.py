"""A framework's server: start, contract checks, stop."""

from __future__ import annotations

import asyncio
import http.client
import itertools
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from runners import contract, process, resources
from runners.contract.server_settings import USUAL_SETTINGS, ServerSettings
from runners.loadgen.causes import describe
from runners.loadgen.job import Transport
from runners.record import RtsiteError
from runners.serving.broker import KINDS
from runners.serving.certificate import Certificate
from runners.serving.environment import Environment
from runners.serving.publisher import PublisherProgram
from runners.subjects.catalog import Framework, Variant
from runners.subjects.topologies import TOPOLOGIES

_POLL_S = 0.02
PUSHING = ("dashboard-push", "events", "stream", "stream-events")
"""The contract checks of what a server sends by its own clock. A proxy that collects it breaks them."""
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens URLs without the environment's proxies, which cannot reach our loopback interface."""
_KEPT = ("HOME", "LANG", "LC_ALL", "TMPDIR", "TZ")
"""Environment variables that are passed on to a server. No others may change how it behaves."""


class NotReadyError(RtsiteError):
    """The server did not start, or its answers break the contract."""


@dataclass
class Server:
    """A running server; ``base_url`` is its own HTTP address."""

    child: process.Child
    framework: Framework
    variant: Variant
    base_url: str
    port: int
    workers: int = 1
    settings: ServerSettings = USUAL_SETTINGS
    front_url: str | None = None
    """The HTTP address of the proxy in front of it, if clients use that."""
    ca: str = ""
    """File of certificates in PEM that clients trust; empty if there is no TLS."""
    front: str = "the proxy"
    """The name of that proxy."""
    publisher: PublisherProgram | None = None
    """The program that publishes through its broker, if the variant has one."""
    beside: tuple[Server, ...] = ()
    """The same server on further ports, if a proxy keeps each client with one of them."""

    @property
    def url(self) -> str:
        """The HTTP address for clients."""
        return self.front_url or self.base_url

    @property
    def websocket_url(self) -> str:
        return "ws" + self.url.removeprefix("http")

    @property
    def all_servers(self) -> tuple[Server, ...]:
        """Itself and those beside it."""
        return (self, *self.beside)

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports that it listens on."""
        return tuple(one.port for one in self.all_servers)

    @property
    def pids(self) -> tuple[int, ...]:
        """The first process of each server."""
        return tuple(one.child.pid for one in self.all_servers)

    @property
    def running(self) -> bool:
        """Whether it runs, and those beside it too."""
        return all(one.child.running for one in self.all_servers)

    @property
    def status(self) -> int | None:
        """The exit status of the first that ended; ``None`` if all run."""
        return next((one.child.status for one in self.all_servers if not one.child.running), None)

    def spread(self) -> list[int]:
        """The number of connections of each process, in descending order, without zeros."""
        found = (resources.read_spread(one.child.pid, one.port) for one in self.all_servers)
        return sorted(itertools.chain.from_iterable(found), reverse=True)

    def wait_until_listening(self) -> None:
        """Wait until the server sends any answer on /healthz; raises `NotReadyError`."""
        until = time.monotonic() + self.variant.start_timeout_s
        is_silent = False
        opener = opener_for(self.ca if self.base_url.startswith("https:") else "")
        while True:
            try:
                with opener.open(f"{self.base_url}/healthz", timeout=2.0):
                    return
            except urllib.error.HTTPError as error:
                with error:
                    return  # it listens; the contract checks test whether it is healthy
            except (OSError, ValueError) as error:
                reason = error.reason if isinstance(error, urllib.error.URLError) else error
                if isinstance(reason, ssl.SSLError) and not isinstance(reason, ssl.SSLEOFError):
                    raise NotReadyError(describe(reason)[1]) from None
                is_silent = TOPOLOGIES[self.variant.topology].tls == "server" and isinstance(reason, TimeoutError)
            except http.client.HTTPException:
                return  # it listens without HTTP; the contract checks report that
            if not self.child.running:
                raise NotReadyError(f"the server ended at once, with status {self.child.status}")
            if time.monotonic() > until and is_silent:
                raise NotReadyError(
                    f"port {self.port} accepts connections, but did not finish a TLS handshake within"
                    f" {self.variant.start_timeout_s:g} s; check the key tls of the variant {self.variant.slug!r} in"
                    " its pyproject.toml"
                )
            if time.monotonic() > until:
                raise NotReadyError(
                    f"nothing answered on {self.base_url} within {self.variant.start_timeout_s:g} s; if the server"
                    f" needs longer, set start_timeout_s of the variant {self.variant.slug!r} in its pyproject.toml"
                )
            time.sleep(_POLL_S)

    def verify(self, checks: Collection[str]) -> None:
        """Run these contract checks; raises `NotReadyError` if one fails."""
        broken = [check for check in self.check(checks) if not check.ok]
        if broken:
            raise NotReadyError("; ".join(f"{check.name}: {check.detail}" for check in broken))

    def check(
        self, checks: Collection[str] | None = None, transports: Sequence[Transport] | None = None
    ) -> list[contract.Check]:
        """Run these contract checks (default: all that apply to the variant, by its exchanges).

        A check that fails through a proxy and passes at the server itself names the proxy. ``transports``: the default
        is the variant's transports. Servers with several processes are not checked over long-polling, which needs a
        proxy with sticky sessions. With such a proxy each has one process.
        """
        if transports is None:
            transports = [one for one in self.variant.transports if self.workers == 1 or one != "polling"]
        if self.front_url is None:
            return self._check(checks, transports)
        found = self._check(checks, transports)
        broken = {check.name for check in found if not check.ok}
        if not broken:
            return found
        # What fails again, and not at the server itself, is the proxy's doing.
        again = {check.name for check in self._check(broken, transports) if not check.ok}
        alone = replace(self, front_url=None, beside=())
        passing = {check.name for check in alone._check(again, transports) if check.ok} if again else set()
        return [replace(check, detail=self._blame(check)) if check.name in passing else check for check in found]

    def _blame(self, check: contract.Check) -> str:
        does = "buffers the stream" if check.name in PUSHING else "breaks the contract"
        return f"{self.front} {does}: {check.detail}; without it, the server passes this check"

    def _check(self, checks: Collection[str] | None, transports: Sequence[Transport]) -> list[contract.Check]:
        return asyncio.run(
            contract.check_contract(
                self.url,
                self.framework.protocol,
                only=checks,
                exchanges=self.framework.exchanges_of(self.variant),
                transports=transports,
                serializer=self.variant.serializer,
                settings=self.settings,
                ca=self.ca,
                offers_deflate=TOPOLOGIES[self.variant.topology].offers_deflate,
                publisher=None if self.publisher is None else self.publisher.running,
            )
        )

    def client(self) -> contract.App:
        """The factory of independent clients for this server."""
        return contract.client_of(
            self.url, self.framework.protocol, self.variant.serializer, settings=self.settings, ca=self.ca
        )

    def stop(self) -> bool:
        """End the server, those beside it and all processes that they started; returns true if each ended on SIGTERM or
        by itself.
        """
        with ExitStack() as stack:  # each ends even if another cannot be ended
            ended: list[bool] = []
            for one in self.all_servers:
                stack.callback(lambda child: ended.append(child.stop()), one.child)
        return all(ended)


def start_server(
    framework: Framework,
    variant: Variant,
    environment: Environment,
    *,
    cpus: Sequence[int],
    workers: int,
    broker_url: str | None,
    logs: Path,
    settings: ServerSettings = USUAL_SETTINGS,
    traceable: bool = False,
    grace_s: float = process.GRACE_S,
    port: int | None = None,
    certificate: Certificate | None = None,
    number: int = 1,
    address: str = process.LOOPBACK,
) -> Server:
    """Start a variant's server on a port (default: a free one) of this address (default: the loopback interface's).

    ``certificate``: the one that clients see, which the server itself uses if the topology says so.

    ``settings``: for its environment. ``traceable``: allow a profiler to read its memory; ``grace_s``: seconds between
    SIGTERM and SIGKILL, see `process.start`. ``number``: which of several equal servers it is, for the name of its log.
    Raises `InstallError` if its command is not installed, and `ProcessError` if it cannot be started.
    """
    port = port or process.find_free_port(address)
    own = None
    if certificate is not None and TOPOLOGIES[variant.topology].tls == "server":
        own = (certificate.certificate, certificate.key)
    command = environment.resolve(variant.fill(host=address, port=port, workers=workers, tls=own))
    variables = {name: os.environ[name] for name in _KEPT if name in os.environ}
    variables |= {
        "PATH": f"{environment.bin}:{os.defpath}",
        "VIRTUAL_ENV": str(environment.folder),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **variant.environment,
    }
    if broker_url is not None:
        variables[KINDS[variant.broker].variable] = broker_url
    variables |= settings.variables()
    child = process.start(
        f"{framework.slug}/{variant.slug}",
        command,
        folder=framework.folder,
        environment=variables,
        cpus=cpus,
        log=logs / f"{framework.slug}-{variant.slug}{f'-{number}' if number > 1 else ''}.log",
        traceable=traceable,
        grace_s=grace_s,
    )
    url = f"{'http' if own is None else 'https'}://{address}:{port}"
    ca = "" if certificate is None else str(certificate.authority)
    publisher = None
    if variant.publisher is not None:
        program = tuple(environment.resolve(variant.publisher))
        publisher = PublisherProgram(child.name, program, framework.folder, variables)
    return Server(child, framework, variant, url, port, workers, settings, ca=ca, publisher=publisher)


def opener_for(ca: str = "") -> urllib.request.OpenerDirector:
    """Opens URLs like `DIRECT`. ``ca``: file of certificates in PEM to trust for https; empty: the system's."""
    if not ca:
        return DIRECT
    trusted = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca))
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), trusted)
