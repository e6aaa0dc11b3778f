from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.simulation import SETTINGS, simulate
from generator.dataset import Difference, Rate, Rates, RatesError, Recorded, load_rates
from generator.pages import PROOF_MARKER, make_proof
from generator.staging import Files, StagingError
from generator.statistics import DECISION_LEVEL, EQUIVALENCE_LEVEL, MIN_ROUNDS, SMALLEST_RELEVANT_RATIO
from runners.record import P99_DISTURBANCE_LIMIT

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "site" / "methodology.md"
COMMITTED = ROOT / "benchmarks" / "power" / "rates.json"
THROUGHPUT, COST = "messages_per_s", "cpu_us_per_message"


def _rate(twin: str, rate: float, figure: str) -> Rate:
    return Rate(
        twin=twin,
        expected="equal" if twin == "b" else "worse",
        profile="standard",
        rounds=7,
        figure=figure,
        comparisons=1000,
        disjoint=9,
        right=round(1000 * rate),
        rate=rate,
        low=rate - 0.2341,
        high=rate + 0.0052,
        target=0.99 if figure == THROUGHPUT else None,
    )


RATES = Rates(
    seed=4,
    decision_level=0.01,
    smallest_relevant_ratio=1.01,
    workload="echo",
    rounds=63,
    runs=[
        Recorded(
            path="2026-11-20/x/run.yml",
            profile="standard",
            started="2026-11-20T09:00:00Z",
            cpu_model="<CPU>",
            rounds=63,
        )
    ],
    differences=[
        Difference(
            twin="plus-3", profile="standard", figure=COST, ratio=1.0287, low=1.0251, high=1.0323, spread_percent=1.234
        )
    ],
    rates=[
        _rate("b", 0.991, THROUGHPUT),
        _rate("b", 0.994, COST),
        _rate("plus-3", 0.967, THROUGHPUT),
        _rate("plus-3", 0.712, COST),
    ],
    simulated=[simulate(SETTINGS[0], tables=3, seed=4)],
)


def shown(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def assert_agreement(html: str, rates: Rates) -> None:
    """Every figure of the document is in the text, and the text has no percentage that is not the document's."""
    text = shown(html)
    told = {f"{100 * share:.1f}" for rate in rates.rates for share in (rate.rate, rate.low, rate.high)}
    told |= {f"{one.spread_percent:.2f}" for one in rates.differences}
    ratios = {f"{value:.4f}" for one in rates.differences for value in (one.ratio, one.low, one.high)}
    for figure in told | ratios:
        assert figure in text, figure
    for one in rates.simulated:
        shares = (one.not_different, one.no_order, one.equal, one.found, one.covered, one.paired_found)
        told |= {f"{100 * share:.1f}" for share in shares} | {f"{100 * one.false_share:.2f}", f"{one.spread_percent:g}"}
    targets = {f"{100 * rate.target:g}" for rate in rates.rates if rate.target is not None}
    assert set(re.findall(r"([\d.]+) %", text)) <= told | targets | {"95"}  # 95: the intervals
    assert set(re.findall(r"\d\.\d{4}", text)) == ratios
    assert f"{rates.rounds:,} rounds" in text
    for run in rates.runs:
        assert f"{run.rounds} rounds of profile {run.profile}" in text


def test_the_page_agrees_with_the_data() -> None:
    html = make_proof(RATES)
    assert_agreement(html, RATES)
    assert "96.7 %" in shown(html)
    assert "<CPU>" not in html
    assert 'href="data/twins/2026-11-20/x/run.yml"' in html


def test_the_committed_data_are_on_the_page() -> None:
    rates = load_rates(COMMITTED)
    if rates is None:
        assert "Not measured yet" in make_proof(None)
        return
    assert_agreement(make_proof(rates), rates)
    assert (rates.decision_level, rates.smallest_relevant_ratio) == (DECISION_LEVEL, SMALLEST_RELEVANT_RATIO)


def test_the_written_page_types_no_rate_and_states_the_rule_in_force() -> None:
    text = PAGE.read_text()
    section = text.partition("{ #proof }")[2].partition("\n## ")[0]
    assert section.count(f"\n{PROOF_MARKER}\n") == 1
    # The twins' 2 and 3 % are what they were made for, not what was found.
    assert set(re.findall(r"([\d.]+)\s%", section)) <= {"2", "3"}
    rule = " ".join(text.partition("## How a verdict is reached")[2].partition("\n## ")[0].split())
    assert f"It is certain that they are not equal (p-value below {DECISION_LEVEL:g})" in rule
    assert f"The {100 * (1 - 2 * EQUIVALENCE_LEVEL):g} % interval of the ratio lies within the margin" in rule
    assert MIN_ROUNDS == 5
    assert "fewer than five valid rounds" in rule
    assert f"less than {P99_DISTURBANCE_LIMIT:g} % of a core" in rule


def test_a_document_that_is_not_as_it_must_be_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    assert load_rates(path) is None
    path.write_text(RATES.model_dump_json())
    assert load_rates(path) == RATES
    path.write_text(RATES.model_dump_json().replace('"rate":0.991', '"rate":99.1'))
    with pytest.raises(RatesError, match=r"rates\.json: rates\.0\.rate: .*; generate it"):
        load_rates(path)
    path.write_text("[]")
    with pytest.raises(RatesError, match="the document: "):
        load_rates(path)


def test_a_marker_is_filled_once_and_missed_when_it_is_gone(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("# Page\n\n<!-- here -->\n\nEnd\n")
    files = Files()
    files.add("page.md", tmp_path / "page.md")
    files.fill("page.md", "<!-- here -->", "<p>made</p>")
    files.write(tmp_path / "out")
    assert (tmp_path / "out" / "page.md").read_text() == "# Page\n\n<p>made</p>\n\nEnd\n"
    with pytest.raises(StagingError, match=r"contains the line <!-- here --> 0 times"):
        files.fill("page.md", "<!-- here -->", "again")
