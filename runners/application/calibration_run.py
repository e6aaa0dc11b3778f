"""Calibration of the load generator on this machine."""

from __future__ import annotations

from runners import calibration, machine
from runners.application.messages import MessageObserver
from runners.application.session import measuring_session
from runners.record import require_between


def calibrate_loadgen(window_s: float, show: MessageObserver) -> calibration.Calibration:
    """Measure the load generator's limits, and verify that it detects misbehaving servers.

    ``window_s``: seconds of each timed window. Raises `UsageError` if it is out of range, and `BusyError` if another
    command measures.
    """
    require_between("--window", window_s, 1.0, 3600.0, "seconds")
    cores = machine.share_cores(1, machine.physical_cores(), pinnable=machine.can_pin())
    if cores.note:
        show(f"Note: {cores.note}")
    with measuring_session("rtsite calibrate"):
        return calibration.run_calibration(cores, show, window_s=window_s)
