"""Drawings: axes order values as they are, everything is inside the picture, and text stays text."""

from __future__ import annotations

import math
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.drawing import (
    DotRow,
    Panel,
    Picture,
    RatioGroup,
    RatioOutcome,
    RatioRow,
    ScatterPoint,
    draw_dots,
    draw_multiples,
    draw_ratios,
    draw_scatter,
    draw_sparkline,
)
from generator.drawing.scales import LinearScale, LogScale, decades, even_steps, power_of_two_above
from tests.support.pages import HOSTILE

POSITIVE = st.floats(1e-6, 1e9)
OUTCOMES: tuple[RatioOutcome, ...] = ("first", "second", "same", "open")


def shapes(picture: Picture) -> ElementTree.Element:
    """The picture as its elements; raises an error if it is not well-formed."""
    return ElementTree.fromstring(picture.svg)


def check_inside(picture: Picture) -> None:
    """Every dot, line and beginning of a text is inside the picture."""
    for shape in shapes(picture):
        across = [float(shape.attrib[name]) for name in ("x", "cx", "x1", "x2") if name in shape.attrib]
        down = [float(shape.attrib[name]) for name in ("y", "cy", "y1", "y2") if name in shape.attrib]
        assert all(-1 <= one <= picture.width + 1 for one in across), shape.attrib
        assert all(-1 <= one <= picture.height + 1 for one in down), shape.attrib


def ratio_row(
    times: float, low: float, high: float, outcome: RatioOutcome = "first", label: str = "latency"
) -> RatioRow:
    return RatioRow(label, times, low, high, 1.25, outcome, "1.2 vs 3.4 ms")


@given(POSITIVE, POSITIVE, POSITIVE)
def test_a_larger_value_is_never_nearer_to_the_start(one: float, other: float, factor: float) -> None:
    low, high = min(one, other), max(one, other) * 1.01
    scales: list[LogScale | LinearScale] = [LogScale(low, high, 10, 200), LinearScale(high, 10, 200)]
    for scale in scales:
        smaller, larger = sorted((one, one * factor))
        assert 10 <= scale.at(smaller) <= scale.at(larger) <= 200


@given(POSITIVE, st.floats(1.5, 1e6))
def test_round_values_of_an_axis_are_on_it_and_ascend(low: float, factor: float) -> None:
    found = decades(low, low * factor)
    assert found == sorted(set(found))
    assert all(low * 0.999 <= one <= low * factor * 1.001 for one in found)
    steps = even_steps(low)
    assert steps[0] == 0
    assert 2 <= len(steps) <= 7
    assert steps[-1] <= low * 1.001


@pytest.mark.parametrize(
    ("values", "expected"), [([], 2), ([1.0], 2), ([2.0], 2), ([2.1], 4), ([0.2], 8), ([1000.0], 32), ([math.inf], 2)]
)
def test_the_axis_of_ratios_reaches_the_largest(values: list[float], expected: int) -> None:
    assert power_of_two_above(values) == expected


@given(
    st.lists(
        st.tuples(st.floats(0.001, 1000), st.floats(1, 3), st.floats(1, 3), st.sampled_from(OUTCOMES)),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
def test_ratios_are_on_the_side_of_the_better_one(
    drawn: list[tuple[float, float, float, RatioOutcome]], is_narrow: bool
) -> None:
    rows = tuple(ratio_row(times, times / down, times * up, outcome) for times, down, up, outcome in drawn)
    picture = draw_ratios([RatioGroup("Echo", rows)], "One", "Two", "label", is_narrow=is_narrow)
    check_inside(picture)
    middle = next(float(one.attrib["x1"]) for one in shapes(picture) if one.attrib["class"] == "rt-d-middle")
    dots = [float(one.attrib["cx"]) for one in shapes(picture) if one.tag.endswith("circle")]
    inside = [row.times for row in rows if 1 / 32 <= row.times <= 32]
    assert len(dots) >= len(inside)
    for times, x in zip(inside, dots, strict=False) if len(dots) == len(rows) else ():
        assert (x >= middle) == (times >= 1) or abs(x - middle) < 0.2


def test_what_is_beyond_the_axis_is_an_arrow_and_no_dot() -> None:
    picture = draw_ratios([RatioGroup("Echo", (ratio_row(500, 100, 2500),))], "One", "Two", "x", is_narrow=False)
    kinds = [one.tag.rpartition("}")[2] for one in shapes(picture)]
    assert "circle" not in kinds
    assert kinds.count("polygon") >= 1


@given(st.lists(st.tuples(POSITIVE, POSITIVE, st.booleans()), min_size=1, max_size=20), st.booleans())
def test_points_and_their_names_are_inside(points: list[tuple[float, float, bool]], is_narrow: bool) -> None:
    found = [ScatterPoint(f"Framework {number}", x, y, best) for number, (x, y, best) in enumerate(points)]
    picture = draw_scatter(found, "CPU", "delay", "label", is_narrow=is_narrow)
    check_inside(picture)
    assert len([one for one in shapes(picture) if one.tag.endswith("circle")]) == len(points)
    texts = [one.text or "" for one in shapes(picture) if one.tag.endswith("text")]
    assert sum(text.startswith("Framework") for text in texts) == len(points)


@given(
    st.lists(st.tuples(st.just(0.0) | st.floats(1e-9, 1e9), st.floats(1, 2)), min_size=1, max_size=20), st.booleans()
)
def test_dots_are_in_the_order_of_their_values(values: list[tuple[float, float]], is_narrow: bool) -> None:
    rows = [
        DotRow(f"F{n}", value, value / wide, value * wide, f"{value:g} ms") for n, (value, wide) in enumerate(values)
    ]
    picture = draw_dots(rows, "latency, ms", "label", is_narrow=is_narrow)
    check_inside(picture)
    dots = [float(one.attrib["cx"]) for one in shapes(picture) if one.tag.endswith("circle")]
    pairs = sorted(zip((value for value, _ in values), dots, strict=True))
    assert [x for _, x in pairs] == sorted(x for _, x in pairs)


@given(
    st.lists(st.tuples(POSITIVE, st.none() | POSITIVE, POSITIVE), min_size=1, max_size=14),
    st.booleans(),
)
def test_small_multiples_share_their_axes(drawn: list[tuple[float, float | None, float]], is_narrow: bool) -> None:
    panels = [Panel(f"Framework {n}", values, ("12.3", "45.6", "78.9")) for n, values in enumerate(drawn)]
    picture = draw_multiples(panels, (10, 100, 1000), "members", "label", is_narrow=is_narrow)
    check_inside(picture)
    dots = [one for one in shapes(picture) if one.tag.endswith("circle")]
    assert len(dots) == sum(value is not None for values in drawn for value in values)
    first_row = drawn[: 2 if is_narrow else 4]
    heights = iter(float(one.attrib["cy"]) for one in dots)
    placed = sorted((value, next(heights)) for values in first_row for value in values if value is not None)
    assert [y for _, y in placed] == sorted((y for _, y in placed), reverse=True)


@given(st.lists(POSITIVE, min_size=2, max_size=30), st.data())
def test_a_sparkline_rises_where_its_values_do(values: list[float], data: st.DataObject) -> None:
    changed_at = data.draw(st.integers(1, len(values) - 1))
    picture = draw_sparkline(values, changed_at, "label")
    check_inside(picture)
    steps = [one for one in shapes(picture) if one.tag.endswith("line")]
    assert len(steps) == len(values) - 1
    for (earlier, later), step in zip(pairwise(values), steps, strict=True):
        rise = float(step.attrib["y1"]) - float(step.attrib["y2"])
        assert rise >= 0 if later >= earlier else rise <= 0
    before, after = (float(one.attrib["cx"]) for one in shapes(picture) if one.tag.endswith("circle"))
    assert before < after


def test_hostile_names_stay_text() -> None:
    row = ratio_row(2, 1.5, 3, label=HOSTILE)
    pictures = [
        draw_ratios([RatioGroup(HOSTILE, (row,))], HOSTILE, HOSTILE, HOSTILE, is_narrow=False),
        draw_scatter([ScatterPoint(HOSTILE, 1, 2, is_unbeaten=True)], HOSTILE, HOSTILE, HOSTILE, is_narrow=True),
        draw_dots([DotRow(HOSTILE, 1, None, None, HOSTILE)], HOSTILE, HOSTILE, is_narrow=False),
        draw_multiples([Panel(HOSTILE, (1, 2), (HOSTILE, HOSTILE))], (1, 2), HOSTILE, HOSTILE, is_narrow=False),
        draw_sparkline([1, 2], 1, HOSTILE),
    ]
    for picture in pictures:
        tags = {one.tag.rpartition("}")[2] for one in shapes(picture).iter()}
        assert tags <= {"svg", "line", "rect", "circle", "polygon", "text"}
        assert shapes(picture).attrib["aria-label"] == HOSTILE
