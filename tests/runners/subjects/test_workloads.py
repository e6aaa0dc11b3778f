"""Workloads and profiles are data: what they publish, how they are selected, and how long they take."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.comparison import MIN_SEARCHES
from generator.statistics import MIN_ROUNDS
from runners import contract
from runners.loadgen.job import OVER_SSE, Exchange
from runners.loadgen.pace import Closed, Open, PushOnly
from runners.loading.job_building import build_job, count_shards
from runners.record import UsageError
from runners.record.parameters import WORDINGS, parameter_in_words, without_rates
from runners.subjects import profiles, workloads
from runners.subjects.profiles import PROFILES
from runners.subjects.scenarios import ENDPOINTS, EVERY_PROFILE, PUBLISHED_PARAMETERS, Scenario
from runners.subjects.workloads import CAPACITY, DASHBOARD, ECHO, HANDLER, PUBLISH, ROOM, WORKLOADS

SCENARIOS = [scenario for workload in WORKLOADS.values() for scenario in workload.scenarios]
PUBLISHED = {
    "echo/closed": {"mode": "closed", "connections": 100, "payload_bytes": 64, "server_cores": 1},
    "echo/open": {"mode": "open", "connections": 100, "payload_bytes": 64, "rate_per_s": 1000, "server_cores": 1},
    "dashboard/open": {"users": 100, "updates_per_user_per_s": 1, "snapshots_per_s": 5, "server_cores": 1},
    "crowd/users-1000": {"users": 1000, "updates_per_user_per_s": 1, "server_cores": 1},
    "crowd/users-10000": {"users": 10000, "updates_per_user_per_s": 0.1, "server_cores": 1},
    "room/closed-10": {"mode": "closed", "members": 10, "payload_bytes": 64, "under_way": 10, "server_cores": 1},
    "room/open-1000": {
        "mode": "open",
        "members": 1000,
        "payload_bytes": 64,
        "deliveries_per_s": 1500,
        "server_cores": 1,
    },
    "polling/workers-2": {"mode": "closed", "connections": 100, "payload_bytes": 64, "workers": 2},
    "sse/open": {"viewers": 100, "snapshots_per_s": 5, "server_cores": 1},
    "connect/ramp": {"clients": 1000, "at_once": 8, "server_cores": 1},
    "payload/binary-65536": {
        "mode": "closed",
        "connections": 10,
        "payload_bytes": 65536,
        "payload_kind": "binary",
        "server_cores": 1,
    },
    "scaleout/workers-4": {"mode": "closed", "members": 100, "workers": 4, "payload_bytes": 64, "under_way": 10},
    "slow-consumer/open": {"members": 20, "deaf": 1, "payload_bytes": 16384, "rate_per_s": 50, "server_cores": 1},
    "recovery/open": {"users": 100, "messages_per_user_per_s": 1, "server_cores": 1},
    "capacity/rate": {
        "search": "rate",
        "connections": 100,
        "payload_bytes": 64,
        "p99_limit_ms": 100,
        "server_cores": 1,
    },
    "capacity/users": {"search": "users", "updates_per_user_per_s": 1, "p99_limit_ms": 100, "server_cores": 1},
    "load/echo-50": {"mode": "open", "connections": 100, "payload_bytes": 64, "load_percent": 50, "server_cores": 1},
    "load/room-rate": {
        "search": "room-rate",
        "members": 100,
        "payload_bytes": 64,
        "p99_limit_ms": 100,
        "server_cores": 1,
    },
    "load/room-80": {"mode": "open", "members": 100, "payload_bytes": 64, "load_percent": 80, "server_cores": 1},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_published_as_they_always_were(name: str) -> None:
    """Key for key, in order, and whole numbers as integers: cells are recognised by them."""
    slug, _, kind = name.partition("/")
    (scenario,) = (one for one in WORKLOADS[slug].scenarios if one.kind == kind)
    assert repr(scenario.parameters) == repr(PUBLISHED[name])


def test_what_a_session_check_costs_is_seen_beside_the_same_clients_without_one() -> None:
    with_one, without = (
        next(one for one in HANDLER.scenarios if one.kind == kind) for kind in ("session", "no-session")
    )
    assert (with_one.path, without.path) == ("/session", "/echo")
    assert replace(without, exchange="session", name="session") == with_one
    assert {**without.parameters, "session": "looked-up"} == with_one.parameters != without.parameters


def test_every_scenario_publishes_what_sets_it_apart() -> None:
    """The number of clients and of cores, and whatever is not as usual."""
    for scenario in SCENARIOS:
        shown = scenario.parameters
        cores = ("server_cores", "workers")
        assert next(shown[name] for name in cores if name in shown) == scenario.server_cores
        usual = {"workers": 1, "deaf": 0, "rooms": 1, "payload_kind": "text", "under_way": 1}
        actual = {
            "workers": scenario.workers,
            "deaf": scenario.paused_readers,
            "rooms": scenario.rooms,
            "payload_kind": scenario.payload_kind,
            "under_way": scenario.in_flight,
        }
        assert {name: shown.get(name, value) for name, value in usual.items()} == actual
        assert "payload_bytes" in shown or scenario.payload_bytes == ECHO.scenarios[0].payload_bytes
        if scenario.target is not None:
            assert shown["p99_limit_ms"] == scenario.target.settings.p99_limit_ms
            continue
        clients = ("connections", "users", "members", "viewers", "clients", "streams")
        assert [shown[name] for name in clients if name in shown] == [scenario.connections]
        if scenario.stream is not None:
            asked = (scenario.stream.chunks, scenario.stream.chunks_per_s, scenario.stream.together)
            names = ("chunks", "chunks_per_stream_per_s", "streams_together")
            assert tuple(shown[name] for name in names) == asked
            assert scenario.rate_per_s * scenario.stream.seconds == scenario.connections, "so many at any time"
        if (second := scenario.second) is not None:
            assert (shown["work"], shown["work_per_s"]) == (second.handler, second.rate_per_s)
            assert shown.get("work_ms") == (None if second.handler == "echo" else 1000 * second.work_s)
        if scenario.departures is not None and scenario.departures.away_s:
            assert (shown["cut"], shown["cut_every_s"], shown["away_s"]) == astuple(scenario.departures)
        if scenario.stream is None and isinstance(scenario.pace, Open):
            rate_per_s, each = scenario.pace.rate_per_s, scenario.connections
            rates = {
                "rate_per_s": rate_per_s,
                "deliveries_per_s": rate_per_s * each,
                "updates_per_user_per_s": rate_per_s / each,
                "messages_per_user_per_s": rate_per_s / each,
            }
            published = rates.keys() & shown.keys()
            assert bool(published) == (scenario.share is None), "the rate of a share is not known before"
            assert {name: shown[name] for name in published} == {name: rates[name] for name in published}


@pytest.mark.parametrize("one", PUBLISH.scenarios, ids=lambda one: one.kind)
def test_to_the_load_generator_publishing_is_a_room(one: Scenario) -> None:
    job = build_job(one, url="ws://host:1", protocol="websocket", serializer="json", profile=PROFILES["quick"], seed=1)
    assert (job.exchange, one.receivers) == ("room", one.connections)
    assert count_shards(one.spoken, one.connections, cores=8) == 1


def test_every_published_parameter_has_a_value_and_a_wording() -> None:
    varied_by_runs, only_in_older_results = {"python", "topology"}, {"cores_at_most"}
    assert WORDINGS.keys() - PUBLISHED_PARAMETERS.keys() == varied_by_runs | only_in_older_results
    assert PUBLISHED_PARAMETERS.keys() <= WORDINGS.keys()
    for scenario in SCENARIOS:
        for name, value in scenario.parameters.items():
            words = parameter_in_words(name, value)
            assert words
            assert not words.startswith(name.replace("_", " ")), f"{name}={value} has no wording"


def test_parameters_in_words() -> None:
    assert parameter_in_words("connections", 1_000) == "1,000 connections"
    assert parameter_in_words("connections", 1) == "1 connection"
    assert parameter_in_words("p99_limit_ms", 20) == "p99 below 20 ms"
    assert parameter_in_words("mode", "open") == "fixed rate"
    assert parameter_in_words("mode", "ajar") == "mode ajar"
    assert parameter_in_words("queue_depth", 5) == "queue depth 5"
    assert parameter_in_words("search", 3) == "search 3"


def test_a_parameter_of_a_search_needs_one() -> None:
    with pytest.raises(ValueError, match="only a scenario with a search"):
        _ = replace(ECHO.scenarios[0], publishes=("search",)).parameters


@pytest.mark.parametrize("pace", [Closed(), PushOnly()])
@pytest.mark.parametrize("name", ["rate_per_s", "deliveries_per_s", "updates_per_user_per_s"])
def test_a_rate_needs_an_open_loop(pace: Closed | PushOnly, name: str) -> None:
    with pytest.raises(ValueError, match="only an open loop has a rate"):
        _ = replace(ECHO.scenarios[0], pace=pace, publishes=(name,)).parameters


def test_scenarios_are_consistent() -> None:
    assert set(ENDPOINTS) == set(get_args(Exchange))
    assert set(PROFILES) == EVERY_PROFILE
    for endpoint in ENDPOINTS.values():
        assert endpoint.readiness | endpoint.recheck <= set(contract.CHECKS)
    for scenario in SCENARIOS:
        assert scenario.further_checks <= set(contract.CHECKS)
        assert scenario.profiles <= set(PROFILES)
        assert scenario.server_cores >= scenario.workers
        assert scenario.varies_workers == ("workers" in scenario.publishes)
        assert isinstance(scenario.pace, PushOnly) == (scenario.exchange == "events")
        assert (scenario.exchange in OVER_SSE) == (scenario.transport == "sse")
        assert (scenario.stream is not None) == scenario.exchange.startswith("stream")
        assert (scenario.latency_kind == "service_time") == isinstance(scenario.pace, Closed)


def test_a_mode_and_a_rate_follow_from_the_pace() -> None:
    def of(pace: Closed | Open | PushOnly) -> Scenario:
        return replace(ECHO.scenarios[0], pace=pace)

    assert (of(Closed(3)).mode, of(Closed(3)).in_flight) == ("closed", 3)
    assert (of(Open(5.0)).mode, of(Open(5.0)).rate_per_s, of(Open(5.0)).in_flight) == ("open", 5.0, 1)
    assert of(PushOnly()).mode == "open"


def test_the_open_loop_of_rooms_makes_the_same_number_of_deliveries() -> None:
    open_ones = [scenario for scenario in ROOM.scenarios if scenario.mode == "open"]
    assert {scenario.rate_per_s * scenario.connections for scenario in open_ones} == {1_500}
    assert [scenario.connections for scenario in open_ones] == [10, 100, 1000]


def test_no_two_scenarios_of_a_workload_share_a_name_or_all_parameters() -> None:
    for workload in WORKLOADS.values():
        assert len(workload.kinds) == len(workload.scenarios)
        assert len({tuple(scenario.parameters.items()) for scenario in workload.scenarios}) == len(workload.scenarios)


def test_a_search_applies_its_load_as_the_echo_and_the_dashboard_would() -> None:
    rate, users = (scenario.at(300) for scenario in CAPACITY.scenarios)
    fixed = next(scenario for scenario in ECHO.scenarios if scenario.mode == "open")

    def load(scenario: Scenario) -> Scenario:
        return replace(scenario, publishes=(), profiles=frozenset(), slice_s=0.0)

    assert load(rate) == load(replace(fixed, pace=Open(300.0)))
    (dashboard,) = DASHBOARD.scenarios
    assert load(users) == load(replace(dashboard, pace=Open(300.0), connections=300, push_period_s=1.0))
    with pytest.raises(ValueError, match="has a fixed load"):
        fixed.at(300)


def test_a_first_look_searches_nothing() -> None:
    assert workloads.quickstart_workloads() == [ECHO, DASHBOARD]


def test_how_long_and_how_often_a_search_takes() -> None:
    rate, users = CAPACITY.scenarios
    standard, full = PROFILES["standard"], PROFILES["full"]
    assert standard.rounds_of(ECHO.scenarios[0]) == standard.rounds
    assert standard.rounds_of(rate) == standard.rounds_of(users) == MIN_SEARCHES, "more only where that decides"
    assert full.rounds_of(rate) == full.rounds
    assert profiles.with_rounds(full, rounds=2).rounds_of(rate) == 2
    probe = standard.of_probe(rate.at(8_000))
    assert (probe.warmup_s, probe.duration_s) == (standard.probe_warmup_s, standard.probe_s)
    assert standard.of_probe(users.at(100)).duration_s * 100 >= 2_000, "enough messages for a p99"
    assert full.expected_s(rate) > standard.expected_s(rate) > standard.expected_s(ECHO.scenarios[0])


LONG = [PROFILES["standard"], PROFILES["full"]]
BY_NAME = {f"{slug}/{one.kind}": one for slug, workload in WORKLOADS.items() for one in workload.scenarios}


@pytest.mark.parametrize("profile", LONG, ids=lambda profile: profile.slug)
@pytest.mark.parametrize("name", [name for name, one in BY_NAME.items() if one.procedure == "window"])
def test_a_window_holds_enough_messages_pushes_and_withheld_data(name: str, profile: profiles.Profile) -> None:
    scenario = BY_NAME[name]
    window_s = profile.window_s(scenario)
    assert window_s >= profile.duration_s
    if isinstance(scenario.pace, Open):
        assert window_s * scenario.rate_per_s >= 60
    if scenario.push_period_s:
        assert window_s / scenario.push_period_s >= (60 if profile.slug in scenario.push_percentiles_in else 12)
    if scenario.paused_readers:
        assert window_s >= 60
        assert window_s * scenario.rate_per_s * scenario.payload_bytes >= 50e6, "for each paused reader"
    job = build_job(scenario, url="ws://h:1", protocol="websocket", profile=profile, seed=1)
    assert job.duration_s == window_s


def test_an_event_stream_has_its_own_address_also_beside_socketio() -> None:
    def url_of(name: str) -> str:
        return build_job(BY_NAME[name], url="ws://h:1", protocol="socket.io", profile=STANDARD, seed=1).url

    assert (url_of("sse/open"), url_of("dashboard/open")) == ("ws://h:1/events", "ws://h:1/")


def test_an_event_stream_is_plain_http_whatever_the_other_clients_speak() -> None:
    stream, dashboard = (
        build_job(
            BY_NAME[name], url="ws://h:1", protocol="socket.io", serializer="msgpack", profile=PROFILES["quick"], seed=1
        )
        for name in ("sse/open", "dashboard/open")
    )
    assert (stream.url, stream.protocol, stream.serializer) == ("ws://h:1/events", "websocket", "json")
    assert (dashboard.url, dashboard.protocol, dashboard.serializer) == ("ws://h:1/", "socket.io", "msgpack")


def test_only_the_profile_full_waits_for_the_pushes_of_a_crowd() -> None:
    """Others wait for its updates, of which sixty take a moment."""
    crowd, dashboard = BY_NAME["crowd/users-1000"], BY_NAME["dashboard/open"]
    standard, full = PROFILES["standard"], PROFILES["full"]
    assert (standard.window_s(crowd), full.window_s(crowd)) == (12.0, 60.0)
    assert standard.window_s(crowd) / crowd.push_period_s < 40, "no percentile of so few"
    assert standard.window_s(dashboard) == max(standard.duration_s, 12.0)
    rare = replace(crowd, pace=Open(2.0))
    assert standard.window_s(rare) == 30.0, "as long as the messages need"


@pytest.mark.parametrize("name", BY_NAME)
def test_no_two_scenarios_differ_in_rates_alone(name: str) -> None:
    """By all other parameters pages recognise a scenario whose rate changed from one version to the next."""
    own = without_rates(BY_NAME[name].parameters)
    slug, _, kind = name.partition("/")
    others = [one for one in WORKLOADS[slug].scenarios if one.kind != kind]
    assert own not in [without_rates(one.parameters) for one in others]


@given(st.floats(0.0, 1e6))
def test_the_window_of_a_closed_loop_grows_with_the_time_that_its_messages_take(messages_per_s: float) -> None:
    standard, quick = PROFILES["standard"], PROFILES["quick"]
    closed, fixed = ECHO.scenarios
    window_s = standard.window_at_s(closed, messages_per_s)
    assert standard.duration_s <= window_s <= profiles.LONGEST_CLOSED_S
    assert window_s * messages_per_s >= 59.99 or window_s == profiles.LONGEST_CLOSED_S or not messages_per_s
    assert standard.window_at_s(closed, 2 * messages_per_s) <= window_s or not messages_per_s
    assert standard.window_at_s(fixed, messages_per_s) == standard.window_s(fixed)
    assert quick.window_at_s(closed, messages_per_s) == quick.duration_s


def test_an_adaptive_profile_measures_everything_often_enough_for_a_rank() -> None:
    for profile in LONG:
        few = {name for name, one in BY_NAME.items() if profile.rounds_of(one) < profile.rounds}
        long = {
            "slow-consumer/open",
            "room/open-1000",
            "rooms/open",
            "capacity/rate",
            "capacity/users",
            "idle/idle",
            "jitter/reset",
            "jitter/silence",
            "soak/open",
        }
        assert few == (long if profile.slug == "standard" else set())
        assert profile.rounds >= max(MIN_ROUNDS, MIN_SEARCHES)
        assert profile.most_rounds is not None
        assert profile.most_rounds > profile.rounds
    assert PROFILES["quick"].most_rounds is None
    chosen = profiles.with_rounds(PROFILES["standard"], rounds=8)
    windows = [one for one in BY_NAME.values() if one.procedure == "window"]
    assert {chosen.rounds_of(one) for one in windows} == {8}, "whoever names a number gets it"
    assert chosen.most_rounds is None, "and no other round"


def test_a_quick_run_and_a_try_of_a_search_have_short_windows() -> None:
    quick, standard = PROFILES["quick"], PROFILES["standard"]
    assert {name: quick.window_s(one) for name, one in BY_NAME.items() if quick.window_s(one) > quick.duration_s} == {
        "rooms/open": 30.0,  # each member moves once
        "jitter/reset": 15.0,  # each member loses its network once
        "jitter/silence": 15.0,
        "soak/open": 30.0,  # a try
        "publish/http": 3.0,  # a median
        "publish/process": 3.0,
    }
    users = BY_NAME["capacity/users"].at(200)
    probe = standard.of_probe(users)
    assert probe.window_s(users) == probe.duration_s < 60


STANDARD = PROFILES["standard"]


def test_choosing() -> None:
    by_name_only = ["soak"]
    assert workloads.choose_workloads([], PROFILES["full"]) == [
        one for slug, one in WORKLOADS.items() if slug not in by_name_only
    ]
    ours = {slug for slug, one in WORKLOADS.items() if any("standard" in part.profiles for part in one.scenarios)}
    assert [workload.slug for workload in workloads.choose_workloads([], STANDARD)] == [
        slug for slug in WORKLOADS if slug in ours
    ]
    chosen = workloads.choose_workloads(["dashboard", "echo"], STANDARD)
    assert chosen == [WORKLOADS["echo"], WORKLOADS["dashboard"]]
    assert profiles.with_rounds(PROFILES["quick"], rounds=9).rounds == 9
    assert profiles.with_rounds(PROFILES["quick"]) == profiles.choose_profile("quick")


def test_unknown_names_offer_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown workload 'ecco': did you mean echo?"):
        workloads.choose_workloads(["echo", "ecco"], STANDARD)
    with pytest.raises(UsageError, match=r"unknown part of echo '': there are: closed, open"):
        workloads.choose_workloads(["echo/"], STANDARD)
    with pytest.raises(UsageError, match=r"unknown workload '': there are"):
        workloads.choose_workloads(["/closed"], STANDARD)
    with pytest.raises(UsageError, match=r"unknown profile 'quik': did you mean quick?"):
        profiles.choose_profile("quik")


def test_one_scenario_of_a_workload_is_no_other_version_of_it() -> None:
    (part,) = workloads.choose_workloads(["echo/closed"], STANDARD)
    assert [scenario.kind for scenario in part.chosen] == ["closed"]
    assert part.version == ECHO.version
    assert part.scenarios == ECHO.scenarios
    (both,) = workloads.choose_workloads(["echo/closed", "echo/open"], STANDARD)
    assert both.chosen == ECHO.scenarios
    (rate,) = workloads.choose_workloads(["capacity/rate"], STANDARD)
    assert [scenario.kind for scenario in rate.chosen] == ["rate"]
    with pytest.raises(UsageError, match="part of echo"):
        workloads.choose_workloads(["echo/ajar"], STANDARD)


def test_a_quick_run_leaves_out_what_takes_long() -> None:
    quick = PROFILES["quick"]
    chosen = {f"{one.slug}/{each.kind}" for one in workloads.choose_workloads([], quick) for each in one.chosen}
    scenarios = {f"{slug}/{each.kind}": each for slug, workload in WORKLOADS.items() for each in workload.scenarios}
    assert chosen == {name for name, each in scenarios.items() if "quick" in each.profiles}
    assert not chosen & {"capacity/rate", "capacity/users", "connect/ramp", "crowd/users-1000", "room/open-1000"}
    assert chosen >= {"echo/closed", "echo/open", "dashboard/open", "room/closed-100"}
    assert all(quick.expected_s(scenarios[name]) <= 5 for name in chosen), "none takes longer than a recovery"


def test_a_quick_run_has_one_size_of_each_load() -> None:
    for slug, workload in WORKLOADS.items():
        sizes = Counter(
            (type(one.pace), one.transport, one.exchange) for one in workload.scenarios if "quick" in one.profiles
        )
        assert set(sizes.values()) <= {1}, slug
