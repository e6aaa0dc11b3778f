"""What readers read: plain words, short sentences, terms that are explained, and no text twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from generator.pages import with_terms_explained
from generator.pages.terms import TERMS, Term
from tests.support.modules import load_module
from tests.support.visiting import Visit

ROOT = Path(__file__).parents[2]
words = load_module(ROOT / ".ci" / "words.py")

SHINGLE = 10
"""So many words in a row are no coincidence, and no name of a criterion."""
MOST_REPEATED = 0.05
CHOOSING = ("index", "scoreboard", "pick", "questions", "for/*", "frameworks/*", "compare/*", "tests/*")
"""The pages that readers choose by, and those that show why."""
DEFINING = {"methodology.html", "scoring.html"}
"""The pages that define terms."""


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, str]:
    """The content of each page, by path."""
    return {path.relative_to(site).as_posix(): path.read_text() for path in words.pages_in(site)}


def test_no_page_has_a_word_that_we_do_not_use_or_a_long_sentence(pages: dict[str, str]) -> None:
    """The list is that of `.ci/words.py`, which also checks the site of the committed results in `.ci/check`."""
    assert len(pages) > 60
    found = [str(finding) for name, html in pages.items() for finding in words.check_page(name, html)]
    assert found == []


@pytest.mark.parametrize("query", ["", "?users=100000&cores=1&spans=yes", "?stack=flask&case=streaming"])
def test_the_picker_writes_plain_words_too(visit: Visit, query: str) -> None:
    page = visit.open(f"pick.html{query}")
    page.locator(".rt-verdict:not(:empty)").wait_for()
    assert words.check_page("pick.html", page.locator(".rt-picked").inner_html()) == []


def article(html: str) -> str:
    start, end = html.find("<article"), html.rfind("</article>")
    assert 0 <= start < end
    return html[start:end]


# Terms


def running_texts(html: str) -> Iterator[tuple[str, list[str]]]:
    """Running texts, each with the address of the link that each character is in; code and buttons become one space."""
    for _, inner in re.findall(r"<(p|li|dd|figcaption)\b[^>]*>(.*?)</\1>", html, re.DOTALL):
        text, addresses = "", list[str]()
        address, kept = "", 0
        for part in re.split(r"(<[^>]*>)", inner):
            if re.match(r"<a\b", part):
                address = unescape((re.search(r'href="([^"]*)"', part) or ["", "#"])[1])
            elif part == "</a>":
                address = ""
            elif re.match(r"<(button|code|label|pre|select|summary|svg|time|script)\b", part):
                kept += 1
            elif re.match(r"</(button|code|label|pre|select|summary|svg|time|script)>", part):
                kept -= 1
            elif not part.startswith("<"):
                text += " " if kept else part
                addresses += [address] * (1 if kept else len(part))
        yield text, addresses


def unexplained(html: str) -> list[Term]:
    """The terms whose first use, outside of links to elsewhere, is not a link to their definition."""
    found = []
    for term in TERMS:
        pattern = re.compile(rf"(?<![\w-]){term.words}(?![\w-])", re.IGNORECASE)
        page = term.page.partition("#")[0].removesuffix(".md")
        uses = (addresses[use.start()] for text, addresses in running_texts(html) for use in pattern.finditer(text))
        first = next((address for address in uses if not address or f"{page}.html" in address), None)
        if first == "":
            found.append(term)
    return found


def test_the_first_use_of_a_term_leads_to_its_definition(pages: dict[str, str]) -> None:
    explained = 0
    for name, html in pages.items():
        if name not in DEFINING and "<article" in html:
            assert [term.page for term in unexplained(article(html))] == [], name
            explained += html.count('class="rt-term"')
    assert explained > 2 * len(pages)


def test_definitions_are_where_terms_lead(pages: dict[str, str]) -> None:
    for term in TERMS:
        page, _, anchor = term.page.partition("#")
        assert f'id="{anchor}"' in pages[page.replace(".md", ".html")], term.page
        assert '"' not in term.means
        assert len(term.means.split()) <= 25


PAGE = """---
title: A round
---

# Rounds

Some [rounds](elsewhere.md), `rounds` and
rounds of variants.

```sh
run a workload
```

<!-- finished html -->
<p>The run has <code>cells</code> in <a href="x.html">cells</a>, cells &amp; rounds.</p><table><td>profile</td></table>
<!-- end of finished html -->

- A headline variant, and servers that run.
"""


def test_only_the_first_use_in_running_text_is_explained() -> None:
    made = with_terms_explained(PAGE, "frameworks/x/code.md")
    before, after = PAGE.splitlines(), made.splitlines()
    changed = [line for line, old in zip(after, before, strict=True) if line != old]
    assert len(changed) == 3
    assert re.fullmatch(
        r"\[rounds\]\(\.\./\.\./methodology\.md#round \".+\"\)\{ \.rt-term \} of \[variants\]\(.+\)\{ \.rt-term \}\.",
        changed[0],
    )
    run = r'<a class="rt-term" href="\.\./\.\./methodology\.html#run" title="[^"]+">run</a>'
    link, cells = r'<a href="x.html">cells</a>', r'<a class="rt-term" [^>]+>cells</a>'
    assert re.fullmatch(
        rf"<p>The {run} has <code>cells</code> in {link}, {cells} &amp; rounds\.</p><table><td>profile</td></table>",
        changed[1],
    )
    assert re.fullmatch(r"- A \[headline variant\]\(.+\)\{ \.rt-term \}, and servers that run\.", changed[2])


# Repetition


def repeated_share(html: str) -> float:
    """The share of words in a page's running text that are in a row of `SHINGLE` words which another section has too.

    A row is within one paragraph, item or cell. A section begins with a heading of the second level. Tables, charts and
    what these draw are left out, as their rows are alike.
    """
    prose = re.sub(r"<(table|svg|pre|template)\b.*?</\1>", " ", html, flags=re.DOTALL)
    prose = re.sub(r'<span class="rt-subtitle">.*?</figcaption>', "</figcaption>", prose, flags=re.DOTALL)
    sections = [
        [re.findall(r"\w+", text.joined()[0].casefold()) for text in words.texts_of_html(part) if text.is_prose]
        for part in re.split(r"(?=<h2\b)", prose)
    ]
    having = Counter(row for section in sections for row in {row for text in section for row in rows_of(text)})
    repeated = 0
    for text in (text for section in sections for text in section):
        again = {at + step for at, row in enumerate(rows_of(text)) if having[row] > 1 for step in range(SHINGLE)}
        repeated += len(again)
    return repeated / max(1, sum(len(text) for section in sections for text in section))


def rows_of(text: list[str]) -> list[tuple[str, ...]]:
    return [tuple(text[at : at + SHINGLE]) for at in range(len(text) - SHINGLE + 1)]


def test_no_section_repeats_another(pages: dict[str, str], site: Path) -> None:
    choosing = {path.relative_to(site).as_posix() for pattern in CHOOSING for path in site.glob(f"{pattern}.html")}
    assert len(choosing) > 10
    shares = {name: repeated_share(article(pages[name])) for name in choosing}
    assert {name: share for name, share in shares.items() if share > MOST_REPEATED} == {}


def test_what_two_sections_share_is_measured() -> None:
    same = "one two three four five six seven eight nine ten"
    assert repeated_share(f"<h2>A</h2><p>{same}</p><h2>B</h2><p>{same}</p>") == pytest.approx(20 / 22)
    assert repeated_share(f"<h2>A</h2><p>{same} {same}</p><h2>B</h2><p>{same[:20]}</p>") == 0
