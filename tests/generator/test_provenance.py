"""Where the values of a page are from: which runs, when, and which of them are by an older definition."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from benchmarks import synthetic
from generator.dataset import Run, load_results
from generator.pages.markup import make_environment

TEMPLATE = '{% import "parts.html" as parts with context %}{{ parts.provenance(runs, link) }}'
TODAY, OLD = "0" * 12, "1" * 12


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("provenance")
    chosen = tuple(made for made in synthetic.VARIANTS if made.variant in {"picows", "uvicorn"})
    synthetic.write(folder, rounds=2, seconds=1, variants=chosen, searches=False, only=("echo",))
    return load_results(folder).runs[0]


def measuring(run: Run, number: int, versions: dict[str, str]) -> Run:
    """A run of these workloads, each by a version of its own."""
    (echo,) = run.document.workloads
    workloads = [
        echo.model_copy(update={"slug": slug, "title": slug.title(), "version": version})
        for slug, version in versions.items()
    ]
    return replace(run, document=run.document.model_copy(update={"id": f"run-{number}", "workloads": workloads}))


def told(run: Run, *versions: dict[str, str]) -> str:
    """The words about runs of these workloads."""
    slugs = {slug for one in versions for slug in one}
    environment = make_environment(current_versions=dict.fromkeys(slugs, TODAY))
    runs = [measuring(run, number, one) for number, one in enumerate(versions)]
    html = environment.from_string(TEMPLATE).render(runs=runs, link=str)
    return " ".join(re.sub(r"<(?!/?details)[^>]+>", " ", html).split()).replace(" ;", ";").replace(" ,", ",")


def test_a_few_runs_are_listed_and_many_are_folded(run: Run) -> None:
    few = told(run, *[{"echo": TODAY}] * 3)
    assert "in 3 runs: echo (profile" in few
    assert "<details" not in few
    many = told(run, *[{"echo": TODAY}] * 4)
    assert "in 4 runs ·" in many
    assert many.count("echo (profile") == 4
    assert many.index("<details") < many.index("echo (profile")


@pytest.mark.parametrize(
    ("versions", "says"),
    [
        ([{"echo": TODAY}], ""),
        ([{"echo": OLD}], "; all by an older definition"),
        ([{"echo": OLD, "room": TODAY}], "; Echo by an older definition"),
        ([{"echo": OLD}, {"echo": TODAY}], "; a part of Echo by an older definition"),
        ([{"echo": OLD, "room": OLD}, {"echo": TODAY}], "; Room and a part of Echo by an older definition"),
        ([{**dict.fromkeys("abcd", OLD), "e": TODAY}], "; 4 of 5 tests by an older definition"),
    ],
)
def test_what_is_by_an_older_definition_is_told(run: Run, versions: list[dict[str, str]], says: str) -> None:
    assert told(run, *versions).partition("how it is measured")[2].strip().partition(" <details")[0] == says.strip()
