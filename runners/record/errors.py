"""The base of all errors. Their text says what went wrong, what was expected and how to fix it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RtsiteError(Exception):
    """An error whose text is one clear sentence for the user; the CLI prints it and exits.

    ``exit_code``: 1 failure, 2 usage, 3 nothing to work on, 4 invalid results or broken contract, 5 regression.
    """

    exit_code = 1


class UnavailableError(RtsiteError):
    """The machine lacks something that the work needs, such as a network, a program, space or a permission. It says
    nothing about an application.
    """


class HostLostError(RtsiteError):
    """A host of a cluster on which the work depends is lost, so that nothing more can be done now. It says nothing
    about an application.
    """


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


def require_between(option: str, value: float, least: float, most: float, unit: str) -> None:
    """Raise `UsageError` if the value of an option is not a number in this range, ends included."""
    if not least <= value <= most:  # also true for NaN
        raise UsageError(f"{option}: {value:,g} is not between {least:,g} and {most:,g} {unit}")


def nearest_names(name: str, known: Iterable[str]) -> str:
    """The known names that are most similar, as the end of a message; all of them if none is similar."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names)}."


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for an unknown name, with the most similar known names."""
    return UsageError(f"unknown {kind} {name!r}: {nearest_names(name, known)}")
