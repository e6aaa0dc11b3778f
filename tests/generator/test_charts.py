from __future__ import annotations

from pathlib import Path

import plotly.graph_objects as go
import pytest
from plotly.offline import get_plotlyjs_version

from generator.charts import (
    Chart,
    Identities,
    latency_chart,
    metric_chart,
    percentile_chart,
    timeline_chart,
)
from generator.charts.identity import DARK_OF, identity
from generator.charts.pieces import ticks
from generator.charts.wording import plain, significant
from generator.comparison import LATENCY, METRICS, PUSH_LATENESS, compare_runs
from generator.dataset import load_results, load_sources

LOOKS = Identities.of_frameworks(["fastapi", "flask-socketio", "reference"], ["reference"])
ROOT = Path(__file__).parents[2]
FRAMEWORKS = ROOT / "runners" / "frameworks"
VENDOR = ROOT / "generator" / "assets" / "vendor"


@pytest.fixture(scope="module")
def charts(results: Path) -> list[Chart]:
    runs = load_results(results).headline
    made = []
    for table in compare_runs(runs).tables:
        made += [metric_chart(table, metric, LOOKS) for metric in table.metrics]
        made += [latency_chart(table, family, LOOKS) for family in (LATENCY, PUSH_LATENESS)]
        made += [percentile_chart(table, family, LOOKS) for family in (LATENCY, PUSH_LATENESS)]
        made.append(timeline_chart(table, LOOKS))
    return [chart for chart in made if chart is not None]


def test_plotly_accepts_every_figure(charts: list[Chart]) -> None:
    assert len(charts) > 20
    for chart in charts:
        go.Figure(chart.figure)


def test_every_chart_has_words_and_a_table(charts: list[Chart]) -> None:
    for chart in charts:
        assert "better" in chart.direction
        assert chart.table.rows
        assert {len(row) for row in chart.table.rows} == {len(chart.table.columns)}


def test_invalid_values_are_in_no_chart_and_named_beside_it(results: Path) -> None:
    runs = load_results(results).headline
    fixed = compare_runs(runs).tables[1]
    chart = latency_chart(fixed, LATENCY, LOOKS)
    assert chart is not None
    assert not any("eventlet" in label for label in chart.figure["layout"]["yaxis"]["ticktext"])
    assert "eventlet" in chart.notes[0]
    assert metric_chart(fixed, METRICS["broker_cpu_percent"], LOOKS) is not None


def test_every_framework_of_a_site_looks_different() -> None:
    slugs = [f"framework-{number:03}" for number in range(105)]
    looks = Identities.of_frameworks([*slugs, "bare"], ["bare"])
    assert len({(looks.of(slug).colour, looks.of(slug).symbol) for slug in [*slugs, "bare"]}) == 106
    assert len({(looks.of(slug).colour, looks.of(slug).pattern) for slug in slugs[:56]}) == 56
    assert len({looks.of(slug).colour for slug in [*slugs[:7], "bare"]}) == 8
    assert {looks.of(slug).colour for slug in slugs} <= DARK_OF.keys()


def test_looks_follow_from_the_names_alone() -> None:
    assert Identities.of_frameworks(["b", "a", "c"]) == Identities.of_frameworks(("c", "b", "a"))
    looks = Identities.of_frameworks(["a", "b", "bare"], ["bare"])
    assert looks.of("not-of-this-site") not in looks.looks.values()


INVENTED = (
    "a-framework",
    "bottle",
    "emmett",
    "gidgethub",
    "hypercorn",
    "microdot",
    "nicegui",
    "starlite",
    "streamlit",
    "z",
)


@pytest.mark.parametrize("added", [(), *((name,) for name in INVENTED), INVENTED])
def test_an_added_framework_looks_like_no_other(added: tuple[str, ...]) -> None:
    slugs = {*load_sources(FRAMEWORKS), *added}
    looks = [Identities.of_frameworks(slugs, ["reference"]).of(slug) for slug in slugs]
    for colour_of in (lambda look: look.colour, lambda look: DARK_OF[look.colour]):
        assert len({(colour_of(look), look.symbol) for look in looks}) == len(slugs), "lines and marks"
        assert len({(colour_of(look), look.pattern) for look in looks}) == len(slugs), "bars"
    if len(slugs) <= 16:
        assert len({look.symbol for look in looks}) == len(slugs), "told apart without colour"


def test_a_look_can_be_had_for_a_single_framework() -> None:
    slugs = list(load_sources(FRAMEWORKS))
    assert identity("reference").symbol == "hourglass"
    assert len({identity(slug) for slug in slugs}) == len(slugs)
    assert not {identity(slug) for slug in INVENTED} & {identity(slug) for slug in slugs}


def _luminance(colour: str) -> float:
    channels = [value / 255 for value in bytes.fromhex(colour[1:])]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(("light", "dark"), DARK_OF.items())
def test_colours_contrast_with_their_background(light: str, dark: str) -> None:
    """WCAG 2.2, 1.4.11: at least 3 : 1 for graphics, on the site's two backgrounds."""
    assert 1.05 / (_luminance(light) + 0.05) >= 3
    assert (_luminance(dark) + 0.05) / (_luminance("#10161d") + 0.05) >= 3


@pytest.mark.parametrize(
    ("value", "text"),
    [(66_804.5, "66,800"), (1.5, "1.50"), (0.01234, "0.0123"), (999.6, "1,000"), (9.996, "10.0"), (0, "0")],
)
def test_three_significant_digits(value: float, text: str) -> None:
    assert significant(value) == text


def test_plain_names_hold_no_markup() -> None:
    assert plain("<b>A</b> [x](javascript:y) {{ z }} `q` &amp;") == "b A /b x (javascript:y) z q amp"
    assert plain("<>") == "unnamed"


def test_the_vendored_plotly_is_the_version_that_checks_the_figures() -> None:
    version = get_plotlyjs_version()
    script = VENDOR / f"plotly-basic-{version}.min.js"
    assert [path.name for path in VENDOR.glob("*.js")] == [script.name]
    assert f"v{version}" in script.read_text(encoding="utf-8")[:200]
    assert "MIT" in (VENDOR / "plotly-LICENSE.txt").read_text()
    assert script.name in (VENDOR.parent / "charts.js").read_text()


def test_the_numbers_beside_an_axis_are_in_full_and_short() -> None:
    made = ticks([0.05, 20, 1000, 5000, 10_000, 200_000, 1e6])
    assert made["ticktext"] == ["0.05", "20", "1,000", "5,000", "10k", "200k", "1M"]
    assert made["tickvals"] == [0.05, 20, 1000, 5000, 10_000, 200_000, 1e6]
