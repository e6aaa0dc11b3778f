"""Causes are counted by kind, bounded, harmless, and say what the system said."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.loadgen.causes import MOST_KINDS, Cause, CauseTable, describe, first_line, harmless, merge, summary


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 5)), max_size=80))
def test_nothing_counted_is_lost_and_kinds_are_bounded(kinds: list[tuple[int, int]]) -> None:
    table = CauseTable()
    for kind, times in kinds:
        table.add(Cause("not-connected", f"status {kind}", f"the server answered {kind}"), times)
    for counted in (table.counted(), merge([table.counted(), table.counted()]).counted()):
        assert len(counted) <= MOST_KINDS + 1
    assert sum(one.times for one in table.counted()) == sum(times for _, times in kinds)
    assert table.errors().get("not-connected", 0) == sum(times for _, times in kinds)


@given(st.text(max_size=500) | st.binary(max_size=500))
def test_what_a_server_says_can_be_printed(said: str | bytes) -> None:
    assert harmless(said).isprintable()
    assert len(harmless(said)) <= 200
    if isinstance(said, bytes):
        assert first_line(said).isprintable()


@pytest.mark.parametrize(
    ("code", "words", "option"),
    [
        (18, "is not trusted: said", "--ca FILE"),
        (10, "is not valid today: said", "renew it"),
        (9, "is not valid today: said", "--insecure"),
        (62, "is for another host: said", "a host that it names"),
        (64, "is for another host: said", "a host that it names"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_named(code: int, words: str, option: str) -> None:
    error = ssl.SSLCertVerificationError(1, "x")
    error.verify_code, error.verify_message = code, "said"
    kind, text = describe(error)
    assert kind == "certificate"
    assert words in text
    assert option in text


def test_a_summary_names_the_most_frequent() -> None:
    table = CauseTable()
    for kind in range(5):
        table.add(Cause("not-connected", str(kind), f"reason {kind}"), 5 - kind)
    assert summary(table.counted()) == "5 × reason 0; 4 × reason 1; 3 × reason 2; 3 × other reasons"


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "ECONNREFUSED", "connection refused (ECONNREFUSED)"),
        (OSError(errno.EHOSTUNREACH, "x"), "EHOSTUNREACH", "no route to host"),
        (OSError(errno.EMFILE, "x"), "EMFILE", "too many open files"),
        (socket.gaierror(-2, "Name or service not known"), "name", "cannot be resolved"),
        (ssl.SSLEOFError(8, "EOF"), "tls", "closed the connection during the TLS handshake"),
    ],
)
def test_errors_of_the_system_are_named(error: OSError, kind: str, words: str) -> None:
    found, text = describe(error)
    assert found == kind
    assert words in text
