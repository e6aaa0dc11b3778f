"""The measuring commands of ``rtsite``. Each module parses the arguments of one command and prints its output.

Each module adds its command to ``app``. The command itself is implemented in `runners.application`.
"""

from runners.cli import calibrate, check, ci, doctor, evidence, load, new, run, validate
from runners.cli import list as list_
from runners.cli.options import app

__all__ = ["app", "calibrate", "check", "ci", "doctor", "evidence", "list_", "load", "new", "run", "validate"]
