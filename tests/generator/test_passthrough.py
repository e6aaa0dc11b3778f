"""Finished HTML passes through Markdown unchanged, whatever it contains."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from markdown import Markdown

from generator.passthrough import PassthroughExtension, finished

TEXTS = st.text("ab *_`[]()!#&;\n-+1.:|{}%", max_size=60)


@given(TEXTS)
def test_nothing_between_the_marks_is_markdown(text: str) -> None:
    block = f"<div>{text}</div>"
    page = f"# Before\n\n{finished(block)}\n\n*after*\n"
    html = Markdown(extensions=[PassthroughExtension()]).convert(page)
    assert html == f"<h1>Before</h1>\n{block}\n<p><em>after</em></p>"


def test_two_blocks_keep_their_order() -> None:
    page = "\n\n".join([finished("<p>1</p>"), "between", finished("<p>2</p>")])
    html = Markdown(extensions=["generator.passthrough"]).convert(page)
    assert html.split() == ["<p>1</p>", "<p>between</p>", "<p>2</p>"]
