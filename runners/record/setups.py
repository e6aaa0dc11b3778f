"""What in a start command makes a setup another one. Pure."""

from __future__ import annotations

from collections.abc import Sequence

SHORTENED_ENDS = ("--graceful-timeout", "--timeout-graceful-shutdown")
"""Options of gunicorn, hypercorn and uvicorn for how long a server waits for its clients when it ends. Commands have
them so that measurements end soon; where the end itself is tested, the server's default applies."""
_HEARTBEATS = ("--worker-tmp-dir",)
"""Options of gunicorn for where its workers show that they live: a busy disk may halt them there, a load does not."""
_WORKERS = "{workers}"


def with_own_end(command: Sequence[str]) -> list[str]:
    """The command without the options of `SHORTENED_ENDS` and their values."""
    return _without(SHORTENED_ENDS, command)


def _without(options: Sequence[str], command: Sequence[str]) -> list[str]:
    kept: list[str] = []
    words = iter(command)
    for word in words:
        if word in options:
            next(words, None)
        elif not word.startswith(tuple(f"{option}=" for option in options)):
            kept.append(word)
    return kept


def is_same_setup(command: str, other: str) -> bool:
    """Whether two start commands, with their placeholders, serve one process in the same way under load.

    How many processes there are is no part of it, because a run sets that. How the server ends and where it writes its
    heartbeat are none either, because no measurement shows them.
    """
    return _of_one_process(command) == _of_one_process(other)


def _of_one_process(command: str) -> list[str]:
    kept: list[str] = []
    for word in _without((*SHORTENED_ENDS, *_HEARTBEATS), command.split()):
        if word == _WORKERS and kept and kept[-1].startswith("-"):
            kept.pop()
        elif _WORKERS not in word:
            kept.append(word)
    return kept
