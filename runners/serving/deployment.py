"""What serves a variant while it is measured: its environment, the broker if it needs one, its server."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from runners import resources
from runners.judging.thresholds import IDLE_SERVER_CPU
from runners.record import Failure, RtsiteError, publishable
from runners.record.schema import Stage
from runners.serving import broker, environment, server
from runners.subjects.catalog import Framework, Variant


class StageError(RtsiteError):
    """A stage of a measurement that failed; ``failure`` is what is recorded of it."""

    def __init__(self, stage: Stage, reason: str, log: Sequence[str]) -> None:
        super().__init__(reason)
        self.failure = Failure(stage=stage, reason=publishable(reason), log=[publishable(line) for line in log])


class Deployment:
    """A variant served on some CPUs, its broker beside it on the same. All methods raise `StageError`."""

    def __init__(
        self,
        framework: Framework,
        variant: Variant,
        *,
        cpus: Sequence[int],
        workers: int,
        logs: Path,
        traceable: bool = False,
    ) -> None:
        self.framework, self.variant = framework, variant
        self.broker: broker.Broker | None = None
        self._server: server.Server | None = None
        self._installed: environment.Environment | None = None
        self._cpus, self._workers, self._logs, self._traceable = cpus, workers, logs, traceable
        self._has_failed = False
        self._resting = False
        self.idle_cpu_percent = 0.0
        """Of one core, used by the server and its broker while nobody asked anything; as far as anybody looked."""
        self._passed: set[str] = set()
        """The checks that the server has passed since it was started."""

    @property
    def server(self) -> server.Server:
        """The server, which has been started."""
        assert self._server is not None
        return self._server

    @property
    def has_ended(self) -> bool:
        """Whether a server was started and is no longer there."""
        return self._server is not None and not self._server.child.running

    @property
    def is_well(self) -> bool:
        """Whether its server is there, and nothing has gone wrong with it."""
        return self._server is not None and self._server.child.running and not self._has_failed

    def start(self, checks: Collection[str]) -> None:
        """Until the server listens and passes these checks of the contract, if it has not done so before."""
        if self._server is None:
            self._set_up()
        left = set(checks) - self._passed
        if left:
            with self.stage("ready"):
                self.server.verify(left)
            self._passed |= left

    def _set_up(self) -> None:
        self._logs.mkdir(exist_ok=True)
        with self.stage("environment"):
            self._installed = environment.prepare_environment(self.framework, self.variant)
        if self.variant.broker == "redis":
            with self.stage("broker"):
                self.broker = broker.start_broker(broker.find_broker(), cpus=self._cpus, logs=self._logs)
        self._start_server(None)

    def _start_server(self, port: int | None) -> None:
        assert self._installed is not None
        with self.stage("start"):
            self._server = server.start_server(
                self.framework,
                self.variant,
                self._installed,
                cpus=self._cpus,
                workers=self._workers,
                redis_url=self.broker.url if self.broker else None,
                logs=self._logs,
                traceable=self._traceable,
                port=port,
            )
            self._server.wait_until_listening()

    def kill(self) -> None:
        """The server's first process dies as of a crash; what it leaves behind is ended by `restart`."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.server.child.pid, signal.SIGKILL)

    def restart(self) -> None:
        """A new server in the place of the old one, at the same address; back when it listens."""
        port = self.server.port
        self._passed.clear()
        with self.stage("start"):
            self.server.stop()
        self._start_server(port)

    def recheck(self, checks: Collection[str]) -> None:
        """Ask again for these promises of the contract, after a load."""
        with self.stage("recheck"):
            self.server.verify(checks)

    def watches(self) -> dict[str, resources.Watch]:
        """What follows the CPU and memory of the server and of the broker, by these names."""
        watches = {"server": resources.Watch(self.server.child.pid)}
        if self.broker is not None:
            watches["broker"] = resources.Watch(self.broker.child.pid)
        return watches

    def rest(self) -> None:
        """Until `wake` the server stands still if it would take CPU from others though it has nothing to do."""
        if IDLE_SERVER_CPU.is_broken_by(self.idle_cpu_percent) and not self._resting and not self.has_ended:
            self._resting = True
            resources.pause_tree(self.server.child.pid)

    def wake(self) -> None:
        """It goes on, if it stood still."""
        if self._resting:
            self._resting = False
            resources.resume_tree(self.server.child.pid)

    def stop(self) -> None:
        """End all that was started; nothing is left of it."""
        self.wake()  # what stands still does not hear that it should end
        for started in (self._server, self.broker):
            if started is not None:
                started.stop()

    @contextlib.contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Turn an error into a `StageError` with the stage and the server's last lines."""
        try:
            yield
        except StageError:
            raise
        except RtsiteError as error:
            self._has_failed = True
            log = self._server.child.last_lines() if self._server is not None else []
            raise StageError(stage, str(error), log) from error
        except OSError as error:
            raise StageError(stage, f"this machine refused something: {error}", []) from error


class Deployments:
    """Deployments for measurements: a new one for each, or where they are ``shared`` one for all that want the same.

    A context manager: leaving it stops all that is left.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self._shared = shared
        self._waiting: dict[tuple[object, ...], Deployment] = {}
        self._made = 0
        self._stack = ExitStack()

    def __enter__(self) -> Deployments:
        self._logs = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="rtsite-")))
        return self

    def __exit__(self, *_: object) -> None:
        with self._stack:
            for deployment in self._waiting.values():
                deployment.stop()
            self._waiting.clear()

    @contextlib.contextmanager
    def take(
        self, framework: Framework, variant: Variant, *, cpus: Sequence[int], workers: int
    ) -> Iterator[Deployment]:
        """A deployment, perhaps one that has been used; stopped afterwards, or kept for the next if all went well."""
        key = (framework.slug, variant.slug, tuple(cpus), workers)
        deployment = self._waiting.pop(key, None)
        if deployment is not None and not deployment.is_well:  # it died meanwhile
            deployment.stop()
            deployment = None
        if deployment is not None:
            deployment.wake()
        else:
            self._made += 1
            deployment = Deployment(framework, variant, cpus=cpus, workers=workers, logs=self._logs / str(self._made))
        try:
            yield deployment
        except BaseException:
            deployment.stop()
            raise
        if self._shared and deployment.is_well:
            deployment.rest()
            self._waiting[key] = deployment
        else:
            deployment.stop()
