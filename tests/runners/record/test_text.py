"""Output of other programs stays readable and reveals nothing about the machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.record import publishable
from runners.record.text import MOST_CHARACTERS


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("/home/ada/x/requirements.txt: not found", "requirements.txt: not found"),
        (
            '  File "/home/ada/.venv/lib/python3.11/site-packages/channels/consumer.py", line 74, in dispatch',
            '  File "channels/consumer.py", line 74, in dispatch',
        ),
        ('  File "/usr/lib/python3/dist-packages/x/y.py", line 1', '  File "x/y.py", line 1'),
        ('  File "/home/ada/rtsite/app.py", line 47', '  File "app.py", line 47'),
        ("nothing answered on http://127.0.0.1:8001/healthz within 20 s", None),
        ("GET /healthz answered 500, </p> and 3/4 of a/b", None),
        ("half a pair \ud800", "half a pair ?"),
    ],
)
def test_folders_go_and_the_rest_stays(said: str, kept: str | None) -> None:
    assert publishable(said) == (said if kept is None else kept)


@given(st.text(max_size=3 * MOST_CHARACTERS))
def test_whatever_was_printed_can_be_written(said: str) -> None:
    kept = publishable(said)
    kept.encode()
    assert len(kept) <= MOST_CHARACTERS + 2
    assert publishable(kept) == kept or len(said) > MOST_CHARACTERS
