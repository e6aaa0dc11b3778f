"""Other users of the machine in a window: a process that the tests did not start, and that ends by itself."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import psutil
import pytest

from runners import machine, resources
from runners.measurement.interference import Interference

pytestmark = pytest.mark.measures

BUSY_S = 20
BUSY = f"import time\nend = time.monotonic() + {BUSY_S}\nwhile time.monotonic() < end: pass"
ORPHAN = f"""
import subprocess, sys

nowhere = dict.fromkeys(("stdout", "stderr"), subprocess.DEVNULL)
print(subprocess.Popen([sys.executable, "-c", {BUSY!r}], start_new_session=True, **nowhere).pid)
"""
"""Its parent ends at once, so that it descends from nobody here."""


@contextmanager
def stranger() -> Iterator[int]:
    """A busy process of somebody else."""
    pid = int(subprocess.run([sys.executable, "-c", ORPHAN], capture_output=True, check=True, text=True).stdout)
    try:
        yield pid
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def apart_from_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests may be running, whose servers and browsers use more CPU time than the stranger."""
    read_others = resources.read_others

    def read(own: Collection[int]) -> dict[int, int]:
        tests = {child.pid for child in psutil.Process(os.getppid()).children(recursive=True)}
        return {pid: used for pid, used in read_others(own).items() if pid not in tests}

    monkeypatch.setattr(resources, "read_others", read)


@pytest.mark.usefixtures("apart_from_tests")
def test_whoever_uses_the_machine_besides_is_named() -> None:
    with stranger() as pid:
        name = psutil.Process(pid).name()
        interference = Interference()
        interference.begin()
        used_s = sum(psutil.Process(pid).cpu_times()[:2])
        while sum(psutil.Process(pid).cpu_times()[:2]) < used_s + 0.3:
            time.sleep(0.02)
        interference.end()
    assert interference.foreign_percent is not None
    assert interference.foreign_percent > 100 * 0.2 / interference.seconds
    assert interference.foreign_process == name
    assert interference.server_steal_percent is None
    health = interference.health({"shards": 1, "cpu_percent": 1.0})
    assert (health.foreign_process, health.foreign_cpu_percent) == (name, interference.foreign_percent)


def test_what_a_crashed_server_leaves_behind_is_nobody_elses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its workers are orphans from then on, and what they used before the window would count as used in it."""
    worker = f"import time; time.sleep({BUSY_S})"
    master = (
        "import subprocess, sys, time\n"
        f"print(subprocess.Popen([sys.executable, '-c', {worker!r}]).pid, flush=True)\n"
        f"time.sleep({BUSY_S})"
    )
    seen: set[int] = set()
    really_read = resources.read_others

    def read(own: set[int]) -> dict[int, int]:
        others = really_read(own)
        seen.update(others)
        return others

    monkeypatch.setattr(resources, "read_others", read)
    with subprocess.Popen([sys.executable, "-c", master], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        orphan = psutil.Process(int(server.stdout.readline()))
        interference = Interference()
        interference.begin()
        server.kill()
        server.wait()
        assert orphan.ppid() != server.pid
        interference.end()
        orphan.kill()
    assert seen
    assert orphan.pid not in seen


def test_steal_on_the_cpus_of_the_server_is_in_percent_of_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of four CPUs serve; the hypervisor takes half a second from one of them, and a second from the fourth."""
    stolen = {0: 0.0, 1: 0.0, 2: 0.0, 3: 0.0}
    monkeypatch.setattr(machine, "read_steal_of", lambda cpus: sum(stolen[cpu] for cpu in cpus))
    interference = Interference(machine.CoreShare(server=[0, 1, 2], loadgen=[3], harness=[3]))
    interference.begin()
    stolen.update({1: 0.5, 3: 1.0})
    interference.end()
    assert interference.server_steal_percent == pytest.approx(100 * 0.5 / interference.seconds, rel=1e-3)
    health = interference.health({"shards": 1, "cpu_percent": 1.0})
    assert health.server_steal_percent == interference.server_steal_percent
