"""When clients try to connect again."""

from __future__ import annotations

from itertools import accumulate, islice

from hypothesis import given
from hypothesis import strategies as st

from runners.loadgen.reconnection import BACKOFF_S, FIXED_S, RETRY_S, waits_between_attempts

seeds = st.integers(0, 2**32)


@given(seeds, st.integers(0, 1000))
def test_every_wait_is_within_its_bounds_and_repeatable(seed: int, client: int) -> None:
    first, second = (list(islice(waits_between_attempts(seed, client), 20)) for _ in range(2))
    assert first == second
    assert all(RETRY_S[0] <= wait <= RETRY_S[1] for wait in first)


@given(seeds, st.integers(0, 1000))
def test_backoff_doubles_up_to_its_longest(seed: int, client: int) -> None:
    waits = list(islice(waits_between_attempts(seed, client, "backoff"), 20))
    first, most = BACKOFF_S
    assert all(0 <= wait <= min(most, first * 2**attempt) for attempt, wait in enumerate(waits))
    assert set(islice(waits_between_attempts(seed, client, "fixed"), 5)) == {FIXED_S}


@given(seeds)
def test_clients_have_no_beat_in_common(seed: int) -> None:
    """With steps of a tenth of a second, all attempts of a second would be at ten moments."""
    moments = sorted(
        moment for client in range(100) for moment in accumulate(islice(waits_between_attempts(seed, client), 10))
    )
    phases = [moment % 0.1 for moment in moments if moment > 0.3]
    tenths = [sum(tenth <= 100 * phase < tenth + 1 for phase in phases) for tenth in range(10)]
    assert min(tenths) > 0.5 * len(phases) / 10
