"""The app under Django's own AsyncClient, with its own view and with that of django-eventstream."""

import json
from collections.abc import AsyncIterator

import pytest
from app import background_tasks, snapshots, streams
from django.test import AsyncClient, override_settings

URLCONFS = ["app", "eventstream_app"]


@pytest.fixture(autouse=True)
async def stop_the_push() -> AsyncIterator[None]:
    yield
    streams.clear()
    while background_tasks:
        background_tasks.pop().cancel()


@pytest.mark.parametrize("urlconf", URLCONFS)
async def test_is_healthy(urlconf: str) -> None:
    with override_settings(ROOT_URLCONF=urlconf):
        response = await AsyncClient().get("/healthz")
    assert response.status_code == 200


@pytest.mark.parametrize("urlconf", URLCONFS)
async def test_events_carry_the_snapshots(urlconf: str) -> None:
    with override_settings(ROOT_URLCONF=urlconf):
        response = await AsyncClient().get("/events")
    assert response.headers["Content-Type"] == "text/event-stream"
    found: list[dict[str, object]] = []
    async for part in response.streaming_content:
        found += [json.loads(line[6:]) for line in part.decode().splitlines() if line.startswith("data: {")]
        if len(found) > 1:
            break
    await response.streaming_content.aclose()
    assert found[0]["type"] == "snapshot"
    assert found[1]["seq"] == found[0]["seq"] + 1


async def test_a_viewer_who_goes_is_forgotten() -> None:
    viewer = snapshots()
    assert json.loads((await anext(viewer)).removeprefix("data: "))["type"] == "snapshot"
    assert len(streams) == 1
    await viewer.aclose()
    assert not streams
