"""The plan of a run: cells in shuffled rounds, parts and their durations, and lots for jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners import machine
from runners.campaign import planning
from runners.campaign.planning import PlanPart, split_into_lots
from runners.campaign.run_document import key_of
from runners.loadgen.pace import Open
from runners.record import MOST_SEARCHES, NothingToDoError, UsageError, parameter_in_words
from runners.subjects import catalog, profiles, versions, workloads
from runners.subjects.profiles import PROFILES
from runners.subjects.scenarios import LONG_PROFILES, Scenario, Workload
from runners.subjects.workloads import WORKLOADS

durations = st.lists(
    st.tuples(st.sampled_from(["echo", "room", "payload", "connect"]), st.floats(1, 9000)), min_size=1, max_size=20
)


@given(durations)
def test_lots_hold_every_part_once_and_keep_the_limit(listed: list[tuple[str, float]]) -> None:
    listed.sort(key=lambda one: one[0])
    parts = [
        PlanPart(slug, str(index), 1, 1, seconds, seconds, 1, seconds, seconds)
        for index, (slug, seconds) in enumerate(listed)
    ]
    lots = split_into_lots(parts, limit_s=10_000)
    assert sorted((part for lot in lots for part in lot), key=parts.index) == parts
    for lot in lots:
        assert len(lot) == 1 or sum(part.expected_s for part in lot) <= 10_000
    for slug in {part.workload for part in parts}:
        mine = [part for part in parts if part.workload == slug]
        if sum(part.expected_s for part in mine) <= 10_000:
            assert sum(any(part.workload == slug for part in lot) for lot in lots) == 1, "a workload that fits is whole"


def test_the_parts_of_the_plan_of_everything_add_up() -> None:
    profile = PROFILES["standard"]
    plan = planning.plan_run(catalog.discover(), workloads.choose_workloads([], profile), profile, 1)
    parts = plan.parts()
    assert sum(part.measurements for part in parts) == plan.measurements
    assert sum(part.first_s for part in parts) == pytest.approx(plan.expected_s())
    assert sum(part.expected_s for part in parts) == pytest.approx(plan.forecast.expected_s)
    assert sum(part.worst_s for part in parts) == pytest.approx(plan.forecast.worst_s)
    assert all(part.first_s <= part.expected_s <= part.worst_s for part in parts)
    assert all(0 < part.load_s < part.expected_s for part in parts)
    assert plan.measurements == sum(profile.rounds_of(cell.scenario) for cell in plan.cells)
    assert {part.workload for part in parts} == {
        slug for slug, one in WORKLOADS.items() if any("standard" in part.profiles for part in one.scenarios)
    }
    for part in parts:
        (chosen,) = workloads.choose_workloads([part.name], profile)
        assert chosen.only == {part.kind} or len(chosen.scenarios) == 1


def test_a_run_on_several_versions_of_python_asks_each_the_same() -> None:
    profile = PROFILES["quick"]
    chosen = workloads.choose_workloads(["echo"], profile)
    usual = planning.plan_run(catalog.discover(), chosen, profile, 1)
    both = planning.plan_run(catalog.discover(), chosen, profile, 1, pythons=["", "3.13"])
    assert both.cells[::2] == usual.cells
    assert both.cells[1::2] == tuple(cell.under("3.13", "direct") for cell in usual.cells)
    assert all(cell.variant.python == cell.scenario.parameters.get("python", "") for cell in both.cells)
    assert [part.name for part in both.parts()] == [part.name for part in usual.parts()]
    assert both.expected_s() == pytest.approx(2 * usual.expected_s())
    groups = [{both.cells[index].variant.python for index in group} for group in both.groups(both.order[0])]
    assert sorted(map(sorted, groups)) == sorted([*[[""]] * (len(groups) // 2), *[["3.13"]] * (len(groups) // 2)])
    assert parameter_in_words("python", "3.13") == "Python 3.13"


def test_a_run_through_proxies_requests_the_same_through_each() -> None:
    profile = PROFILES["quick"]
    chosen = workloads.choose_workloads(["echo"], profile)
    usual = planning.plan_run(catalog.discover(), chosen, profile, 1)
    plan = planning.plan_run(
        catalog.discover(), chosen, profile, 1, pythons=["", "3.13"], topologies=["direct", "nginx", "haproxy"]
    )
    assert plan.measurements == 6 * usual.measurements
    assert len(set(map(key_of, plan.cells))) == len(plan.cells)
    assert plan.cells[::6] == usual.cells
    assert all(cell.variant.topology == cell.scenario.parameters.get("topology", "direct") for cell in plan.cells)
    assert parameter_in_words("topology", "haproxy") == "through HAProxy"


def test_variants_without_tls_of_their_own_are_left_out_and_named() -> None:
    profile = PROFILES["quick"]
    chosen = workloads.choose_workloads(["echo"], profile)
    known = catalog.choose_frameworks(["starlette/uvicorn", "aiohttp/aiohttp"])
    without = [
        framework.model_copy(update={"variants": [one.model_copy(update={"tls": None}) for one in framework.variants]})
        for framework in known[:1]
    ]
    plan = planning.plan_run([*without, *known[1:]], chosen, profile, 1, topologies=["tls", "nginx-tls"])
    left_out = without[0].slug
    assert {cell.variant.topology for cell in plan.cells if cell.framework.slug == left_out} == {"nginx-tls"}
    assert {cell.variant.topology for cell in plan.cells if cell.framework.slug != left_out} == {"tls", "nginx-tls"}
    (sentence,) = plan.not_measured
    assert sentence.startswith(f"{left_out}/")
    assert "over TLS: its server has no TLS of its own; use --topology nginx-tls" in sentence
    with pytest.raises(NothingToDoError, match="no TLS of its own"):
        planning.plan_run(without, chosen, profile, 1, topologies=["tls"])


def test_compression_is_offered_where_there_are_messages_over_websocket() -> None:
    profile = PROFILES["quick"]
    plan = planning.plan_run(
        catalog.discover(),
        workloads.choose_workloads(["echo", "polling", "sse"], profile),
        profile,
        1,
        topologies=["direct", "deflate"],
    )
    topologies: dict[str, set[str]] = {}
    for cell in plan.cells:
        topologies.setdefault(cell.scenario.transport, set()).add(cell.variant.topology)
    assert topologies == {"websocket": {"direct", "deflate"}, "polling": {"direct"}, "sse": {"direct"}}
    assert parameter_in_words("topology", "deflate") == "with compression offered"
    polling = workloads.choose_workloads(["sse"], profile)
    with pytest.raises(NothingToDoError, match="do not use the transport that deflate concerns"):
        planning.plan_run(catalog.discover(), polling, profile, 1, topologies=["deflate"])


def test_every_part_of_a_standard_run_fits_into_a_job() -> None:
    profile = PROFILES["standard"]
    plan = planning.plan_run(catalog.discover(), workloads.choose_workloads([], profile), profile, 1)
    for lot in split_into_lots(plan.parts()):
        assert sum(part.expected_s for part in lot) <= planning.JOB_S or len(lot) == 1
        assert sum(part.first_s for part in lot) <= planning.JOB_S, "further rounds end with the time of the job"


def test_a_quick_run_of_everything_is_quick_and_mostly_load() -> None:
    """By the plan; what it really takes is measured."""
    profile = PROFILES["quick"]
    everything = catalog.discover()
    headlines = [one.model_copy(update={"variants": [one.headline]}) for one in everything if one.headline]
    chosen = workloads.choose_workloads([], profile)
    assert planning.plan_run(headlines, chosen, profile, 1).expected_s() < 24 * len(headlines)
    plan = planning.plan_run(everything, chosen, profile, 1)
    assert plan.expected_s() < 24 * sum(len(framework.variants) for framework in everything)
    assert plan.load_s() > 0.6 * plan.expected_s()
    planned = {cell.workload.slug for cell in plan.cells}
    assert planned == set(WORKLOADS) - {
        "capacity",
        "crowd",
        "deploy",
        "handler",
        "idle",
        "jitter",
        "load",
        "rooms",
        "slow-consumer",
        "soak",
        "stream",
    }


def test_a_forecast_has_further_rounds_of_the_headline_variants_only() -> None:
    profile = PROFILES["standard"]
    names = ["echo/closed", "connect/storm", "capacity/rate"]
    plan = planning.plan_run(catalog.discover(), workloads.choose_workloads(names, profile), profile, 1)
    forecast, rounds = plan.forecast, (profile.most_rounds or 0) - profile.rounds
    for index in plan.comparable:
        cell = plan.cells[index]
        assert cell.framework.reference or cell.variant.headline
        assert cell.scenario.target is None, "a search is repeated a few times only"
    assert forecast.first_s == plan.expected_s()
    assert forecast.further_s == pytest.approx(sum(profile.expected_s(plan.cells[i].scenario) for i in plan.comparable))
    searches = [
        cell for cell in plan.cells if cell.scenario.target and (cell.framework.reference or cell.variant.headline)
    ]
    search_s = sum(profile.expected_s(cell.scenario) for cell in searches)
    most_s = rounds * forecast.further_s + (MOST_SEARCHES - profile.rounds_of(searches[0].scenario)) * search_s
    assert forecast.expected_s == pytest.approx(forecast.first_s + profile.usual_share * most_s)
    assert forecast.worst_s == pytest.approx((forecast.first_s + most_s) * (1 + profile.spare))
    limited = plan.within(forecast.first_s + 60).forecast
    assert (limited.first_s, limited.expected_s) == (forecast.first_s, forecast.first_s + 60)
    assert plan.within(60).forecast.expected_s == forecast.first_s, "the rounds of everything are always measured"


def test_a_given_number_of_rounds_is_measured_of_everything_and_no_more() -> None:
    profile = PROFILES["standard"]
    given = profiles.with_rounds(profile, rounds=profile.rounds)
    short, search = ["echo/closed", "connect/storm"], ["capacity/rate"]
    for names in (short, search):
        asked = workloads.choose_workloads(names, profile)
        adaptive, fixed = (planning.plan_run(catalog.discover(), asked, one, 1) for one in (profile, given))
        assert fixed.limits is None
        assert fixed.within(60) == fixed
        assert {len(turn) for turn in fixed.order} == {len(fixed.cells)}
        assert len(fixed.order) == profile.rounds
        assert (fixed.order == adaptive.order) == (names is short), "an adaptive run has fewer first rounds of searches"
        assert fixed.forecast.expected_s == fixed.expected_s() >= adaptive.forecast.first_s


@pytest.mark.parametrize("is_narrowed", [False, True])
def test_the_reference_is_once_in_each_scenario_whichever_of_its_variants_can_run_it(is_narrowed: bool) -> None:
    profile = PROFILES["full"]
    known = catalog.discover()
    chosen = planning.with_reference(planning.headline_only(known, []) if is_narrowed else known, known)
    plan = planning.plan_run(chosen, workloads.choose_workloads([], profile), profile, 1)
    found: dict[str, list[str]] = {}
    for cell in plan.cells:
        if cell.framework.reference:
            found.setdefault(f"{cell.workload.slug}/{cell.scenario.kind}", []).append(cell.variant.slug)
    assert [name for name, slugs in found.items() if len(slugs) > 1] == []
    outside = {name for name, slugs in found.items() if slugs == ["outside"]}
    assert outside == {"publish/http", "handler/session"}
    assert {"echo/closed", "room/closed-10", "connect/storm", "handler/stall-inline"} <= found.keys() - outside


def test_without_a_headline_variant_all_variants_of_a_framework_are_compared() -> None:
    profile = PROFILES["standard"]
    flask = next(framework for framework in catalog.discover() if len(framework.variants) > 2)
    others = flask.model_copy(update={"variants": [one for one in flask.variants if not one.headline]})
    plan = planning.plan_run([others], workloads.choose_workloads(["echo/closed"], profile), profile, 1)
    assert plan.comparable == tuple(range(len(plan.cells)))


def test_what_a_profile_leaves_out_can_be_named() -> None:
    quick = PROFILES["quick"]
    (room,) = workloads.choose_workloads(["room/open-1000"], quick)
    assert room.only == {"open-1000"}
    (capacity,) = workloads.choose_workloads(["capacity"], quick)
    assert capacity.only == frozenset()


def test_parts_of_several_rounds(tmp_path: Path) -> None:
    profile = profiles.with_rounds(PROFILES["standard"], rounds=4)
    (reference,) = (framework for framework in catalog.discover() if framework.reference)
    plan = planning.plan_run(
        [reference], workloads.choose_workloads(["echo/closed", "capacity/rate"], profile), profile, 1
    )
    assert [(part.name, part.variants, part.measurements) for part in plan.parts()] == [
        ("echo/closed", 1, 4),
        ("capacity/rate", 1, 4),
    ]


def test_a_workload_on_an_existing_exchange_is_one_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is planned for every variant that has what it needs, has a version, and its parameters are worded."""
    scenario = Scenario(
        "room", connections=50, pace=Open(5.0), publishes=("members", "rate_per_s"), profiles=LONG_PROFILES
    )
    quiet = Workload("quiet-room", "Quiet room", "How long does a rare message take?", "50 members.", (scenario,))
    monkeypatch.setitem(WORKLOADS, quiet.slug, quiet)
    profile = PROFILES["standard"]
    plan = planning.plan_run(catalog.discover(), workloads.choose_workloads(["quiet-room"], profile), profile, 1)
    with_rooms = {
        (framework.slug, variant.slug)
        for framework in catalog.discover()
        for variant in framework.variants
        if "room" in framework.exchanges_of(variant) and variant.only is None
    }
    assert {(cell.framework.slug, cell.variant.slug) for cell in plan.cells} == with_rooms
    assert quiet in workloads.choose_workloads([], profile)
    assert quiet not in workloads.choose_workloads([], PROFILES["quick"])
    words = [parameter_in_words(name, value) for name, value in scenario.parameters.items()]
    assert words == ["50 members", "5 messages/s"]
    assert quiet.facts().version == quiet.version
    assert versions.problem_with(quiet.slug, quiet.definition) is None


def test_a_scenario_is_left_out_where_its_server_has_too_few_cores() -> None:
    profile = PROFILES["standard"]
    chosen = workloads.choose_workloads(["scaleout", "polling/workers-2", "echo/closed"], profile)
    small = planning.plan_run(catalog.discover(), chosen, profile, 1, server_cores=1)
    assert {(part.name, part.rounds) for part in small.parts()} == {
        ("echo/closed", profile.rounds),
        ("scaleout/workers-1", profile.rounds),
    }
    assert {str(one) for one in small.left_out} == {
        f"{name} needs a larger machine: {cores} cores for the server, and this one has 1 besides the load generator's"
        for name, cores in {"scaleout/workers-2": 2, "scaleout/workers-4": 4, "polling/workers-2": 2}.items()
    }
    large = planning.plan_run(catalog.discover(), chosen, profile, 1, server_cores=4)
    assert large.left_out == ()
    assert large.cells == planning.plan_run(catalog.discover(), chosen, profile, 1).cells


def test_a_scenario_that_is_named_but_too_large_for_the_machine_is_refused() -> None:
    profile = PROFILES["standard"]
    names = ["echo/closed", "scaleout/workers-4"]
    plan = planning.plan_run(catalog.discover(), workloads.choose_workloads(names, profile), profile, 1, server_cores=1)
    with pytest.raises(UsageError, match="scaleout/workers-4 needs a larger machine: 4 cores for the server, and this"):
        planning.check_complete(plan, [], names)
    (only,) = workloads.choose_workloads(["scaleout/workers-4"], profile)
    with pytest.raises(NothingToDoError, match="needs a larger machine"):
        planning.plan_run(catalog.discover(), [only], profile, 1, server_cores=3)


@given(cores=st.integers(1, 64))
def test_a_machine_gives_a_server_all_cores_but_one(cores: int) -> None:
    topology = [[number] for number in range(cores)]
    assert machine.cores_for_server(topology) == max(1, cores - 1)
    share = machine.share_cores(machine.cores_for_server(topology), topology, pinnable=True)
    assert share.note is None or cores == 1
