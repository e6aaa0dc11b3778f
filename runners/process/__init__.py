"""Child processes: started, watched and ended here, and nowhere else."""

from runners.process.child import GRACE_S, Child, ProcessError, find_free_port, start_process

__all__ = ["GRACE_S", "Child", "ProcessError", "find_free_port", "start_process"]
