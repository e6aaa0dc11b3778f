"""CPUs that have nothing to do: kept awake while a command measures.

On a virtual machine an idle CPU goes back to the hypervisor, and waking it can take several times as long as a server
needs for an answer. How long depends on what else the hypervisor does. Tools that measure the latency of systems
request what `kept_awake` does.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from runners.record import IdleCpus

REQUESTS = Path("/dev/cpu_dma_latency")
"""Where a process requests a maximum latency, in microseconds as an integer of four bytes, for as long as it has the
file open (the kernel's documentation, power/pm_qos_interface)."""
_DRIVER = Path("/sys/devices/system/cpu/cpuidle/current_driver")
_NOT_AT_ALL = bytes(4)
_requests: list[int] = []
"""Files in which this process requests it now."""
_PR_SET_TIMERSLACK = 29
_NAPS = 100
_NAP_NS = 1_000_000


@contextmanager
def kept_awake() -> Iterator[None]:
    """Request that no idle CPU sleeps; it waits in a loop then. Has no effect where the system does not allow it."""
    try:
        request = os.open(REQUESTS, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        yield
        return
    _requests.append(request)
    try:
        os.write(request, _NOT_AT_ALL)
        yield
    finally:
        _requests.remove(request)
        os.close(request)


def must_be_allowed() -> bool:
    """Whether the system takes such requests, but not from this process."""
    return REQUESTS.exists() and not os.access(REQUESTS, os.W_OK)


def state() -> IdleCpus | None:
    """Whether idle CPUs are awake now because of this process; ``None``: no Linux."""
    if sys.platform != "linux":
        return None
    return "awake" if _requests and _sleep_is_managed() else "asleep"


def _sleep_is_managed() -> bool:
    """Whether the kernel has a driver that heeds requests."""
    try:
        return _DRIVER.read_text(encoding="ascii").strip() not in ("", "none")
    except OSError:
        return False


def wake_up_us() -> float | None:
    """How late this process runs again after a sleep of 1 ms, in microseconds: the median of 100. ``None``: no Linux.

    The kernel's timers are exact meanwhile (prctl(2), PR_SET_TIMERSLACK), so it is the time that an idle CPU needs, as
    measured by cyclictest.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    try:
        return round(median(_nap_ns() for _ in range(_NAPS)) / 1e3, 1)
    finally:
        prctl(_PR_SET_TIMERSLACK, 0, 0, 0, 0)  # as it was


def _nap_ns() -> int:
    began_ns = time.perf_counter_ns()
    time.sleep(_NAP_NS / 1e9)
    return time.perf_counter_ns() - began_ns - _NAP_NS
