"""The measuring half of the ``rtsite`` command: one module per command, which parses its arguments and prints.

Each module adds its command to ``app``; what the command does is a use case of `runners.application`.
"""

from runners.cli import calibrate, check, ci, doctor, evidence, load, new, run, validate
from runners.cli import list as list_
from runners.cli.options import app

__all__ = ["app", "calibrate", "check", "ci", "doctor", "evidence", "list_", "load", "new", "run", "validate"]
