"""Results of a setup that the folder does not have any more are marked, and what it ran on is told as far as known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import synthetic
from generator.dataset import Dataset, Source, load_results, load_sources
from generator.dataset.sources import VariantSetup
from generator.pages import make_site
from generator.pages.current_setups import CurrentSetups
from runners.record import VariantFacts, is_same_setup
from runners.subjects import catalog


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("setups")
    chosen = tuple(made for made in synthetic.VARIANTS if made.variant in {"picows", "uvicorn", "threading"})
    synthetic.write(folder, rounds=3, seconds=2, variants=chosen, searches=False)
    return load_results(folder)


def measured(dataset: Dataset) -> VariantFacts:
    found = next(one for one in dataset.runs[0].frameworks if one.document.framework.slug == "fastapi")
    return found.document.variants[0]


def site_of(dataset: Dataset, setups: dict[str, VariantSetup]) -> dict[str, str]:
    sources = {"fastapi": Source("fastapi", "FastAPI", (), None, headline="uvicorn", setups=setups)}
    return {page.path: page.text() for page in make_site(dataset, sources).pages}


PAGES = (
    "index.md",
    "dimensions/performance.md",
    "tests/echo.md",
    "frameworks/fastapi.md",
    "compare/fastapi-vs-flask-socketio.md",
)


@pytest.mark.parametrize(
    ("change", "is_marked"),
    [
        ({}, False),
        ({"command": "hypercorn app:app --bind {host}:{port}"}, True),
        ({"broker": "redis"}, True),
        (None, True),
    ],
    ids=["the same", "another command", "another broker", "gone"],
)
def test_results_of_an_older_setup_are_marked(dataset: Dataset, change: dict[str, str] | None, is_marked: bool) -> None:
    facts = measured(dataset)
    today = replace(VariantSetup(facts.command, facts.broker), **change or {})
    pages = site_of(dataset, {"uvicorn" if change is not None else "other": today})
    for path in ("tests/echo.md", "frameworks/fastapi.md"):
        assert ("older setup</" in pages[path]) is is_marked, path
    for path in PAGES:
        assert ("older setup</a> than today’s" in pages[path]) is is_marked, path
    if change is None:
        assert "The variant is not measured any more." in pages["frameworks/fastapi.md"]
    elif "command" in change:
        assert change["command"] in pages["frameworks/fastapi.md"]


def test_nothing_is_older_where_the_folder_is_not_known(dataset: Dataset) -> None:
    pages = site_of(dataset, {})
    assert not any("older setup" in pages[path] for path in PAGES)


@pytest.mark.parametrize(
    ("command", "other", "is_same"),
    [
        ("uvicorn app:app --port {port}", "uvicorn app:app --port {port} --workers {workers}", True),
        ("litestar run --web-concurrency {workers}", "litestar run", True),
        ("gunicorn app:app --workers={workers}", "gunicorn app:app", True),
        ("uvicorn app:app", "uvicorn app:app --timeout-graceful-shutdown 1", True),
        ("hypercorn app:app --graceful-timeout=1", "hypercorn app:app", True),
        ("gunicorn app:app --worker-tmp-dir /dev/shm", "gunicorn app:app", True),
        ("hypercorn app:app --worker-class uvloop", "hypercorn app:app", False),
        ("gunicorn app:app --threads 100", "gunicorn app:app --threads 2000", False),
        ("python app.py", "python -m socketify app:run", False),
        ("", "python app.py", False),
    ],
)
def test_what_makes_another_setup(command: str, other: str, is_same: bool) -> None:
    assert is_same_setup(command, other) is is_same
    assert is_same_setup(other, command) is is_same
    assert is_same_setup(command, command)


def test_the_folders_of_today_are_no_older_setups() -> None:
    """The same command is read on both sides, from the folder and into a result."""
    sources = load_sources(catalog.FRAMEWORKS)
    for framework in catalog.discover():
        for variant in framework.variants:
            setup = sources[framework.slug].setups[variant.slug]
            assert (setup.command, setup.broker, setup.loop) == (
                " ".join(variant.command),
                variant.broker,
                variant.loop,
            )


@pytest.mark.parametrize(
    ("recorded", "today", "packages", "known"),
    [
        ("asyncio", "uvloop", ["uvloop"], "asyncio"),
        (None, "asyncio", [], "asyncio"),
        (None, "uvloop", ["uvloop"], "uvloop"),
        (None, "uvloop", [], None),
        (None, None, [], None),
    ],
)
def test_the_loop_of_older_results_is_told_as_far_as_known(
    dataset: Dataset, recorded: str | None, today: str | None, packages: list[str], known: str | None
) -> None:
    facts = measured(dataset).model_copy(update={"loop": recorded, "packages": dict.fromkeys(packages, "1")})
    setup = VariantSetup(facts.command, facts.broker, today)
    setups = CurrentSetups({"fastapi": {facts.slug: setup}})
    assert setups.loop_of(facts, "fastapi") == known
    other = CurrentSetups({"fastapi": {facts.slug: replace(setup, command="another")}})
    assert other.loop_of(facts, "fastapi") == recorded


def test_a_loop_that_is_not_known_is_said_to_be_so(dataset: Dataset, tmp_path: Path) -> None:
    facts = measured(dataset)
    assert facts.loop is None
    page = site_of(dataset, {})["tests/echo.md"]
    assert "loop not recorded" in page
    page = site_of(dataset, {"uvicorn": VariantSetup(facts.command, facts.broker, "asyncio")})["frameworks/fastapi.md"]
    assert "asyncio<small>not recorded; by today’s folder</small>" in page
