"""Why connections fail and end: causes in words, made harmless, bounded, and counted with one example each."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

MOST_CHARACTERS = 200
"""Maximum length of a text of a server in a message."""
MOST_EXAMPLE_CHARACTERS = 400
"""Maximum length of an example; result files have this limit."""
MOST_KINDS = 20
"""Maximum number of kinds that are counted separately."""
OTHER = "other"
"""The kind under which all further kinds are counted."""
NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
"""Reasons of OpenSSL for bytes that are not TLS."""
_OUT_OF_DATE = (9, 10)
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL."""
_OTHER_NAME = (62, 64)
"""X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL."""


class Cause(NamedTuple):
    """Why a connection could not be opened, or why it ended.

    ``error``: its key in the table of errors. ``kind``: under which it is counted, for example ``status 503`` or
    ``ECONNRESET``. ``text``: one sentence with the details.
    """

    error: str
    kind: str
    text: str


class CountedCause(NamedTuple):
    """A kind of cause: its key in the table of errors, how often it occurred, and the text of its first example."""

    error: str
    kind: str
    times: int
    example: str


class RefusedError(Exception):
    """The server's answer was not acceptable; the text describes what was received. ``kind``: see `Cause`."""

    def __init__(self, text: str, kind: str = "protocol") -> None:
        super().__init__(text)
        self.kind = kind


class CauseTable:
    """Counts causes by error and kind, with one example each, and at most `MOST_KINDS` kinds."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str], CountedCause] = {}

    def add(self, cause: Cause, times: int = 1) -> None:
        """Count a cause."""
        key = (cause.error, cause.kind)
        if key not in self._counted and len(self._counted) >= MOST_KINDS:
            key = (cause.error, OTHER)
        known = self._counted.get(key, CountedCause(*key, 0, harmless(cause.text, MOST_EXAMPLE_CHARACTERS)))
        self._counted[key] = known._replace(times=known.times + times)

    def counted(self) -> list[CountedCause]:
        """All kinds, the most frequent first."""
        return sorted(self._counted.values(), key=lambda one: -one.times)

    def errors(self) -> dict[str, int]:
        """How often each error occurred, whatever its kind."""
        errors: Counter[str] = Counter()
        for one in self._counted.values():
            errors[one.error] += one.times
        return dict(errors)


def merge(tables: Iterable[Iterable[CountedCause]]) -> CauseTable:
    """The sums of several tables."""
    total = CauseTable()
    for table in tables:
        for error, kind, times, example in table:
            total.add(Cause(error, kind, example), times)
    return total


def summary(causes: Iterable[CountedCause], most: int = 3) -> str:
    """The most frequent causes in one line: ``3 × example; 1 × example``. The only cause is given without a count."""
    counted = list(causes)
    if len(counted) == 1:
        return counted[0].example
    shown = [f"{one.times} × {one.example}" for one in counted[:most]]
    if rest := sum(one.times for one in counted[most:]):
        shown.append(f"{rest} × other reasons")
    return "; ".join(shown)


def harmless(text: str | bytes, most: int = MOST_CHARACTERS) -> str:
    """A text of a server that is safe to print: control and invisible characters are escaped, and it is bounded."""
    if isinstance(text, bytes):
        text = text[: 4 * most].decode("utf-8", "backslashreplace")
    shown = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text[: most + 1])
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def first_line(data: bytes, most: int = MOST_CHARACTERS) -> str:
    """The first line that is not empty, safe to print."""
    lines = (line.strip() for line in data[: 4 * most].splitlines())
    return harmless(next(filter(None, lines), b""), most)


def describe(error: Exception) -> tuple[str, str]:
    """Kind and text of an error of the system or of TLS, or of a refusal."""
    match error:
        case RefusedError():
            return error.kind, str(error)
        case ssl.SSLCertVerificationError():
            return "certificate", _certificate_problem(error)
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            return "tls", "the server closed the connection during the TLS handshake; if it has no TLS, use ws://"
        case ssl.SSLError() if error.reason in NO_TLS:
            return "tls", f"the server does not speak TLS on this port; use ws:// ({error.reason})"
        case ssl.SSLError():
            return "tls", f"the TLS handshake failed: {harmless(error.reason or str(error))}"
        case socket.gaierror():
            return "name", f"the host name cannot be resolved: {harmless(error.strerror or str(error))}"
        case OSError() if error.errno is not None:
            name = errno.errorcode.get(error.errno, f"errno {error.errno}")
            return name, f"{os.strerror(error.errno).lower()} ({name})"
        case _:
            return type(error).__name__, f"{type(error).__name__}: {harmless(str(error))}"


def _certificate_problem(error: ssl.SSLCertVerificationError) -> str:
    """A sentence about a certificate that the client did not accept, and what helps."""
    said = harmless(error.verify_message).rstrip(".")
    if error.verify_code in _OUT_OF_DATE:
        return f"the server's certificate is not valid today: {said}; renew it, or use --insecure of rtsite load"
    if error.verify_code in _OTHER_NAME:
        return (
            f"the server's certificate is for another host: {said};"
            " use a host that it names, or --insecure of rtsite load"
        )
    return f"the server's certificate is not trusted: {said}; rtsite load has --ca FILE for its issuer, and --insecure"
