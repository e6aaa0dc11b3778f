"""Proof that the load generator sees what it must see: servers that lie on purpose, and what they did."""

from runners.calibration.proof import SHARES_PERCENT, Calibration, CalibrationError, Ceiling, Proof, calibrate

__all__ = ["SHARES_PERCENT", "Calibration", "CalibrationError", "Ceiling", "Proof", "calibrate"]
