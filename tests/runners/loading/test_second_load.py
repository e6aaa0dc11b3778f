"""Two loads on one core: the second sleeps between its messages, and both are whole."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runners.loadgen.job import ClientOptions, Idling
from runners.loadgen.pace import Open
from runners.loading import driver
from runners.loading.job_building import build_job, second_job
from runners.loading.load_result import LoadResult
from runners.subjects.profiles import PROFILES
from runners.subjects.workloads import HANDLER
from tests.support.loading import job
from tests.support.servers import serving

pytestmark = pytest.mark.runs

SECONDS = 1.0
RATE_PER_S = 20.0


def loaded(url: str, idling: Idling) -> LoadResult:
    with driver.ShardGroup(1) as running:
        running.connect(job(url, "open", pace=Open(RATE_PER_S), idling=idling))
        running.load(SECONDS)
        return running.finish()


@pytest.mark.parametrize("idling", ["spin-yield", "sleep"])
def test_every_message_is_sent_and_answered_however_a_load_waits(idling: Idling) -> None:
    with serving() as server:
        found = loaded(server.url, idling)
    assert found.ledger.sent == found.ledger.received == RATE_PER_S * SECONDS
    assert sum(found.histograms["send_lag"].counts) == found.ledger.sent


def test_a_second_load_sleeps_between_its_messages() -> None:
    """It polls for less than a millisecond before each: twenty times, so 2 % of the time. A first one always polls."""
    with serving() as server:
        (sample,) = loaded(server.url, "sleep").samples
    assert sample.cpu_ns < sample.window_ns / 4
    assert sample.working_ns < sample.window_ns / 4, "sleeping is no work"


def test_both_run_at_once_and_each_has_its_own_messages() -> None:
    with serving() as server, driver.ShardGroup(1) as first, driver.ShardGroup(1) as second:
        first.connect(job(server.url, "open", idling="spin-yield"))
        second.connect(job(server.url, "open", pace=Open(RATE_PER_S), idling="sleep", first_client=100))
        second.rehearse(0.2)
        second.begin_load(SECONDS)
        first.load(SECONDS)
        second.end_load()
        results = [one.finish() for one in (first, second)]
        received = server.received
    sent = [one.ledger.sent for one in results]
    assert sent == [600, RATE_PER_S * SECONDS]
    assert [one.ledger.received for one in results] == sent
    assert received == sum(sent) + round(0.2 * RATE_PER_S), "what was sent in the rehearsal does not count"


@pytest.mark.parametrize(
    ("handler", "path", "event"),
    [("echo", "/echo", "echo"), ("work", "/work", "work"), ("work-inline", "/work-inline", "work_inline")],
)
def test_a_second_load_has_its_own_address_clients_and_times(handler: str, path: str, event: str) -> None:
    scenario = next(one for one in HANDLER.scenarios if one.second is not None and one.second.handler == handler)
    assert scenario.second is not None
    first = build_job(scenario, url="ws://h:1", protocol="websocket", profile=PROFILES["standard"], seed=5)
    second = second_job(first, scenario.second)
    assert (first.url, first.exchange, first.idling, first.client.event) == (
        "ws://h:1/echo",
        "echo",
        "spin-yield",
        "echo",
    )
    assert (second.url, second.exchange, second.idling, second.client.event) == (
        f"ws://h:1{path}",
        "echo",
        "sleep",
        event,
    )
    assert second.first_client == first.connections
    assert second.pace == Open(100.0, arrivals="poisson")
    assert second_job(replace(first, seed=6), scenario.second) == second, "the same times in every measurement"
    talking = build_job(scenario, url="ws://h:1", protocol="socket.io", profile=PROFILES["standard"], seed=5)
    assert second_job(talking, scenario.second).url == talking.url == "ws://h:1/"
    assert second_job(talking, scenario.second).client == ClientOptions(event=event)
