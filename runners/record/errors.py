"""The base of all errors. Their text says what went wrong, what was expected and how to fix it."""

from __future__ import annotations


class RtsiteError(Exception):
    """An error whose text is one clear sentence for the user; the CLI prints it and exits.

    ``exit_code``: 1 failure, 2 usage, 3 nothing to work on, 4 invalid results or broken contract, 5 regression.
    """

    exit_code = 1


class UsageError(RtsiteError):
    """The command line names something that does not exist."""

    exit_code = 2


class NothingToDoError(RtsiteError):
    """No results, runs or frameworks to work on."""

    exit_code = 3


class InvalidError(RtsiteError):
    """Results or an application break their contract."""

    exit_code = 4


class RegressionError(RtsiteError):
    """A comparison found a significant change for the worse."""

    exit_code = 5
