"""A deployment: everything that serves a variant, which is its environment, its broker if it uses one, its server,
and a proxy if one is in front of it.

Measurements, contract checks, flame graphs and evidence all use this module to serve a variant.
"""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from runners import process, resources
from runners.contract.server_settings import USUAL_SETTINGS, ServerSettings
from runners.contract.session_file import SessionFile
from runners.judging.thresholds import IDLE_SERVER_CPU
from runners.record import Failure, HostLostError, RtsiteError, TlsFacts, UnavailableError, publishable
from runners.record.schema import Stage
from runners.serving.broker import Broker, BrokerError, find_broker, start_broker
from runners.serving.certificate import Certificate, make_certificate, negotiate
from runners.serving.environment import Environment, prepare_environment
from runners.serving.proxy import Proxy, find_proxy, needs_sticky_sessions, start_proxy
from runners.serving.server import NotReadyError, Server, start_server
from runners.subjects.catalog import Framework, Variant
from runners.subjects.scenarios import CLOSED_LOOP_TOGETHER, Scenario
from runners.subjects.topologies import TOPOLOGIES

SETTLING_S = 30.0
"""Seconds after a load until a server has to keep its contract again. Ten thousand clients that leave at once keep some
servers busy for longer than a check waits."""
_ENDING_S = 1.0
"""Seconds until the end of a process is known at the latest."""
MOST_UP = CLOSED_LOOP_TOGETHER
"""What waits uses some of the server's core, whether it waits for its turn or for another scenario."""


class StageError(RtsiteError):
    """A stage of a measurement failed. ``failure`` is the failure for the result file.

    ``unavailable``: whether this machine lacks something, so that the failure says nothing about the application.
    """

    def __init__(self, stage: Stage, reason: str, log: Sequence[str], *, unavailable: bool = False) -> None:
        super().__init__(reason)
        self.unavailable = unavailable
        self.failure = Failure(stage=stage, reason=publishable(reason), log=[publishable(line) for line in log])


class Ending(NamedTuple):
    """How a server ended after SIGTERM: in how many seconds, and whether without being killed."""

    seconds: float
    by_itself: bool


class Deployment:
    """A variant, its broker and its proxy on the given CPUs (default: any). All methods raise `StageError`.

    ``logs``: an existing parent for a folder of logs. ``settings``: those of the server; a file of sessions is written
    for it if it needs one and is given none. ``environment``: an installed environment to use instead of the one from
    the variant's lock file. ``address``: that of this machine at which it listens. ``traceable``: allow a profiler to
    read the server's memory. ``grace_s``: seconds that the server has between SIGTERM and SIGKILL.
    """

    def __init__(
        self,
        framework: Framework,
        variant: Variant,
        *,
        logs: Path,
        cpus: Sequence[int] = (),
        workers: int = 1,
        settings: ServerSettings = USUAL_SETTINGS,
        environment: Environment | None = None,
        address: str = process.LOOPBACK,
        traceable: bool = False,
        grace_s: float = process.GRACE_S,
    ) -> None:
        self.framework, self.variant = framework, variant
        self.broker: Broker | None = None
        self.proxy: Proxy | None = None
        self.certificate: Certificate | None = None
        """The certificate of the server or the proxy, if it speaks TLS."""
        self.tls: TlsFacts | None = None
        """What a client agreed with it."""
        self.start_s = 0.0
        """Seconds from the start of the server's command until the server listens."""
        self.started_at = 0.0
        """Time at which the server's command was started, by `time.perf_counter`."""
        self.idle_cpu_percent = 0.0
        """CPU use of server and broker without load, in percent of one core. The code that measures it sets it."""
        self._server: Server | None = None
        self._environment = environment
        self._cpus, self._workers, self._logs, self._traceable = cpus, workers, logs, traceable
        self._address = address
        self._settings, self._grace_s = settings, grace_s
        self._has_failed = False
        self._is_paused = False
        self._passed: set[str] = set()
        """The contract checks that the server has passed since it was started."""

    @property
    def server(self) -> Server:
        """The running server."""
        assert self._server is not None
        return self._server

    @property
    def has_ended(self) -> bool:
        """Whether the server was started and no longer runs."""
        return self._server is not None and not self._server.running

    @property
    def is_well(self) -> bool:
        """Whether the server and its broker run and no stage has failed."""
        is_served = self._server is not None and self._server.running
        return is_served and self._how_broker_ended() is None and not self._has_failed

    def _how_broker_ended(self) -> str | None:
        return self.broker.how_it_ended if self.broker is not None else None

    def start(self, checks: Collection[str] = ()) -> None:
        """Start everything that does not run yet, and wait until the server listens and passes these contract
        checks.
        """
        if self._server is None:
            self._start_everything()
        left = set(checks) - self._passed
        if left:
            with self.stage("ready"):
                self.server.verify(left)
            self._passed |= left

    def _start_everything(self) -> None:
        self._logs.mkdir(exist_ok=True)
        if TOPOLOGIES[self.variant.topology].tls is not None:
            self.certificate = make_certificate(self._logs / "certificate", self._address)
        if self._environment is None:
            with self.stage("environment"):
                self._environment = prepare_environment(self.framework, self.variant)
        if self.variant.uses_broker:
            with self.stage("broker"):
                self.broker = start_broker(find_broker(self.variant.broker), cpus=self._cpus, logs=self._logs)
        if self._settings.sessions is None and needs_sessions(self.framework):
            self._settings = replace(self._settings, sessions=written_sessions(self._logs))
        self._start_server()

    def _start_server(self, ports: Sequence[int] = ()) -> None:
        """``ports``: of the servers that it replaces; free ones if there are none."""
        is_sticky = needs_sticky_sessions(self.framework, self.variant, self._workers)
        workers, servers = (1, self._workers) if is_sticky else (self._workers, 1)
        with self.stage("start"):
            self.started_at = time.perf_counter()
            self._server = self._start_one(1, ports, workers)
            for number in range(2, servers + 1):
                self._server.beside += (self._start_one(number, ports, workers),)
            for server in self._server.all_servers:
                server.wait_until_listening()
            self.start_s = time.perf_counter() - self.started_at
        if TOPOLOGIES[self.variant.topology].is_proxy:
            with self.stage("proxy"):
                if self.proxy is None:  # it stays when the server is restarted
                    program = find_proxy(self.variant.topology)
                    self.proxy = start_proxy(
                        program,
                        *self._server.ports,
                        address=self._address,
                        cpus=self._cpus,
                        logs=self._logs,
                        certificate=self.certificate,
                    )
            scheme = "http" if self.certificate is None else "https"
            self._server.front_url = f"{scheme}://{self._address}:{self.proxy.port}"
            self._server.front = self.proxy.title
        if self.certificate is not None:
            with self.stage("ready"):
                port = self.proxy.port if self.proxy else self._server.port
                self.tls = negotiate(self._address, port, self.certificate)

    def _start_one(self, number: int, ports: Sequence[int], workers: int) -> Server:
        assert self._environment is not None
        return start_server(
            self.framework,
            self.variant,
            self._environment,
            cpus=self._cpus,
            workers=workers,
            settings=self._settings,
            broker_url=self.broker.url if self.broker else None,
            logs=self._logs,
            traceable=self._traceable,
            grace_s=self._grace_s,
            port=ports[number - 1] if ports else None,
            number=number,
            address=self._address,
            certificate=self.certificate,
        )

    def kill(self) -> None:
        """Kill the server's first process, like a crash; `restart` ends the remaining processes."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.server.child.pid, signal.SIGKILL)

    def terminate(self, patience_s: float) -> Ending:
        """Send SIGTERM to the server's first process, as a deploy does, and wait until it has ended; `restart` ends it
        after this many seconds.
        """
        began = time.perf_counter()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.server.child.pid, signal.SIGTERM)
        by_itself = self.server.child.wait(patience_s)
        return Ending(time.perf_counter() - began, by_itself=by_itself)

    def restart(self) -> None:
        """Replace the server with a new one at the same address, and wait until it listens."""
        ports = self.server.ports
        self._passed.clear()
        with self.stage("start"):
            self.server.stop()
        self._start_server(ports)

    def recheck(self, checks: Collection[str]) -> None:
        """Repeat these contract checks after a load, until they pass or `SETTLING_S` are over.

        If they fail because the server has ended, the error says that.
        """
        until = time.monotonic() + SETTLING_S
        with self.stage("recheck"):
            while True:
                try:
                    self.server.verify(checks)
                except NotReadyError as error:
                    if self.server.child.wait(_ENDING_S):
                        raise NotReadyError(f"the server ended under load, with status {self.server.status}") from None
                    if time.monotonic() > until:
                        raise NotReadyError(f"for {SETTLING_S:g} s after the load, {error}") from None
                else:
                    return

    def watches(self) -> dict[str, resources.Watch]:
        """Watches of CPU and memory: ``server``, and ``broker`` and ``proxy`` if there are such."""
        watches = {"server": resources.Watch(*self.server.pids)}
        if self.broker is not None:
            watches["broker"] = resources.Watch(self.broker.child.pid)
        if self.proxy is not None:
            watches["proxy"] = resources.Watch(self.proxy.child.pid)
        return watches

    def rest(self, *, is_short: bool = False) -> None:
        """Pause the server until `wake`, if it uses much CPU time without load or if the pause ``is_short``.

        In a pause of many seconds, a server misses the pings of its clients.
        """
        is_restless = is_short or IDLE_SERVER_CPU.is_broken_by(self.idle_cpu_percent)
        if is_restless and not self._is_paused and not self.has_ended:
            self._is_paused = True
            for pid in self.server.pids:
                resources.pause_tree(pid)

    def wake(self) -> None:
        """Continue the server if it is paused."""
        if self._is_paused:
            self._is_paused = False
            for pid in self.server.pids:
                resources.resume_tree(pid)

    def stop(self) -> None:
        """End all processes that were started."""
        self.wake()  # a paused process does not react to SIGTERM
        with ExitStack() as stack:  # the broker ends even if the server cannot be ended
            for started in (self.broker, self._server, self.proxy):
                if started is not None:
                    stack.callback(started.stop)

    @contextlib.contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Convert an error into a `StageError` with the stage and the last lines of the server's log.

        A `HostLostError` says nothing about the server, and stays what it is. A broker that has ended meanwhile is an
        error, and the cause of any other.
        """
        try:
            yield
            if (ended := self._how_broker_ended()) is not None:
                raise BrokerError(ended)
        except (StageError, HostLostError):
            raise
        except RtsiteError as error:
            self._has_failed = True
            log = self._server.child.last_lines() if self._server is not None else []
            reason, ended = str(error), self._how_broker_ended()
            if ended is not None and ended != reason:
                reason = f"{ended}; then: {reason}"
            complaints = self.proxy.complaints() if self.proxy is not None else []
            unavailable = ended is not None or isinstance(error, UnavailableError)
            raise StageError(stage, "; ".join([reason, *complaints]), log, unavailable=unavailable) from error
        except OSError as error:
            raise StageError(stage, f"operating system error: {error}", [], unavailable=True) from error


def server_settings_for(scenario: Scenario) -> ServerSettings:
    """The settings of a server for a scenario."""
    return ServerSettings(push_period_s=scenario.server_push_period_s, work_s=scenario.server_work_s)


def needs_sessions(framework: Framework) -> bool:
    """Whether its application looks up sessions."""
    return "session" in framework.exchanges


def written_sessions(folder: Path) -> SessionFile:
    """A new file of sessions in this folder."""
    file = SessionFile(folder / "sessions.sqlite3")
    file.write()
    return file


@contextlib.contextmanager
def serve_variant(
    framework: Framework,
    variant: Variant,
    *,
    logs: Path,
    cpus: Sequence[int] = (),
    workers: int = 1,
    settings: ServerSettings = USUAL_SETTINGS,
    environment: Environment | None = None,
    traceable: bool = False,
    grace_s: float = process.GRACE_S,
    checks: Collection[str] = (),
) -> Iterator[Deployment]:
    """Serve a variant while the block runs; yields the deployment after it listens and passes these contract checks.
    Raises `StageError`.

    The arguments are those of `Deployment`.
    """
    deployment = Deployment(
        framework,
        variant,
        logs=logs,
        cpus=cpus,
        workers=workers,
        settings=settings,
        environment=environment,
        traceable=traceable,
        grace_s=grace_s,
    )
    try:
        deployment.start(checks)
        yield deployment
    finally:
        deployment.stop()


class Deployments:
    """Deployments for measurements: a new one each time or, if ``shared``, one for all that need the same. All listen
    at this ``address``.

    At most `MOST_UP` are up at a time, unless more are in use: the ones that are kept for others end when new ones need
    their place. It is a context manager that stops the remaining deployments at its end.
    """

    def __init__(self, *, shared: bool = False, address: str = process.LOOPBACK) -> None:
        self._shared, self._address = shared, address
        self._idle: dict[tuple[object, ...], Deployment] = {}
        """Those kept for the next user, the one that waits longest first."""
        self._used = 0
        """Number of those in use."""
        self._created = 0
        self._stack = ExitStack()

    def __enter__(self) -> Deployments:
        self._logs = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="rtsite-")))
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            for deployment in self._idle.values():
                deployment.stop()
            self._idle.clear()

    @cached_property
    def _sessions(self) -> SessionFile:
        """The sessions that all its servers know, which they only read."""
        return written_sessions(self._logs)

    @contextlib.contextmanager
    def take(
        self,
        framework: Framework,
        variant: Variant,
        *,
        cpus: Sequence[int],
        workers: int,
        settings: ServerSettings = USUAL_SETTINGS,
        fresh: bool = False,
    ) -> Iterator[Deployment]:
        """A deployment, new or used before. Afterwards it is stopped, or kept for the next user if nothing failed.

        ``fresh``: whether it must be new.
        """
        key = (
            framework.slug,
            variant.slug,
            variant.python,
            variant.topology,
            tuple(cpus),
            workers,
            settings,
        )
        deployment = self._idle.pop(key, None)
        if deployment is not None and (fresh or not deployment.is_well):  # not well: its server has ended
            deployment.stop()
            deployment = None
        if deployment is not None:
            deployment.wake()
        else:
            self._make_room()
            self._created += 1
            logs = self._logs / str(self._created)
            if needs_sessions(framework):
                settings = replace(settings, sessions=self._sessions)
            deployment = Deployment(
                framework, variant, logs=logs, cpus=cpus, workers=workers, settings=settings, address=self._address
            )
        self._used += 1
        try:
            yield deployment
        except BaseException:
            deployment.stop()
            raise
        finally:
            self._used -= 1
        if self._shared and deployment.is_well and key not in self._idle:
            deployment.rest()
            self._idle[key] = deployment
        else:
            deployment.stop()

    def _make_room(self) -> None:
        """Stop kept deployments until there is a place for a new one."""
        while self._idle and len(self._idle) + self._used >= MOST_UP:
            self._idle.pop(next(iter(self._idle))).stop()
