"""Proof that the load generator detects misbehaving servers. Test servers misbehave on purpose and count how often."""

from runners.calibration.proofs import SHARES_PERCENT, Calibration, CalibrationError, Ceiling, Proof, run_calibration

__all__ = ["SHARES_PERCENT", "Calibration", "CalibrationError", "Ceiling", "Proof", "run_calibration"]
