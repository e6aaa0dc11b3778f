"""What in a start command makes a setup another one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

SHORTENED_ENDS = ("--graceful-timeout", "--timeout-graceful-shutdown")
"""Options of gunicorn, hypercorn and uvicorn for how long a server waits for its clients when it ends. Commands have
them so that measurements end soon; where the end itself is tested, the server's default applies."""
_WORKERS = "{workers}"


def with_own_end(command: Sequence[str]) -> list[str]:
    """The command without the options of `SHORTENED_ENDS` and their values."""
    kept: list[str] = []
    words = iter(command)
    for word in words:
        if word in SHORTENED_ENDS:
            next(words, None)
        elif not word.startswith(tuple(f"{option}=" for option in SHORTENED_ENDS)):
            kept.append(word)
    return kept


def is_same_setup(command: str, other: str) -> bool:
    """Whether two start commands, with their placeholders, serve one process in the same way under load.

    How many processes there are and how the server ends is no part of it: a run sets the first, and no measurement
    shows the second.
    """
    return _of_one_process(command) == _of_one_process(other)


def _of_one_process(command: str) -> list[str]:
    kept: list[str] = []
    for word in with_own_end(command.split()):
        if word == _WORKERS and kept and kept[-1].startswith("-"):
            kept.pop()
        elif _WORKERS not in word:
            kept.append(word)
    return kept
