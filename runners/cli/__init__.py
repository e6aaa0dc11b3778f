"""The measuring half of the ``rtsite`` command: a module per group of commands, each adding its own to ``app``."""

from runners.cli import ci, collecting, examining, listing, loading, making, running
from runners.cli.options import app
from runners.cli.running import measure_and_report

__all__ = ["app", "ci", "collecting", "examining", "listing", "loading", "making", "measure_and_report", "running"]
