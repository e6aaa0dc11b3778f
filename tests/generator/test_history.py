"""Trends over a synthetic history: only real changes are found, and machine classes are separate."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import synthetic
from generator import exports
from generator.charts import Identities, trend_chart
from generator.comparison import History, Trend
from generator.dataset import Dataset, load_results
from generator.pages import make_site
from generator.sentences import change_sentence, largest_changes

VARIANTS = tuple(made for made in synthetic.VARIANTS if made.variant in {"picows", "uvicorn", "gevent"})
FASTER = tuple(
    replace(made, rate=made.rate * 1.6, version="0.166.0") if made.framework == "fastapi" else made for made in VARIANTS
)
DAYS = ("2026-11-06", "2026-11-13", "2026-11-20")


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


def test_a_change_has_its_values_and_percent_on_home_and_in_the_feed(history: Dataset) -> None:
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
    (home,) = (page.text() for page in make_site(history, {}, history=found).pages if page.path == "index.md")
    pictures = re.findall(r'<svg class="rt-drawing"[^>]* aria-label="([^"]*)">.*?</svg>', home)
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
