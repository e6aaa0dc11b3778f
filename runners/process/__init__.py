"""Child processes. Only this package starts, observes and ends them."""

from runners.process.child import (
    GRACE_S,
    LOOPBACK,
    PYTHON,
    Child,
    Finished,
    ProcessError,
    becomes_ready,
    copied_environment,
    find_free_port,
    run,
    start,
)

__all__ = [
    "GRACE_S",
    "LOOPBACK",
    "PYTHON",
    "Child",
    "Finished",
    "ProcessError",
    "becomes_ready",
    "copied_environment",
    "find_free_port",
    "run",
    "start",
]
