"""Claims of articles are checked against results and evidence."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from benchmarks import synthetic
from generator.comparison import ClaimBasis, JudgedClaim, capacity_tables, compare_runs, try_claim
from generator.comparison.metrics import METRICS, Metric
from generator.comparison.pair_judging import Judged
from generator.comparison.tables import Row, Table
from generator.dataset import Article, Claim, Evidence, load_claims, load_results
from generator.dataset.article_claims import Compared, EvidenceTest, Extreme, More, Within
from generator.dataset.article_claims import Test as AnyTest
from generator.statistics import Contrast
from runners.record import ITEMS, Finding
from runners.subjects import catalog
from runners.subjects.workloads import WORKLOADS

ROOT = Path(__file__).parents[2]
ARTICLE = Article(id="one", title="One", between=["django-channels", "fastapi", "flask-socketio"])
HEADLINE = {"django-channels": "uvicorn-redis", "fastapi": "uvicorn", "flask-socketio": "gevent"}
ECHO = {"workload": "echo", "where": {"mode": "closed"}, "metric": "messages_per_s"}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> ClaimBasis:
    folder = tmp_path_factory.mktemp("results")
    synthetic.write(folder, rounds=5, seconds=1)
    synthetic.write_evidence(folder)
    dataset = load_results(folder)
    runs = dataset.runs
    titles = {one.document.framework.slug: one.document.framework.title for one in dataset.newest_evidence.values()}
    return ClaimBasis(compare_runs(runs), capacity_tables(runs), dataset.newest_evidence, titles, HEADLINE)


def tried(known: ClaimBasis, **test: Any) -> JudgedClaim:
    claim = Claim(id="c", article="one", says="It is so.", test=TypeAdapter(AnyTest).validate_python(test))
    return try_claim(claim, ARTICLE, known)


def with_finding(known: ClaimBasis, framework: str, finding: Finding) -> ClaimBasis:
    one = known.evidence[framework]

    def replaced(findings: list[Finding]) -> list[Finding]:
        return [finding if found.item == finding.item else found for found in findings]

    document = one.document.model_copy(
        update={
            "findings": replaced(one.document.findings),
            "variants": [
                variant.model_copy(update={"findings": replaced(variant.findings)}) for variant in one.document.variants
            ],
        }
    )
    return replace(known, evidence={**known.evidence, framework: Evidence(one.path, document)})


def with_interface(known: ClaimBasis, framework: str, interface: str) -> ClaimBasis:
    one = known.evidence[framework]
    facts = one.document.framework.model_copy(update={"interface": interface})
    document = one.document.model_copy(update={"framework": facts})
    return replace(known, evidence={**known.evidence, framework: Evidence(one.path, document)})


def test_an_order_of_two(known: ClaimBasis) -> None:
    right = tried(known, kind="compared", **ECHO, first="fastapi", second="flask-socketio", claimed=4)
    assert right.verdict == "holds"
    assert right.ratio is not None
    assert right.ratio.value > 5
    assert right.found == "The first is better; the article's ratio is 4."
    assert right.page is not None
    assert right.page.startswith("tests/echo.md#echo-mode-closed")
    assert [row.framework.slug for row, _ in right.values] == ["fastapi", "flask-socketio"]
    wrong = tried(known, kind="compared", **ECHO, first="fastapi", second="flask-socketio", claimed=0.5)
    assert wrong.verdict == "contradicted"
    assert tried(known, kind="compared", **ECHO, first="flask-socketio", second="fastapi").verdict == "contradicted"


def test_a_framework_without_a_named_setup_is_its_headline_variant(known: ClaimBasis) -> None:
    found = tried(known, kind="compared", **ECHO, first="django-channels", second="flask-socketio/eventlet")
    assert [row.variant.slug for row, _ in found.values] == ["uvicorn-redis", "eventlet"]
    nobody = replace(known, headline={})
    assert tried(nobody, kind="compared", **ECHO, first="fastapi", second="flask-socketio").verdict == "not checked"


def test_only_an_interval_on_one_side_decides(known: ClaimBasis) -> None:
    pair = {"first": "django-channels/uvicorn-memory", "second": "django-channels/uvicorn-redis"}
    same = tried(known, kind="compared", **ECHO, **pair)
    assert (same.verdict, same.found) == ("not decided", "It is not certain which one is better.")
    assert tried(known, kind="differ", **ECHO, **pair).verdict == "contradicted", "they are practically equal"
    unlike = {"first": "django-channels/uvicorn-memory", "second": "django-channels/daphne-memory"}
    assert tried(known, kind="differ", **ECHO, **unlike).verdict == "holds"


def with_disturbance(known: ClaimBasis, percent: float) -> ClaimBasis:
    """As if so much of a core had been taken from every row."""
    tables = tuple(
        replace(table, rows=tuple(replace(row, disturbance_percent=percent) for row in table.rows))
        for table in known.comparison.tables
    )
    return replace(known, comparison=replace(known.comparison, tables=tables))


def with_judged(known: ClaimBasis, judged: Judged) -> ClaimBasis:
    """As if every comparison of the closed loop of echo had this outcome."""

    class Same(Table):
        def judged(self, metric: Metric, first: Row, second: Row) -> Judged:
            return judged if first.key < second.key else judged.swapped

    tables = tuple(Same(**vars(one)) if one.workload.slug == "echo" else one for one in known.comparison.tables)
    return replace(known, comparison=replace(known.comparison, tables=tables))


def test_a_claim_is_judged_as_the_table_judges_it(known: ClaimBasis) -> None:
    """By the outcome that is corrected for all pairs, not by an interval that is not."""
    test = {"kind": "compared", **ECHO, "first": "fastapi", "second": "flask-socketio"}
    likely = Contrast(math.log(1.2), 0.05, 8, 5)
    assert likely.interval is not None
    assert likely.interval.low > 1
    uncertain = tried(with_judged(known, Judged(likely, "unknown", reason="few rounds")), **test)
    assert uncertain.verdict == "not decided"
    disturbed = Judged(likely, "unknown", reason="disturbed")
    found = tried(with_judged(known, disturbed), **test)
    assert (found.verdict, found.found[:15]) == ("not decided", "Other processes")
    first = tried(with_judged(known, disturbed), kind="first", **ECHO, names=["fastapi"])
    assert first.verdict == "not decided"
    assert "Other processes disturbed" in first.found
    sure = tried(with_judged(known, Judged(likely, "unknown", "better", "size")), **test)
    assert sure.verdict == "holds"


def test_two_rounds_contradict_nothing(tmp_path: Path) -> None:
    """Also where both are in the article's direction, or in the opposite one."""
    synthetic.write(tmp_path, rounds=2, seconds=1)
    runs = load_results(tmp_path).runs
    few = ClaimBasis(compare_runs(runs), capacity_tables(runs), {}, {}, HEADLINE)
    for claimed in (4, 0.5):
        found = tried(few, kind="compared", **ECHO, first="fastapi", second="flask-socketio", claimed=claimed)
        assert (found.verdict, found.found) == ("not decided", "Too few valid rounds: 2.")
        assert found.ratio is not None
    first = tried(few, kind="first", **ECHO, names=["fastapi"])
    assert first.verdict == "not decided"


def test_what_was_not_measured_is_not_checked(known: ClaimBasis) -> None:
    found = tried(
        known, kind="compared", workload="dashboard", where={"users": 1000}, metric="cpu_percent", first="fastapi",
        second="flask-socketio",
    )  # fmt: skip
    assert found.verdict == "not checked"
    assert found.found == "No published run here has enough rounds of that (dashboard: users 1000)."
    found = tried(known, kind="compared", **ECHO, first="fastapi", second="nobody")
    assert (found.verdict, found.found) == (
        "not checked",
        "There is no valid messages answered per second of nobody.",
    )
    nothing = ClaimBasis(compare_runs(()), (), {}, {}, {})
    assert tried(nothing, kind="compared", **ECHO, first="fastapi", second="nobody").verdict == "not checked"


@pytest.mark.parametrize(
    ("kind", "names", "verdict"),
    [
        ("first", ["fastapi"], "holds"),
        ("first", ["flask-socketio"], "contradicted"),
        ("first", ["django-channels", "fastapi"], "holds"),
        ("last", ["flask-socketio"], "holds"),
        ("last", ["fastapi"], "contradicted"),
    ],
)
def test_the_first_and_the_last(known: ClaimBasis, kind: str, names: list[str], verdict: str) -> None:
    found = tried(known, kind=kind, **ECHO, names=names)
    assert found.verdict == verdict
    assert found.found == "By their means, from the best: FastAPI, Django Channels, Flask-SocketIO."


@pytest.mark.parametrize(("low", "high", "verdict"), [(0.001, 1000, "holds"), (5000, 6000, "not decided")])
def test_times_of_another_machine_contradict_nothing(known: ClaimBasis, low: float, high: float, verdict: str) -> None:
    where = {"workload": "echo", "where": {"mode": "open"}, "metric": "latency_p50"}
    assert tried(known, kind="within", **where, framework="fastapi", low=low, high=high).verdict == verdict


def test_a_disturbed_p99_supports_no_claim(known: ClaimBasis, tmp_path: Path) -> None:
    synthetic.write(tmp_path, rounds=5, seconds=3)
    runs = load_results(tmp_path).runs
    known = replace(known, comparison=compare_runs(runs))
    where = {"workload": "echo", "where": {"mode": "open"}, "metric": "latency_p99"}
    anywhere = {"kind": "within", **where, "framework": "fastapi", "low": 0, "high": 10_000}
    assert tried(with_disturbance(known, 0.1), **anywhere).verdict == "holds"
    found = tried(with_disturbance(known, 2.0), **anywhere)
    assert (found.verdict, found.found[:15]) == ("not decided", "Other processes")


def test_a_mean_inside_is_not_enough(known: ClaimBasis) -> None:
    """The whole interval has to be."""
    where = {"workload": "echo", "where": {"mode": "open"}, "metric": "latency_p50"}
    anywhere = {"kind": "within", **where, "framework": "fastapi"}
    ((row, metric),) = tried(known, **anywhere, low=0, high=10_000).values
    estimate = row.values[metric.key].estimate
    assert estimate.interval is not None
    narrow = tried(known, **anywhere, low=estimate.interval.low, high=(estimate.mean + estimate.interval.high) / 2)
    assert narrow.verdict == "not decided"


def test_one_search_decides_no_capacity(known: ClaimBasis) -> None:
    test = {"kind": "withstands", "framework": "fastapi/uvicorn"}
    assert tried(known, **test, users=1).verdict == "not decided"
    assert tried(known, kind="withstands", framework="fastapi/none", users=1).verdict == "not checked"


def test_evidence(known: ClaimBasis) -> None:
    able = with_finding(known, "fastapi", Finding(item="cross-process", value=True))
    test = {"kind": "evidence", "item": "cross-process", "framework": "fastapi"}
    assert tried(able, **test, has=True).verdict == "holds"
    assert tried(able, **test, has=False).verdict == "contradicted"
    unknown = with_finding(known, "fastapi", Finding(item="cross-process", note="one process only"))
    assert tried(unknown, **test, has=True).verdict == "not checked"
    many = with_finding(known, "fastapi", Finding(item="transports", value=["polling", "websocket"]))
    listed = {"kind": "evidence", "item": "transports", "framework": "fastapi"}
    assert tried(many, **listed, has="polling").verdict == "holds"
    assert tried(many, **listed, has="sse").verdict == "contradicted"


def test_more_of_an_item(known: ClaimBasis) -> None:
    more = with_finding(known, "fastapi", Finding(item="concepts", value=99))
    test = {"kind": "more", "item": "concepts"}
    assert tried(more, **test, first="fastapi", second="flask-socketio").verdict == "holds"
    assert tried(more, **test, first="flask-socketio", second="fastapi").verdict == "contradicted"
    assert tried(more, **test, first="fastapi", second="nobody").verdict == "not checked"


def test_what_is_built_in_is_more_than_what_takes_own_code(known: ClaimBasis) -> None:
    """As a claim that one scales out better by what it brings."""
    built_in = with_finding(known, "django-channels", Finding(item="rooms-across", value="built in"))
    both = with_finding(built_in, "fastapi", Finding(item="rooms-across", value="with 24 lines"))
    test = {"kind": "more", "item": "rooms-across"}
    found = tried(both, **test, first="fastapi", second="django-channels")
    assert (found.verdict, found.found) == (
        "contradicted",
        "Rooms across processes: FastAPI with 24 lines, Django Channels built in.",
    )
    assert tried(both, **test, first="django-channels", second="fastapi").verdict == "holds"


def test_the_rest(known: ClaimBasis) -> None:
    assert tried(known, kind="measured", framework="fastapi/uvicorn", workload="echo").verdict == "holds"
    assert tried(known, kind="measured", framework="fastapi/daphne", workload="echo").verdict == "not checked"
    assert tried(known, kind="none", why="Nobody knows.").found == "Nobody knows."
    stated = tried(known, kind="documented", how="Its readme says so.", source="https://example.org/readme")
    assert (stated.verdict, stated.found) == ("holds", "Its readme says so. Not tested here.")
    assert stated.source == "https://example.org/readme"
    twice = tuple(
        replace(
            table,
            rows=tuple(replace(row, bracket=row.bracket and replace(row.bracket, searches=2)) for row in table.rows),
        )
        for table in known.searched
    )
    repeated = replace(known, searched=twice)
    users = {"kind": "withstands", "framework": "fastapi/uvicorn"}
    assert tried(repeated, **users, users=1).verdict == "holds"
    assert tried(repeated, **users, users=10_000_000).verdict == "contradicted"
    assert tried(known, kind="withstands", framework="nobody/at-all", users=1).verdict == "not checked"
    everybody = {"kind": "interface", "names": ["fastapi", "flask-socketio"]}
    interface = known.evidence["fastapi"].document.framework.interface
    assert tried(known, kind="interface", names=["fastapi"], has=interface).verdict == "holds"
    assert tried(known, **everybody, has="none such").verdict == "contradicted"
    assert tried(known, kind="interface", names=["nobody"], has="ASGI").verdict == "not checked"
    both = with_interface(known, "flask-socketio", "own, ASGI")
    for has, verdict in (("ASGI", "holds"), ("own", "holds"), ("own, ASGI", "contradicted"), ("SGI", "contradicted")):
        assert tried(both, kind="interface", names=["flask-socketio"], has=has).verdict == verdict, has
    names = with_finding(known, "fastapi", Finding(item="names", value=2, note="fastapi.FastAPI, pydantic.BaseModel"))
    test = {"kind": "vocabulary", "framework": "fastapi"}
    assert tried(names, **test, beyond=["fastapi"]).verdict == "holds"
    assert tried(names, **test, beyond=["fastapi", "pydantic"]).verdict == "contradicted"


def test_every_article_of_our_transcript_can_be_read_by_others() -> None:
    claims = load_claims(ROOT / "site" / "claims.yml")
    assert all(article.address and article.publisher for article in claims.articles)
    made = {claim.article for claim in claims.claims} | {claim.article for claim in claims.winners}
    assert made == {article.id for article in claims.articles}


def test_our_transcript_names_what_there_is() -> None:
    """Frameworks, variants, workloads, metrics and items of every claim."""
    frameworks = {framework.slug: framework for framework in catalog.discover()}
    named = {f"{slug}/{variant.slug}" for slug, framework in frameworks.items() for variant in framework.variants}
    for claim in load_claims(ROOT / "site" / "claims.yml").claims:
        test = claim.test
        if isinstance(test, Compared | Extreme | Within):
            assert test.metric in METRICS, claim.id
            asked = [set(scenario.parameters.items()) for scenario in WORKLOADS[test.workload].scenarios]
            assert any(test.where.items() <= one for one in asked), claim.id
        if isinstance(test, EvidenceTest | More):
            assert test.item in ITEMS, claim.id
        for name in (getattr(test, "first", None), getattr(test, "second", None), getattr(test, "framework", None)):
            assert name is None or name in named or name in frameworks, claim.id
        assert all(name in frameworks for name in getattr(test, "names", [])), claim.id
