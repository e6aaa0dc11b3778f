"""Explains the terms of this site: where a page first uses one in running text, it becomes a link to its definition.

A term has its explanation as the link's title, so that readers need not follow it. Headings, tables, code and other
links stay as they are. The work is done on finished pages, because only these show which use is the first.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass

from markupsafe import escape

from generator.passthrough import is_close, is_open


@dataclass(frozen=True)
class Term:
    """``words``: a regular expression of its forms. ``page``: path and anchor of its definition. ``means``: the
    definition in one sentence, without double quotes.
    """

    words: str
    page: str
    means: str


_BEFORE_RUN = "|".join([*(rf"(?<=\b{word} )" for word in ("the", "a", "each", "one")), r"(?<=\d )"])
"""What is before the noun *run*. The verb needs no explanation."""

TERMS = (
    Term(
        "headline variants?",
        "methodology.md#headline-variant",
        "The variant that the framework's documentation recommends for production.",
    ),
    Term(
        r"(?<!headline\s)variants?",
        "methodology.md#variant",
        "One way to serve a framework: server, async mode, broker and tuning.",
    ),
    Term("workloads?", "methodology.md#workload", "What a framework has to do, such as an echo or a live dashboard."),
    Term("scenarios?", "methodology.md#workload", "A workload with one set of parameters."),
    Term("cells?", "methodology.md#cell", "One variant in one scenario."),
    Term("rounds?", "methodology.md#round", "A pass in which each cell is measured once, in shuffled order."),
    Term(rf"(?:{_BEFORE_RUN})runs?", "methodology.md#run", "Several rounds on one machine."),
    Term("campaigns?", "methodology.md#campaign", "Runs for one purpose, under one name."),
    Term("profiles?", "methodology.md#profile", "How long and how often a run measures: quick, standard or full."),
    Term(
        r"(?<=\bthe )reference",
        "methodology.md#reference",
        "A bare server of our own, measured in every round, to which the others are compared.",
    ),
    Term("facets?", "scoring.md#criteria", "Criteria that show the same property, such as delay."),
    Term("criteri(?:on|a)", "scoring.md#criteria", "A value or fact that counts in a score."),
    Term("hard flags?", "scoring.md#flags", "A fact that ends a choice for most readers."),
)

_Linked = Callable[[str, Term], str]
_DEFINING = "methodology.md"
_DEFINITIONS = "## Terms"
"""The heading below which the page itself explains them."""

_RUNNING = re.compile(r"(<(p|li|dd|figcaption)\b[^>]*>)(.*?)(</\2>)", re.DOTALL)
_TAG = re.compile(r"(<[^>]*>)")
_KEPT = frozenset({"a", "button", "code", "label", "pre", "select", "summary", "svg", "time", "script"})
"""Elements whose text stays as it is."""
_UNTOUCHED = re.compile(r"``.+?``|`[^`]*`|!?\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])?|<[^>]*>|https?://\S+|\{[^}]*\}")
"""Code, links and markup within a paragraph of Markdown."""
_NO_PROSE = ("#", "|", "<!--", "    ", ":   ")
"""What lines of Markdown begin with that are no running text: headings, tables, comments, code, definitions."""


def with_terms_explained(text: str, path: str) -> str:
    """The staged text of a page, Markdown with blocks of finished HTML, with the first use of each term explained."""
    explaining = _Explaining(path)
    is_html = is_code = False
    lines = text.split("\n")
    start = lines.index("---", 1) + 1 if lines[0] == "---" and "---" in lines[1:] else 0
    done = lines[:start]
    block: list[str] = []
    """Lines of finished HTML, or of a paragraph."""

    def end(finish: Callable[[str], str]) -> None:
        if block:
            done.append(finish("\n".join(block)))
            block.clear()

    for line in lines[start:]:
        if is_html and not is_close(line):
            block.append(line)
            continue
        if is_html:
            end(explaining.in_html)
        is_html = is_open(line)
        is_fence = line.lstrip().startswith("```")
        is_code ^= is_fence
        if not (is_html or is_code or is_fence or line.startswith(_NO_PROSE)):
            block.append(line)
            continue
        end(explaining.in_markdown)
        if path == _DEFINING and line.startswith(_DEFINITIONS):
            explaining.left.clear()
        done.append(line)
    end(explaining.in_markdown)
    return "\n".join(done)


class _Explaining:
    """``left``: the terms that the page has not used yet."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.left = {term: re.compile(rf"(?<![\w-]){term.words}(?![\w-])", re.IGNORECASE) for term in TERMS}

    def in_html(self, html: str) -> str:
        return _RUNNING.sub(lambda match: f"{match[1]}{self._running(match[3])}{match[4]}", html) if self.left else html

    def _running(self, html: str) -> str:
        parts = _TAG.split(html)
        within = 0
        for index, part in enumerate(parts):
            if index % 2:
                name = re.match(r"</?(\w*)", part)
                if name and name[1] in _KEPT:
                    within += -1 if part.startswith("</") else 1
            elif not within:
                parts[index] = self._replaced(part, self._as_html)
        return "".join(parts)

    def in_markdown(self, paragraph: str) -> str:
        if not self.left:
            return paragraph
        done, end = [], 0
        for match in _UNTOUCHED.finditer(paragraph):
            done += [self._replaced(paragraph[end : match.start()], self._as_markdown), match[0]]
            end = match.end()
        return "".join([*done, self._replaced(paragraph[end:], self._as_markdown)])

    def _replaced(self, text: str, linked: _Linked) -> str:
        """The text with the first use of each term that is left replaced. No two terms overlap."""
        found: list[tuple[int, int, Term]] = []
        for term, pattern in list(self.left.items()):
            if match := pattern.search(text):
                found.append((match.start(), match.end(), term))
                del self.left[term]
        for start, end, term in sorted(found, key=lambda one: one[0], reverse=True):
            text = f"{text[:start]}{linked(text[start:end], term)}{text[end:]}"
        return text

    def _as_html(self, word: str, term: Term) -> str:
        page, _, anchor = term.page.partition("#")
        address = posixpath.relpath(page.removesuffix(".md") + ".html", posixpath.dirname(self._path) or ".")
        return f'<a class="rt-term" href="{address}#{anchor}" title="{escape(term.means)}">{word}</a>'

    def _as_markdown(self, word: str, term: Term) -> str:
        address = posixpath.relpath(term.page, posixpath.dirname(self._path) or ".")
        return f'[{word}]({address} "{term.means}"){{ .rt-term }}'
