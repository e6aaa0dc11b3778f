"""Proof that the load generator detects misbehaving servers: servers that misbehave on purpose and count how often."""

from runners.calibration.proof import SHARES_PERCENT, Calibration, CalibrationError, Ceiling, Proof, calibrate

__all__ = ["SHARES_PERCENT", "Calibration", "CalibrationError", "Ceiling", "Proof", "calibrate"]
