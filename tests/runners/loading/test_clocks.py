"""Clocks of hosts: how far they are apart, what that hides, and what shards with different clocks agree on."""

from __future__ import annotations

from array import array
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.loadgen.job import Recovered
from runners.loadgen.shard import push_beat, push_lateness
from runners.loading import driver
from runners.loading.clocks import OUR_CLOCK, ClockOffset, Exchange, estimate_offset, hidden_by_clocks
from runners.loading.load_result import merge_recovered
from runners.loading.shards import Events, LoadError
from runners.record import Percentiles
from tests.support.loading import job

MS = 1_000_000


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=30),
)
def test_a_clock_is_within_its_error(offset_ns: int, ways: list[tuple[int, int]]) -> None:
    """Whatever the two ways of each exchange took."""
    exchanges = []
    now_ns = 10**12
    for there, back in ways:
        exchanges.append(Exchange(now_ns, now_ns + there + offset_ns, now_ns + there + back))
        now_ns += there + back + 1000
    found = estimate_offset(exchanges)
    assert abs(found.offset_ns - offset_ns) <= found.error_ns + 1
    assert found.error_ns <= min(there + back for there, back in ways) // 2 + 1


@given(
    st.integers(-(10**12), 10**12),
    st.integers(-(10**8), 10**8),
    st.integers(0, 10**7),
    st.integers(0, 10**7),
    st.floats(0, 1),
)
def test_a_clock_that_drifts_is_within_its_error_all_the_time(
    first_ns: int, drift_ns: int, error_ns: int, later_error_ns: int, when: float
) -> None:
    found = ClockOffset(first_ns, error_ns).until(ClockOffset(first_ns + drift_ns, later_error_ns))
    true_ns = first_ns + when * drift_ns
    assert abs(found.offset_ns - true_ns) <= found.error_ns + 1


@pytest.mark.parametrize(
    ("error_ms", "p50", "is_hidden"),
    [(0.1, 1.0, False), (0.11, 1.0, True), (5.0, 49.0, True), (5.0, 51.0, False), (0.0, 0.0, False)],
)
def test_a_time_is_left_out_if_it_can_be_wrong_by_more_than_a_tenth(
    error_ms: float, p50: float, is_hidden: bool
) -> None:
    why = hidden_by_clocks(round(error_ms * MS), Percentiles(count=100, p50=p50, p90=2 * p50))
    assert (why is not None) == is_hidden
    if why:
        assert f"only known to {error_ms:.3g} ms" in why


def test_nothing_is_hidden_where_nothing_was_measured() -> None:
    assert hidden_by_clocks(MS, Percentiles(count=0)) is None


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 10**9)), min_size=1, max_size=40),
    st.integers(1, 4),
    st.lists(st.integers(-(10**12), 10**12), min_size=4, max_size=4),
)
def test_shards_with_different_clocks_find_the_lateness_that_one_shard_finds(
    pushes: list[tuple[int, int]], shards: int, offsets_ns: list[int]
) -> None:
    """Each arrival belongs to a client, and each client to a shard."""
    arrivals = [(number, 10**15 + number * 10**9 + late_ns) for number, late_ns in pushes]
    numbers, at_ns = array("q", [one[0] for one in arrivals]), array("q", [one[1] for one in arrivals])
    alone = push_lateness(numbers, at_ns, 1.0)
    parts = []
    for shard in range(shards):
        mine = arrivals[shard::shards]
        ahead_ns = offsets_ns[shard]
        parts.append((array("q", [one[0] for one in mine]), array("q", [one[1] + ahead_ns for one in mine]), ahead_ns))
    beats = [None if (beat := push_beat(n, t, 1.0)) is None else beat - ahead_ns for n, t, ahead_ns in parts]
    earliest = min(beat for beat in beats if beat is not None)
    together = [late for n, t, ahead_ns in parts for late in push_lateness(n, t, 1.0, earliest + ahead_ns)]
    assert sorted(together) == sorted(alone)


class Answering:
    """A shard that has seen a beat, by its own clock."""

    pid: int | None = None
    host = ""

    def __init__(self, index: int, events: Events, beat_ns: int | None, ahead: ClockOffset) -> None:
        self.index, self.events, self.beat_ns, self.ahead = index, events, beat_ns, ahead
        self.finished_with: Any = "not yet"

    def clock(self) -> ClockOffset:
        return self.ahead

    def write(self, line: str) -> None: ...

    def stop_early(self) -> None: ...

    def stop(self) -> None: ...

    def send(self, command: dict[str, Any]) -> None:
        if command["do"] == "beat":
            self.events.put((self.index, {"event": "beat", "beat_ns": self.beat_ns}))
        else:
            self.finished_with = command["beat_ns"]
            self.events.put((self.index, {"event": "error", "reason": "no sample"}))


def finished(period_s: float, *shards: tuple[int | None, ClockOffset]) -> list[Any]:
    made: list[Answering] = []

    def launch(index: int, events: Events) -> Answering:
        made.append(Answering(index, events, *shards[index]))
        return made[-1]

    with driver.ShardGroup(len(shards), launch=launch) as running:
        running._job = job("ws://nowhere/", connections=len(shards), push_period_s=period_s)
        with pytest.raises(LoadError, match="no sample"):
            running.finish()
    return [one.finished_with for one in made]


def test_all_shards_count_from_the_earliest_beat_by_their_own_clocks() -> None:
    ahead = ClockOffset(250 * MS, 1000)
    assert finished(1.0, (100 * MS, OUR_CLOCK), (330 * MS, ahead)) == [80 * MS, 330 * MS]
    assert finished(1.0, (70 * MS, OUR_CLOCK), (None, ahead)) == [70 * MS, 320 * MS]
    assert finished(1.0, (None, OUR_CLOCK), (None, OUR_CLOCK)) == [None, None]


def test_one_shard_and_no_pushes_need_no_agreement() -> None:
    assert finished(1.0, (100 * MS, OUR_CLOCK)) == [None]
    assert finished(0.0, (100 * MS, OUR_CLOCK), (200 * MS, OUR_CLOCK)) == [None, None]


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=4), st.integers(0, 10**6))
def test_a_recovery_is_the_same_by_whatever_clocks(offsets_ns: list[int], error_ns: int) -> None:
    since_ns, listening_ns = 10**15, 10**15 + 300 * MS
    numbers = count(1)

    def seen(ahead_ns: int) -> Recovered:
        late = next(numbers) * MS
        return Recovered(
            sent=2,
            answered=1,
            lost=1,
            unsent=0,
            gone_at=[since_ns + late + ahead_ns],
            back_at=[listening_ns + late + ahead_ns],
            attempts=1,
            answers=[(since_ns + late + ahead_ns, 5)],
        )

    shifted = [seen(ahead_ns) for ahead_ns in offsets_ns]
    numbers = count(1)
    plain = [seen(0) for _ in offsets_ns]
    clocks = [ClockOffset(ahead_ns, error_ns) for ahead_ns in offsets_ns]
    by_clocks, by_ours = (
        merge_recovered(shifted, since_ns, listening_ns, clocks),
        merge_recovered(plain, since_ns, listening_ns),
    )
    for name in ("noticed", "back", "back_after_listening"):
        assert getattr(by_clocks, name).percentiles() == getattr(by_ours, name).percentiles()
    assert by_clocks.answers == by_ours.answers
    assert (by_clocks.clock_error_ns, by_ours.clock_error_ns) == (error_ns, 0)
