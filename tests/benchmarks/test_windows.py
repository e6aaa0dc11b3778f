"""The table of window lengths follows from the recorded rounds."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from benchmarks import windows
from generator.statistics import MIN_ROUNDS
from runners.record import NothingToDoError

COMMITTED = windows.RECORDED.with_name("windows.json")


def recorded(shake: float, rounds: int = 8) -> dict[str, Any]:
    """Rounds of two servers in a closed loop. From round to round, the second one varies by a factor of up to
    ``shake``; each odd second has half as many messages as each even one.
    """

    def of(number: int, server: int) -> dict[str, list[float | None]]:
        factor = (1 + server) * math.exp(server * math.log(shake) * (-1) ** number)
        return {
            "messages": [1000 * factor * (1 + second % 2) for second in range(windows.LONGEST_S)],
            "p50_ms": [None] * windows.LONGEST_S,
        }

    servers = {str(server): {str(number): of(number, server) for number in range(rounds)} for server in (0, 1)}
    spent = {"seconds": 2 * rounds * (windows.WARMUP_S + windows.LONGEST_S + 2.0), "measurements": 2 * rounds}
    return {"spent": {"echo/closed": spent}, "scenarios": {"echo/closed": servers}}


def test_the_committed_table_is_that_of_the_committed_rounds() -> None:
    document = json.loads(windows.RECORDED.read_text())
    assert windows.tables(document) == json.loads(COMMITTED.read_text())


def test_what_rounds_differ_by_is_found_and_costs_rounds() -> None:
    calm, rough = (windows.lengths(recorded(shake)) for shake in (1.001, 1.2))
    assert [one.window_s for one in calm] == list(windows.LENGTHS_S)
    for quiet, loud in zip(calm, rough, strict=True):
        assert quiet.rounds == MIN_ROUNDS < loud.rounds
        assert loud.spread_percent == pytest.approx(100 * math.log(1.2) * math.sqrt(8 / 7), abs=0.01)
        assert loud.seconds == pytest.approx(loud.rounds * (2.0 + windows.WARMUP_S + loud.window_s), abs=0.1)


def test_what_is_around_a_window_is_measured() -> None:
    (found,) = windows.surroundings(recorded(1.1))
    assert (found.around_s, found.fewest_rounds, found.most_rounds) == (2.0, 8, 8)
    assert found.drift_percent == pytest.approx(100 * math.log(1000 / (5000 / 3)), abs=0.01)


def test_one_server_alone_shows_nothing() -> None:
    document = recorded(1.1)
    del document["scenarios"]["echo/closed"]["1"]
    with pytest.raises(NothingToDoError, match="no two servers"):
        windows.lengths(document)
