"""Contradictions that the schema accepts are found, each with its position."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.record import (
    Adaptive,
    CellRecord,
    Percentiles,
    estimate_sustained_load,
    load_run,
    problems_in,
    save,
)
from runners.record.audit import find_contradictions
from tests.support import documents


def closed_cell() -> CellRecord:
    """A valid cell whose one measurement agrees with its histogram and with Little's law."""
    cell = documents.framework_document().cells[0]
    latency = documents.distribution()
    mean = latency.percentiles_ms.mean
    assert mean is not None
    measurement = documents.measurement().model_copy(
        update={
            "offered_per_s": None,
            "latency_ms": latency.percentiles_ms,
            "messages_per_s": round(100 / mean * 1000, 3),
        }
    )
    return cell.model_copy(
        update={
            "latency_kind": "service_time",
            "measurements": [measurement],
            "latency": latency,
            "latency_from_send": None,
            "push_lateness": None,
        }
    )


def findings(cell: CellRecord) -> list[tuple[tuple[str | int, ...], str]]:
    document = documents.framework_document().model_copy(update={"cells": [cell]})
    return [(finding.place, finding.message) for finding in find_contradictions(document)]


def test_a_sound_cell_is_sound() -> None:
    assert findings(closed_cell()) == []


def test_the_documents_of_the_tests_are_sound() -> None:
    assert list(find_contradictions(documents.run_document())) == []
    assert list(find_contradictions(documents.framework_document())) == []


def test_a_framework_has_one_headline_variant() -> None:
    document = documents.framework_document()
    (variant,) = document.variants
    twice = [variant.model_copy(update={"slug": slug, "headline": True}) for slug in ("one", "two")]
    ((place, message),) = [
        (finding.place, finding.message)
        for finding in find_contradictions(document.model_copy(update={"variants": twice}))
    ]
    assert place == ("variants", 1, "headline")
    assert message == "is true, but one is the headline variant already"


def test_what_counts_was_not_repeated() -> None:
    cell = closed_cell()
    (counts,) = cell.measurements
    spoilt = counts.model_copy(update={"valid": False, "invalid_reasons": ["CPU steal 3 %, limit 1 %"]})
    assert findings(cell.model_copy(update={"measurements": [spoilt, counts]})) == []
    ((place, message), *_) = findings(cell.model_copy(update={"measurements": [counts, spoilt]}))
    assert place == ("cells", 0, "measurements", 0, "round")
    assert message == "round 1 was measured again, though this measurement of it counts"


@pytest.mark.parametrize("name", ["p50", "p99", "max", "count"])
def test_a_percentile_that_is_not_its_histograms(name: str) -> None:
    cell = closed_cell()
    assert cell.latency is not None
    wrong: dict[str, Any] = {name: 1}
    percentiles = cell.latency.percentiles_ms.model_copy(update=wrong)
    found = findings(
        cell.model_copy(update={"latency": cell.latency.model_copy(update={"percentiles_ms": percentiles})})
    )
    assert found[0][0] == ("cells", 0, "latency", "percentiles_ms", name)
    assert "by its histogram" in found[0][1]


def test_a_text_that_is_no_histogram() -> None:
    cell = closed_cell()
    assert cell.latency is not None
    junk = cell.latency.model_copy(update={"histogram": "AAAA"})
    (place, message), *_ = findings(cell.model_copy(update={"latency": junk}))
    assert place == ("cells", 0, "latency", "histogram")
    assert "not an HdrHistogram" in message


def test_a_merged_histogram_with_rounds_that_do_not_count() -> None:
    cell = closed_cell()
    invalid = cell.measurements[0].model_copy(update={"valid": False, "invalid_reasons": ["no"]})
    assert "0 in the valid rounds" in findings(cell.model_copy(update={"measurements": [invalid]}))[0][1]


def test_a_throughput_that_its_latency_does_not_allow() -> None:
    cell = closed_cell()
    measurement = cell.measurements[0]
    assert measurement.messages_per_s is not None
    twice = measurement.model_copy(update={"messages_per_s": measurement.messages_per_s * 2})
    (place, message), *_ = findings(cell.model_copy(update={"measurements": [twice]}))
    assert place == ("cells", 0, "measurements", 0, "messages_per_s")
    assert "200.0 messages in flight, but there are 100 connections (Little's law)" in message


def capacity_findings(**changes: Any) -> list[tuple[tuple[str | int, ...], str]]:
    """Of a cell with one sound capacity of which some is changed, each place below the capacity."""
    cell = documents.framework_document().cells[0]
    searched = documents.capacity_measurement().model_copy(update={"capacity": documents.capacity(**changes)})
    parameters = {"search": "rate", "p99_limit_ms": 20}
    found = findings(
        cell.model_copy(
            update={"workload": "capacity", "parameters": parameters, "measurements": [searched], "latency": None}
        )
    )
    assert all(place[:5] == ("cells", 0, "measurements", 0, "capacity") for place, _ in found)
    return [(place[5:], message) for place, message in found]


def test_a_sound_capacity_is_sound() -> None:
    assert capacity_findings() == []
    assert capacity_findings(low=None, high=None, conclusive=False, reason="not settled after 9 probes") == []


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"low": 13_000}, ("low",), "the low end 13000 is not below the high end 12500"),
        ({"low": 8_000}, ("low",), "8000 is given as passed, which all of at least 3 tries have to show, but 1 of 1"),
        ({"low": 11_000}, ("low",), "but 0 of 0 did"),
        ({"high": 16_000}, ("high",), "16000 is given as failed"),
        ({"confirmations": 4}, ("high",), "at least 4 tries"),
        ({"p99_limit_ms": 50.0}, ("p99_limit_ms",), "searched with a limit of 50 ms, but the scenario has 20"),
    ],
)
def test_ends_that_the_probes_do_not_show(changes: dict[str, Any], place: tuple[str, ...], words: str) -> None:
    assert any(where == place and words in message for where, message in capacity_findings(**changes))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"lost": 1}, "passed, but lost 1 messages and had 0 errors"),
        ({"errors": 2}, "lost 0 messages and had 2 errors"),
        ({"p99_ms": 20.0}, "its p99 of 20 ms is not below 20 ms"),
        ({"p99_ms": None}, "has no p99"),
        ({"valid": False}, "is not valid"),
        ({"passed": False}, "did not pass, but nothing speaks against it"),
    ],
)
def test_a_probe_whose_values_contradict_its_verdict(wrong: dict[str, Any], words: str) -> None:
    first, *others = documents.capacity().probes
    ((place, message),) = capacity_findings(probes=[first.model_copy(update=wrong), *others])
    assert place == ("probes", 0, "passed")
    assert words in message


def threshold_capacity(**changes: Any) -> dict[str, Any]:
    """What makes the sound capacity one by threshold, of which some is changed."""
    tries = [documents.capacity_probe(load, passed=load <= 12_000) for load in (8_000, 16_000, 11_500, 12_500) * 4]
    found = estimate_sustained_load([(one.load, one.passed) for one in tries])
    return {"confirmations": None, "probes": tries, **vars(found), **changes}


@pytest.mark.parametrize("name", ["low", "typical", "high"])
def test_a_threshold_is_that_of_its_tries(name: str) -> None:
    assert capacity_findings(**threshold_capacity()) == []
    ((place, message),) = capacity_findings(**threshold_capacity(**{name: 12_100}))
    assert place == (name,)
    assert message.startswith("12100 is given, but the tries show ")


def test_a_try_that_contradicts_an_end() -> None:
    probes = [*documents.capacity().probes, documents.capacity_probe(12_000, passed=False)]
    ((place, message),) = capacity_findings(probes=probes)
    assert place == ("low",)
    assert "3 of 4 did" in message


def test_a_contradiction_of_a_capacity_is_reported_with_its_line_and_column(tmp_path: Path) -> None:
    path = tmp_path / "f.yml"
    save(documents.framework_document(documents.capacity_measurement()), path)
    lines = path.read_text().splitlines()
    assert sum("{load: " in line for line in lines) == 8, "one line per probe"
    place = next(number for number, line in enumerate(lines) if "load: 8000" in line)
    lines[place] = lines[place].replace("lost: 0", "lost: 7")
    path.write_text("\n".join(lines))
    problem = next(problem for problem in problems_in(path) if "capacity" in problem.message)
    assert (problem.line, problem.column) == (place + 1, lines[place].index("true") + 1)
    assert "capacity.probes[0].passed: passed, but lost 7 messages" in problem.message


def test_a_workload_that_only_the_first_rounds_measure() -> None:
    run = documents.run_document()
    more = {"cells": [*run.cells, "fastapi/uvicorn capacity search=rate"], "order": [[1, 0], [0]]}
    assert [finding.place for finding in find_contradictions(run.model_copy(update=more))] == [("order", 1)]
    searched = run.model_copy(update={**more, "workload_rounds": {"capacity": 1}})
    assert list(find_contradictions(searched)) == []
    every = searched.model_copy(update={"order": [[1, 0], [1, 0]]})
    assert [finding.place for finding in find_contradictions(every)] == [("order", 1)]


def test_an_order_that_leaves_a_cell_out(tmp_path: Path) -> None:
    run = documents.run_document()
    run = run.model_copy(update={"cells": [*run.cells, "fastapi/uvicorn dashboard"]})
    save(run.model_copy(update={"order": [[0, 0], [0]]}), tmp_path / "run.yml")
    problems = problems_in(tmp_path / "run.yml")
    assert [problem.message for problem in problems] == [
        "order[0]: round 1 does not name each of 2 cells once",
        "order[1]: round 2 does not name each of 2 cells once",
    ]
    assert problems[0].line == problems[1].line - 1


def adaptive_findings(**changes: Any) -> list[tuple[tuple[str | int, ...], str]]:
    """Of a sound adaptive run of which something is changed: a key of the run, or one of `adaptive`."""
    run = documents.adaptive_run_document()
    assert run.adaptive is not None
    own = {name: changes.pop(name) for name in list(changes) if name in Adaptive.model_fields}
    changed = run.model_copy(update={"adaptive": run.adaptive.model_copy(update=own), **changes})
    return [(finding.place, finding.message) for finding in find_contradictions(changed)]


def test_a_sound_adaptive_run_is_sound(tmp_path: Path) -> None:
    assert adaptive_findings() == []
    running = [documents.look(2, [0, 2])]
    assert adaptive_findings(ended=None, looks=running) == []
    assert adaptive_findings(ended=None, looks=[], rounds=2, order=[[0, 1, 2], [2, 1, 0]]) == []
    save(documents.adaptive_run_document(), tmp_path / "run.yml")
    assert problems_in(tmp_path / "run.yml") == []
    assert load_run(tmp_path / "run.yml") == documents.adaptive_run_document()


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"order": [[0, 1], [2, 1, 0], [2, 0]]}, ("order", 0), "round 1 does not name each of 3 cells once"),
        ({"order": [[0, 1, 2], [2, 1, 0], [2, 0, 0]]}, ("order", 2), "round 3 does not name at least one of 3 cells"),
        ({"order": [[0, 1, 2], [2, 1, 0], [2, 3]]}, ("order", 2), "round 3 does not name at least one of 3 cells"),
        ({"order": [[0, 1, 2], [2, 1, 0], []]}, ("order", 2), "round 3 does not name at least one of 3 cells"),
        ({"rounds": 10}, ("rounds",), "10 rounds, but the order has 3"),
        ({"most_rounds": 2}, ("adaptive", "most_rounds"), "2 to 2 rounds are possible, but the order has 3"),
        ({"first_rounds": 4}, ("adaptive", "most_rounds"), "4 to 4 rounds are possible, but the order has 3"),
        (
            {"looks": [documents.look(2, [0, 2]), documents.look(2, [])]},
            ("adaptive", "looks", 1, "after_round"),
            "after round 2, but expected after 3 to 3",
        ),
        (
            {"looks": [documents.look(1, [0, 1, 2]), documents.look(3, [])]},
            ("adaptive", "looks", 0, "after_round"),
            "after round 1, but expected after 2 to 3",
        ),
        (
            {"looks": [documents.look(2, [0, 2]), documents.look(4, [])]},
            ("adaptive", "looks", 1, "after_round"),
            "after round 4, but expected after 3 to 3",
        ),
        (
            {"looks": [documents.look(2, [0, 1]), documents.look(3, [])]},
            ("adaptive", "looks", 0, "cells"),
            "are not the cells of round 3, in ascending order",
        ),
        (
            {"looks": [documents.look(2, [0, 2]), documents.look(3, [1])]},
            ("adaptive", "looks", 1, "cells"),
            "are not the cells of round 4",
        ),
        ({"looks": [documents.look(2, [0, 2])]}, ("adaptive", "ended"), "the last look chose a further round"),
        ({"ended": None, "finished": "2026-11-02T00:00:00Z"}, ("adaptive", "ended"), "is absent, but the run is finis"),
        (
            {"looks": [documents.look(2, [0, 2]).model_copy(update={"decided": 0}), documents.look(3, [])]},
            ("adaptive", "looks", 0, "decided"),
            "0 is given, but the parts have 1",
        ),
        (
            {"looks": [documents.look(2, [0, 2], decided=3), documents.look(3, [])]},
            ("adaptive", "looks", 0, "parts", "echo/closed"),
            "3 of 2 comparisons",
        ),
        ({"workloads": []}, ("adaptive", "looks", 0, "parts", "echo/closed"), "does not list"),
    ],
)
def test_what_contradicts_in_an_adaptive_run(changes: dict[str, Any], place: tuple[str | int, ...], words: str) -> None:
    assert any(where == place and words in message for where, message in adaptive_findings(**changes))


@given(
    turn=st.lists(st.integers(0, 4), max_size=5),
    first=st.integers(1, 3),
)
def test_a_later_round_is_any_choice_of_cells(turn: list[int], first: int) -> None:
    """Only the indexes decide it: each cell at most once, none beyond the last, and not none at all."""
    order = [[0, 1, 2]] * first + [turn]
    found = adaptive_findings(order=order, rounds=first + 1, first_rounds=first, looks=[], ended=None)
    is_choice = 0 < len(set(turn)) == len(turn) and max(turn) < 3
    assert found == [] if is_choice else [place for place, _ in found] == [("order", first)]


def test_an_older_run_names_every_cell_in_every_round() -> None:
    run = documents.adaptive_run_document().model_copy(update={"adaptive": None})
    assert [finding.place for finding in find_contradictions(run)] == [("order", 2)]


@pytest.mark.parametrize(
    ("percentiles", "place", "words"),
    [
        ({"count": 1000, "events": 1001}, "events", "1001 events, but 1000 samples"),
        ({"count": 6000, "events": 60, "p50": 1.0, "p90": 2.0}, "p90", "fewer than 20 of 60 events lie beyond it"),
        ({"count": 1000, "events": 10, "p50": 1.0}, "p50", "fewer than 20 of 10 events lie beyond it"),
    ],
)
def test_a_percentile_that_too_few_events_support(percentiles: dict[str, Any], place: str, words: str) -> None:
    cell = closed_cell()
    (found,) = cell.measurements
    pushed = found.model_copy(update={"push_lateness_ms": Percentiles(**percentiles)})
    ((where, message),) = findings(cell.model_copy(update={"measurements": [pushed]}))
    assert where == ("cells", 0, "measurements", 0, "push_lateness_ms", place)
    assert message == words
