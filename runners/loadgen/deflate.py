"""What client and server agree on when messages are compressed: permessage-deflate (RFC 7692, section 7). No I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from runners.loadgen.causes import RefusedError, harmless

NAME = "permessage-deflate"
OFFER = f"{NAME}; client_max_window_bits"
"""The offer of a client, with which browsers begin as well: it leaves everything to the server."""
MOST_BITS = 15
_LEAST_BITS = 8
_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_PARAMETER = re.compile(rf"[ \t]*({_NAME})(?:=(?:({_NAME})|\"({_NAME})\"))?[ \t]*")
"""A parameter of an extension (RFC 6455, section 9.1). A value in quotes is a token as well."""
_BITS = re.compile(r"[1-9][0-9]?")
_FLAGS = ("server_no_context_takeover", "client_no_context_takeover")
_SIZES = ("server_max_window_bits", "client_max_window_bits")


@dataclass(frozen=True)
class Agreement:
    """The parameters of an agreed compression.

    Without context takeover, each message is compressed as if it were the first. Window sizes are powers of two.
    """

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int = MOST_BITS
    client_max_window_bits: int = MOST_BITS

    def __str__(self) -> str:
        """The parameters as a server answers them; those with their usual value are left out."""
        flags = [name for name in _FLAGS if getattr(self, name)]
        sizes = [f"{name}={bits}" for name in _SIZES if (bits := getattr(self, name)) != MOST_BITS]
        return "; ".join([NAME, *flags, *sizes])


def read_agreement(values: Sequence[str]) -> Agreement:
    """The agreement in the values of a server's Sec-WebSocket-Extensions, after `OFFER` was sent.

    Raises `RefusedError` if the server may not answer so (RFC 6455, section 9.1, and RFC 7692, sections 5.1 and 7.1).
    """
    shown = f"Sec-WebSocket-Extensions: {harmless(' | '.join(values), 100)}"
    chosen = [one.strip(" \t") for one in ",".join(values).split(",") if one.strip(" \t")]
    names = [one.partition(";")[0].strip(" \t") for one in chosen]
    if not names or any(name != NAME for name in names):
        raise RefusedError(f"the server chose an extension that was not offered: {shown}; {NAME} was")
    if len(chosen) > 1:
        raise RefusedError(f"the server chose {NAME} {len(chosen)} times, and expected is once: {shown}")
    found: dict[str, bool | int] = {}
    for text in chosen[0].split(";")[1:]:
        parameter = _PARAMETER.fullmatch(text)
        if parameter is None:
            raise RefusedError(f"the server's {NAME} has an invalid parameter '{harmless(text.strip())}': {shown}")
        name, value = parameter[1], parameter[2] or parameter[3]
        if name in found:
            raise RefusedError(f"the server's {NAME} has {name} twice: {shown}")
        found[name] = _value_of(name, value, shown)
    return Agreement(**found)  # type: ignore[arg-type]


def _value_of(name: str, value: str | None, shown: str) -> bool | int:
    if name in _FLAGS:
        if value is not None:
            raise RefusedError(f"the server's {NAME} gives {name} a value, and it has none: {shown}")
        return True
    if name not in _SIZES:
        raise RefusedError(f"the server's {NAME} has the unknown parameter {harmless(name)}: {shown}")
    if value is None or not _BITS.fullmatch(value) or not _LEAST_BITS <= int(value) <= MOST_BITS:
        raise RefusedError(f"the server's {NAME} needs a number from {_LEAST_BITS} to {MOST_BITS} for {name}: {shown}")
    return int(value)
