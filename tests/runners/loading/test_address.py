"""An address is one that can be requested, or one sentence says what is wrong with it."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.loading.address import read_address
from runners.record import UsageError


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("ws://h", "ws://h/"),
        ("WS://H:8000/Echo", "ws://h:8000/Echo"),
        ("wss://h?x=1", "wss://h/?x=1"),
        ("ws://[::1]:8000/", "ws://[::1]:8000/"),
        ("ws://[fe80::1%eth0]/", "ws://[fe80::1%eth0]/"),
        ("ws://münchen.example/straße?q=ä ö", "ws://xn--mnchen-3ya.example/stra%C3%9Fe?q=%C3%A4%20%C3%B6"),
        ("ws://straße.example/", "ws://xn--strae-oqa.example/"),
        ("ws://h/a%20b?c=%2F+d&e=f|g", "ws://h/a%20b?c=%2F+d&e=f|g"),
        ("ws://my_server:1/", "ws://my_server:1/"),
    ],
)
def test_what_is_read(typed: str, read: str) -> None:
    assert read_address(typed) == read


@pytest.mark.parametrize(
    ("typed", "read"), [("http://h:8000/x?y={client}", "ws://h:8000/x?y=%7Bclient%7D"), ("https://h", "wss://h/")]
)
def test_the_address_of_an_http_server_is_read_too(typed: str, read: str) -> None:
    assert read_address(typed, kind="HTTP") == read


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "must start with ws://"),
        ("h", "did you mean ws://h?"),
        ("localhost:8000/echo", "did you mean ws://localhost:8000/echo?"),
        ("http://h/", "did you mean ws://h/?"),
        ("https://h/", "did you mean wss://h/?"),
        ("ftp://h/", "must start with ws://"),
        ("ws:///x", "and name a host"),
        ("ws://:80/", "and name a host"),
        ("ws://user:secret@h/", "the address of h has a user name"),
        ("ws://@h/", "has a user name"),
        ("ws://h:0/", "port 0"),
        ("ws://h:65536/", "a port is 1 to 65535"),
        ("ws://h:-1/", "a port is 1 to 65535"),
        ("ws://h:http/", "a port is 1 to 65535"),
        ("ws://::1:8000/", "an IPv6 address has brackets"),
        ("ws://[::1/", "an IPv6 address has brackets"),
        ("ws://h/#top", "has a fragment"),
        ("ws://h/#", "has a fragment"),
        (" ws://h/", "blanks at its ends"),
        ("ws://h/\r\nX: 1", "control characters"),
        ("ws://h/\x00", "control characters"),
        ("ws://h/\udcff", "control characters"),
        ("ws://two words/", "not a valid name of a host"),
        ("ws://a..b/", "not a valid name of a host"),
        ("ws://" + "a" * 64 + "/", "not a valid name of a host"),
        ("ws://" + "ü" * 70 + "/", "not a valid name of a host"),
    ],
)
def test_what_is_refused(typed: str, words: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_address(typed)
    assert words in str(raised.value)
    assert "secret" not in str(raised.value)
    assert str(raised.value).isprintable()


@given(st.text())
def test_any_text_is_an_address_in_ascii_or_a_usage_error(text: str) -> None:
    for typed in (text, f"ws://{text}", f"ws://h/{text}", f"ws://{text}:1/"):
        try:
            read = read_address(typed)
        except UsageError:
            continue
        assert read.isascii()
        assert " " not in read
        assert read_address(read) == read
        assert unquote(urlsplit(read).query) == unquote(urlsplit(typed).query)
