"""Flame graphs show where a server spends its time. They are recorded after the measurements, never during them."""

from runners.flame.recording import FlameError, record_missing

__all__ = ["FlameError", "record_missing"]
