from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pytest

from benchmarks import synthetic
from generator.comparison.tables import rows_of
from generator.dataset import Article, Claims, Dataset, FrameworkResult, Module, Run, Source, WinnerClaim, load_results
from generator.pages import Site, make_site
from generator.pages.markup import Page
from runners.judging.thresholds import thresholds_of
from runners.record import Legacy, NotForProduction
from tests.support.pages import HOSTILE, read

GOLDEN = Path(__file__).parent / "golden"
SOURCES = {
    "fastapi": Source(
        "fastapi", "FastAPI", (Module("app.py", "print('<b>')\n", "0" * 64),), "# FastAPI\n\nBuilt on *Starlette*.\n"
    ),
    "sanic": Source("sanic", "Sanic", (), None),
}


@dataclass(frozen=True)
class Shown:
    """A data set and its site, which is made once for all tests that only read it."""

    dataset: Dataset

    @cached_property
    def site(self) -> Site:
        return make_site(self.dataset, SOURCES)

    @cached_property
    def texts(self) -> dict[str, str]:
        return texts_of(self.site)

    @cached_property
    def with_claims(self) -> dict[str, str]:
        """The same beside the claims of an article."""
        return texts_of(make_site(self.dataset, SOURCES, CLAIMS))


def texts_of(site: Site) -> dict[str, str]:
    return {page.path: page.text() for page in site.pages}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The reference, one variant that is quick, and one that fails under a workload."""
    folder = tmp_path_factory.mktemp("small")
    chosen = tuple(made for made in synthetic.VARIANTS if made.variant in {"picows", "uvicorn", "threading"})
    synthetic.write(folder, rounds=6, seconds=2, variants=chosen, searches=False, flamed=("fastapi",))
    return Shown(load_results(folder))


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """Capacities of every kind: conclusive, overlapping, at the generator's limit, contradictory, failed."""
    folder = tmp_path_factory.mktemp("searched")
    synthetic.write(folder, rounds=2, seconds=1, search_rounds=2)
    return Shown(load_results(folder))


@pytest.fixture(scope="module")
def established(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The small one, with evidence of its frameworks."""
    folder = tmp_path_factory.mktemp("established")
    chosen = tuple(made for made in synthetic.VARIANTS if made.variant in {"picows", "uvicorn", "threading", "gevent"})
    synthetic.write(folder, rounds=3, seconds=2, variants=chosen, searches=False)
    synthetic.write_evidence(folder, variants=chosen)
    return Shown(load_results(folder))


def test_results_of_an_older_definition_are_marked(small: Shown, searched: Shown) -> None:
    words = "Measured by an older definition of this workload."
    for shown, slug in ((small, "echo"), (searched, "capacity")):
        page = f"tests/{slug}.md"
        assert words not in shown.texts[page]
        (version,) = {one.version for run in shown.dataset.runs for one in run.document.workloads if one.slug == slug}
        for current, is_marked in (({slug: version}, False), ({slug: "000000000000"}, True), ({"other": "0"}, False)):
            made = texts_of(make_site(shown.dataset, SOURCES, current_versions=current))
            assert (words in made[page]) is is_marked


def test_a_library_never_leads_and_the_page_says_so(tmp_path: Path) -> None:
    chosen = tuple(one for one in synthetic.VARIANTS if one.variant in {"picows", "uvicorn", "asyncio", "gevent"})
    synthetic.write(tmp_path, rounds=6, seconds=2, variants=chosen, searches=False, only=("echo",))
    dataset, library = load_results(tmp_path), Source("websockets", "websockets", (), None, is_library=True)
    words = "Never in first place: websockets (a library, not a framework)."
    for sources, is_said in (
        ({"websockets": library}, True),
        ({"websockets": replace(library, is_library=False)}, False),
    ):
        assert (words in texts_of(make_site(dataset, sources))["tests/echo.md"]) is is_said


CLAIMS = Claims(
    articles=[Article(id="two", title="Two of them", between=["fastapi", "flask-socketio"])],
    winners=[
        WinnerClaim(id="w1", article="two", dimension="ease-of-use", winner="flask-socketio"),
        WinnerClaim(id="w2", article="two", dimension="performance", winner="tie"),
    ],
)


@pytest.mark.parametrize(
    "path",
    [
        "dimensions/ease-of-use.md",
        "dimensions/architecture.md",
        "frameworks/index.md",
        "frameworks/flask-socketio.md",
    ],
)
def test_pages_of_evidence_are_as_they_were(established: Shown, path: str) -> None:
    agrees_with_golden(established, path)


def test_evidence_reaches_home_and_the_pairs(established: Shown) -> None:
    pages = established.with_claims
    assert "not measured yet" not in pages["index.md"]
    pair = pages["compare/fastapi-vs-flask-socketio.md"]
    for title in ("Ease of use", "Architecture", "Development experience"):
        assert f"{title}</a>: " in pair
    assert "“Two of them”: <strong>Flask-SocketIO</strong> over FastAPI. Here: " in pages["dimensions/ease-of-use.md"]
    performance = pages["dimensions/performance.md"]
    assert "“Two of them”: FastAPI and Flask-SocketIO are equal. Here: inconclusive." in performance
    assert "What articles say" not in pages["dimensions/architecture.md"]


@pytest.mark.parametrize(
    "path",
    [
        "index.md",
        "dimensions/performance.md",
        "frameworks/fastapi.md",
        "frameworks/fastapi/results.md",
        "frameworks/sanic.md",
        "compare/fastapi-vs-flask-socketio.md",
        "runs/2026-11-20--2026-11-20-a1b2c3.md",
    ],
)
def test_pages_are_as_they_were(small: Shown, path: str) -> None:
    """``RTSITE_UPDATE_GOLDEN=1 uv run pytest tests/generator/test_pages.py`` accepts a wanted change."""
    agrees_with_golden(small, path)


def test_the_page_of_a_search_is_as_it_was(searched: Shown) -> None:
    agrees_with_golden(searched, "tests/capacity.md")


def agrees_with_golden(shown: Shown, path: str) -> None:
    # Chart data is checked by Plotly itself, and would drown the text.
    text = re.sub(
        r'(<script type="application/json">).*?(</script>)', r"\1…\2", shown.with_claims[path], flags=re.DOTALL
    )
    golden = GOLDEN / path.replace("/", "--")
    if os.environ.get("RTSITE_UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")


def test_without_results_the_pages_say_so() -> None:
    pages = {page.path: page.text() for page in make_site(Dataset(()), SOURCES).pages}
    for path in ("index.md", "runs/index.md", "compare/index.md", "tests/index.md"):
        assert "Nothing measured yet" in pages[path]
    for path in ("dimensions/performance.md", "dimensions/ease-of-use.md", "frameworks/fastapi.md"):
        assert "Not measured yet" in pages[path]
    assert "(the folder" not in pages["frameworks/fastapi/code.md"]


def test_with_too_few_rounds_the_pages_say_so_and_nobody_wins(searched: Shown) -> None:
    """Two rounds everywhere, one row that is invalid in all of them, and one that failed."""
    pages = searched.texts
    performance, pair = pages["dimensions/performance.md"], pages["compare/fastapi-vs-flask-socketio.md"]
    assert "Not enough data: no framework has" in performance
    assert "Not enough data<small>fewer than two frameworks have 5 valid rounds</small>" in performance
    assert "not enough data</small>" in pages["tests/echo.md"]
    assert "rt-group" not in pages["tests/echo.md"], "no rank"
    assert "Inconclusive: not enough valid rounds of both." in pair
    assert "inconclusive: not enough data" in pair


def test_one_framework_alone_has_pages_and_wins_nothing(tmp_path: Path) -> None:
    chosen = tuple(made for made in synthetic.VARIANTS if made.variant in {"picows", "uvicorn"})
    synthetic.write(tmp_path, rounds=5, seconds=1, variants=chosen, searches=False)
    pages = {page.path: page.text() for page in make_site(load_results(tmp_path), SOURCES).pages}
    assert "so there is nothing to compare it with" in pages["dimensions/performance.md"]
    assert "Not enough data" in pages["dimensions/performance.md"]


def test_a_pair_says_who_is_surely_better_where_that_does_not_decide(tmp_path: Path) -> None:
    chosen = tuple(
        replace(made, rate=64_000) if made.framework == "websockets" else made
        for made in synthetic.VARIANTS
        if made.variant in {"picows", "uvicorn", "asyncio"}
    )
    synthetic.write(tmp_path, rounds=20, seconds=1, variants=chosen, searches=False, only=("echo",))
    pages = {page.path: page.text() for page in make_site(load_results(tmp_path), SOURCES).pages}
    assert "practically equal: FastAPI is surely better" in pages["compare/fastapi-vs-websockets.md"]


def test_dimensions_without_evidence_have_no_verdict(small: Shown) -> None:
    pages = small.texts
    for path in ("dimensions/ease-of-use.md", "dimensions/architecture.md", "dimensions/development-experience.md"):
        assert "Not measured yet" in pages[path]
        assert "Verdict" not in pages[path]


def test_capacities_are_shown_like_other_results(searched: Shown) -> None:
    pages = searched.texts
    for path in ("frameworks/fastapi/results.md", "runs/2026-11-20--2026-11-20-a1b2c3.md"):
        assert "{#capacity-rate}" in pages[path], path
        assert "{#capacity-users}" in pages[path], path
    assert '<h2 id="capacity-rate">Highest rate</h2>' in pages["tests/capacity.md"]
    assert '<h2 id="capacity-users">Most users</h2>' in pages["tests/capacity.md"]
    pair = pages["compare/fastapi-vs-flask-socketio.md"]
    assert '<th scope="row">Capacity: most users before updates wait behind the push: capacity</th>' in pair
    assert re.search(
        r"Capacity, highest rate: FastAPI [\d,]+ to [\d,]+ against Flask-SocketIO [\d,]+ to [\d,]+ m", pair
    )
    assert 'id="chart-capacity-rate-range"' in pages["tests/capacity.md"]
    assert 'href="../tests/capacity.html"' in pages["dimensions/performance.md"]
    assert "Highest rate; Most users" in pages["tests/index.md"]
    assert "the reference" in pages["frameworks/fastapi/results.md"].partition("{#capacity-rate}")[2]
    told = pages["runs/2026-11-20--2026-11-20-a1b2c3.md"]
    assert "load generator working time 91 %" in told
    assert " of 3 tries near its limit were made; " in told
    planned = sum(len(turn) for turn in searched.dataset.runs[0].document.order)
    assert f"{planned} of {planned} planned measurements were made" in told


def test_what_was_repeated_is_one_round_and_reported(small: Shown) -> None:
    (run,) = small.dataset.runs
    item = run.frameworks[0]
    cell, *others = item.document.cells
    disturbed = cell.measurements[0].model_copy(
        update={"valid": False, "invalid_reasons": ["CPU steal 3 %, limit 1 %"]}
    )
    remade = cell.model_copy(update={"measurements": [disturbed, *cell.measurements]})
    document = item.document.model_copy(update={"cells": [remade, *others]})
    again = replace(run, frameworks=(replace(item, document=document), *run.frameworks[1:]))
    for before, after in zip(rows_of(run, searched=False), rows_of(again, searched=False), strict=True):
        assert (after.rounds, after.valid_rounds, after.reasons) == (before.rounds, before.valid_rounds, before.reasons)
        assert after.values == before.values

    def told(shown: Run) -> str:
        pages = make_site(Dataset((shown,)), SOURCES).pages
        return next(page.text() for page in pages if page.path.startswith("runs/2"))

    assert "Repeated because" not in told(run)
    added = " Repeated because the machine disturbed them: 1; the raw files have both."
    assert told(again).replace(added, "") == told(run)


def test_runs_without_searches_show_none(small: Shown) -> None:
    for path, text in small.texts.items():
        assert "tests/capacity" not in text, path
        assert "{#capacity-" not in text, path


def test_every_page_is_in_the_navigation_once(small: Shown) -> None:
    site = small.site
    found: list[str] = []

    def walk(entry: object) -> None:
        if isinstance(entry, str):
            found.append(entry)
        elif isinstance(entry, dict):
            for value in entry.values():
                walk(value)
        elif isinstance(entry, (list, tuple)):
            for value in entry:
                walk(value)

    walk(site.nav)
    written = sorted(path.name for path in (Path(__file__).parents[2] / "site").glob("*.md"))
    assert sorted(found) == sorted([*(page.path for page in site.pages), *written])


def test_code_that_differs_from_what_was_measured_is_marked(small: Shown) -> None:
    changed = SOURCES | {"fastapi": Source("fastapi", "FastAPI", (Module("app.py", "print()\n", "1" * 64),), None)}

    def text(sources: dict[str, Source]) -> str:
        return texts_of(make_site(small.dataset, sources))["frameworks/fastapi/code.md"]

    assert "as measured" in small.texts["frameworks/fastapi/code.md"]
    assert "measured another version" in text(changed)
    assert "is not in this checkout" in text({})


def test_what_makers_say_against_a_variant_is_shown_with_its_source(small: Shown) -> None:
    (run,) = small.dataset.runs
    page = "https://example.org/removed"
    said = {
        "legacy": Legacy(reason="Its worker was <removed>.", source=page),
        "not_for_production": NotForProduction(reason="It is for tests.", source="https://example.org/tests"),
    }

    def altered(item: FrameworkResult) -> FrameworkResult:
        if item.document.framework.slug != "fastapi":
            return item
        variants = [one.model_copy(update=said) for one in item.document.variants]
        return replace(item, document=item.document.model_copy(update={"variants": variants}))

    flagged = replace(small.dataset, runs=(replace(run, frameworks=tuple(map(altered, run.frameworks))),))
    texts = texts_of(make_site(flagged, SOURCES))
    shown = texts["frameworks/fastapi.md"]
    assert f'legacy</span> Its worker was &lt;removed&gt;. <a href="{page}"' in shown
    assert 'not for production</span> It is for tests. <a href="https://example.org/tests"' in shown
    assert texts["tests/echo.md"].count(">legacy</span>") > small.texts["tests/echo.md"].count(">legacy</span>")


def test_what_only_streams_events_is_not_said_to_speak_websocket(established: Shown) -> None:
    (run,) = established.dataset.runs
    (one,) = (item for item in run.frameworks if item.document.framework.slug == "fastapi")
    streaming = [variant.model_copy(update={"transports": ["sse"]}) for variant in one.document.variants]
    measured = replace(one, document=one.document.model_copy(update={"variants": streaming}))
    frameworks = tuple(measured if item is one else item for item in run.frameworks)
    texts = texts_of(make_site(replace(established.dataset, runs=(replace(run, frameworks=frameworks),)), SOURCES))
    assert "ASGI, speaks HTTP. 1 variant measured" in texts["frameworks/fastapi.md"]
    index = texts["frameworks/index.md"]
    assert 'data-label="Protocol">HTTP</td>' in index
    assert 'data-label="Interface">ASGI</td>' in index
    assert "ASGI, speaks WebSocket. 1 variant measured" in established.texts["frameworks/fastapi.md"]


def test_the_methodology_states_every_threshold() -> None:
    text = (Path(__file__).parents[2] / "site" / "methodology.md").read_text(encoding="utf-8").lower()
    text = text.replace("&nbsp;", " ")
    for threshold in thresholds_of("measurement"):
        unit = f" {threshold.unit}" if threshold.unit else ""
        limit = rf"(at most|at least|below) {threshold.limit:g}{unit}" if threshold.limit else "none"
        row = rf"\| {re.escape(threshold.name)} \| {limit} \|"
        assert re.search(row.lower(), text), threshold.name


def test_where_the_time_goes_is_shown_only_where_it_was_recorded(small: Shown) -> None:
    pages = {page.path: page for page in small.site.pages}
    titles = [section.heading for section in pages["frameworks/fastapi/code.md"].sections]
    assert titles.index("Where the time goes") == titles.index("The app") - 1
    html = next(part.html for part in pages["frameworks/fastapi/code.md"].sections if part.anchor == "time")
    reader = read(html)
    boxes = [attributes for tag, attributes in reader.found if tag == "span"]
    assert all(box["title"] and box["style"] for box in boxes)
    assert [attributes["aria-label"] for tag, attributes in reader.found if attributes.get("role") == "img"] == [
        "Flame graph of uvicorn. The table below lists its functions."
    ]
    text = " ".join(" ".join(reader.texts).split())
    assert "1,000 samples in 10 s on 20 November 2026, py-spy 0.4.3" in text
    assert "fell 12 s behind" in text
    assert "2 more could not be read" in text
    assert "No flame graph: the kernel does not let py-spy read" in text
    assert "py-spy record --pid PID" in text
    for path in ("frameworks/reference/code.md", "frameworks/sanic/code.md"):
        assert "Where the time goes" not in pages[path].text()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, ...]:
    folder = tmp_path_factory.mktemp("hostile")
    synthetic.write(folder, rounds=2, seconds=1, text=HOSTILE, flamed=("fastapi",))
    synthetic.write_evidence(folder, text=HOSTILE)
    return make_site(load_results(folder), {}).pages


def test_hostile_strings_never_reach_markdown(hostile: tuple[Page, ...]) -> None:
    """Outside our blocks of HTML nothing of them is left that any markup language reads."""
    for page in hostile:
        bare = replace(
            page,
            hide=(),
            is_searched=True,
            is_first=False,
            sections=tuple(replace(section, html="") for section in page.sections),
        )
        skeleton = re.sub(r" \{#[a-z0-9-]+\}$", "", bare.text(), flags=re.MULTILINE)
        assert not re.search(r"[<>{}\[\]`*|\\]", skeleton), page.path


def test_hostile_strings_come_out_of_our_templates_as_text(hostile: tuple[Page, ...]) -> None:
    for page in hostile:
        reader = read(page.text())
        tags = {tag for tag, _ in reader.found}
        assert "img" not in tags
        scripts = [attributes for tag, attributes in reader.found if tag == "script"]
        assert all(attributes == {"type": "application/json"} for attributes in scripts)
        assert not any(name.startswith("on") for _, attributes in reader.found for name in attributes)
        for tag, attributes in reader.found:
            assert not (attributes.get("href") or "").startswith("javascript"), tag
    framework = next(page for page in hostile if page.path == "frameworks/fastapi.md")
    assert HOSTILE in "".join(read(framework.text()).texts)


def test_a_page_reports_a_newer_release(tmp_path: Path) -> None:
    chosen = tuple(made for made in synthetic.VARIANTS if made.variant in {"uvicorn", "threading"})
    synthetic.write(tmp_path, rounds=2, seconds=1, variants=chosen, searches=False)
    newer = tuple(replace(made, version="9.9.9") if made.framework == "fastapi" else made for made in chosen)
    synthetic.write_evidence(tmp_path, variants=newer)
    pages = {page.path: page.text() for page in make_site(load_results(tmp_path), SOURCES, CLAIMS).pages}
    assert "; 9.9.9 is out." in pages["frameworks/fastapi.md"]
    assert " is out." not in pages["frameworks/flask-socketio.md"]
