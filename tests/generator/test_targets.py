"""What a reader must find at once: short pages, short headings, and the answer on the first screen."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from tests.support.visiting import Visit

PAIR = "compare/django-channels-vs-flask-socketio.html"
HEIGHTS_PX = {
    "index.html": 2700,
    "scoreboard.html": 1800,
    "for/index.html": 1800,
    "for/dashboard.html": 4500,
    "frameworks/django-channels.html": 5400,
    PAIR: 3600,
    "pick.html": 1800,
    "tests/echo.html": 9000,
    "tests/dashboard.html": 9000,
    "tests/capacity.html": 9000,
    "dimensions/performance.html": 4500,
    "dimensions/ease-of-use.html": 4500,
}
"""The most that a page may be high on a screen of 1440 pixels; on a phone twice that."""
ANSWERS = {
    "index.html": (".rt-answers dd", ".rt-sure", ".rt-actions"),
    "for/dashboard.html": (".rt-answer", ".rt-sure", ".rt-actions"),
    "frameworks/django-channels.html": (".rt-answers dd", ".rt-actions"),
    PAIR: (".rt-verdict", ".rt-sure", ".rt-pair-chooser"),
    "scoreboard.html": (".rt-heat td", ".rt-heat-key"),
    "pick.html": (".rt-pick", ".rt-picked .rt-sure", ".rt-answer-cards strong"),
    "tests/dashboard.html": (".rt-answer", ".rt-sure", ".rt-actions", ".rt-provenance"),
    "dimensions/ease-of-use.html": (".rt-verdict", ".rt-sure", ".rt-actions", ".rt-provenance"),
}
"""What the first screen of a page has: its answer, how sure it is, and the next step."""
LONGEST_HEADING = 45
MOST_CONTENTS = 12
WRITTEN = [path.stem for path in (Path(__file__).parents[2] / "site").glob("*.md")]
SHORT = ("index", "scoreboard", "pick", "questions", "for/*", "frameworks/*", "compare/*", "tests/*", "dimensions/*")
"""The pages with short headings. Those of tests name sizes, and those of runs and of all results parameters."""
MOST_REPEATED = 0.05
"""The share of words that repeat another section."""
REPEATED_WORDS = 8
"""Words in a row that repeat others: fewer are found by chance."""
SECTIONS = """() => {
  const heads = [...document.querySelectorAll(".md-content :is(h2, .rt-size)")];
  const sections = heads.map(() => []).concat([[]]);
  for (const text of document.querySelectorAll(".md-content .rt :is(p, li, dd, figcaption)")) {
    if (text.querySelector("p, li, dd")) continue;
    if (text.closest("table, .rt-save, .rt-provenance, [hidden], details:not([open])")) continue;
    const before = heads.filter((head) => head.compareDocumentPosition(text) & Node.DOCUMENT_POSITION_FOLLOWING);
    sections[before.length].push(text.textContent);
  }
  return sections.map((texts) => texts.join(" ")).filter(Boolean);
}"""
"""The texts of each section of a page, those of all sizes, without what is folded, where values are from, and what
tables and buttons say."""


@pytest.mark.parametrize("path", HEIGHTS_PX)
def test_a_page_is_short(visit: Visit, phone: Visit, path: str) -> None:
    for visitor, most in ((visit, HEIGHTS_PX[path]), (phone, 2 * HEIGHTS_PX[path])):
        page = visitor.open(path)
        height = page.evaluate("document.querySelector('.md-content').getBoundingClientRect().height")
        assert height <= most, path


@pytest.mark.parametrize("path", ANSWERS)
def test_the_first_screen_has_the_answer(visit: Visit, phone: Visit, path: str) -> None:
    for visitor in (visit, phone):
        page = visitor.open(path)
        for selector in ANSWERS[path]:
            box = page.locator(selector).first.bounding_box()
            assert box is not None, (path, selector)
            size = page.viewport_size
            assert size is not None
            assert box["y"] < size["height"], (path, selector, box)


def test_headings_are_short(site: Path) -> None:
    pages = [path for pattern in SHORT for path in site.glob(f"{pattern}.html")]
    assert len(pages) > 10
    for path in pages + [site / f"{name}.html" for name in WRITTEN]:
        headings = re.findall(r"<h2[^>]*>(.*?)</h2>", path.read_text(), flags=re.DOTALL)
        texts = [unescape(re.sub(r"<[^>]+>|¶|&para;", "", heading)).strip() for heading in headings]
        assert len(texts) <= MOST_CONTENTS or path not in pages, path
        for text in texts:
            assert len(text) <= LONGEST_HEADING, (path, text)


def test_titles_of_drawn_charts_are_findings(site: Path) -> None:
    """A finding is a sentence or names who is where; the title of a metric alone is none."""
    titles = {
        title
        for path in site.rglob("*.html")
        for title in re.findall(r'<figcaption><strong>([^<]*)</strong><span class="rt-subtitle">', path.read_text())
    }
    assert len(titles) > 10
    for title in titles:
        assert len(title) <= 80, title
        assert re.search(r"\b(is|are|has|have|beats|beaten)\b|practically equal|not decided", title), title


def test_what_can_be_checked_says_how(site: Path) -> None:
    for path in ("frameworks/django-channels.html", PAIR, "for/dashboard.html", "tests/dashboard.html"):
        html = (site / path).read_text()
        assert "uv run rtsite run --" in html, path
        assert "data-copies=" in html, path


@pytest.mark.parametrize("path", ["tests/echo.html", "tests/capacity.html", "dimensions/ease-of-use.html"])
def test_sections_do_not_repeat_each_other(visit: Visit, path: str) -> None:
    sections = [re.findall(r"\w+", text.lower()) for text in visit.open(path).evaluate(SECTIONS)]
    assert sum(map(len, sections)) > 80
    known: set[tuple[str, ...]] = set()
    repeated = 0
    for words in sections:
        runs = [tuple(words[at : at + REPEATED_WORDS]) for at in range(len(words) - REPEATED_WORDS + 1)]
        again = {at + step for at, run in enumerate(runs) if run in known for step in range(REPEATED_WORDS)}
        repeated += len(again)
        known |= set(runs)
    assert repeated <= MOST_REPEATED * sum(map(len, sections))


def test_a_test_links_all_that_proves_it(site: Path) -> None:
    """Raw files, code and setups of each row, the run, and the command."""
    html = (site / "tests" / "dashboard.html").read_text()
    row = html.partition('class="rt-valid" data-frameworks="django-channels"')[2].partition("</tr>")[0]
    for link in ("/django-channels.yml", "frameworks/django-channels/code.html", "django-channels.html#variants"):
        assert f'{link}"' in row, link
    assert 'data-copies="uv run rtsite run --workload dashboard --profile standard"' in html
    assert re.search(r'<a href="\.\./runs/[^"]*\.html">The run</a>', html)
