"""What runs on a host of a cluster to measure jobs of a campaign: each is a command of its own."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runners import process

ABANDONED_S = 60.0
"""Seconds without a look after which the client that started the job counts as gone."""
GRACE_S = 60.0
"""Seconds in which a job that is ended may stop its servers."""
MOST_BYTES = 40_000_000
"""The most that a job may send back: as much as an artifact of a workflow."""
_WATCH_S = 1.0


class BlockRunner:
    """Measures jobs of one campaign on a host, one after the other: an actor of Dask. The command that measures has a
    warden, and ends with the worker.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="rtsite-block-"))
        self._child: process.Child | None = None
        self._campaign = ""
        self._asked_s = time.monotonic()
        self._watch: asyncio.Task[None] | None = None

    async def begin(
        self,
        name: str,
        campaign: str,
        options: list[str],
        earlier: Mapping[str, bytes],
        abandoned_s: float = ABANDONED_S,
    ) -> None:
        """Start to measure a job. ``options``: of ``rtsite ci bench``. ``earlier``: files of runs of the same campaign
        that are finished, by their path below it: what they decided is not measured again. ``abandoned_s``: seconds
        after which the job ends if nobody looks.
        """
        self._asked_s, self._campaign = time.monotonic(), campaign
        results = self._folder / "results"
        await asyncio.to_thread(_write, results / campaign, earlier)
        self._earlier = set(earlier)
        command = [
            str(Path(sys.executable).with_name("rtsite")),
            *("ci", "bench", "--name", name, "--campaign-id", campaign, "--results", str(results), *options),
        ]
        self._child = await asyncio.to_thread(
            process.start,
            f"job {name}",
            command,
            folder=self._folder,
            environment=process.copied_environment(),
            cpus=(),
            log=self._folder / "log",
            grace_s=GRACE_S,
        )
        if self._watch is None:
            self._watch = asyncio.create_task(self._end_if_abandoned(abandoned_s))

    async def look(self) -> dict[str, Any]:
        """Whether the job has ended, with its exit status, and the last line that it printed."""
        self._asked_s = time.monotonic()
        assert self._child is not None
        ended = await asyncio.to_thread(self._child.wait, 0.0)
        lines = self._child.last_lines(1)
        return {"ended": ended, "status": self._child.status, "line": lines[-1] if lines else ""}

    async def collect(self) -> dict[str, bytes]:
        """The files that the job wrote, by their path below the campaign. Raises `ValueError` if they are too large."""
        assert self._child is not None
        await asyncio.to_thread(self._child.stop)
        return await asyncio.to_thread(_read, self._folder / "results" / self._campaign, self._earlier)

    async def stop(self) -> None:
        """End the job and delete its folder."""
        if self._watch is not None:
            self._watch.cancel()
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        if self._child is not None:
            self._child.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _end_if_abandoned(self, abandoned_s: float) -> None:
        while time.monotonic() - self._asked_s < abandoned_s:
            await asyncio.sleep(_WATCH_S)
        await asyncio.to_thread(self._end)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _read(folder: Path, leave_out: set[str]) -> dict[str, bytes]:
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    new = {str(path.relative_to(folder)): path for path in paths}
    new = {name: path for name, path in new.items() if name not in leave_out}
    if (total := sum(path.stat().st_size for path in new.values())) > MOST_BYTES:
        raise ValueError(f"the job wrote {total:,} bytes, and at most {MOST_BYTES:,} are taken")
    return {name: path.read_bytes() for name, path in new.items()}
