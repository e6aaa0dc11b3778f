"""The capacity search against simulated servers, and the verdict on one probe."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.judging import capacity
from runners.judging.capacity import Probe, Search, SearchResult, Settings, judge_try
from runners.judging.thresholds import STEAL
from runners.record import (
    Capacity,
    Connections,
    Failure,
    LoadgenHealth,
    Measurement,
    Percentiles,
    SustainedLoad,
    estimate_over_searches,
    estimate_sustained_load,
    tries_at,
)
from tests.support import documents

SETTINGS = Settings(start=1_000, lowest=10, highest=100_000, tries=15, most_probes=40)
BOTH = replace(SETTINGS, tries=10, most_probes=50, strict_p99_limit_ms=20.0)
FEW = replace(BOTH, tries=3, most_probes=24)
"""As a run searches, in each round."""


def probe(load: int, passed: bool, *, valid: bool = True, quiet_again: bool = False) -> Probe:
    """A probe as `judge_try` makes it."""
    return Probe(
        load,
        passed=passed and valid,
        p99_ms=3.0 if passed else 420.0,
        lost=0,
        errors=0,
        achieved_per_s=float(load),
        valid=valid,
        beyond_loadgen=not valid and not quiet_again,
        reasons=() if valid and passed else ("p99 420 ms, limit 100 ms",) if valid else ("send lag p99 2 ms",),
    )


def monotone(limit: float) -> Callable[[int], Probe]:
    return lambda load: probe(load, load <= limit)


def noisy(centre: float, spread: float, chance: random.Random) -> Callable[[int], Probe]:
    return lambda load: probe(load, load <= centre * math.exp(chance.gauss(0, spread)))


def search(settings: Settings, try_it: Callable[[int], Probe], earlier: Sequence[SearchResult] = ()) -> SearchResult:
    """The whole of a search."""
    under_way = Search(settings, [one.probes for one in earlier])
    while (load := under_way.next_load) is not None:
        under_way.enter(try_it(load))
    return under_way.result()


def loads(result: SearchResult) -> list[int]:
    return [one.load for one in result.probes]


def check(result: SearchResult) -> None:
    """Whatever was searched: it keeps its limits, and what it says is what its tries say."""
    settings = result.settings
    tries = [(one.load, one.passed) for one in result.probes if one.valid]
    assert (result.low, result.typical, result.high) == tuple(vars(estimate_sustained_load(tries)).values())
    outcomes = [passed for _, passed in tries]
    approach = next((place for place, passed in enumerate(outcomes) if passed != outcomes[0]), len(outcomes)) + 1
    assert len(tries) <= settings.tries + approach
    assert len(result.probes) <= settings.most_probes
    assert all(settings.lowest <= load <= settings.highest for load in loads(result))
    assert result.conclusive == (result.reason is None)
    document = capacity.as_record(result, "users")
    assert Capacity.model_validate(document.model_dump()) == document


searches = st.builds(
    lambda lowest, start, span, factor, tries: Settings(
        start=lowest * start, lowest=lowest, highest=lowest * start * span, factor=factor, tries=tries
    ),
    st.integers(20, 300),
    st.integers(1, 100),
    st.integers(1, 200),
    st.floats(1.5, 4),
    st.integers(4, 20),
)


@given(place=st.floats(0.05, 0.95))
def test_the_interval_holds_the_capacity_of_a_steady_server(place: float) -> None:
    limit = SETTINGS.lowest * (SETTINGS.highest / SETTINGS.lowest) ** place
    result = search(SETTINGS, monotone(limit))
    check(result)
    assert result.conclusive
    assert result.low is not None
    assert result.high is not None
    assert result.low <= limit <= result.high
    assert result.high <= 1.3 * result.low


@pytest.mark.parametrize("spread", [0.02, 0.1, 0.3])
def test_the_interval_holds_the_threshold_of_a_noisy_server(spread: float) -> None:
    """Each try meets another capacity, around one that is hit as often as the interval promises (about)."""
    chance = random.Random(1)
    hits = 0
    for _ in range(60):
        centre = math.exp(chance.uniform(math.log(200), math.log(50_000)))
        result = search(SETTINGS, noisy(centre, spread, chance))
        check(result)
        hits += result.low is not None and result.high is not None and result.low <= centre <= result.high
    assert hits >= 51


@given(settings=searches, answers=st.lists(st.sampled_from(["passed", "failed", "unusable"]), min_size=40, max_size=40))
def test_any_sequence_of_answers_ends(settings: Settings, answers: list[str]) -> None:
    left = iter(answers)

    def arbitrary(load: int) -> Probe:
        answer = next(left)
        return probe(load, answer == "passed", valid=answer != "unusable")

    check(search(settings, arbitrary))


@given(settings=searches, place=st.floats(-0.5, 1.5), deaf=st.floats(-0.5, 1.5))
def test_where_the_generator_is_at_its_limit_no_higher_load_is_claimed(
    settings: Settings, place: float, deaf: float
) -> None:
    limit, end = (settings.lowest * (settings.highest / settings.lowest) ** one for one in (place, deaf))
    result = search(settings, lambda load: probe(load, load <= limit, valid=load <= end))
    check(result)
    assert result.low is None or result.low <= min(limit, end) * 1.01
    if settings.tries == 20 and settings.lowest * 2 < limit < end * 0.7 < settings.highest * 0.7:
        assert result.high is not None


def test_the_way_of_a_search() -> None:
    result = search(SETTINGS, monotone(5_000))
    assert loads(result)[:4] == [1_000, 2_000, 4_000, 8_000]
    assert all(4_000 < load < 8_000 for load in loads(result)[4:])
    assert len(loads(result)) == 4 + SETTINGS.tries
    assert loads(search(SETTINGS, monotone(300)))[:3] == [1_000, 500, 250]


def test_nothing_is_tried_below_the_lowest_load() -> None:
    result = search(SETTINGS, monotone(3))
    assert loads(result)[-3:] == [10, 10, 10]
    assert (result.low, result.typical) == (None, None)
    assert result.reason == "even 10 fails, and no lower load is tried"


def test_nothing_is_tried_above_the_highest_load() -> None:
    result = search(SETTINGS, monotone(1e9))
    assert loads(result)[-3:] == [100_000] * 3
    assert (result.low, result.high) == (100_000, None)
    assert result.reason == "even 100,000 passes, and no higher load is tried"


def test_where_the_generator_is_at_its_limit_the_server_takes_at_least_that() -> None:
    result = search(SETTINGS, lambda load: probe(load, passed=True, valid=load < 30_000))
    assert result.low is not None
    assert 28_000 < result.low < 30_000
    assert result.high is None
    assert result.reason is not None
    assert result.reason.startswith("the load generator or the machine was not good enough at ")
    assert result.reason.endswith(": send lag p99 2 ms")


def test_a_load_generator_that_is_never_good_enough_is_inconclusive() -> None:
    result = search(SETTINGS, lambda load: probe(load, passed=True, valid=False))
    assert (result.low, result.typical, result.high) == (None, None, None)
    assert result.reason is not None
    assert result.reason.startswith("the load generator or the machine was not good enough at 10: ")


def test_a_burst_of_other_work_is_waited_out() -> None:
    made: list[int] = []

    def disturbed(load: int) -> Probe:
        made.append(load)
        return probe(load, load <= 5_000, valid=len(made) not in {3, 4})

    result = search(SETTINGS, disturbed)
    assert result.conclusive
    assert made[2:5] == [4_000, 4_000, 4_000]


def test_a_machine_that_is_not_quiet_for_long_is_no_limit_of_the_generator() -> None:
    made: list[int] = []

    def disturbed(load: int) -> Probe:
        made.append(load)
        return probe(load, load <= 5_000, valid=not 3 <= len(made) <= 9, quiet_again=True)

    result = search(SETTINGS, disturbed)
    check(result)
    assert made[2:10] == [4_000] * 8
    assert result.conclusive


def test_one_stray_try_does_not_move_it_far() -> None:
    made: list[int] = []

    def once(load: int) -> Probe:
        made.append(load)
        return probe(load, load <= 5_000 and len(made) != 2)

    result = search(SETTINGS, once)
    assert result.low is not None
    assert result.low < 5_000
    assert result.low > 4_000


def test_a_search_that_stops_early_is_inconclusive_with_the_reason() -> None:
    under_way = Search(SETTINGS)
    unfinished = "0 of 15 tries near its limit were made; 0 others were unusable"
    assert under_way.result().reason == unfinished
    under_way.enter(probe(1_000, passed=True))
    found = under_way.result()
    assert (found.high, found.reason) == (None, unfinished)
    spoilt = search(replace(SETTINGS, most_probes=15), lambda load: probe(load, False, valid=False, quiet_again=True))
    assert spoilt.reason == "0 of 15 tries near its limit were made; 15 others were unusable"


@given(place=st.floats(0.1, 0.9), searches_made=st.integers(2, 6))
@settings(max_examples=30)
def test_later_searches_begin_near_what_earlier_ones_found(place: float, searches_made: int) -> None:
    capacity_there = FEW.lowest * (FEW.highest / FEW.lowest) ** place
    made: list[SearchResult] = []
    for _ in range(searches_made):
        made.append(search(FEW, steep(capacity_there), made))
    for found in made[1:]:
        assert len(found.probes) == FEW.usual_probes
        assert found.conclusive
        assert all(capacity_there / 5 < load < 2.5 * capacity_there for load in loads(found))
    over = estimate_over_searches([tries_at(one.probes, 100.0) for one in made])
    assert over.low is not None
    assert over.high is not None
    assert over.low <= capacity_there <= over.high
    assert over.high <= 2.5 * over.low


def test_a_server_that_has_become_slower_is_found_again() -> None:
    before = [search(FEW, steep(8_000))]
    after = search(FEW, steep(1_000), before)
    outcomes = {passed for _, passed in tries_at(after.probes, 100.0)}
    assert False in outcomes
    assert min(loads(after)) < 0.75 * min(load for load, passed in tries_at(before[0].probes, 20.0) if not passed)


def test_a_search_of_few_tries_may_lack_an_end_and_is_a_valid_document() -> None:
    before = [search(FEW, steep(5_000))]
    after = search(FEW, steep(50_000), before)
    assert (after.conclusive, after.high) == (True, None)
    document = capacity.as_record(after, "messages_per_s")
    assert Capacity.model_validate(document.model_dump()) == document
    assert capacity.describe_capacity(document).startswith("at least ")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"start": 5}, "not between 10 and 100"),
        ({"start": 101}, "not between 10 and 100"),
        ({"lowest": 0}, "not between 0 and 100"),
        ({"factor": 1.0}, "above 1"),
        ({"tries": 0}, "at least one"),
        ({"most_probes": 7, "tries": 8}, "no more than most_probes"),
        ({"most_probes": 7, "tries": 4, "strict_p99_limit_ms": 20.0}, "no more than most_probes"),
        ({"strict_p99_limit_ms": 100.0}, "below the other one"),
    ],
)
def test_settings_make_sense(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(**{"start": 20, "lowest": 10, "highest": 100, **wrong})  # type: ignore[arg-type]


def test_a_machine_may_allow_less() -> None:
    assert SETTINGS.below(50_000).highest == 50_000
    assert SETTINGS.below(500) == replace(SETTINGS, start=500, highest=500)
    assert SETTINGS.below(1) == replace(SETTINGS, start=10, highest=10)
    assert SETTINGS.below(10**9) == SETTINGS


# Two limits of the p99


def steep(capacity: float, *, strict_share: float = 0.5) -> Callable[[int], Probe]:
    """A server whose p99 is 100 ms at its capacity, and 20 ms at a share of it."""
    power = math.log(5) / -math.log(strict_share)

    def try_it(load: int) -> Probe:
        p99_ms = 100.0 * (load / capacity) ** power
        return replace(probe(load, p99_ms < 100.0), p99_ms=p99_ms)

    return try_it


@given(place=st.floats(0.45, 0.8), strict_share=st.floats(0.1, 0.95))
@settings(max_examples=30)
def test_one_search_answers_both_limits(place: float, strict_share: float) -> None:
    capacity_there = BOTH.lowest * (BOTH.highest / BOTH.lowest) ** place
    result = search(BOTH, steep(capacity_there, strict_share=strict_share))
    assert BOTH.usual_probes == 20 <= len(result.probes)
    assert result.conclusive
    strict = result.strict
    assert strict is not None
    for found, there in ((result, capacity_there), (strict, strict_share * capacity_there)):
        assert found.low is not None
        assert found.high is not None
        assert found.low <= there <= found.high
        assert found.high <= 1.6 * found.low
    document = capacity.as_record(result, "users")
    assert document.strict is not None
    assert (document.strict.p99_limit_ms, document.strict.low) == (20.0, strict.low)
    assert Capacity.model_validate(document.model_dump()) == document


@given(settings=searches, answers=st.lists(st.sampled_from([3.0, 50.0, 500.0, None]), min_size=80, max_size=80))
@settings(max_examples=30)
def test_any_sequence_of_answers_ends_with_two_limits_as_well(settings: Settings, answers: list[float | None]) -> None:
    both = replace(settings, strict_p99_limit_ms=20.0, most_probes=60)
    left = iter(answers)

    def arbitrary(load: int) -> Probe:
        p99_ms = next(left)
        usable = p99_ms is not None
        return replace(probe(load, usable and p99_ms is not None and p99_ms < 100, valid=usable), p99_ms=p99_ms)

    result = search(both, arbitrary)
    assert len(result.probes) <= 60
    assert result.strict is not None
    assert (result.strict.low, result.strict.high) == tuple(
        getattr(estimate_sustained_load(tries_at(result.probes, 20.0)), end) for end in ("low", "high")
    )
    passed = {load for load, is_passed in tries_at(result.probes, 20.0) if is_passed}
    assert passed <= {load for load, is_passed in tries_at(result.probes, 100.0) if is_passed}


def test_the_end_of_one_limit_does_not_end_the_other() -> None:
    result = search(BOTH, lambda load: replace(probe(load, load <= 50), p99_ms=50.0 if load <= 50 else 500.0))
    assert result.conclusive
    assert result.strict is not None
    assert result.strict.low is None
    assert sum(load == 10 for load in loads(result)) >= 3


def test_a_try_shows_nothing_at_a_limit_for_which_the_lags_of_the_load_generator_decide() -> None:
    late = replace(probe(1_000, passed=True), p99_ms=24.0, p99_without_lags_ms=15.0)
    assert tries_at([late], 100.0) == [(1_000, True)]
    assert tries_at([late], 20.0) == []
    assert tries_at([replace(late, lost=1)], 20.0) == [(1_000, False)]
    assert tries_at([replace(late, p99_without_lags_ms=None)], 20.0) == [(1_000, False)]


def test_lags_that_always_decide_at_the_strict_limit_spoil_only_that() -> None:
    def lagging(load: int) -> Probe:
        return replace(steep(5_000)(load), p99_without_lags_ms=1.0 if load < 5_000 else None)

    result = search(BOTH, lagging)
    assert result.conclusive
    assert len(result.probes) >= BOTH.usual_probes
    assert result.strict is not None
    assert result.strict.low is None or result.strict.low <= 2_500


# Several searches


tries = st.lists(st.tuples(st.integers(100, 10_000), st.booleans()), min_size=1, max_size=20)


@given(searches_made=st.lists(tries, min_size=1, max_size=3))
def test_the_order_of_searches_and_empty_ones_do_not_matter(searches_made: list[list[tuple[int, bool]]]) -> None:
    found = estimate_over_searches(searches_made)
    assert found == estimate_over_searches([[], *reversed(searches_made)])
    assert estimate_over_searches([]) == estimate_sustained_load([])
    if found.low is not None and found.high is not None:
        assert found.low < found.high


def test_searches_in_which_everything_passed_show_no_more_than_they_tried() -> None:
    made = [(200, True), *[(400, True)] * 3]
    assert estimate_over_searches([made, made]) == estimate_sustained_load(made) == SustainedLoad(400, None, None)


def test_one_search_alone_is_less_sure_than_its_tries_and_others_that_agree_make_it_surer() -> None:
    made = [(one.load, one.passed) for one in search(SETTINGS, monotone(5_000)).probes]
    own = estimate_sustained_load(made)
    alone, two, three = (estimate_over_searches([made] * number) for number in (1, 2, 3))

    def width(found: SustainedLoad) -> float:
        assert found.low is not None
        assert found.high is not None
        assert found.low < 5_000 < found.high
        return found.high / found.low

    assert width(own) < width(three) < width(two) < width(alone)
    longer = search(replace(SETTINGS, tries=40, most_probes=60), monotone(5_000)).probes
    more = estimate_over_searches([[(one.load, one.passed) for one in longer]])
    assert width(more) > 0.9 * width(alone), "more tries at the same time do not help"


# One probe


def measured(**changes: object) -> Measurement:
    """An open-loop measurement whose p99 is 3 ms, with some of it changed."""
    latency = Percentiles(count=5000, mean=1.0, p50=1.0, p90=2.0, p99=3.0, max=9.0)
    sound = documents.measurement().model_copy(update={"offered_per_s": 1.0, "latency_ms": latency})
    return sound.model_copy(update=changes)


def judged(load: int, measurement: Measurement) -> Probe:
    """The probe of a search whose p99 must be below 20 ms."""
    return judge_try(load, measurement, p99_limit_ms=20.0)


def test_a_sound_measurement_passes() -> None:
    found = judged(1_000, measured())
    assert (found.verdict, found.p99_ms, found.reasons) == ("passed", 3.0, ())
    assert (found.achieved_per_s, found.server_cpu_percent) == (1666.667, 50.0)


@pytest.mark.parametrize(("p99_ms", "outcome"), [(19.999, "passed"), (20.0, "failed"), (500.0, "failed")])
def test_the_p99_stays_below_its_limit(p99_ms: float, outcome: str) -> None:
    found = judged(1, measured(latency_ms=Percentiles(count=5000, p99=p99_ms)))
    assert found.verdict == outcome
    assert bool(found.reasons) == (outcome == "failed")
    assert judge_try(1, measured(latency_ms=Percentiles(count=5000, p99=p99_ms)), p99_limit_ms=1_000).passed


@pytest.mark.parametrize(
    ("changes", "lost", "errors"),
    [
        ({"messages": documents.messages(10, 9, 1)}, 1, 0),
        ({"messages": documents.messages(10, 10).model_copy(update={"in_flight": 2, "sent": 12})}, 2, 0),
        ({"pushes_missed": 3}, 3, 0),
        ({"errors": {"closed-by-server": 2}}, 0, 2),
        ({"connections": Connections(planned=100, established=98, closed_early=1)}, 0, 3),
        ({"connections": Connections(planned=9, established=8, closed_early=0), "errors": {"not-connected": 1}}, 0, 1),
        ({"messages": documents.messages().model_copy(update={"corrupted": 1, "duplicated": 2, "reordered": 3})}, 0, 6),
    ],
)
def test_loss_and_errors_of_any_kind_fail(changes: dict[str, object], lost: int, errors: int) -> None:
    found = judged(1, measured(**changes))
    assert (found.verdict, found.lost, found.errors) == ("failed", lost, errors)
    assert len(found.reasons) == 1


@pytest.mark.parametrize(
    ("intended", "actual", "outcome"),
    [(19.0, 2.0, "passed"), (165.0, 160.0, "failed"), (24.0, 19.0, "unusable"), (500.0, 3.0, "unusable")],
)
def test_a_late_send_makes_a_try_unusable_only_where_it_decides(intended: float, actual: float, outcome: str) -> None:
    late = measured(
        latency_ms=Percentiles(count=5000, p99=intended), latency_from_send_ms=Percentiles(count=5000, p99=actual)
    )
    found = judged(1, late)
    assert found.verdict == outcome
    assert any(reason.startswith("sent or read too late") for reason in found.reasons) == (outcome == "unusable")
    assert found.beyond_loadgen == (outcome == "unusable")
    lossy = late.model_copy(update={"messages": documents.messages(10, 9, 1)})
    assert judged(1, lossy).verdict == "failed"


@pytest.mark.parametrize(
    ("p99_ms", "read_lag_ms", "outcome"), [(19.0, 5.0, "passed"), (160.0, 5.0, "failed"), (24.0, 5.0, "unusable")]
)
def test_a_late_read_makes_a_try_unusable_only_where_it_decides(
    p99_ms: float, read_lag_ms: float, outcome: str
) -> None:
    health = LoadgenHealth(shards=1, cpu_percent=30.0, read_lag_p99_ms=read_lag_ms)
    found = judged(1, measured(latency_ms=Percentiles(count=5000, p99=p99_ms), generator=health))
    assert found.verdict == outcome
    assert any(reason.startswith("sent or read too late") for reason in found.reasons) == (outcome == "unusable")
    assert found.beyond_loadgen == (outcome == "unusable")


@pytest.mark.parametrize(("from_send_p99_ms", "outcome"), [(21.0, "unusable"), (23.5, "failed")])
def test_a_little_late_at_either_end_is_late(from_send_p99_ms: float, outcome: str) -> None:
    """A p99 of 24 ms, where 20 are allowed: sending too late made some of it, and answers lay unread for 3 ms."""
    late = measured(
        latency_ms=Percentiles(count=5000, p99=24.0),
        latency_from_send_ms=Percentiles(count=5000, p99=from_send_p99_ms),
        generator=LoadgenHealth(shards=1, cpu_percent=30.0, read_lag_p99_ms=3.0),
    )
    assert judged(1, late).verdict == outcome


def test_a_disturbed_probe_is_no_result_of_the_server() -> None:
    stolen = LoadgenHealth(shards=1, cpu_percent=30.0, steal_percent=3.0)
    for measurement in (
        measured(generator=stolen),
        measured(generator=stolen, latency_ms=Percentiles(count=5000, p99=99.0)),
    ):
        found = judged(1, measurement)
        assert (found.verdict, found.reasons) == ("unusable", (STEAL.reason_against(measurement),))


def test_too_few_messages_for_a_p99_are_no_verdict_unless_some_were_lost() -> None:
    few = {"latency_ms": Percentiles(count=100, p50=1.0)}
    assert judged(1, measured(**few)).verdict == "unusable"
    assert judged(1, measured(**few, messages=documents.messages(10, 9, 1))).verdict == "failed"


@pytest.mark.parametrize("stage", ["load", "recheck", "connect"])
def test_a_server_that_dies_under_the_load_did_not_sustain_it(stage: str) -> None:
    failed = documents.failed("the server ended").model_copy(
        update={"failure": Failure.model_validate({"stage": stage, "reason": "the server ended"})}
    )
    found = judged(7, failed)
    assert (found.load, found.verdict, found.reasons) == (7, "failed", ("the server ended",))


@pytest.mark.parametrize("stage", ["environment", "broker", "start", "ready"])
def test_a_server_that_never_came_up_has_no_capacity(stage: str) -> None:
    failure = Failure.model_validate({"stage": stage, "reason": "no such program"})
    failed = documents.failed().model_copy(update={"failure": failure})
    with pytest.raises(capacity.ProbeError) as raised:
        judged(7, failed)
    assert raised.value.failure.stage == stage


def test_the_record_has_reasons_that_values_do_not_show() -> None:
    tries = iter(
        [
            probe(1_000, passed=True, valid=False),
            probe(1_000, passed=False),
            Probe(500, False, None, 0, 1, 0.0, reasons=("the server ended" * 100,)),
            probe(250, passed=True),
            probe(300, passed=True),
        ]
    )
    document = capacity.as_record(
        search(Settings(start=1_000, lowest=10, highest=100_000, tries=1), lambda load: next(tries)), "users"
    )
    assert [len(one.reasons) for one in document.probes] == [1, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "12,000 to 12,500 msg/s (8 probes)"),
        ({"unit": "users"}, "12,000 to 12,500 users (8 probes)"),
        ({"high": None}, "at least 12,000 msg/s (8 probes), INCONCLUSIVE: why"),
        ({"low": None}, "below 12,500 msg/s (8 probes), INCONCLUSIVE: why"),
        ({"low": None, "high": None}, "no msg/s (8 probes), INCONCLUSIVE: why"),
    ],
)
def test_an_outcome_in_one_line(changes: dict[str, object], text: str) -> None:
    told = {"conclusive": False, "reason": "why"} if None in changes.values() else {}
    assert capacity.describe_capacity(documents.capacity(**changes, **told)) == text


def test_a_window_is_long_enough_for_a_p99() -> None:
    assert capacity.window_s(5, 100_000) == 5
    assert capacity.window_s(5, 100) * 100 >= 2_000
