"""A campaign whose blocks are measured by the hosts of a Dask cluster, without workflows."""

from __future__ import annotations

import contextlib
import queue
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runners import ci
from runners.application.campaign_jobs import WorkflowInputs, plan_campaign
from runners.application.messages import MessageObserver
from runners.cluster.agreement import HostFacts, refusals_of_blocks
from runners.cluster.block import GRACE_S, BlockRunner
from runners.cluster.scheduling import call_actor, connected, hosts_of, start_actor
from runners.loading.shards import LoadError
from runners.record import HostLostError, InvalidError, NothingToDoError, UsageError, is_identifier

LOOK_EVERY_S = 2.0
LATEST = 3.0
"""A job that takes this many times as long as planned, and half an hour more, is ended."""
_SPARE_S = 1800.0


@dataclass(frozen=True)
class ClusterCampaign:
    """What became of a campaign. ``added``: folders of runs. ``lost``: jobs without results, with the reasons.
    ``kept``: jobs whose results were there before.
    """

    name: str
    added: tuple[Path, ...]
    lost: tuple[str, ...]
    kept: tuple[str, ...]


def measure_on_cluster(
    inputs: WorkflowInputs,
    blocks: int,
    scheduler: str,
    results: Path,
    show: MessageObserver,
    *,
    campaign: str = "",
) -> ClusterCampaign:
    """Measure so many blocks, each on one host, and add what passes the checks of artifacts to ``results``.

    ``campaign``: its ID; empty: the day. Jobs of it that have results are kept, so the same call again continues after
    a fault. Raises `UsageError` for invalid names and for hosts that differ, and what `connected` raises.
    """
    plan = plan_campaign(inputs, blocks, "")
    name = campaign or plan.name
    if not is_identifier(name):
        raise UsageError(
            f"{name!r} is not a valid campaign name: use only letters, digits, dots, dashes and underscores"
        )
    kept = [job for job in plan.jobs if _has_results(results / name, job)]
    left = [job for job in plan.jobs if job not in kept]
    if not left:
        raise NothingToDoError(f"campaign {name} has the results of all its {len(plan.jobs)} jobs")
    with connected(scheduler) as client:
        own, hosts = hosts_of(client, None)
        if faults := list(refusals_of_blocks(hosts, own)):
            raise UsageError("; ".join(faults))
        work = _Work(client, inputs, name, results, show)
        work.measure(left, hosts)
    return ClusterCampaign(name, tuple(work.added), tuple(work.lost), tuple(job.name for job in kept))


def _has_results(folder: Path, job: ci.MatrixJob) -> bool:
    return any(folder.glob(f"*{job.name}/run.yml"))


class _Work:
    """The blocks that are left, and the hosts that take them."""

    def __init__(
        self, client: Any, inputs: WorkflowInputs, campaign: str, results: Path, show: MessageObserver
    ) -> None:
        self._client, self._inputs, self._campaign = client, inputs, campaign
        self._results, self._show = results, show
        self._lock = threading.Lock()
        self._ends = threading.Event()
        self.added: list[Path] = []
        self.lost: list[str] = []

    def measure(self, jobs: Sequence[ci.MatrixJob], hosts: Sequence[HostFacts]) -> None:
        """Let each host take blocks until none is left. A block stays on its host."""
        waiting: queue.SimpleQueue[list[ci.MatrixJob]] = queue.SimpleQueue()
        for block in sorted({job.block for job in jobs}):
            waiting.put([job for job in jobs if job.block == block])
        threads = [threading.Thread(target=self._serve, args=(host, waiting), daemon=True) for host in hosts]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(timeout=0.5)  # so that signals end it
        finally:
            self._ends.set()
            for thread in threads:
                thread.join(timeout=GRACE_S + 30)
        with contextlib.suppress(queue.Empty):
            while True:
                for job in waiting.get_nowait():
                    self.lost.append(f"{job.name}: no host was left to measure it")

    def _serve(self, host: HostFacts, waiting: queue.SimpleQueue[list[ci.MatrixJob]]) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                block = waiting.get_nowait()
                for number, job in enumerate(block):
                    try:
                        self._measure(host, job)
                    except (LoadError, HostLostError) as error:
                        self._lose(job, str(error))
                        for other in block[number + 1 :]:
                            self._lose(other, f"its host {host.name} is lost")
                        return

    def _lose(self, job: ci.MatrixJob, why: str) -> None:
        with self._lock:
            self.lost.append(f"{job.name}: {why}")
            self._show(f"{job.name} is lost: {why}")

    def _measure(self, host: HostFacts, job: ci.MatrixJob) -> None:
        """Raises `LoadError` if the host refuses, and `HostLostError` if it is lost."""
        self._show(f"{job.name} begins on {host.name}, about {job.minutes} min")
        actor = start_actor(self._client, BlockRunner, host)
        try:
            call_actor(actor, host, "begin", job.name, self._campaign, self._options(job), self._finished_files())
            until = time.monotonic() + LATEST * 60 * job.minutes + _SPARE_S
            said = ""
            while not (state := call_actor(actor, host, "look"))["ended"]:
                if state["line"] != said:
                    said = state["line"]
                    self._show(f"{host.name}: {said}")
                if time.monotonic() > until:
                    self._lose(job, f"it took longer than {LATEST:g} times what was planned")
                    return
                if self._ends.wait(LOOK_EVERY_S):
                    return
            files = call_actor(actor, host, "collect")
            self._add(job, host, state, files)
        finally:
            with contextlib.suppress(LoadError, HostLostError):
                call_actor(actor, host, "stop", patience_s=GRACE_S + 30)

    def _options(self, job: ci.MatrixJob) -> list[str]:
        inputs = self._inputs
        given = {
            "--frameworks": inputs.frameworks,
            "--workload": " ".join(job.parts),
            "--profile": inputs.profile,
            "--rounds": "" if job.rounds is None else str(job.rounds),
            "--pythons": inputs.pythons,
            "--topologies": inputs.topologies,
        }
        return [part for option, value in given.items() if value for part in (option, value)]

    def _finished_files(self) -> dict[str, bytes]:
        """The files of the runs of this campaign that are there, by their path below it."""
        folder = self._results / self._campaign
        with self._lock:
            return {
                str(path.relative_to(folder)): path.read_bytes()
                for path in sorted(folder.glob("*/*.yml"))
                if ".flame." not in path.name
            }

    def _add(self, job: ci.MatrixJob, host: HostFacts, state: dict[str, Any], files: dict[str, bytes]) -> None:
        """Check what came as data that nobody vouches for, and add it."""
        if not files:
            self._lose(job, f"{host.name} wrote no results, status {state['status']}: {state['line']}")
            return
        with self._lock, tempfile.TemporaryDirectory(prefix="rtsite-") as home:
            artifact = Path(home, "artifacts", job.name)
            try:
                for name, content in files.items():
                    _write_inside(artifact, name, content)
                found = ci.collect_artifacts(artifact.parent, self._results, self._campaign)
            except (InvalidError, NothingToDoError) as error:
                self.lost.append(f"{job.name}: {error}")
                self._show(f"{job.name} from {host.name} is refused: {error}")
                return
            self.added += found.runs
            self._show(f"{job.name} is measured by {host.name}")


def _write_inside(folder: Path, name: str, content: bytes) -> None:
    """Write a file below a folder; raises `InvalidError` for a name that leads elsewhere."""
    path = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise InvalidError(f"{name!r} is not the name of a result file; expected <run>/<framework>.yml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
