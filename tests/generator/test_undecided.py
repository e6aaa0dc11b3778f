"""What further rounds of a run would decide, by the tables that the pages show."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from benchmarks import synthetic
from generator.cli.adviser import ComparingAdviser
from generator.comparison import MIN_SEARCHES, advise, capacity_tables, compare_runs
from generator.comparison.capacities import Bracket, CapacityRow
from generator.comparison.undecided import searches_apart
from generator.dataset import Run, load_beside, load_results, load_single, make_run
from generator.pages import make_site
from generator.statistics import MIN_ROUNDS, Stage
from runners.record import (
    MOST_SEARCHES,
    Adaptive,
    Advice,
    CellRecord,
    FrameworkDocument,
    Look,
    Measurement,
    PartLook,
    cell_key,
    compared_variants,
    load_run,
    save,
    scenario_of,
)
from tests.support.advising import as_adaptive

FEW = tuple(made for made in synthetic.VARIANTS if made.headline or made.variant == "picows")
CLOSED = "echo mode=closed connections=100 payload_bytes=64 server_cores=1"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("results")
    return load_single(synthetic.write(folder, rounds=8, seconds=1, rooms=True, search_rounds=2))


def changed(run: Run, change: Callable[[FrameworkDocument, CellRecord], CellRecord]) -> Run:
    """The run with other cells."""
    documents = [item.document for item in run.frameworks]
    return make_run(
        run.path.parent,
        run.document,
        [one.model_copy(update={"cells": [change(one, cell) for cell in one.cells]}) for one in documents],
    )


def first_rounds(run: Run, rounds: int | Mapping[str, int]) -> Run:
    """The run after so many rounds, or so many of each variant."""

    def cut(document: FrameworkDocument, cell: CellRecord) -> CellRecord:
        most = rounds if isinstance(rounds, int) else rounds.get(cell.variant, 99)
        return cell.model_copy(update={"measurements": [one for one in cell.measurements if one.round <= most]})

    return changed(run, cut)


def noisy(run: Run, *variants: str, factor: float = 1.3) -> Run:
    """The throughput of these variants in the closed loop goes up and down from round to round."""

    def shake(one: Measurement) -> Measurement:
        if one.messages_per_s is None:
            return one
        return one.model_copy(update={"messages_per_s": one.messages_per_s * factor ** (-1) ** one.round})

    def change(document: FrameworkDocument, cell: CellRecord) -> CellRecord:
        if cell.variant not in variants or cell.latency_kind != "service_time" or cell.workload != "echo":
            return cell
        return cell.model_copy(update={"measurements": [shake(one) for one in cell.measurements]})

    return changed(run, change)


def setups_of(run: Run) -> set[tuple[str, str]]:
    return {
        (item.document.framework.slug, slug)
        for item in run.frameworks
        for slug in compared_variants(item.document.variants)
    }


def variants_in(advice: Advice, reason: str) -> set[str]:
    """Of all that is undecided for this reason in the closed loop of echo."""
    return {
        key.split(" ")[0].split("/")[1]
        for one in advice.undecided
        if one.reason == reason
        for key in one.cells
        if scenario_of(key) == CLOSED
    }


@pytest.mark.parametrize("is_adaptive", [False, True])
def test_comparisons_are_counted_as_the_pages_decide_them(run: Run, *, is_adaptive: bool) -> None:
    run = as_adaptive(run) if is_adaptive else run
    advice = advise(run, most=12)
    for table in compare_runs([run]).tables:
        narrowed = table.of_setups(setups_of(run))
        rows = [row for row in narrowed.valid_rows if not row.framework.is_reference]
        outcomes = [
            judged.outcome
            for metric in narrowed.deciding
            for pair in combinations(rows, 2)
            if (judged := narrowed.judged(metric, *pair)).reason != "disturbed"
        ]
        scenario = scenario_of(cell_key("a", "b", table.workload.slug, table.parameters))
        part = advice.scenarios[scenario]
        assert (part.deciding, part.decided) == (len(outcomes), sum(one != "unknown" for one in outcomes))
    assert len(advice.scenarios) == len(compare_runs([run]).tables) + len(capacity_tables([run]))


def test_only_compared_variants_are_measured_to_decide_comparisons_and_values(run: Run) -> None:
    compared = {f"{framework}/{variant}" for framework, variant in setups_of(run)}
    advice = advise(noisy(run, "uvicorn", "asyncio", "gevent"), most=12)
    assert advice.undecided
    for one in advice.undecided:
        assert one.rounds >= 1
        assert one.decisions > 0
        assert len({scenario_of(key) for key in one.cells}) == 1
        if one.reason != "short":
            assert {key.split(" ")[0] for key in one.cells} <= compared


def test_a_variant_that_is_no_headline_variant_is_not_compared(run: Run) -> None:
    facts = {made.variant: made for made in synthetic.VARIANTS}
    others = [variant for variant, made in facts.items() if not made.headline and made.framework != "reference"]
    assert others
    calm, shaken = advise(run, most=12), advise(noisy(run, *others), most=12)
    assert shaken.scenarios[CLOSED].deciding == calm.scenarios[CLOSED].deciding
    assert not variants_in(shaken, "wide") & set(others)


def test_noise_makes_comparisons_and_values_undecided_until_rounds_decide_them(run: Run) -> None:
    calm, shaken = advise(run, most=12), advise(noisy(run, "uvicorn", factor=1.08), most=12)
    assert shaken.scenarios[CLOSED].wide == calm.scenarios[CLOSED].wide + 1
    assert "uvicorn" in variants_in(shaken, "wide")
    assert not variants_in(advise(noisy(run, "uvicorn", factor=3.0), most=12), "wide"), "so many rounds do not help"
    assert not variants_in(advise(noisy(run, "uvicorn", factor=1.08), most=0), "wide")


def test_an_adaptive_run_decides_with_what_all_its_looks_may_spend(run: Run) -> None:
    """Its rows have the same values, and stages of their own: each is at its own rounds."""
    shaken = noisy(first_rounds(run, {"uvicorn": 6}), "uvicorn", factor=1.5)
    once, looked = (advise(one, most=12) for one in (shaken, as_adaptive(shaken)))
    assert looked.scenarios[CLOSED].decided < once.scenarios[CLOSED].decided
    assert looked.scenarios[CLOSED].wide >= once.scenarios[CLOSED].wide
    (table,) = (one for one in compare_runs([as_adaptive(shaken)]).of_workload("echo") if not one.is_open)
    assert {row.stage for row in table.rows if row.variant.slug == "uvicorn"} == {Stage(MIN_ROUNDS, 6)}
    assert {row.stage for row in table.rows if row.variant.slug != "uvicorn"} == {Stage(MIN_ROUNDS, 8)}


def test_when_no_round_is_possible_nothing_is_worth_one(run: Run) -> None:
    assert advise(first_rounds(run, {"uvicorn": 1}), most=0).undecided == ()


def test_a_row_with_too_few_valid_rounds_is_measured_again(run: Run) -> None:
    few = first_rounds(run, {"uvicorn": MIN_ROUNDS - 1})
    advice = advise(few, most=12)
    assert variants_in(advice, "short") == {"uvicorn"}
    (short,) = (one for one in advice.undecided if one.reason == "short" and scenario_of(one.cells[0]) == CLOSED)
    assert short.rounds == 2, "one is missing, and five of six rounds are valid"
    assert short.decisions > 1, "it prevents several comparisons"
    assert advice.scenarios[CLOSED].short == 1
    assert advice.scenarios[CLOSED].decided < advise(run, most=12).scenarios[CLOSED].decided


def test_a_row_without_valid_rounds_is_left_alone(run: Run) -> None:
    def invalid(document: FrameworkDocument, cell: CellRecord) -> CellRecord:
        if cell.variant != "uvicorn":
            return cell
        spoilt = {"valid": False, "invalid_reasons": ["no"]}
        return cell.model_copy(
            update={"measurements": [one.model_copy(update=spoilt) for one in cell.measurements], "latency": None}
        )

    advice = advise(changed(run, invalid), most=12)
    assert advice.scenarios[CLOSED].short == 1
    assert "uvicorn" not in variants_in(advice, "short")


def test_a_search_is_repeated_only_a_few_times(run: Run) -> None:
    """``shown``: searches with attempts. Those of others ended before any."""
    scenario = next(name for name in advise(run, most=12).scenarios if "search=rate" in name)
    others = advise(run, most=12).scenarios[scenario].short

    def is_repeated(searches: int, shown: int) -> bool:
        def change(document: FrameworkDocument, cell: CellRecord) -> CellRecord:
            if cell.parameters.get("search") != "rate" or cell.variant != "uvicorn":
                return cell
            (one, *_) = cell.measurements
            assert one.capacity is not None
            nothing = {"conclusive": False, "reason": "no end", "high": None, "low": None, "typical": None}
            empty = one.model_copy(
                update={
                    "valid": False,
                    "invalid_reasons": ["no end"],
                    "capacity": one.capacity.model_copy(update={**nothing, "probes": []}),
                }
            )
            made = [one if number <= shown else empty for number in range(1, searches + 1)]
            return cell.model_copy(
                update={"measurements": [m.model_copy(update={"round": n}) for n, m in enumerate(made, start=1)]}
            )

        advice = advise(changed(run, change), most=12)
        assert advice.scenarios[scenario].short == others + (shown < MIN_SEARCHES)
        return any(scenario_of(key) == scenario and "/uvicorn" in key for o in advice.undecided for key in o.cells)

    assert not is_repeated(MIN_SEARCHES, MIN_SEARCHES)
    assert is_repeated(2, 1)
    assert not is_repeated(2, 0), "none of two searches found anything"
    assert not is_repeated(MOST_SEARCHES, 1)


def test_values_below_the_floor_are_worth_the_rounds_that_show_it(run: Run) -> None:
    """Latencies far below what anybody notices, but they vary by so much, each in its own rhythm, that they might be
    above it.
    """
    rhythms = {item.document.framework.slug: 2 ** (number % 3) for number, item in enumerate(run.frameworks)}

    def shake(one: Measurement, factor: float, rhythm: int) -> Measurement:
        if one.latency_ms is None or one.latency_ms.p50 is None:
            return one
        latency = one.latency_ms.model_copy(update={"p50": 0.5 * factor ** (-1) ** (one.round // rhythm)})
        return one.model_copy(update={"latency_ms": latency})

    def shaken(factor: float) -> Advice:
        def change(document: FrameworkDocument, cell: CellRecord) -> CellRecord:
            if cell.workload != "echo" or cell.latency_kind == "service_time":
                return cell
            rhythm = rhythms[document.framework.slug]
            return cell.model_copy(update={"measurements": [shake(one, factor, rhythm) for one in cell.measurements]})

        return advise(changed(run, change), most=12)

    scenario = scenario_of(cell_key("a", "b", "echo", synthetic.OPEN))
    for factor, is_open in ((5.0, True), (40.0, False)):
        advice = shaken(factor)
        pairs = [
            one for one in advice.undecided if one.reason == "inconclusive" and scenario_of(one.cells[0]) == scenario
        ]
        assert bool(pairs) == is_open


def test_the_page_of_an_adaptive_run_says_what_its_rounds_measured_and_why_it_ended(tmp_path: Path) -> None:
    file = synthetic.write(tmp_path, rounds=3, seconds=1, searches=False, variants=FEW) / "run.yml"
    document = load_run(file)
    parts = {"echo/closed": PartLook(decided=4, deciding=6, short=0, wide=0, values=0)}
    looks = [
        Look(after_round=number, spent_s=60.0, decided=4, deciding=6, parts=parts, cells=cells)
        for number, cells in ((3, [1, 2]), (4, []))
    ]
    adaptive = Adaptive(first_rounds=3, most_rounds=9, target_decided_percent=95.0, looks=looks, ended="time is up")
    changes = {"order": [*document.order, [2, 1]], "rounds": 4, "adaptive": adaptive}
    save(document.model_copy(update=changes), file)
    page = next(one.text() for one in make_site(load_results(tmp_path), {}).pages if one.path.startswith("runs/2026"))
    assert f"3 rounds of {len(document.cells)} cells, then 1 of what was undecided" in page
    assert "4 of 6 comparisons of headline variants; the run ended: time is up" in page
    assert "The first 3 rounds measured all of them" in page
    assert "Round 4: 2 1" in page


# Other runs of the campaign


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three runs alike, one on another machine, one of fewer variants."""
    folder = tmp_path_factory.mktemp("campaign")
    for number in (1, 2, 3):
        synthetic.write(folder, rounds=6, seconds=1, run=f"block-{number}", seed=number, searches=False, variants=FEW)
    synthetic.write(folder, rounds=6, seconds=1, run="elsewhere", cpu="Another CPU", searches=False, variants=FEW)
    synthetic.write(folder, rounds=6, seconds=1, run="few", variants=synthetic.VARIANTS[:3], searches=False)
    return folder / "2026-11-20"


def test_the_runs_beside_a_run_are_those_of_its_campaign(campaign: Path, tmp_path: Path) -> None:
    found = load_beside(campaign / "block-1")
    assert {run.document.id for run in found} == {"block-2", "block-3", "elsewhere", "few"}
    alone = synthetic.write(tmp_path, rounds=1, seconds=1, searches=False, variants=FEW)
    assert load_beside(alone) == ()


def test_a_broken_run_beside_is_left_out(tmp_path: Path) -> None:
    for number in (1, 2):
        synthetic.write(tmp_path, rounds=1, seconds=1, run=f"block-{number}", searches=False, variants=FEW)
    (tmp_path / "2026-11-20" / "block-2" / "fastapi.yml").write_text("broken: [")
    assert load_beside(tmp_path / "2026-11-20" / "block-1") == ()


def test_blocks_are_compared_together_as_on_the_pages(campaign: Path) -> None:
    own, others = load_single(campaign / "block-1"), load_beside(campaign / "block-1")
    blocks = [run for run in others if run.document.id.startswith("block")]
    advice = advise(own, others, most=12)
    assert advice == advise(own, blocks, most=12), "neither another machine nor other variants"
    for table in compare_runs([own, *blocks]).tables:
        narrowed = table.of_setups(setups_of(own))
        rows = [row for row in narrowed.valid_rows if not row.framework.is_reference]
        decided = sum(
            narrowed.judged(metric, *pair).outcome != "unknown"
            for metric in narrowed.deciding
            for pair in combinations(rows, 2)
        )
        scenario = scenario_of(cell_key("a", "b", table.workload.slug, table.parameters))
        assert advice.scenarios[scenario].decided == decided
    unfinished = [replace(run, document=run.document.model_copy(update={"finished": None})) for run in blocks]
    assert advise(own, unfinished, most=12) == advise(own, most=12)


def test_the_adviser_of_commands_reads_the_campaign_once(campaign: Path) -> None:
    own = load_single(campaign / "block-1")
    adaptive = Adaptive(first_rounds=6, most_rounds=18, target_decided_percent=95.0)
    document = own.document.model_copy(update={"adaptive": adaptive})
    documents = [item.document for item in own.frameworks]
    adviser = ComparingAdviser()
    own = replace(own, document=document)
    expected = advise(own, load_beside(campaign / "block-1"), most=12)
    assert adviser(document, documents, campaign / "block-1") == expected
    assert adviser(document, documents, campaign / "nowhere") == expected
    assert ComparingAdviser()(document, documents, campaign.parent / "alone" / "run") == advise(own, most=12)


_ROUNDING = 1e-6
"""What floating-point arithmetic may add to a number of clients."""


@example(middles=(1087, 1470), widths=(1.125, 1.2585809734997233), searches=6)
@given(
    middles=st.tuples(st.integers(1_000, 50_000), st.integers(1_000, 50_000)),
    widths=st.tuples(st.floats(1.05, 2), st.floats(1.05, 2)),
    searches=st.integers(MIN_SEARCHES, MOST_SEARCHES),
)
def test_searches_are_repeated_where_so_many_probably_separate_two_brackets(
    run: Run, middles: tuple[int, int], widths: tuple[float, float], searches: int
) -> None:
    """Brackets that narrow around the same middles with the square root of the searches."""
    (one, other, *_) = next(table for table in capacity_tables([run]) if table.unit != "users").bracketed_rows

    # The ends that a search finds are whole numbers; what narrows is the bracket that they make.
    observed = [
        (middle / math.floor(middle / width), math.ceil(middle * width) / middle)
        for middle, width in zip(middles, widths, strict=True)
    ]

    def after(searches_made: int) -> tuple[CapacityRow, CapacityRow]:
        narrower = math.sqrt(searches / searches_made)
        ends = [
            Bracket(
                math.floor(middle / below**narrower + _ROUNDING),
                math.ceil(middle * above**narrower - _ROUNDING),
                True,
                middle,
                searches_made,
            )
            for middle, (below, above) in zip(middles, observed, strict=True)
        ]
        first, second = (
            replace(row, bracket=bracket, rounds=searches_made) for row, bracket in zip((one, other), ends, strict=True)
        )
        return first, second

    def is_known(rows: tuple[CapacityRow, CapacityRow]) -> bool:
        first, second = (row.bracket for row in rows)
        assert first is not None
        assert second is not None
        return first.is_above(second) or second.is_above(first)

    assume(not is_known(after(searches)))
    further = searches_apart(*after(searches))
    if further is None:
        assert not is_known(after(MOST_SEARCHES))
    else:
        assert searches < searches + further <= MOST_SEARCHES + 1
        assert further == 1 or not is_known(after(searches + further - 1))
        assert searches_apart(*after(searches)) == searches_apart(*reversed(after(searches)))
