"""The journal of a cell: merged and repeated measurements, and what must survive an interruption."""

from __future__ import annotations

import pytest

from runners.campaign import cell_journal
from runners.campaign.cell_journal import CellJournal
from runners.judging import thresholds
from runners.measurement import Cell, MeasurementResult
from runners.record import Histogram
from runners.subjects import catalog
from runners.subjects.workloads import ECHO
from tests.support.documents import distribution, measurement


@pytest.fixture
def journal() -> CellJournal:
    (framework,) = catalog.choose_frameworks(["fastapi/uvicorn"])
    return CellJournal(Cell(framework, framework.variants[0], ECHO, ECHO.scenarios[0]))


def result(round_number: int, *, valid: bool = True) -> MeasurementResult:
    made = measurement(round_number).model_copy(
        update={"valid": valid, "invalid_reasons": [] if valid else ["CPU steal"]}
    )
    return MeasurementResult(made, {"latency": Histogram.decode(distribution().histogram)})


def test_distributions_of_valid_measurements_are_merged(journal: CellJournal) -> None:
    for number, valid in enumerate([True, False, True], start=1):
        journal.add(result(number, valid=valid))
    record = journal.to_record()
    assert record.latency is not None
    assert record.latency.percentiles_ms.count == 2 * distribution().percentiles_ms.count
    assert [one.round for one in record.measurements] == [1, 2, 3]
    assert record.latency_from_send is None


def test_a_restored_journal_continues_where_it_was_left(journal: CellJournal) -> None:
    journal.add(result(1))
    restored = CellJournal(journal.cell)
    restored.restore(journal.to_record())
    for one in (journal, restored):
        one.add(result(2))
    assert restored.to_record() == journal.to_record()


def test_a_disturbed_measurement_is_repeated_once(journal: CellJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thresholds, "is_disturbed", lambda _: True)
    assert not journal.needs_repetition(1)
    journal.add(result(1, valid=False))
    assert journal.is_measured_in(1)
    assert journal.needs_repetition(1)
    assert not journal.needs_repetition(2)
    assert journal.repetitions == 0
    journal.add(result(1, valid=False))
    assert cell_journal.MOST_TRIES == 2
    assert not journal.needs_repetition(1)
    assert journal.repetitions == 1
