from __future__ import annotations

import ast
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import synthetic
from benchmarks.simulation import SETTINGS, simulate
from generator.dataset import Rates, load_rates
from generator.statistics import MANY_ROUNDS
from runners.record import with_own_end
from runners.subjects import catalog
from tests.support.modules import load_module

ROOT = Path(__file__).parents[2]
HOME = ROOT / "benchmarks" / "power"
FASTAPI = next(made for made in synthetic.VARIANTS if made.framework == "fastapi")
TWINS = tuple(
    replace(
        FASTAPI, framework="twins", title="Twins", variant=variant, rate=FASTAPI.rate / cost, headline=variant == "a"
    )
    for variant, cost in (("a", 1.0), ("b", 1.0), ("plus-2", 1.02), ("plus-3", 1.03))
)


power = load_module(HOME.with_suffix(".py"))
PLAN = power.Plan(comparisons=200, seed=1, tables=1)
"""Loaded by its path: a type checker takes ``benchmarks.power`` for the folder beside the module."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twins of which a round's log ratio strays by 1.7 %, in two runs of each profile."""
    folder = tmp_path_factory.mktemp("twins")
    runs = [(run, profile) for run in ("one", "two") for profile in power.PROFILE_NAMES]
    for seed, (run, profile) in enumerate(runs, start=4):
        synthetic.write(
            folder,
            run=f"{profile}-{run}",
            rounds=15,
            seconds=1,
            variants=TWINS,
            seed=seed,
            only=("echo",),
            profile=profile,
        )
    return folder


@pytest.fixture(scope="module")
def rates(recorded: Path) -> Rates:
    found = power.prove([recorded], PLAN)
    assert isinstance(found, Rates)
    return found


def test_the_rates_are_those_of_the_rounds(rates: Rates) -> None:
    assert rates.rounds == 60
    assert [(run.path, run.profile, run.rounds) for run in rates.runs] == [
        (f"2026-11-20/{profile}-{run}/run.yml", profile, 15)
        for profile in ("standard", "full")
        for run in ("one", "two")
    ]
    by_key = {(rate.twin, rate.profile, rate.figure, rate.expected): rate for rate in rates.rates}
    assert len(by_key) == len(rates.rates) == (3 + 1 + 1) * 2 * 2
    for rate in rates.rates:
        assert rate.rate == rate.right / rate.comparisons
        assert rate.low <= rate.rate <= rate.high
        assert rate.disjoint == 30 // rate.rounds
    throughput = "messages_per_s"
    assert by_key["b", "standard", throughput, "not different"].rate == 1
    assert by_key["b", "standard", throughput, "no order"].rate > 0.9
    assert by_key["b", "standard", throughput, "equal"].rate > 0.9
    found = [by_key[twin, "full", throughput, "worse"].rate for twin in ("plus-2", "plus-3")]
    assert found[0] < found[1]
    assert found[1] > 0.9
    assert by_key["plus-3", "standard", throughput, "worse"].target == 0.95
    assert by_key["plus-3", "full", throughput, "worse"].target is None


def test_the_differences_are_those_of_all_rounds(rates: Rates) -> None:
    found = {(one.twin, one.figure): one for one in rates.differences if one.profile == "full"}
    assert len(rates.differences) == 2 * len(found)
    dearer = found["plus-3", "cpu_us_per_message"]
    assert dearer.low < 1.03 < dearer.high
    assert dearer.spread_percent == pytest.approx(1.7, rel=0.4)
    assert found["plus-3", "messages_per_s"].ratio < 1


def test_the_same_rounds_and_seed_give_the_same_document(recorded: Path, rates: Rates) -> None:
    first, again = (power.prove([recorded], replace(PLAN, comparisons=20, tables=0)) for _ in range(2))
    assert first == again
    assert first.differences == rates.differences
    assert Rates.model_validate_json(rates.model_dump_json(indent=2)) == rates


def test_a_profile_with_more_rounds_than_there_are_has_no_rate(tmp_path: Path) -> None:
    folder = synthetic.write(tmp_path, rounds=12, seconds=1, variants=TWINS, only=("echo",))
    few = power.prove([folder], power.Plan(comparisons=10, seed=1, tables=0))
    assert {rate.profile for rate in few.rates} == {"standard"}


def test_the_command(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["power", *arguments])
        return power.main(), *capsys.readouterr()

    status, shown, _ = run(str(recorded), "--comparisons", "20", "--tables", "1")
    assert status == 0
    assert "plus-3" in shown
    status, written, _ = run(str(recorded), "--comparisons", "20", "--tables", "0", "--json")
    assert status == 0
    assert json.loads(written)["schema_version"] == 2
    other = synthetic.write(tmp_path, rounds=2, seconds=1, variants=synthetic.VARIANTS[:2], only=("echo",))
    status, _, refused = run(str(other))
    assert status == 3
    assert refused.startswith("Error: ")
    assert "choose a run of the twins" in refused
    program = [sys.executable, "-m", "benchmarks.power", str(other)]
    done = subprocess.run(program, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stderr) == (status, refused), "as a program"


def _series(cost: float) -> dict[str, dict[str, dict[tuple[str, int], float]]]:
    """Twins over seven rounds with a little noise; one costs more."""
    noise = [1.0, 1.002, 0.998, 1.001, 0.999, 1.003, 0.997]
    keys = [("run", number) for number in range(7)]

    def costing(factor: float, shift: int) -> dict[str, dict[tuple[str, int], float]]:
        stray = noise[shift:] + noise[:shift]
        return {"cpu_us_per_message": {key: 20.0 * factor * one for key, one in zip(keys, stray, strict=True)}}

    return {"a": costing(1, 0), "b": costing(1, 2), "twin": costing(cost, 4)}


@pytest.mark.parametrize(
    ("cost", "outcome", "direction"),
    [(1.0, "same", None), (1.03, "same", "worse"), (0.97, "same", "better"), (1.3, "worse", "worse")],
)
def test_an_outcome_is_the_sites(cost: float, outcome: str, direction: str | None) -> None:
    series = _series(cost)
    rounds = list(series["a"]["cpu_us_per_message"])
    found = power.judged_twins(series, "cpu_us_per_message", rounds)["twin"]
    assert (found.outcome, found.direction) == (outcome, direction)
    assert power.is_right(found, "worse") == (direction == "worse")
    assert power.is_right(found, "no order") == (direction is None)
    assert power.is_right(found, "equal") == (outcome == "same")
    assert power.is_right(found, "not different") == (outcome == "same")


def test_wilsons_interval_is_that_of_the_tables() -> None:
    # Newcombe (1998), Statistics in Medicine 17(8), table I: 81 of 263, and 0 of 20.
    assert power.wilson(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert power.wilson(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)


@given(st.floats(0, 1), st.floats(1, 1e5))
def test_wilsons_interval_holds_the_rate_and_shrinks(rate: float, count: float) -> None:
    low, high = power.wilson(rate, count)
    assert 0 <= low <= rate + 1e-12
    assert rate - 1e-12 <= high <= 1
    closer = power.wilson(rate, 4 * count)
    assert closer[1] - closer[0] <= high - low


def test_the_echo_of_the_twins_is_fastapis_but_for_the_work_added() -> None:
    """Only their echo is measured. The rest is FastAPI's app of the day on which they were recorded."""

    def echo(folder: Path) -> list[str]:
        module = ast.parse((folder / "app.py").read_text())
        (found,) = (node for node in module.body if isinstance(node, ast.AsyncFunctionDef) and node.name == "echo")
        return ast.unparse(found).splitlines()

    ours, model = echo(HOME / "twins"), echo(catalog.FRAMEWORKS / "fastapi")
    assert [line.strip() for line in ours if line not in model] == ["burn(EXTRA_TURNS)"]
    assert [line for line in ours if line in model] == model


def test_a_and_b_differ_in_name_only_and_the_others_in_work_only() -> None:
    framework = catalog.read_folder(HOME / "twins")
    assert framework.exchanges == ["echo"]
    named = {variant.slug: variant for variant in framework.variants}
    assert list(named) == ["a", *power.EXPECTED]
    plain = {"slug", "title", "environment", "headline", "recommended_by"}
    assert {variant.model_dump_json(exclude=plain) for variant in framework.variants} == {
        named["a"].model_dump_json(exclude=plain)
    }
    turns = {slug: int(variant.environment["TWINS_EXTRA_TURNS"]) for slug, variant in named.items()}
    assert turns["a"] == turns["b"] == 0
    assert turns["plus-3"] / turns["plus-2"] == pytest.approx(1.5, rel=0.03)
    (fastapi,) = (one for one in catalog.read_folder(catalog.FRAMEWORKS / "fastapi").variants if one.headline)
    assert named["a"].command == with_own_end(fastapi.command)


@pytest.mark.matrix
def test_the_committed_rates_are_those_of_the_committed_rounds() -> None:
    """All of them once more, which takes half a minute. What a rate is has a test of its own."""
    committed = load_rates(HOME / "rates.json")
    assert (committed is None) == (not list(HOME.glob("results/*/*/run.yml")))
    if committed is not None:
        plan = power.Plan(committed.rates[0].comparisons, committed.seed, tables=0)
        assert power.prove([HOME / "results"], plan).model_copy(update={"simulated": committed.simulated}) == committed


def test_the_committed_rates_keep_their_promises() -> None:
    committed = load_rates(HOME / "rates.json")
    assert committed is not None
    assert all(rate.rate >= rate.target for rate in committed.rates if rate.target is not None)
    for one in committed.simulated:
        assert one.not_different >= 0.99
        assert one.covered >= 0.94
        assert one.false_share <= 0.01
        if one.rounds == MANY_ROUNDS:
            assert one.found >= 0.95
            assert one.equal >= 0.9


def test_a_committed_simulation_is_that_of_its_seed() -> None:
    committed = load_rates(HOME / "rates.json")
    assert committed is not None
    setting = SETTINGS[0]
    found = next(
        one
        for one in committed.simulated
        if (one.rows, one.rounds, one.noisy_rows, one.step)
        == (setting.rows, setting.rounds, setting.noisy, setting.kind.step)
    )
    assert simulate(setting, tables=found.tables, seed=committed.seed) == found
