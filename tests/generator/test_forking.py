"""Something is computed beside: its result arrives, its errors too, and nothing is left."""

from __future__ import annotations

import sys
from functools import partial

import pytest

from generator.pages.forking import forked
from generator.pages.markup import TemplateError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux forks")


def test_the_result_of_the_other_process_arrives() -> None:
    known = ["x" * 1_000_000]
    with forked(lambda: [*known, "more"]) as later:
        known.append("not seen there")
        assert later() == [known[0], "more"]


def test_its_error_is_raised_here() -> None:
    def fail() -> None:
        raise TemplateError("page.html:3: no such name")

    with pytest.raises(TemplateError, match=r"page\.html:3"), forked(fail) as later:
        later()


def test_what_nobody_waits_for_is_ended() -> None:
    with pytest.raises(KeyboardInterrupt), forked(partial(input, "for ever")):
        raise KeyboardInterrupt
