"""Child processes. Only this package starts, observes and ends them."""

from runners.process.child import GRACE_S, PYTHON, Child, ProcessError, find_free_port, start_process

__all__ = ["GRACE_S", "PYTHON", "Child", "ProcessError", "find_free_port", "start_process"]
