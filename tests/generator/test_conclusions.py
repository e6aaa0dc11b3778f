"""What the pages conclude: flags, headline variants, missing data, and rules that hold for the whole built site."""

from __future__ import annotations

import html as html_text
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import synthetic
from benchmarks.synthetic import Made
from generator.campaign_report import campaign_summary
from generator.comparison import LABEL_RULES, Conclusions, ScoreCell, find_candidates
from generator.comparison.flags import BUSY, DEAF, LATE, LOSES, NOT_FOR_PRODUCTION, SPREADS, UNMAINTAINED
from generator.comparison.scoring import SELF_LIMITED
from generator.comparison.server_causes import SERVER_CAUSES
from generator.dataset import Claims, Dataset, Evidence, FrameworkResult, Run, load_results
from generator.pages import make_site
from generator.pages.view import View
from runners.judging import thresholds
from runners.record import Finding, Measurement, NotForProduction
from tests.support.pages import read

FASTAPI = next(made for made in synthetic.VARIANTS if made.framework == "fastapi")
TWIN = replace(FASTAPI, framework="twin", title="Twin", package="twin")
SPINNING = replace(FASTAPI, framework="spinning", title="Spinning", package="spinning", rate=1_200)
"""As fast as the others at the fixed rate, but it needs most of a core for a dashboard of 100 users."""
ALL = (*synthetic.VARIANTS, TWIN, SPINNING)
SMALL = tuple(
    made
    for made in synthetic.VARIANTS
    if made.variant in {"picows", "asyncio", "uvicorn", "gevent", "eventlet", "uvicorn-memory", "uvicorn-redis"}
)
"""One variant of each framework, and another one where the headline variant could be replaced."""
UNNAMED = tuple(replace(made, headline=False) for made in SMALL if made.framework == "django-channels")


def written(folder: Path, variants: Sequence[Made] = ALL, **facts: object) -> Dataset:
    """Results and evidence in which the twin has the same evidence as FastAPI."""
    synthetic.write(folder, variants=tuple(variants), **{"seconds": 1, "rounds": 6, "rooms": True, **facts})  # type: ignore[arg-type]
    synthetic.write_evidence(folder, variants=tuple(variants))
    dataset = load_results(folder)
    by_slug = {one.document.framework.slug: one for one in dataset.evidence}
    if "twin" in by_slug and "fastapi" in by_slug:
        same = by_slug["fastapi"].document
        twin = by_slug["twin"].document
        twins = [
            one.model_copy(update={"findings": other.findings})
            for one, other in zip(twin.variants, same.variants, strict=True)
        ]
        document = twin.model_copy(update={"findings": same.findings, "variants": twins})
        by_slug["twin"] = replace(by_slug["twin"], document=document)
    return replace(dataset, evidence=tuple(by_slug.values()))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return written(tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def pages(dataset: Dataset) -> dict[str, str]:
    return pages_of(dataset)


def pages_of(dataset: Dataset) -> dict[str, str]:
    return {page.path: page.text() for page in make_site(dataset, {}).pages}


def conclusions_of(dataset: Dataset) -> Conclusions:
    return View(dataset, {}, Claims()).conclusions


def changed(dataset: Dataset, framework: str, *findings: Finding) -> Dataset:
    """The data set with other findings on a framework."""
    new = {finding.item: finding for finding in findings}

    def replaced(one: Evidence) -> Evidence:
        if one.document.framework.slug != framework:
            return one
        variants = [
            each.model_copy(update={"findings": [new.get(found.item, found) for found in each.findings]})
            for each in one.document.variants
        ]
        own = [new.get(found.item, found) for found in one.document.findings]
        return replace(one, document=one.document.model_copy(update={"findings": own, "variants": variants}))

    return replace(dataset, evidence=tuple(replaced(one) for one in dataset.evidence))


def text_of(html: str) -> str:
    """The text of HTML with single spaces."""
    return " ".join(" ".join(read(html).texts).split())


# Invariants over pages


def flagged_in(pages: dict[str, str]) -> set[str]:
    """Titles of the frameworks with a hard flag, as the page of scoring lists them."""
    rows = re.findall(r"<tr[^>]*><th[^>]*>[^<]*<small>hard</small>.*?</tr>", pages["scoring.md"], flags=re.DOTALL)
    return {text_of(name) for row in rows for name in re.findall(r"<a href=\"frameworks/[^\"]*\">(.*?)</a>:", row)}


def best_sentences(html: str) -> Iterator[str]:
    """Every place in which a page names who is best."""
    for pattern in (
        r'<p class="rt-verdict"><span>Verdict</span> <strong>(.*?)</strong>',
        r'<p class="rt-answer">(.*?)</p>',
        r"</dt><dd><strong>(.*?)</strong>: ",
        r"<figcaption><strong>([^<]*(?:ha(?:s|ve) the|beats)[^<]*)</strong>",
        r'<td data-label="Best">(.*?)</td>',
        r"<li>If .*? counts less: (.*?)</li>",
    ):
        yield from re.findall(pattern, html, flags=re.DOTALL)


def no_best_sentence_names_a_flagged_framework(pages: dict[str, str]) -> None:
    flagged = flagged_in(pages)
    for path, html in pages.items():
        for sentence in best_sentences(html):
            for title in flagged:
                assert not re.search(rf"\b{re.escape(title)}\b", text_of(sentence)), (path, title)


def nobody_is_better_against_a_large_difference(pages: dict[str, str]) -> None:
    """Nobody is better overall while a difference of twice or more the other way is there, or is not decided."""
    for path, html in pages.items():
        if not re.fullmatch(r"compare/.*-vs-.*\.md", path):
            continue
        found = re.search(r"<span>Performance overall</span>\s*<strong>(.*?)</strong> is better", html, flags=re.DOTALL)
        if found is None:
            continue
        first, second = re.search(r"# (.*) vs (.*)", html).groups()  # type: ignore[union-attr]
        winner = text_of(found.group(1))
        table = html.partition('id="chart-ratios"')[2].partition("</table>")[0]
        for saved in re.findall(r'data-values="(.*?)"', table):
            metric, _, _, times, low, high, who, counts = json.loads(html_text.unescape(saved))
            if counts != "yes":
                continue
            if who.startswith("inconclusive") and "disturbed" not in who:
                assert low is not None, (path, metric)
                ends = [low, high]
            elif who == (second if winner == first else first):
                ends = [times]
            else:
                continue
            # How many times as bad the winner's value may be.
            assert max(one if winner == first else 1 / one for one in ends) < 2.01, (path, metric)


def what_lacks_data_says_so(pages: dict[str, str]) -> None:
    for path, html in pages.items():
        for cell in re.findall(r'<td class="[^"]*rt-lacks[^"]*"[^>]*>(.*?)</td>', html, flags=re.DOTALL):
            assert cell in (
                "not enough data",
                "an end is missing",
                "not measured",
                "unsupported",
                "too disturbed",
                "–",
            ), path


INVARIANTS: tuple[Callable[[dict[str, str]], None], ...] = (
    no_best_sentence_names_a_flagged_framework,
    nobody_is_better_against_a_large_difference,
    what_lacks_data_says_so,
)


@pytest.mark.parametrize("invariant", INVARIANTS)
def test_invariants_over_the_pages(pages: dict[str, str], invariant: Callable[[dict[str, str]], None]) -> None:
    assert "Spinning" in flagged_in(pages), "the check would find nothing"
    assert any(
        re.search(r"<span>Performance overall</span>\s*<strong>.*?</strong> is better", one) for one in pages.values()
    )
    invariant(pages)


@pytest.mark.parametrize("invariant", INVARIANTS)
def test_invariants_over_the_built_site(site: Path, invariant: Callable[[dict[str, str]], None]) -> None:
    docs = site.with_name("docs")
    invariant({path.relative_to(docs).as_posix(): path.read_text(encoding="utf-8") for path in docs.rglob("*.md")})


def test_every_score_rests_on_enough_rounds_of_a_published_profile(dataset: Dataset) -> None:
    conclusions = conclusions_of(dataset)
    sheets = [conclusions.dimensions["performance"], *conclusions.use_cases.values()]
    cells = [cell for sheet in sheets for row in sheet.cells.values() for cell in row.values()]
    assert any(cell.state == "counts" for cell in cells)
    for cell in cells:
        assert (cell.value is None) == (cell.state not in SELF_LIMITED | {"counts"})
        assert cell.state != "counts" or not cell.rounds or len(cell.rounds) >= 5
    quick = conclusions_of(replace(dataset, runs=tuple(_of_profile(run, "quick") for run in dataset.runs)))
    assert "performance" not in quick.dimensions
    assert not any(one.totals for one in quick.use_cases.values())
    assert not quick.tables


def _of_profile(run: Run, profile: str) -> Run:
    return replace(run, document=run.document.model_copy(update={"profile": profile}))


def test_twins_get_the_same_label(dataset: Dataset, pages: dict[str, str]) -> None:
    conclusions = conclusions_of(dataset)
    for labels in (*conclusions.labels.values(), *conclusions.starting_points.values()):
        assert labels.get("twin", labels.get("fastapi")) is None or (labels["twin"].label == labels["fastapi"].label)
    assert conclusions.starting_points["new"]["twin"].label is not None
    assert {conclusions.standing(one, "fastapi", "twin").outcome for one in conclusions.dimensions} == {"same"}
    rows = {
        name: [text_of(cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
        for row in re.findall(r'<tr data-frameworks="[^"]*"><th.*?</tr>', pages["scoring.md"], flags=re.DOTALL)
        if (name := row.partition('"')[2].partition('"')[0])
    }
    assert rows["twin"] == rows["fastapi"]


def test_other_variants_decide_nothing(dataset: Dataset, pages: dict[str, str]) -> None:
    """A variant of Flask-SocketIO that is not its headline becomes ten times as fast; no conclusion changes."""
    (run,) = dataset.runs
    frameworks = tuple(_ten_times_as_fast(item, "eventlet") for item in run.frameworks)
    before = conclusions_of(dataset)
    after = conclusions_of(replace(dataset, runs=(replace(run, frameworks=frameworks),)))
    slow, fast = (_throughput(one, "flask-socketio", "eventlet") for one in (before, after))
    assert fast == pytest.approx(10 * slow)
    assert before.flags == after.flags
    assert {pair: one.outcome for pair, one in before.pairs.items()} == {
        pair: one.outcome for pair, one in after.pairs.items()
    }
    for old, new in ((before.dimensions, after.dimensions), (before.use_cases, after.use_cases)):
        assert {slug: sheet.leading for slug, sheet in old.items()} == {
            slug: sheet.leading for slug, sheet in new.items()
        }
        for slug, sheet in old.items():
            assert sheet.totals == pytest.approx(new[slug].totals), slug
    assert all(
        row.variant.slug == "gevent"
        for table in before.tables
        for row in table.rows
        if row.framework.slug == "flask-socketio"
    )
    assert "eventlet" in pages["tests/echo.md"], "they stay rows of the tables"


def _ten_times_as_fast(item: FrameworkResult, variant: str) -> FrameworkResult:
    def faster(one: Measurement) -> Measurement:
        return one.model_copy(update={"messages_per_s": one.messages_per_s and 10 * one.messages_per_s})

    cells = [
        cell.model_copy(update={"measurements": list(map(faster, cell.measurements))})
        if cell.variant == variant
        else cell
        for cell in item.document.cells
    ]
    return replace(item, document=item.document.model_copy(update={"cells": cells}))


def _throughput(conclusions: Conclusions, framework: str, variant: str) -> float:
    closed = next(table for table in conclusions.basis.comparison.of_workload("echo") if not table.is_open)
    row = next(row for row in closed.valid_rows if row.key == (framework, variant))
    return row.values["messages_per_s"].estimate.mean


def test_the_summary_of_a_campaign_names_headline_variants_only(dataset: Dataset) -> None:
    """As the site does; otherwise a variant that is not for production could be its best."""
    (run,) = dataset.runs
    frameworks = tuple(_ten_times_as_fast(item, "eventlet") for item in run.frameworks)
    fast = replace(dataset, runs=(replace(run, frameworks=frameworks),))
    table = campaign_summary(fast, run.document.campaign).partition("<details>")[0]
    assert "Flask-SocketIO" not in table.partition("messages answered per second")[2].partition("\n")[0]
    assert "eventlet" not in table
    assert "| Metric | Best |" in table


# Flags


def flags_of(dataset: Dataset, framework: str) -> list[tuple[object, str]]:
    return [(flag.rule, flag.found) for flag in conclusions_of(dataset).flags[framework]]


def test_a_server_that_is_busy_when_nearly_idle(dataset: Dataset) -> None:
    ((rule, found),) = flags_of(dataset, "spinning")
    assert rule is BUSY
    assert re.fullmatch(r"With 100 dashboard users it takes \d+ % of a core; the median is [\d.]+ %\.", found)
    assert flags_of(dataset, "fastapi") == []


def test_a_framework_without_recent_releases(dataset: Dataset) -> None:
    old = changed(dataset, "fastapi", Finding(item="latest-released", value="2024-10-29"))
    ((rule, found),) = flags_of(old, "fastapi")
    assert rule is UNMAINTAINED
    assert found.startswith("The newest release of its own package is of 2024-10-29, 2")
    unknown = Finding(item="latest-released", note="not determined")
    measured = changed(dataset, "fastapi", unknown, Finding(item="released", value="2024-10-29"))
    ((_, found),) = flags_of(measured, "fastapi")
    assert found.startswith("The measured release of its own package is of 2024-10-29, 2"), "a newer one may be out"
    behind = changed(dataset, "fastapi", Finding(item="pythons", value=["3.8", "3.9", "3.10"]))
    assert flags_of(behind, "fastapi") == [
        (UNMAINTAINED, "Its package does not name Python 3.11, on which it is measured.")
    ]
    bound = changed(dataset, "fastapi", Finding(item="pythons", value=">=3.8"))
    assert flags_of(bound, "fastapi") == []
    assert (
        flags_of(changed(dataset, "fastapi", Finding(item="pythons", value="<3.11")), "fastapi")[0][0] is UNMAINTAINED
    )


def test_a_mistake_that_reaches_others_and_dead_clients(dataset: Dataset) -> None:
    spread = changed(dataset, "fastapi", Finding(item="raise-others", value=False))
    assert [rule for rule, _ in flags_of(spread, "fastapi")] == [SPREADS]
    silent = Finding(item="silent-close-s", note="not within 150 s")
    late = changed(dataset, "fastapi", Finding(item="dead-peer-s", value=96), silent)
    assert flags_of(late, "fastapi") == [(LATE, "By default, a dead client was noticed after 96 s.")]
    never = Finding(item="dead-peer", value=False), Finding(item="dead-peer-s", note="not within 150 s")
    deaf = changed(dataset, "fastapi", *never, silent)
    assert [rule for rule, _ in flags_of(deaf, "fastapi")] == [DEAF]
    session = changed(dataset, "fastapi", *never, Finding(item="silent-close-s", value=60))
    assert flags_of(session, "fastapi") == [], "the session ends, though its socket remains"
    conclusions = conclusions_of(late)
    assert "fastapi" not in conclusions.basis.flagged, "a soft flag only warns"
    assert {conclusions_of(spread).labels["request-reply"]["fastapi"].label} == {"special case"}
    both = changed(spread, "fastapi", Finding(item="latest-released", value="2020-01-01"))
    assert {conclusions_of(both).labels["request-reply"]["fastapi"].label} == {"not for new projects"}


def test_messages_lost_without_load_and_setups_that_are_not_for_production(dataset: Dataset) -> None:
    (run,) = dataset.runs

    def losing(measurement: Measurement) -> Measurement:
        if measurement.messages is None:
            return measurement
        lost = {"lost": 7, "received": measurement.messages.received - 7}
        return measurement.model_copy(update={"messages": measurement.messages.model_copy(update=lost)})

    def altered(item: FrameworkResult) -> FrameworkResult:
        if item.document.framework.slug != "fastapi":
            return item
        cells = [
            cell.model_copy(update={"measurements": [losing(one) for one in cell.measurements]})
            for cell in item.document.cells
        ]
        said = NotForProduction(reason="It is for tests.", source="https://example.org/deploying")
        variants = [one.model_copy(update={"not_for_production": said}) for one in item.document.variants]
        return replace(item, document=item.document.model_copy(update={"cells": cells, "variants": variants}))

    broken = replace(dataset, runs=(replace(run, frameworks=tuple(map(altered, run.frameworks))),))
    found = dict(flags_of(broken, "fastapi"))
    assert list(found) == [LOSES, NOT_FOR_PRODUCTION]
    assert re.fullmatch(r"It lost 42 of [\d,]+ messages, in 6 of 6 rounds of .*\.", found[LOSES])
    assert found[NOT_FOR_PRODUCTION] == "It is for tests."


def with_measurements(
    dataset: Dataset, framework: str, change: Callable[[Measurement], Measurement], workload: str = ""
) -> Dataset:
    """The data set in which each measurement of a framework, or of one workload of it, is another."""
    (run,) = dataset.runs

    def changed_in(item: FrameworkResult) -> FrameworkResult:
        cells = [
            cell.model_copy(update={"measurements": list(map(change, cell.measurements))})
            if item.document.framework.slug == framework and workload in ("", cell.workload)
            else cell
            for cell in item.document.cells
        ]
        return replace(item, document=item.document.model_copy(update={"cells": cells}))

    return replace(dataset, runs=(replace(run, frameworks=tuple(map(changed_in, run.frameworks))),))


def invalid(one: Measurement, *reasons: str) -> Measurement:
    return one.model_copy(update={"valid": False, "invalid_reasons": list(reasons)}) if one.failure is None else one


STEAL = "CPU steal 3 %, limit 1 %"
TREND = "trend of the median latency over the window 40 %, limit 25 %"


def test_few_rounds_raise_no_flag_for_cpu_or_losses(dataset: Dataset) -> None:
    """Neither do rounds that the machine spoilt, nor one lost message in many."""

    def spoilt(one: Measurement) -> Measurement:
        return invalid(one, STEAL) if one.round > 4 else one

    assert flags_of(with_measurements(dataset, "spinning", spoilt), "spinning") == []

    def losing(lost: int, after: int = 0) -> Callable[[Measurement], Measurement]:
        def change(one: Measurement) -> Measurement:
            if one.messages is None:
                return one
            messages = one.messages.model_copy(update={"lost": lost, "sent": 50_000, "received": 50_000 - lost})
            found = one.model_copy(update={"messages": messages})
            return invalid(found, STEAL) if one.round <= after else found

        return change

    def flags(change: Callable[[Measurement], Measurement]) -> list[object]:
        return [rule for rule, _ in flags_of(with_measurements(dataset, "fastapi", change), "fastapi")]

    assert flags(losing(50)) == [LOSES]
    assert flags(losing(1)) == [], "one in 50,000"
    assert flags(losing(50, after=2)) == [], "four rounds"

    def lost_echo(one: Measurement) -> Measurement:
        return invalid(losing(50)(one), "messages lost on open connections 50, limit 0")

    assert flags(lost_echo) == [LOSES], "the loss itself made them invalid"


def echo_cells(dataset: Dataset, change: Callable[[Measurement], Measurement]) -> dict[str, ScoreCell]:
    conclusions = conclusions_of(with_measurements(dataset, "fastapi", change, "echo"))
    sheet = conclusions.use_cases["request-reply"]
    return {one.key: sheet.cells[one.key]["fastapi"] for one in sheet.criteria if "fastapi" in sheet.cells[one.key]}


@pytest.mark.parametrize(
    ("reasons", "state"),
    [
        (("server core left unused in the closed loop of a room 60 %, limit 30 %",), "timer"),
        ((TREND,), "trend"),
        (("warm-up that did not settle",), "unsettled"),
        (("connection attempts that found the listen queue full 12, limit 0",), "listen-queue"),
        ((TREND, STEAL), "few-rounds"),
        (("server core left unused in the closed loop 12 %, limit 10 %",), "few-rounds"),
        (("connections closed by the server 3, limit 0", TREND), "undelivered"),
    ],
)
def test_what_a_server_made_invalid_says_so_and_raises_no_total(
    dataset: Dataset, reasons: tuple[str, ...], state: str
) -> None:
    before = echo_cells(dataset, lambda one: one)
    after = echo_cells(dataset, lambda one: invalid(one, *reasons))
    assert after
    for key, cell in after.items():
        assert cell.state == state
        if state in ("few-rounds", "undelivered"):
            assert cell.value is None
        else:
            assert cell.value == pytest.approx(before[key].value, rel=0.05), "as it was measured"


def test_a_single_round_of_its_own_doing_is_no_cliff(dataset: Dataset) -> None:
    """Four valid rounds and two with a trend are six measured ones; two undelivered of six are no failure."""

    def first_two(reason: str) -> Callable[[Measurement], Measurement]:
        return lambda one: invalid(one, reason) if one.round <= 2 else one

    for reason in (TREND, "messages lost on open connections 5, limit 0"):
        cells = echo_cells(dataset, first_two(reason))
        assert all(cell.value is not None for cell in cells.values())
    machine = echo_cells(dataset, first_two(STEAL))
    assert {cell.state for cell in machine.values()} == {"few-rounds"}


def test_every_limit_that_servers_break_has_a_cause() -> None:
    limits = [one for one in thresholds.THRESHOLDS if one.applies_to == "measurement" and one.cause == "server"]
    assert {one.name for one in limits} == set(SERVER_CAUSES)


def test_a_stack_is_that_of_the_headline_variant(dataset: Dataset) -> None:
    """The picker leaves out whom only another variant would let in, and no label names it either."""
    (run,) = dataset.runs

    def beside_django(slug: str) -> Dataset:
        def altered(item: FrameworkResult) -> FrameworkResult:
            variants = [
                one.model_copy(update={"packages": {**one.packages, "Django": "5.2"}, "title": "beside Django"})
                if item.document.framework.slug == "flask-socketio" and one.slug == slug
                else one
                for one in item.document.variants
            ]
            return replace(item, document=item.document.model_copy(update={"variants": variants}))

        return replace(dataset, runs=(replace(run, frameworks=tuple(map(altered, run.frameworks))),))

    for slug, fits in (("eventlet", False), ("gevent", True)):
        conclusions = conclusions_of(beside_django(slug))
        assert "django" in conclusions.stacks_by_setup["flask-socketio"][slug]
        labelled = set(conclusions.starting_points.get("django", {}))
        assert ("flask-socketio" in labelled) is fits
        found = find_candidates(conclusions, dict.fromkeys(conclusions.basis.competing, ""))
        assert {one.slug for one in found if one.setup and "django" in one.setup.stacks} == labelled


def test_who_only_installs_flask_is_no_part_of_a_flask_application(dataset: Dataset) -> None:
    """Flask is served by WSGI. Quart installs it for its code, and is served by ASGI."""
    (run,) = dataset.runs

    def with_flask(item: FrameworkResult) -> FrameworkResult:
        variants = [
            one.model_copy(update={"packages": {**one.packages, "Flask": "3.1.2"}}) for one in item.document.variants
        ]
        return replace(item, document=item.document.model_copy(update={"variants": variants}))

    runs = (replace(run, frameworks=tuple(map(with_flask, run.frameworks))),)
    stacks = conclusions_of(replace(dataset, runs=runs)).stacks_by_setup
    assert all("flask" in found for found in stacks["flask-socketio"].values())
    assert not any("flask" in found for found in stacks["fastapi"].values())


# Bad luck


def test_a_framework_without_headline_variant_takes_part_in_nothing(tmp_path: Path) -> None:
    others = tuple(made for made in SMALL if made.framework != "django-channels")
    dataset = written(tmp_path, (*others, *UNNAMED), searches=False, rooms=False)
    conclusions = conclusions_of(dataset)
    assert "declares no headline variant" in conclusions.unjudged["django-channels"]
    assert not any("django-channels" in one.leading for one in conclusions.use_cases.values())
    assert conclusions.starting_points["new"]["django-channels"].label is None
    pages = pages_of(dataset)
    for path in ("dimensions/performance.md", "scoring.md", "frameworks/django-channels.md"):
        assert "declares no headline variant" in pages[path], path
    assert "no headline variant" in pages["pick.md"]
    assert "django-channels-vs-fastapi" in pages["compare/index.md"]
    assert "Inconclusive" in pages["compare/django-channels-vs-fastapi.md"]


def test_where_nobody_has_a_headline_variant_values_are_shown_and_nobody_wins(tmp_path: Path) -> None:
    pages = pages_of(
        written(tmp_path, tuple(replace(made, headline=False) for made in SMALL), searches=False, rooms=False)
    )
    home = pages["index.md"]
    assert "No verdict yet" in text_of(home)
    assert "not enough data" in home
    assert not list(best_named({"dimensions/performance.md": pages["dimensions/performance.md"]}, "FastAPI"))


def test_a_headline_variant_that_was_not_measured_is_not_replaced(tmp_path: Path) -> None:
    dataset = written(tmp_path, SMALL, searches=False, rooms=False)
    (run,) = dataset.runs
    cut = tuple(
        replace(
            item,
            document=item.document.model_copy(
                update={"cells": [cell for cell in item.document.cells if cell.variant != "gevent"]}
            ),
        )
        for item in run.frameworks
    )
    conclusions = conclusions_of(replace(dataset, runs=(replace(run, frameworks=cut),)))
    assert "headline variant gevent is not measured yet" in conclusions.unjudged["flask-socketio"]
    assert all(row.framework.slug != "flask-socketio" for table in conclusions.tables for row in table.rows)


def test_alone_a_framework_wins_nothing(tmp_path: Path) -> None:
    pages = pages_of(written(tmp_path, (ALL[0], FASTAPI), searches=False))
    assert "nothing to compare it with" in pages["index.md"]
    assert "nothing to compare it with" in pages["dimensions/performance.md"]
    assert "not enough data" in pages["scoring.md"]
    assert not list(best_named(pages, "FastAPI"))


def best_named(pages: dict[str, str], title: str) -> Iterator[str]:
    for html in pages.values():
        yield from (one for one in best_sentences(html) if title in text_of(one) and "nothing to compare" not in one)


def test_too_few_rounds_name_no_winner(tmp_path: Path) -> None:
    dataset = written(tmp_path, SMALL, rounds=3, searches=False, rooms=False)
    pages = pages_of(dataset)
    assert "No verdict yet" in text_of(pages["index.md"])
    assert "Not enough data: no framework has a value that counts" in text_of(pages["index.md"])
    assert "Not enough data" in text_of(pages["dimensions/performance.md"])
    assert not re.search(r"<span>Verdict</span> <strong>", pages["dimensions/performance.md"])
    for path, html in pages.items():
        if re.fullmatch(r"compare/.*-vs-.*\.md", path):
            assert "nconclusive: not enough valid rounds of both" in html, path


def test_home_says_that_results_of_profile_quick_never_decide(tmp_path: Path) -> None:
    synthetic.write(tmp_path, rounds=2, seconds=1, variants=SMALL, searches=False, profile="quick")
    home = text_of(pages_of(load_results(tmp_path))["index.md"])
    assert "These results are of profile quick: pages show them, and no verdict rests on them." in home
    assert "All values: Echo , Live dashboard" in home


def test_what_a_framework_cannot_do_is_named_with_the_scenario_if_it_is_one(dataset: Dataset) -> None:
    reasons = {"echo/open": "It has no clock.", "polling": "It does not poll."}
    pages = pages_of(dataset.with_abilities({"fastapi": reasons}))
    assert "FastAPI (open): It has no clock." in text_of(pages["tests/echo.md"])
    assert "It does not poll." not in text_of(pages["tests/echo.md"])
    text = text_of(pages["frameworks/fastapi.md"])
    assert "Echo (open) It has no clock. polling It does not poll." in text


def test_a_criterion_that_nobody_has_is_named(pages: dict[str, str]) -> None:
    text = html_text.unescape(text_of(pages["dimensions/performance.md"]))
    assert "Nobody has a value that counts: " in text
    assert "memory per idle connection: connect, 1,000 clients" in text


def test_the_page_of_scoring_states_all_rules(pages: dict[str, str]) -> None:
    text = html_text.unescape(text_of(pages["scoring.md"]))
    for label, rule in LABEL_RULES:
        assert label in text.lower()
        assert rule in text
    for flag in (BUSY, UNMAINTAINED, LOSES, SPREADS, NOT_FOR_PRODUCTION, DEAF, LATE):
        assert flag.rule in text
    assert "From scoring 1 to scoring 2" in text
