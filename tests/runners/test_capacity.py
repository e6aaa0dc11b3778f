"""The search for a capacity, against servers made of arithmetic; and the verdict on one probe."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners import capacity
from runners.capacity import Probe, Result, Settings, judge, search
from runners.record import Capacity, Connections, Failure, Measurement, Percentiles
from tests.runners import documents

SETTINGS = Settings(start=1_000, lowest=10, highest=100_000)


def probe(load: int, passed: bool, *, valid: bool = True) -> Probe:
    """A probe as `judge` makes it."""
    return Probe(
        load,
        passed=passed and valid,
        p99_ms=3.0 if passed else 42.0,
        lost=0,
        errors=0,
        achieved_per_s=float(load),
        valid=valid,
        reasons=() if valid and passed else ("p99 42 ms, limit 20 ms",) if valid else ("send lag p99 2 ms",),
    )


def monotone(limit: float) -> Callable[[int], Probe]:
    return lambda load: probe(load, load <= limit)


def loads(result: Result) -> list[int]:
    return [one.load for one in result.probes]


def outcomes(result: Result, load: int | None) -> list[str]:
    return [one.outcome for one in result.probes if one.load == load and one.valid]


def check_ends(result: Result) -> None:
    """Whatever was searched: an end that is told was confirmed, and the record accepts it."""
    for end, wanted in ((result.low, "passed"), (result.high, "failed")):
        if end is not None:
            assert outcomes(result, end) == [wanted] * len(outcomes(result, end))
            assert len(outcomes(result, end)) >= result.settings.confirmations
    if result.low is not None and result.high is not None:
        assert result.low < result.high
    assert len(result.probes) <= result.settings.max_probes
    assert all(result.settings.lowest <= load <= result.settings.highest for load in loads(result))
    assert result.conclusive == (result.reason is None)
    document = capacity.as_record(result, "users")
    assert Capacity.model_validate(document.model_dump()) == document


searches = st.builds(
    lambda lowest, start, span, factor, resolution, confirmations: Settings(
        start=lowest * start,
        lowest=lowest,
        highest=lowest * start * span,
        factor=factor,
        resolution=resolution,
        widest=max(1.25, resolution),
        confirmations=confirmations,
        max_probes=60,
    ),
    st.integers(1, 300),
    st.integers(1, 100),
    st.integers(1, 200),
    st.floats(1.5, 4),
    st.floats(1.02, 1.3),
    st.integers(1, 4),
)


@given(settings=searches, place=st.floats(0, 1))
def test_the_bracket_holds_the_capacity_of_a_steady_server(settings: Settings, place: float) -> None:
    limit = settings.lowest * (settings.highest / settings.lowest) ** place
    if not settings.lowest <= limit < settings.highest:
        return
    result = search(settings, monotone(limit))
    check_ends(result)
    assert result.conclusive
    assert result.low is not None
    assert result.high is not None
    assert result.low <= limit < result.high
    assert result.high <= result.low * settings.resolution or result.high == result.low + 1


@given(settings=searches, place=st.floats(0, 1))
def test_a_steady_server_takes_few_probes(settings: Settings, place: float) -> None:
    limit = settings.lowest * (settings.highest / settings.lowest) ** place
    span = math.log(settings.highest / settings.lowest) / math.log(settings.factor)
    halvings = math.log2(math.log(2 * settings.factor) / math.log(settings.resolution))
    most = (span + 3) + (halvings + 3) + 2 * (settings.confirmations - 1)
    assert len(search(settings, monotone(limit)).probes) <= most


@given(settings=searches, seed=st.integers(0, 10_000), spread=st.floats(0.01, 1), spoilt=st.floats(0, 0.5))
def test_a_noisy_server_ends_with_confirmed_ends(settings: Settings, seed: int, spread: float, spoilt: float) -> None:
    """Each probe meets another capacity, and some are spoilt."""
    chance = random.Random(seed)
    centre = math.sqrt(settings.lowest * settings.highest)

    def noisy(load: int) -> Probe:
        return probe(load, load <= centre * math.exp(chance.gauss(0, spread)), valid=chance.random() >= spoilt)

    result = search(settings, noisy)
    check_ends(result)
    if result.conclusive:
        assert result.low is not None
        assert result.high is not None
        assert result.high <= max(result.low * settings.widest, result.low + 2)


@given(settings=searches, answers=st.lists(st.sampled_from(["passed", "failed", "unusable"]), min_size=60, max_size=60))
def test_any_sequence_of_answers_ends_with_confirmed_ends(settings: Settings, answers: list[str]) -> None:
    left = iter(answers)

    def arbitrary(load: int) -> Probe:
        answer = next(left)
        return probe(load, answer == "passed", valid=answer != "unusable")

    check_ends(search(settings, arbitrary))


@given(hole=st.tuples(st.integers(10, 100_000), st.integers(10, 100_000)), limit=st.integers(10, 100_000))
def test_a_server_with_a_hole_is_bracketed_at_an_edge(hole: tuple[int, int], limit: int) -> None:
    """Not monotone: it fails in the hole and again above the limit. Any bracket is one that was confirmed."""
    result = search(SETTINGS, lambda load: probe(load, load <= limit and not min(hole) <= load <= max(hole)))
    check_ends(result)


def test_the_way_of_a_search() -> None:
    result = search(SETTINGS, monotone(5_000))
    assert loads(result)[:4] == [1_000, 2_000, 4_000, 8_000]
    assert loads(result)[4] == 5_660
    assert (result.low, result.high) == (4_970, 5_190)
    assert loads(search(SETTINGS, monotone(300)))[:3] == [1_000, 500, 250]


def test_neighbouring_whole_numbers_are_close_enough() -> None:
    result = search(SETTINGS, monotone(13))
    assert (result.low, result.high) == (13, 14)


def test_nothing_is_tried_below_the_lowest_load() -> None:
    result = search(SETTINGS, monotone(3))
    assert (result.low, result.high) == (None, 10)
    assert result.reason == "even 10 fails, and no lower load is tried"


def test_nothing_is_tried_above_the_highest_load() -> None:
    result = search(SETTINGS, monotone(1e9))
    assert (result.low, result.high) == (100_000, None)
    assert result.reason == "no load up to 100,000 fails every time, and no higher one is tried"


def test_where_the_generator_is_at_its_limit_the_server_takes_at_least_that() -> None:
    result = search(SETTINGS, lambda load: probe(load, passed=True, valid=load < 30_000))
    assert result.low is not None
    assert 28_000 < result.low < 30_000
    assert result.high is None
    assert result.reason is not None
    assert result.reason.startswith("the load generator or the machine was not good enough at ")
    assert result.reason.endswith(": send lag p99 2 ms")


def test_a_burst_of_other_work_is_waited_out() -> None:
    made: list[int] = []

    def disturbed(load: int) -> Probe:
        made.append(load)
        return probe(load, load <= 5_000, valid=len(made) not in {3, 4})

    result = search(SETTINGS, disturbed)
    assert result.conclusive
    assert made[2:5] == [4_000, 4_000, 4_000]


def test_an_end_that_fails_once_moves_outward() -> None:
    made: list[int] = []

    def once(load: int) -> Probe:
        made.append(load)
        return probe(load, load <= 5_000 and not (load == 4_970 and made.count(load) == 2))

    result = search(SETTINGS, once)
    assert result.conclusive
    assert (result.low, result.high) == (4_730, 5_190)
    assert outcomes(result, 4_970) == ["passed", "failed"]


def test_a_wide_grey_zone_is_inconclusive_with_both_ends() -> None:
    chance = random.Random(1)
    result = search(SETTINGS, lambda load: probe(load, load < 3_000 or (load < 6_000 and chance.random() < 0.5)))
    assert not result.conclusive
    assert result.low is not None
    assert result.high is not None
    assert result.low < 3_500 < 5_500 < result.high
    assert result.reason == (
        f"loads between {result.low:,} and {result.high:,} do not pass every time and do not fail every time"
    )


def test_a_lower_load_that_fails_where_a_higher_one_passes_is_no_bracket() -> None:
    """One try is enough here, so a probe that was spoilt and then passes contradicts what was found below it."""
    tries = {1_000: ["failed"], 500: ["unusable"] * 3 + ["passed"], 250: ["failed"], 125: ["passed"]}

    def odd(load: int) -> Probe:
        left = tries.get(load) or ["failed" if load > 125 else "passed"]
        answer = left.pop(0)
        return probe(load, answer == "passed", valid=answer != "unusable")

    check_ends(search(Settings(start=1_000, lowest=10, highest=2_000, confirmations=1), odd))


def test_probes_are_counted() -> None:
    result = search(Settings(start=1_000, lowest=10, highest=100_000, max_probes=6), monotone(5_000))
    assert len(result.probes) == 6
    assert (result.low, result.high, result.reason) == (None, None, "not settled after 6 probes")


def test_what_a_probe_raises_ends_the_search() -> None:
    def broken(load: int) -> Probe:
        raise capacity.ProbeError(Failure(stage="start", reason="no such program"))

    with pytest.raises(capacity.ProbeError, match="no such program") as raised:
        search(SETTINGS, broken)
    assert raised.value.failure.stage == "start"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"start": 5}, "not between 10 and 100"),
        ({"start": 101}, "not between 10 and 100"),
        ({"lowest": 0}, "not between 0 and 100"),
        ({"factor": 1.0}, "above 1"),
        ({"resolution": 1.0}, "above 1"),
        ({"resolution": 1.3, "widest": 1.2}, "no less than the resolution"),
        ({"confirmations": 0}, "at least one"),
        ({"max_probes": 0}, "at least one"),
    ],
)
def test_settings_make_sense(wrong: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings(**{"start": 20, "lowest": 10, "highest": 100, **wrong})  # type: ignore[arg-type]


def test_a_machine_may_allow_less() -> None:
    assert SETTINGS.below(50_000).highest == 50_000
    assert SETTINGS.below(500) == Settings(start=500, lowest=10, highest=500)
    assert SETTINGS.below(1) == Settings(start=10, lowest=10, highest=10)
    assert SETTINGS.below(10**9) == SETTINGS


# One probe


def measured(**changes: object) -> Measurement:
    """A measurement whose p99 is 3 ms, with some of it changed."""
    sound = documents.measurement().model_copy(
        update={"latency_ms": Percentiles(count=5000, mean=1.0, p50=1.0, p90=2.0, p99=3.0, max=9.0)}
    )
    return sound.model_copy(update=changes)


def test_a_sound_measurement_passes() -> None:
    found = judge(1_000, measured())
    assert (found.outcome, found.p99_ms, found.reasons) == ("passed", 3.0, ())
    assert (found.achieved_per_s, found.server_cpu_percent) == (1666.667, 50.0)


@pytest.mark.parametrize(("p99_ms", "outcome"), [(19.999, "passed"), (20.0, "failed"), (500.0, "failed")])
def test_the_p99_stays_below_its_limit(p99_ms: float, outcome: str) -> None:
    found = judge(1, measured(latency_ms=Percentiles(count=5000, p99=p99_ms)))
    assert found.outcome == outcome
    assert bool(found.reasons) == (outcome == "failed")
    assert judge(1, measured(latency_ms=Percentiles(count=5000, p99=p99_ms)), p99_limit_ms=1_000).passed


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
    found = judge(1, measured(**changes))
    assert (found.outcome, found.lost, found.errors) == ("failed", lost, errors)
    assert len(found.reasons) == 1


@pytest.mark.parametrize(
    ("intended", "actual", "outcome"),
    [(19.0, 2.0, "passed"), (165.0, 160.0, "failed"), (24.0, 19.0, "unusable"), (500.0, 3.0, "unusable")],
)
def test_a_late_send_spoils_a_try_only_where_it_decides(intended: float, actual: float, outcome: str) -> None:
    late = measured(
        latency_ms=Percentiles(count=5000, p99=intended), latency_from_send_ms=Percentiles(count=5000, p99=actual)
    )
    found = judge(1, late)
    assert found.outcome == outcome
    assert any(reason.startswith("sent too late") for reason in found.reasons) == (outcome == "unusable")
    lossy = late.model_copy(update={"messages": documents.messages(10, 9, 1)})
    assert judge(1, lossy).outcome == "failed"


def test_a_disturbed_probe_says_nothing_of_the_server() -> None:
    for measurement in (measured(), measured(latency_ms=Percentiles(count=5000, p99=99.0))):
        found = judge(1, measurement, ["CPU steal 3 %, limit 1 %"])
        assert (found.outcome, found.reasons) == ("unusable", ("CPU steal 3 %, limit 1 %",))


def test_too_few_messages_for_a_p99_are_no_verdict_unless_some_were_lost() -> None:
    few = {"latency_ms": Percentiles(count=100, p50=1.0)}
    assert judge(1, measured(**few)).outcome == "unusable"
    assert judge(1, measured(**few, messages=documents.messages(10, 9, 1))).outcome == "failed"


@pytest.mark.parametrize("stage", ["load", "recheck", "connect"])
def test_a_server_that_dies_under_the_load_did_not_withstand_it(stage: str) -> None:
    failed = documents.failed("the server ended").model_copy(
        update={"failure": Failure.model_validate({"stage": stage, "reason": "the server ended"})}
    )
    found = judge(7, failed)
    assert (found.load, found.outcome, found.reasons) == (7, "failed", ("the server ended",))


@pytest.mark.parametrize("stage", ["environment", "broker", "start", "ready"])
def test_a_server_that_never_came_up_has_no_capacity(stage: str) -> None:
    failure = Failure.model_validate({"stage": stage, "reason": "no such program"})
    failed = documents.failed().model_copy(update={"failure": failure})
    with pytest.raises(capacity.ProbeError) as raised:
        judge(7, failed)
    assert raised.value.failure.stage == stage


def test_the_record_tells_reasons_that_figures_do_not() -> None:
    tries = iter(
        [
            probe(1_000, passed=True, valid=False),
            probe(1_000, passed=False),
            Probe(500, False, None, 0, 1, 0.0, reasons=("the server ended" * 100,)),
            probe(250, passed=True),
        ]
    )
    document = capacity.as_record(
        search(Settings(start=1_000, lowest=10, highest=100_000, max_probes=4), lambda load: next(tries)), "users"
    )
    assert [len(one.reasons) for one in document.probes] == [1, 0, 1, 0]
    assert document.reason == "not settled after 4 probes"


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
    assert capacity.describe(documents.capacity(**changes, **told)) == text


def test_a_window_is_long_enough_for_a_p99() -> None:
    assert capacity.window_s(5, 100_000) == 5
    assert capacity.window_s(5, 100) * 100 >= 2_000
