"""Turns values into page text; the only module in which data from results becomes HTML.

Only the skeleton of a page is Markdown: our front matter and headings. Everything with data is a finished block of
HTML, escaped by our Jinja environment. Markdown does not parse it (`generator.passthrough`). So neither Markdown nor
the unescaped Jinja of MkDocs ever reads a string from a result file.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from traceback import extract_tb
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined, TemplateSyntaxError
from jinja2.bccache import Bucket
from markupsafe import Markup

from generator.charts import Chart, Identities
from generator.charts.identity import DARK_OF, DARK_PAPER, identity
from generator.charts.wording import (
    between,
    bracket,
    contrast_in_words,
    parameters_in_words,
    plain,
    reason_in_words,
    significant,
    spoken_date,
    times,
)
from generator.comparison import CLOSE_FACTOR, Bracket, with_discarded
from generator.pages.current_setups import CurrentSetups
from generator.pages.drawn_chart import DrawnChart
from generator.pages.sort_keys import sort_key
from generator.pages.stacked_tables import stack_tables
from generator.passthrough import finished
from generator.statistics import DECISION_LEVEL, MIN_ROUNDS, Interval, RankRange
from runners.record import RtsiteError

TEMPLATES = Path(__file__).parents[1] / "templates"


_BOOST = 2
"""The weight of a page that is found first; that of others is 1."""
_LONGEST_ANSWER = 200
"""Characters of an answer that sites which show links have room for."""


class TemplateError(RtsiteError):
    """A template cannot be rendered."""


@dataclass(frozen=True)
class Section:
    """A part of a page: a heading (ours or `plain`; none for the first section), then HTML or our Markdown."""

    heading: str | None
    anchor: str | None
    html: str = ""
    markdown: str = ""
    level: int = 2


@dataclass(frozen=True)
class Page:
    """A page. ``path``: relative to the documents folder, ending in ``.md``."""

    path: str
    title: str
    description: str
    sections: tuple[Section, ...]
    hide: tuple[str, ...] = ()
    has_own_title: bool = False
    """Whether its HTML contains the h1."""
    is_searched: bool = True
    """Whether the search index of the site contains its text."""
    is_found: bool = False
    """Whether the search finds it by title and description alone, see `generator.pages.search_index`."""
    is_first: bool = False
    """Whether it is what readers look for who search for its title."""
    answer: str = ""
    """What a shared link says, if that is more than the description."""
    group: str = ""
    """Title of the group of the menu that the page is in, with the pages before and after it of the same group."""
    in_group: str = ""
    """Its title there."""
    charts: tuple[DrawnChart, ...] = ()
    """Its drawn charts, which other sites can embed."""
    is_frame: bool = False
    """Whether other pages fill it, see `generator.pages.framed`."""
    frame: str = ""
    """Path of the frame that it fills; empty for a page that MkDocs renders."""

    @property
    def address(self) -> str:
        """Its path on the site."""
        return f"{self.path.removesuffix('.md')}.html"

    @property
    def card(self) -> str:
        """Path of the picture that a shared link shows. All pages in one frame have that of the index beside it."""
        return card_path(f"{posixpath.dirname(self.path)}/index.md" if self.is_frame or self.frame else self.path)

    def text(self) -> str:
        """The staged text: Markdown with blocks of HTML."""
        front = {"title": plain(self.title), "description": plain(self.description)[:160]}
        lines = ["---", *(f"{key}: {json.dumps(value)}" for key, value in front.items())]
        if self.answer:
            lines.append(f"answer: {json.dumps(plain(self.answer, _LONGEST_ANSWER))}")
        lines.append(f"card: {json.dumps(self.card)}")
        if self.hide:
            lines.append(f"hide: {json.dumps(self.hide)}")
        if not self.is_searched or self.is_first:
            lines.append(f"search: {json.dumps({'boost': _BOOST} if self.is_searched else {'exclude': True})}")
        lines += ["---", ""]
        if not self.has_own_title:
            lines += [f"# {_inert(plain(self.title))}", ""]
        for section in self.sections:
            if section.heading is not None:
                anchor = f" {{#{section.anchor}}}" if section.anchor else ""
                lines += [f"{'#' * section.level} {_inert(plain(section.heading))}{anchor}", ""]
            if section.html:
                lines += [finished(f'<div class="rt">\n{stack_tables(section.html.strip())}\n</div>'), ""]
            if section.markdown:
                lines += [section.markdown.strip(), ""]
        return "\n".join(lines)


class Renderer:
    """Renders templates for one page, with links relative to it."""

    def __init__(self, environment: Environment, path: str) -> None:
        self._environment = environment
        self._path = path

    def html(self, template: str, **values: Any) -> str:
        """The rendered template. Raises `TemplateError` for a template that cannot be rendered."""
        try:
            return self._environment.get_template(template).render(
                link=self.link, embedded=partial(embed_path, self._path), **values
            )
        except Exception as error:  # a template can raise anything
            raise TemplateError(
                f"{_place(error, TEMPLATES / template)}: {type(error).__name__}: {error}; fix the template"
            ) from error

    def link(self, target: str) -> str:
        """The relative address of a page (``runs/index.md``) or file, with its anchor."""
        name, hash_sign, anchor = target.partition("#")
        if name.endswith(".md"):
            name = f"{name[:-3]}.html"
        return posixpath.relpath(name, posixpath.dirname(self._path) or ".") + hash_sign + anchor


def card_path(page: str) -> str:
    """The path of the picture that a shared link to a page shows. ``page``: path of the page."""
    return f"cards/{page.removesuffix('.md').replace('/', '--')}.png"


def embed_path(page: str, chart: str) -> str:
    """The path of the file that has a drawn chart alone. ``page``: path of its page, ``chart``: its slug."""
    return f"embed/{page.removesuffix('.md').replace('/', '--')}--{chart}.html"


def _place(error: Exception, template: Path) -> str:
    """The file of a template and the line that raised the error, as far as known."""
    if isinstance(error, TemplateSyntaxError):
        return f"{error.filename or template}:{error.lineno}"
    frames = [frame for frame in extract_tb(error.__traceback__) if Path(frame.filename).parent == TEMPLATES]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else str(template)


class _CompiledTemplates(BytecodeCache):
    """Keeps compiled templates: half of the time of a small site. Jinja compares their sources.

    ``folder``: where they are kept for later processes; ``None``: nowhere.
    """

    def __init__(self) -> None:
        self._codes: dict[str, bytes] = {}
        self.folder: Path | None = None

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key not in self._codes and self.folder is not None:
            with suppress(OSError):
                self._codes[bucket.key] = (self.folder / bucket.key).read_bytes()
        if bucket.key in self._codes:
            bucket.bytecode_from_string(self._codes[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._codes[bucket.key] = bucket.bytecode_to_string()
        if self.folder is not None:
            with suppress(OSError):
                self.folder.mkdir(parents=True, exist_ok=True)
                # In one step: several processes compile, and Jinja raises errors for a part.
                part = self.folder / f"{bucket.key}.{os.getpid()}"
                part.write_bytes(self._codes[bucket.key])
                part.replace(self.folder / bucket.key)


_COMPILED = _CompiledTemplates()


def keep_compiled_templates(folder: Path) -> None:
    """Keep compiled templates in a folder, so that later processes need not compile them."""
    _COMPILED.folder = folder


_NO_SETUPS = CurrentSetups()


def make_environment(
    identities: Identities | None = None,
    current_versions: Mapping[str, str] = MappingProxyType({}),
    current_setups: CurrentSetups = _NO_SETUPS,
    repository: str = "",
) -> Environment:
    """An environment that escapes everything and raises an error for unknown names in templates.

    ``current_versions``: of workloads, as they are defined today. ``current_setups``: of variants, likewise.
    ``repository``: its address on a web service that takes issues; empty without.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=_COMPILED,
    )
    environment.tests["of_older_definition"] = lambda workload: (
        current_versions.get(workload.slug, workload.version) != workload.version
    )
    environment.tests["of_older_setup"] = current_setups.is_older
    environment.filters |= {
        "todays_command": current_setups.command_of,
        "loop_of": current_setups.loop_of,
        "older_headlines": current_setups.older_headlines,
        "significant": significant,
        "between": between,
        "bracket": _bracket,
        "percent": _percent,
        "times": times,
        "contrast": contrast_in_words,
        "reason": reason_in_words,
        "describe": parameters_in_words,
        "date": spoken_date,
        "rank_range": _rank_range,
        "plain": plain,
        "figure_json": _figure_json,
        "listed": listed,
        "share": _share,
        "title_of": lambda key, titles: titles[key],
        "exact": _exact,
        "host_and_number": _host_and_number,
        "workload_option": lambda slug: f" --workload {slug}",
        "json": json.dumps,
        "sort_key": sort_key,
        "with_discarded": with_discarded,
    }
    environment.globals |= {
        "identity": identities.of if identities else identity,
        "decision_level": DECISION_LEVEL,
        "min_rounds": MIN_ROUNDS,
        "close_factor": f"{CLOSE_FACTOR:g}",
        "contest": partial(_contest, repository),
    }
    return environment


def _contest(repository: str, subject: str) -> str:
    """The address that opens a new issue on a subject; empty without a repository.

    Servers of GitLab have an address and fields of their own; GitHub, Gitea and Forgejo share theirs.
    """
    if not repository:
        return ""
    body = "What is shown:\n\nWhat you expected, and why (a link, a setting, a measurement of your own):\n"
    title, is_gitlab = f"Contest: {subject}", "gitlab" in (urlsplit(repository).hostname or "")
    if is_gitlab:
        path, fields = "-/issues/new", {"issue[title]": title, "issue[description]": body}
    else:
        path, fields = "issues/new", {"title": title, "body": body}
    return f"{repository}/{path}?{urlencode(fields, quote_via=quote)}"


def _host_and_number(address: str) -> str:
    """A short name of a public thread: ``owner/name#12`` for one of an issue tracker, else its host."""
    found = re.fullmatch(r"https://github\.com/([^/]+/[^/]+)/(?:issues|pull|discussions)/(\d+)", address)
    return f"{found[1]}#{found[2]}" if found else urlsplit(address).hostname or address


def _bracket(found: Bracket) -> str:
    return bracket(found.low, found.high, conclusive=found.conclusive)


def _inert(text: str) -> str:
    """Replace each character that Markdown could read as markup by a character reference."""
    return re.sub(r"[^\w .,:()/·%-]|_", lambda match: f"&#{ord(match.group())};", text)


def script_json(document: object) -> Markup:
    """JSON for a script element, without ``<``, which could end the element."""
    text = json.dumps(document, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))  # noqa: S704 - JSON without < and &


def _figure_json(chart: Chart) -> Markup:
    """The drawing of a chart as JSON, with its dark colours and the framework of each row or line."""
    text = script_json(chart.figure | {"frameworks": chart.frameworks, "row_px": chart.row_px})
    used = {light: dark for light, dark in (DARK_OF | DARK_PAPER).items() if light in text}
    return text[:-1] + Markup(',"dark":') + script_json(used) + Markup("}")


def _rank_range(rank: RankRange) -> str:
    return str(rank.first) if rank.first == rank.last else f"{rank.first}–{rank.last}"


def _percent(interval: Interval) -> str:
    """Half the relative width of an interval, such as ``± 1.2 %``; its ends, if one is not above zero."""
    if interval.low <= 0:
        return between(interval)
    return f"± {significant(100 * ((interval.high / interval.low) ** 0.5 - 1), 2)} %"


def _share(share: float) -> str:
    """A share in whole percent; a small share is ``less than 1 %``, not zero."""
    percent = 100 * share
    return "less than 1\u00a0%" if 0 < percent < 1 else f"{percent:.0f}\u00a0%"


def _exact(number: float) -> str:
    """The number with all digits and separated thousands."""
    return f"{number:,}"


def listed(names: Iterable[str]) -> str:
    """Join names: ``A``, ``A and B``, ``A, B and C``."""
    names = list(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def front_matter_free(text: str) -> str:
    """Remove a first-level heading from notes, because the page already has its title."""
    return re.sub(r"\A\s*# [^\n]*\n", "", text)
