#!/usr/bin/env python3
"""Checks that we write plain English: the words of the glossary, and the length of sentences.

    .ci/words.py              every finding, as FILE:LINE: what was found, what to use
    .ci/words.py --count      number of findings by folder and by word
    .ci/words.py FILE...      the findings of these files, or of all pages in a folder with a built site

It reads docstrings, comments and texts for users of `runners/`, `generator/` and `docs/`, the Markdown of the
repository, and the texts of built pages. It skips code: text in backticks, fenced code and generated parts of a page.
Strings elsewhere in the code, such as titles and reasons, are searched for words only, if they have at least four.

Of a built page it reads what is visible in the article, with its tooltips and labels. It skips code, quotations (“…”),
and what has the attribute `data-recorded`: the text of a result file, which is never changed.

A line that must use such a word contains `# words: allow figure, the type of another library` in Python,
`<!-- words: allow figure, … -->` in Markdown.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MOST_WORDS = 30
"""The most words of a sentence."""
MOST_ON_PAGES = 25
"""The same on a page of the site."""
PAGES = "site/"
"""The folder of hand-written pages. Built pages follow its rules."""
LEAST_WORDS = 4
"""The least words of a string that is read as prose wherever it is."""

PYTHON = ("runners", "generator", "docs")
MARKDOWN = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs", "site", "runners/frameworks")
SKIPPED = ("runners/frameworks/",)
"""Folders whose Python is not checked: applications written as in the frameworks' tutorials."""


@dataclass(frozen=True)
class Rule:
    """A word that we do not use, and its replacement. ``word``: a regular expression that ignores case."""

    word: str
    use: str
    unless: str = ""
    """Correct uses of the word: a regular expression whose matches are ignored."""
    only: tuple[str, ...] = ()
    """Folders or files to which the rule applies; empty: all."""


RULES = (
    Rule(
        r"figures?",
        "metric, value or result",
        r"flame figures?|plotly('s)? figures?|<figure>|figures? (caption|element)",
    ),
    Rule(
        r"cases?",
        "scenario",
        r"(in|for) (any|that|this|which|no|such|each|every|either|both|most|some|one|my|the) (other )?cases?"
        r"|just in case|(use|test|edge|corner|special|upper|lower|worst|best|first|last)[ -]cases?"
        r"|case[- ](in)?sensitive|regard to case|ignor\w+ case|pick for my case",
    ),
    Rule(r"yardsticks?", "reference"),
    Rule(
        r"questions?",
        "scenario, request or check",
        r"(as|in) one question|answers? (the|a|your) questions?|a few questions|question mark"
        r"|^questions$|scoreboard questions",
    ),
    Rule(
        r"generators?(?:'s)?",
        "load generator, or site generator",
        r"(load|site|code|random|number|python|asynchronous) generators?('s)?"
        r"|generators? (expression|function|object)s?",
        only=("runners/", PAGES, "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/decisions/"),
    ),
    Rule(r"with(?:stand|stands|stood|standing)", "sustain"),
    Rule(r"spoil(?:s|t|ed|ing)?", "disturb"),
    Rule(r"(?:make|makes|made|making) again", "repeat, repeated"),
    Rule(r"moods?", "disturbance"),
    Rule(r"tells?|told|telling|tell apart|told apart", "report, show, determine, distinguish or instruct"),
    Rule(r"ties?|tied", "inconclusive, or practically equal", r"tied to"),
    Rule(
        r"places?",
        "rank, or rank range",
        r"in place( of)?|takes? place|decimal places?|(one|two|three|other|another|many|first) places?"
        r"|places? (on|at|where)",
        only=("generator/comparison/", "generator/pages/", "README.md"),
    ),
    Rule(r"stands?|stood|standing", "is, is described, is listed", r"stands? for|long-standing|standing up"),
    Rule(r"said", "reported, or sent"),
    Rule(r"heard|spoken|hears?", "received, sent"),
    Rule(
        r"establish(?:es|ed|ing)?",
        "determine, collect",
        r"(connections?|clients?|handshakes?)\W+(\w+\W+){0,3}?establish(es|ed|ing)?"
        r"|establish(es|ed|ing)?\W+(\w+\W+){0,2}?(connections?|handshakes?)",
    ),
    Rule(r"deaf", "paused reader, or slow consumer"),
    Rule(r"under way|underway", "in flight, or running"),
    Rule(
        r"asks?|asked|asking",
        "request, test, measure or require",
        r"asks? (the|a) (user|reader|index)|asks? for help|(people|they) ask|asked? in public|asked at",
    ),
    Rule(r"dearer", "slower, or costs more"),
    Rule(r"machines? of (?:somebody's|one's|your) own", "local machine"),
    Rule(r"things?", "the name of what it is", r"the same things?|how to change things"),
    Rule(
        r"meets?|met|meeting",
        "the verb of the field: affects, reaches, applies to",
        r"meets? (the|a|its) (target|limit|contract|requirement)s?",
    ),
    Rule(r"courses?", "time series", r"of course|tutorial course"),
    Rule(r"books", "ledger"),
)
"""*Part*, *find*, *not known* and *lie* have no rule, because plain English needs them too often."""


_ANY_WORD = re.compile(rf"(?<![\w-])(?:{'|'.join(rule.word for rule in RULES)})(?![\w-])", re.IGNORECASE)
"""Any of these words: most texts have none, and are read only once."""


@dataclass(frozen=True)
class Text:
    """A piece of prose as numbered lines."""

    lines: tuple[tuple[int, str], ...]
    is_prose: bool = True
    """Whether sentences are counted; not in strings that may be no sentences."""

    def joined(self) -> tuple[str, list[tuple[int, int]]]:
        """The text as one string, and for each line its start in that string and its number."""
        starts, parts, length = [], [], 0
        for number, line in self.lines:
            starts.append((length, number))
            parts.append(line.strip())
            length += len(parts[-1]) + 1
        return " ".join(parts), starts


@dataclass(frozen=True)
class Finding:
    """A word or a sentence to change."""

    path: str
    line: int
    found: str
    advice: str
    key: str
    """The name under which the finding is counted."""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.found}, {self.advice}"


def main(arguments: list[str]) -> int:
    """Print the findings; returns 1 if there are any."""
    parser = argparse.ArgumentParser(description="Check that documentation and messages use plain English.")
    parser.add_argument("files", nargs="*", type=Path, help="files, or folders with built pages; the default is all")
    parser.add_argument("--count", action="store_true", help="print numbers by folder and by word only")
    chosen = parser.parse_args(arguments)
    given = [path.resolve() for path in chosen.files]
    files = [file for path in given for file in (pages_in(path) if path.is_dir() else [path])] or list(all_files())
    findings = [finding for path in files for finding in check_file(path)]
    if chosen.count:
        for title, counts in (
            ("folder", Counter(str(Path(one.path).parent) for one in findings)),
            ("found", Counter(one.key for one in findings)),
        ):
            sys.stdout.write(f"{title}\n")
            sys.stdout.writelines(f"{number:6} {name}\n" for name, number in counts.most_common())
    else:
        sys.stdout.writelines(f"{finding}\n" for finding in findings)
    sys.stdout.write(f"{len(findings)} findings in {len(files)} files\n")
    return int(bool(findings))


def all_files() -> Iterator[Path]:
    """Every file to check."""
    for name in PYTHON:
        yield from sorted((ROOT / name).rglob("*.py"))
    for name in MARKDOWN:
        path = ROOT / name
        yield from sorted(path.rglob("*.md")) if path.is_dir() else [path]


def pages_in(folder: Path) -> list[Path]:
    """The pages of a built site. One with charts for other sites has the texts of its page."""
    return sorted(path for path in folder.rglob("*.html") if path.parent.name != "embed")


def check_file(path: Path) -> list[Finding]:
    """The findings of one file."""
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    if name.startswith(SKIPPED) and path.suffix == ".py":
        return []
    source = path.read_text(encoding="utf-8")
    return check_source(name, source)


def check_source(name: str, source: str) -> list[Finding]:
    """The findings in the content of a file. ``name``: its path relative to the repository."""
    if name.endswith(".html"):
        return check_page(name, source)
    texts = texts_of_python(source) if name.endswith(".py") else texts_of_markdown(source)
    allowed = allowed_words(source)
    found = {finding: None for text in texts for finding in [*check_words(name, text), *check_length(name, text)]}
    return sorted(
        (one for one in found if one.key.casefold() not in allowed.get(one.line, ())), key=lambda one: one.line
    )


def check_page(name: str, source: str) -> list[Finding]:
    """The findings in a built page. ``name``: what they call it."""
    found = {}
    for text in texts_of_html(source):
        long = check_length(name, text, MOST_ON_PAGES, _END_ON_PAGES)
        found |= dict.fromkeys([*check_words(name, text, scope=PAGES), *long])
    return sorted(found, key=lambda one: one.line)


def allowed_words(source: str) -> dict[int, set[str]]:
    """The words allowed by comments, by line."""
    found: dict[int, set[str]] = {}
    for number, line in enumerate(source.splitlines(), start=1):
        for match in re.finditer(r"words: allow ([\w' -]+), \w", line):
            found.setdefault(number, set()).add(match[1].casefold())
    return found


def check_words(name: str, text: Text, scope: str = "") -> Iterator[Finding]:
    """Find words that we do not use. ``scope``: the folder whose rules apply; empty: that of the file."""
    joined, starts = text.joined()
    if not _ANY_WORD.search(joined):
        return
    for rule in RULES:
        if rule.only and not (scope or name).startswith(rule.only):
            continue
        looked_at = joined
        if rule.unless:
            looked_at = re.sub(rf"\b(?:{rule.unless})\b", lambda m: " " * len(m[0]), joined, flags=re.IGNORECASE)
        for match in re.finditer(rf"(?<![\w-])(?:{rule.word})(?![\w-])", looked_at, re.IGNORECASE):
            word = match[0].casefold()
            yield Finding(name, _line_at(starts, match.start()), f"“{match[0]}”", f"use {rule.use}", word)


_END = re.compile(r"[.!?][)\"”*]*(?=\s|$)|$")
_END_ON_PAGES = re.compile(rf"[;·](?=\s)|{_END.pattern}")
"""Results are lists of items, which a semicolon or a point in the middle separates."""


def check_length(name: str, text: Text, most: int = 0, end: re.Pattern[str] = _END) -> Iterator[Finding]:
    """Find sentences that are too long. ``most``: of words; 0: as many as the file's folder may have."""
    if not text.is_prose:
        return
    most = most or (MOST_ON_PAGES if name.startswith(PAGES) else MOST_WORDS)
    joined, starts = text.joined()
    begin = 0
    for match in end.finditer(joined):
        sentence = joined[begin : match.end()]
        words = [word for word in _without_lists(sentence).split() if re.search(r"\w", word)]
        if len(words) > most:
            first = len(joined[:begin]) + len(joined[begin:]) - len(joined[begin:].lstrip())
            yield Finding(
                name,
                _line_at(starts, first),
                f"a sentence of {len(words)} words (“{' '.join(sentence.split()[:9])} …”)",
                f"use at most {most}",
                "long sentence",
            )
        begin = match.end()


_LEAST_ITEMS, _MOST_PER_ITEM = 4, 6
"""A list has so many items or more, of so many words at most. Readers skim it, so it is no long sentence."""


def _without_lists(sentence: str) -> str:
    """The sentence with each list of short items as one word."""
    items = re.split(r"[,;:·] ", sentence)
    kept: list[str] = []
    short: list[str] = []
    for item in [*items, None]:
        if item is not None and len(item.split()) <= _MOST_PER_ITEM:
            short.append(item)
            continue
        kept += ["list"] if len(short) >= _LEAST_ITEMS else short
        short = []
        if item is not None:
            kept.append(item)
    return " ".join(kept)


def _line_at(starts: list[tuple[int, int]], place: int) -> int:
    return max((start, number) for start, number in starts if start <= place)[1]


# Prose of Python files

_SAYING = {"say", "echo", "warn", "Option", "Argument", "Typer", "ArgumentParser", "add_argument"}
"""Functions whose string arguments are texts for users."""


def texts_of_python(source: str) -> list[Text]:
    """Docstrings, comments, help texts, and messages of errors and of output."""
    texts = [*_comments(source)]
    lines = source.splitlines()
    within: set[ast.expr] = set()
    """Docstrings, and the pieces of strings with inserted values."""
    for node in ast.walk(ast.parse(source)):  # parents before their children
        if isinstance(node, ast.Expr):
            within.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            within.update(node.values)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            texts += _paragraphs(range(node.lineno, (node.end_lineno or node.lineno) + 1), lines)
        elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            texts += _messages(node.exc)
        elif isinstance(node, ast.Call) and _name(node.func) in _SAYING:
            texts += _messages(node)
        elif isinstance(node, ast.Constant | ast.JoinedStr) and node not in within:
            texts += _strings(node)
    return texts


def _name(function: ast.expr) -> str:
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def _paragraphs(numbers: Iterable[int], lines: list[str]) -> Iterator[Text]:
    """The paragraphs and list items of a docstring, without doctests."""
    piece: list[tuple[int, str]] = []
    for number in numbers:
        line = lines[number - 1].strip().strip('"').removeprefix('r"""')
        if (not line or line.startswith(("- ", "* ", ">>>")) or re.match(r"\d+\. ", line)) and piece:
            yield Text(tuple(piece))
            piece = []
        if line and not line.startswith(">>>"):
            piece.append((number, _without_code(line)))
    if piece:
        yield Text(tuple(piece))


def _comments(source: str) -> Iterator[Text]:
    """Comments; comments on successive lines are one text."""
    piece: list[tuple[int, str]] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or re.match(r"#\s*(noqa|type:|words:|!)", token.string):
            continue
        number, alone = token.start[0], not token.line[: token.start[1]].strip()
        if piece and not (alone and number == piece[-1][0] + 1):
            yield Text(tuple(piece))
            piece = []
        piece.append((number, _without_code(token.string.lstrip("#: "))))
    if piece:
        yield Text(tuple(piece))


def _messages(call: ast.Call) -> Iterator[Text]:
    """The string arguments of a call; each inserted value counts as one word."""
    for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
        for node in [argument, *_inside(argument)]:
            if (text := _string(node)) is not None:
                yield Text(((node.lineno, text),))


def _strings(node: ast.expr) -> Iterator[Text]:
    """A string that is long enough to be prose, wherever it is."""
    text = _string(node)
    if text is not None and len(text.split()) >= LEAST_WORDS:
        yield Text(((node.lineno, text),), is_prose=False)


def _string(node: ast.expr) -> str | None:
    """The text of a string without code; each inserted value becomes one word."""
    if isinstance(node, ast.Constant):
        return _without_code(node.value) if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return _without_code("".join(str(one.value) if isinstance(one, ast.Constant) else "X" for one in node.values))
    return None


def _inside(argument: ast.expr) -> Iterator[ast.expr]:
    """The branches of a conditional expression, or the operands of a sum."""
    if isinstance(argument, ast.IfExp):
        yield from (argument.body, argument.orelse)
    elif isinstance(argument, ast.BinOp):
        yield from (argument.left, argument.right)


# Prose of Markdown files


def texts_of_markdown(source: str) -> list[Text]:
    """Paragraphs, list items, headings and cells of tables."""
    texts: list[Text] = []
    piece: list[tuple[int, str]] = []
    is_code = is_generated = False

    def end() -> None:
        if piece:
            texts.append(Text(tuple(piece)))
            piece.clear()

    for number, raw in enumerate(source.splitlines(), start=1):
        line = raw.strip()
        if line.startswith("```"):
            is_code = not is_code
        is_generated = line.startswith("<!-- generated:") or (is_generated and line != "<!-- end -->")
        skips = is_code or is_generated or line.startswith(("```", "<!--", "![", "    "))
        if skips or not line or re.match(r"(#|[-*] |\d+\. |\||:  )", line):
            end()
        if skips or not line:
            continue
        if line.startswith("|"):
            texts += [Text(((number, cell),)) for cell in _without_code(line).split("|") if re.search(r"\w", cell)]
        else:
            piece.append((number, _without_code(re.sub(r"^(#+|[-*]|\d+\.) ", "", line))))
    end()
    return texts


# Texts of built pages

_BLOCKS = {
    *(
        "article",
        "section",
        "div",
        "p",
        "figure",
        "figcaption",
        "details",
        "summary",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
    ),
    *(
        "ul",
        "ol",
        "li",
        "dl",
        "dt",
        "dd",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "small",
        "br",
        "text",
    ),
    *("form", "fieldset", "legend", "label", "select", "option", "button"),
}
"""Elements that begin a text of their own."""
_BLOCK_CLASSES = frozenset({"rt-subtitle"})
"""Of other elements that are displayed as blocks."""
_VOID = frozenset({"br", "hr", "img", "input", "wbr", "source", "link", "meta", "col"})
_CODE = frozenset({"code", "kbd", "samp"})
_SKIPPED_ELEMENTS = frozenset({"pre", "script", "style", "template"})
_SKIPPED_CLASSES = frozenset({"headerlink", "rt-code", "rt-flame", "rt-packages", "highlight"})
"""Code, and lists of names."""
_ATTRIBUTES = ("alt", "aria-label", "title")


def texts_of_html(source: str) -> list[Text]:
    """What is visible in the article of a built page, or in all of a page that has none."""
    start, end = source.find("<article"), source.rfind("</article>")
    article = source[start:end] if 0 <= start < end else source
    reader = _PageReader(source.count("\n", 0, max(start, 0)))
    reader.feed(article)
    reader.end()
    return reader.texts


class _PageReader(HTMLParser):
    """Collects the texts of elements. ``before``: lines above what is read."""

    def __init__(self, before: int) -> None:
        super().__init__()
        self.texts: list[Text] = []
        self._before = before
        self._line = 0
        self._pieces: list[str] = []
        self._skipped: list[str] = []
        """Open elements from the outermost that is skipped."""

    def end(self) -> None:
        """End the text that was begun."""
        words = re.sub(r"“[^”]*”", "X", "".join(self._pieces))
        self._pieces = []
        if re.search(r"\w", words):
            self.texts.append(Text(((self._line, " ".join(words.split())),)))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        classes = (facts.get("class") or "").split()
        is_void = tag in _VOID
        if self._skipped:
            if not is_void:
                self._skipped.append(tag)
            return
        if tag in _BLOCKS or _BLOCK_CLASSES.intersection(classes):
            self.end()
        is_code = tag in _CODE
        if is_code or tag in _SKIPPED_ELEMENTS or "data-recorded" in facts or _SKIPPED_CLASSES.intersection(classes):
            self._pieces += ["X"] if is_code else []
            if not is_void:
                self._skipped.append(tag)
            return
        line = self._before + self.getpos()[0]
        for name in _ATTRIBUTES:
            if found := facts.get(name):
                self.texts.append(Text(((line, found),), is_prose=False))

    def handle_endtag(self, tag: str) -> None:
        if self._skipped:
            if tag in self._skipped:
                while self._skipped.pop() != tag:
                    pass
            return
        if tag in _BLOCKS:
            self.end()

    def handle_data(self, data: str) -> None:
        if self._skipped:
            return
        if not self._pieces:
            self._line = self._before + self.getpos()[0]
        self._pieces.append(data)


def _without_code(line: str) -> str:
    """The line without markup; code becomes one word, a link its text."""
    line = re.sub(r"``.+?``|`[^`]+`", "X", line)
    line = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", line)
    return re.sub(r"<[^>\s][^>]*>|\*\*|https?://\S+", " ", line)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
