"""The results of several passes become one finding."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.evidence.passes import Findings, ItemProbe, merge_findings
from runners.record import Finding, RtsiteError


def timed(*seconds: float) -> list[Finding]:
    return [Finding(item="start-s", value=one) for one in seconds]


@given(st.lists(st.floats(0.001, 1000.0), min_size=1, max_size=12))
def test_the_median_lies_between_the_extremes(seconds: list[float]) -> None:
    found = merge_findings(timed(*seconds))
    assert isinstance(found.value, float)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high
    assert found.low == pytest.approx(min(seconds), rel=0.005)
    assert found.high == pytest.approx(max(seconds), rel=0.005)
    assert found.samples == len(seconds)


@given(st.permutations([0.1, 0.2, 0.4, 0.8]))
def test_the_order_of_passes_does_not_matter(seconds: list[float]) -> None:
    assert merge_findings(timed(*seconds)) == Finding(item="start-s", value=0.3, low=0.1, high=0.8, samples=4)


def test_what_failed_in_one_pass_is_not_established() -> None:
    broken = Finding(item="start-s", note="it did not come up")
    assert merge_findings([*timed(0.1), broken, *timed(0.2)]) == broken


def test_a_fact_is_the_same_in_every_pass_or_none() -> None:
    def facts(*values: int) -> list[Finding]:
        return [Finding(item="parts", value=one) for one in values]

    assert merge_findings(facts(2, 2, 2)) == Finding(item="parts", value=2)
    assert merge_findings(facts(2, 3, 2)) == Finding(item="parts", note="not the same every time: 2, 3, 2")


@pytest.mark.parametrize(
    ("answers", "value", "note"),
    [
        ([True, True, True], True, None),
        ([False, False], False, None),
        ([True, False, True], "not always", "2 of 3 passes"),
    ],
)
def test_what_is_so_in_some_passes_only_is_not_always_so(
    answers: list[bool], value: bool | str, note: str | None
) -> None:
    found = merge_findings([Finding(item="dead-peer", value=one) for one in answers])
    assert (found.value, found.note) == (value, note)


class Asked:
    """A probe's function that counts its calls; each call gives the next of ``answers``, or raises what it raises."""

    def __init__(self, *answers: Callable[[], list[Finding]]) -> None:
        self.answers = answers
        self.times = 0

    def __call__(self, logs: Path) -> list[Finding]:
        assert list(logs.iterdir()) == []
        self.times += 1
        return self.answers[min(self.times, len(self.answers)) - 1]()


def failing() -> list[Finding]:
    raise RtsiteError("no such luck")


@pytest.mark.parametrize("passes", [1, 3])
def test_repeated_items_are_collected_in_every_pass_and_facts_once(tmp_path: Path, passes: int) -> None:
    fact = Asked(lambda: [Finding(item="packages", value=7)])
    timing = Asked(lambda: timed(0.5))
    findings = Findings([ItemProbe(("packages",), fact), ItemProbe(("start-s",), timing)])
    for number in range(passes):
        findings.collect(tmp_path / f"facts-{number}", repeated=False)
        findings.collect(tmp_path / str(number), repeated=True)
    assert (fact.times, timing.times) == (1, passes)
    assert findings.merged() == [
        Finding(item="packages", value=7),
        Finding(item="start-s", value=0.5, low=0.5, high=0.5, samples=passes),
    ]


def test_a_failure_is_reported_for_each_item_and_not_retried(tmp_path: Path) -> None:
    always, later = Asked(failing), Asked(lambda: timed(0.5), failing)
    findings = Findings([ItemProbe(("memory-mb", "parts"), always), ItemProbe(("start-s",), later)])
    for number in range(4):
        findings.collect(tmp_path / str(number), repeated=True)
    assert (always.times, later.times) == (1, 2)
    assert [(one.item, one.value, one.note) for one in findings.merged()] == [
        (item, None, "RtsiteError: no such luck") for item in ("memory-mb", "parts", "start-s")
    ]
