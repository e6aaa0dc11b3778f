"""Where a server spends its time: a pass of its own, after the measuring and never during it."""

from runners.flame.recording import FlameError, record_missing

__all__ = ["FlameError", "record_missing"]
