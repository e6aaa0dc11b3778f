"""The measuring commands of ``rtsite``. Each module parses the arguments of one command and prints its output.

Command NAME is the module NAME, which adds it to ``app``. The command itself is implemented in `runners.application`.
"""

from runners.cli.options import app

__all__ = ["app"]
