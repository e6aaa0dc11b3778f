"""Contradictions that a schema accepts are found, each at its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runners.record import Cell, problems_in, save
from runners.record.audit import audit
from tests.runners import documents


def closed_cell() -> Cell:
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


def findings(cell: Cell) -> list[tuple[tuple[str | int, ...], str]]:
    document = documents.framework_document().model_copy(update={"cells": [cell]})
    return [(finding.place, finding.message) for finding in audit(document)]


def test_a_sound_cell_is_sound() -> None:
    assert findings(closed_cell()) == []


def test_the_documents_of_the_tests_are_sound() -> None:
    assert list(audit(documents.run_document())) == []
    assert list(audit(documents.framework_document())) == []


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
    assert "200.0 messages under way, but there are 100 connections (Little's law)" in message


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
