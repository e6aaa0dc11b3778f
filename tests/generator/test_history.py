"""Trends over a synthetic history: only real changes are found, and machine classes are separate."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import synthetic
from generator import exports
from generator.charts import Identities, trend_chart
from generator.charts.wording import plain
from generator.comparison import ChangePoint, History, Judged, Outcome, Trend, TrendStep
from generator.dataset import Dataset, load_results
from generator.pages import make_site
from generator.sentences import change_sentence, largest_changes, trend_finding

VARIANTS = tuple(made for made in synthetic.VARIANTS if made.variant in {"picows", "uvicorn", "gevent"})
FASTER = tuple(
    replace(made, rate=made.rate * 1.6, version="0.166.0") if made.framework == "fastapi" else made for made in VARIANTS
)
DAYS = ("2026-11-06", "2026-11-13", "2026-11-20")


SPOKEN = "20 November 2026"
"""The last of these days, on which FastAPI changes."""


def write(folder: Path, day: str, variants: tuple[synthetic.Made, ...], seed: int, cpu: str = "AMD EPYC 7B13") -> None:
    synthetic.write(
        folder, rounds=6, seconds=1, variants=variants, run=f"{day}-{seed}", campaign=day,
        started=f"{day}T09:00:00Z", seed=seed, cpu=cpu, searches=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """FastAPI becomes faster with a new version between the second and the third run."""
    folder = tmp_path_factory.mktemp("history")
    for seed, (day, variants) in enumerate(zip(DAYS, (VARIANTS, VARIANTS, FASTER), strict=True), start=1):
        write(folder, day, variants, seed)
    write(folder, "2026-11-15", VARIANTS, 9, cpu="Another CPU")
    return load_results(folder)


@pytest.fixture(scope="module")
def pages(history: Dataset) -> dict[str, str]:
    site = make_site(history, {}, history=History(history.runs))
    return {page.path: page.text() for page in site.pages if page.path in {"index.md", "trends.md"}}


def throughput(dataset: Dataset, cpu: str = "AMD EPYC 7B13") -> Trend:
    (found,) = (
        trend
        for trend in History(dataset.runs).trends
        if trend.metric.key == "messages_per_s" and trend.machine.cpu_model == cpu and not trend.table.is_open
    )
    return found


def test_a_series_is_in_order_and_of_one_class_of_machines(history: Dataset) -> None:
    for series in throughput(history).series:
        assert [point.started[:10] for point in series.points] == list(DAYS)
    for series in throughput(history, "Another CPU").series:
        assert [point.started[:10] for point in series.points] == ["2026-11-15"]


def test_the_change_is_found_at_its_run_with_its_updates(history: Dataset) -> None:
    found = [point for point in History(history.runs).changes if point.trend.metric.key == "messages_per_s"]
    assert [(point.series.row.framework.slug, point.after.started[:10], point.outcome) for point in found] == [
        ("fastapi", DAYS[2], "better")
    ]
    assert found[0].ratio.value == pytest.approx(1.6, rel=0.05)
    assert ("fastapi", "0.165.0", "0.166.0") in found[0].updates


def test_a_series_goes_on_over_an_update_of_the_kernel_and_names_it(history: Dataset) -> None:
    *others, last = sorted(history.runs, key=lambda run: run.document.started)
    machine = last.document.machine.model_copy(update={"kernel": "6.12.1"})
    found = History((*others, replace(last, document=last.document.model_copy(update={"machine": machine}))))
    (change,) = (point for point in found.changes if point.trend.metric.key == "messages_per_s")
    assert change.updates[0] == ("kernel", "6.12.0", "6.12.1")


def test_values_do_not_go_on_where_idle_cpus_are_kept_awake(history: Dataset) -> None:
    *others, last = sorted(history.runs, key=lambda run: run.document.started)
    machine = last.document.machine.model_copy(update={"idle_cpus": "awake"})
    found = History((*others, replace(last, document=last.document.model_copy(update={"machine": machine}))))
    assert not [point for point in found.changes if point.after.run.document.id == last.document.id]


def test_the_chart_rings_the_change(history: Dataset) -> None:
    found = History(history.runs)
    trend = throughput(history)
    trend = next(one for one in found.trends if one.slug == trend.slug and one.machine == trend.machine)
    chart = trend_chart(trend, found.changes, Identities({}))
    assert chart is not None
    sizes = {trace["name"]: trace["marker"]["size"] for trace in chart.figure["data"]}
    (fastapi,) = (size for name, size in sizes.items() if "FastAPI" in name)
    assert fastapi[2] > fastapi[1] == fastapi[0]
    assert [row[0].text for row in chart.table.rows][-1].startswith("Reference")
    assert len(chart.table.columns) == 1 + len(DAYS)


def of_throughput(history: Dataset) -> tuple[dict[str, list[TrendStep]], ChangePoint]:
    """The steps of the throughput by framework, and the one change among them."""
    found = History(history.runs)
    (change,) = (one for one in found.changes if one.trend.metric.key == "messages_per_s")
    steps: dict[str, list[TrendStep]] = {}
    for step in found.steps:
        if step.trend is change.trend:
            steps.setdefault(step.series.row.framework.slug, []).append(step)
    return steps, change


@pytest.mark.parametrize(
    ("outcomes", "finding"),
    [
        ({}, "Only the reference has values of several campaigns"),
        ({"fastapi": "same"}, "FastAPI · uvicorn stayed practically equal from campaign to campaign"),
        ({"fastapi": "unknown"}, "Whether FastAPI · uvicorn changed is not decided"),
        (
            {"fastapi": "same", "flask-socketio": "same"},
            "Each of 2 variants stayed practically equal from campaign to campaign",
        ),
        (
            {"fastapi": "unknown", "flask-socketio": "same"},
            "1 of 2 variants stayed practically equal, for 1 that is not decided",
        ),
        ({"fastapi": "unknown", "flask-socketio": "unknown"}, "Whether any of 2 variants changed is not decided"),
    ],
)
def test_without_a_change_a_trend_says_how_far_that_is_decided(
    history: Dataset, outcomes: dict[str, Outcome], finding: str
) -> None:
    """The last step of each has this outcome, and all before it are practically equal."""
    steps, _ = of_throughput(history)
    made = []
    for slug, outcome in outcomes.items():
        *before, last = steps[slug]
        made += [replace(one, judged=Judged(None, "same")) for one in before]
        made.append(replace(last, judged=Judged(None, outcome)))
    assert trend_finding(made, []) == finding


def test_a_trend_is_titled_by_its_newest_changes(history: Dataset) -> None:
    steps, change = of_throughput(history)
    other = replace(change, series=steps["flask-socketio"][0].series)
    earlier = replace(other, before=steps["flask-socketio"][0].before, after=steps["flask-socketio"][0].after)

    def finding(*changes: ChangePoint) -> str:
        return trend_finding([one for found in steps.values() for one in found], changes)

    alone = finding(change)
    assert re.fullmatch(rf"FastAPI · uvicorn is better by [56]\d % since {SPOKEN}", alone)
    assert finding(change, earlier) == alone
    less = replace(other, outcome="worse", ratio=replace(change.ratio, difference=-0.1))
    assert finding(less, change) == f"1 variant is better and 1 worse since {SPOKEN}"
    assert finding(less) == f"Flask-SocketIO · gevent is worse by 9.5 % since {SPOKEN}"
    both = finding(change, replace(less, outcome="better"))
    assert re.fullmatch(rf"2 variants are better since {SPOKEN}, FastAPI · uvicorn by [56]\d %", both)
    nothing = replace(change.before.value, estimate=replace(change.before.value.estimate, mean=0.0))
    from_nothing = replace(
        change, before=replace(change.before, value=nothing), ratio=replace(change.ratio, is_ratio=False)
    )
    assert finding(from_nothing) == f"FastAPI · uvicorn is better since {SPOKEN}"
    facts = change.series.row.framework.model_copy(update={"title": "x" * 90})
    row = replace(change.series.row, framework=facts)
    long = finding(replace(change, series=replace(change.series, row=row)))
    assert re.fullmatch(rf"One variant is better by [56]\d % since {SPOKEN}", long)


def test_no_title_of_a_trend_is_surer_than_its_steps(history: Dataset, pages: dict[str, str]) -> None:
    found = History(history.runs)
    shown = re.findall(r"<figcaption><strong>(.*?)</strong>", pages["trends.md"])
    lines = [trend for trend in found.trends if any(len(series.points) > 1 for series in trend.series)]
    assert len(shown) == len(lines) > 3
    for trend, title in zip(lines, shown, strict=True):
        steps = [step for step in found.steps if step.trend is trend]
        changes = [change for change in found.changes if change.trend is trend]
        assert title == trend_finding(steps, changes) == plain(title, 80)
        assert (f"since {SPOKEN}" in title) == has_changed(steps)
        if not has_changed(steps):
            assert ("is not decided" in title) == any(step.judged.outcome == "unknown" for step in steps)
    assert "FastAPI · uvicorn is better by" in "".join(shown)


def has_changed(steps: Sequence[TrendStep]) -> bool:
    return any(step.judged.outcome in ("better", "worse") for step in steps)


def test_a_change_has_its_values_and_percent_on_home_and_in_the_feed(history: Dataset, pages: dict[str, str]) -> None:
    found = History(history.runs)
    first = largest_changes(found.changes)[0]
    assert first.after.started[:10] == DAYS[2]
    assert abs(first.share) == max(abs(one.share) for one in found.changes if one.after.started == first.after.started)
    (change,) = (
        one for one in found.changes if one.trend.metric.key == "messages_per_s" and not one.trend.table.is_open
    )
    sentence = change_sentence(change)
    assert re.search(r" went from [\d,]+ to [\d,]+ \(\+[56]\d\u00a0% relative to the reference, better; ", sentence)
    assert "fastapi 0.165.0 → 0.166.0" in sentence
    pictures = re.findall(r'<svg class="rt-drawing"[^>]* aria-label="([^"]*)">.*?</svg>', pages["index.md"])
    assert pictures
    assert all("in 3 campaigns: " in label for label in pictures)
    feed = ElementTree.fromstring(exports.files(history, "https://example.org", {}, found.changes)["feed.xml"])
    atom = "{http://www.w3.org/2005/Atom}"
    told = {
        entry.findtext(f"{atom}title"): entry.findtext(f"{atom}summary") or "" for entry in feed.iter(f"{atom}entry")
    }
    assert change_sentence(first).replace("\u00a0", " ") in told[f"Campaign {DAYS[2]}"]
    assert "went from" not in told[f"Campaign {DAYS[1]}"]


def test_short_and_unfinished_runs_are_no_points(tmp_path: Path) -> None:
    synthetic.write(tmp_path, rounds=1, seconds=1, variants=VARIANTS, searches=False)
    assert History(load_results(tmp_path).runs).trends == ()
    assert History(()).trends == ()
    assert History(()).changes == ()
