"""A long load in pieces: growth of memory is that after the first sixth, and only of a whole load."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.loadgen.buckets import counts_of, sparse
from runners.loadgen.job import Visited
from runners.loading.load_result import merge_clients
from runners.measurement.soaking import FILLING, PIECES, soak_record
from runners.record import Histogram, Soak

HOUR_S = 3600


def visited() -> Visited:
    nothing = sparse(counts_of(np.zeros(0, dtype=np.int64)))
    return Visited(
        begun=3,
        stayed=2,
        ended=1,
        refused=0,
        unfinished=0,
        silent=0,
        received=9,
        took_ns=1,
        cpu_ns=1,
        histograms={"connect": nothing, "send_lag": nothing},
    )


def soak(memory: list[tuple[float, int]], *, window_s: float = 2 * HOUR_S, is_whole: bool = True) -> Soak:
    second = Histogram(counts_of(np.full(100, 2_000_000)))
    return soak_record([second] * 100, memory, merge_clients([visited()]), window_s=window_s, is_whole=is_whole)


@given(st.floats(-5, 50), st.floats(0, 20))
def test_growth_is_per_hour_and_without_what_fills_up_first(per_hour_mb: float, filled_mb: float) -> None:
    """A server that grows steadily, and had to fill its caches before."""
    filling_s = 2 * HOUR_S * FILLING / PIECES
    memory = [
        (float(at_s), int(1e6 * (500 + per_hour_mb * at_s / HOUR_S - filled_mb * max(0.0, 1 - at_s / filling_s))))
        for at_s in range(0, 2 * HOUR_S, 30)
    ]
    found = soak(memory)
    assert found.memory_mb_per_hour is not None
    assert found.memory_mb_per_hour == pytest.approx(per_hour_mb, abs=0.02)
    assert found.memory_low_mb_per_hour is not None
    assert found.memory_high_mb_per_hour is not None
    assert found.memory_low_mb_per_hour <= found.memory_mb_per_hour <= found.memory_high_mb_per_hour
    assert found.p50_ms == pytest.approx([2.0] * PIECES, rel=0.01)


def test_a_try_of_some_seconds_says_nothing_about_hours() -> None:
    found = soak([(at_s / 10, 10**8) for at_s in range(300)], window_s=30, is_whole=False)
    assert (found.memory_mb_per_hour, found.memory_low_mb_per_hour) == (None, None)
    assert found.pss_mb == [100.0] * PIECES
    assert found.piece_s * PIECES == pytest.approx(30)


def test_a_piece_in_which_memory_was_not_read_leaves_the_growth_unknown() -> None:
    found = soak([(float(at_s), 10**8) for at_s in range(0, 2 * HOUR_S, 30) if not 3000 <= at_s < 4000])
    assert None in found.pss_mb
    assert found.memory_mb_per_hour is None
