"""Claims of articles are checked against results and evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from benchmarks import synthetic
from generator.comparison import ClaimBasis, JudgedClaim, capacity_tables, compare_runs, try_claim
from generator.comparison.metrics import METRICS
from generator.dataset import Article, Claim, Evidence, load_claims, load_results
from generator.dataset.article_claims import Compared, EvidenceTest, Extreme, More, Within
from generator.dataset.article_claims import Test as AnyTest
from runners.record import ITEMS, Finding
from runners.subjects import catalog
from runners.subjects.workloads import WORKLOADS

ROOT = Path(__file__).parents[2]
ARTICLE = Article(id="one", title="One", between=["django-channels", "fastapi", "flask-socketio"])
ECHO = {"workload": "echo", "where": {"mode": "closed"}, "metric": "messages_per_s"}


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> ClaimBasis:
    folder = tmp_path_factory.mktemp("results")
    synthetic.write(folder, rounds=5, seconds=1)
    synthetic.write_evidence(folder)
    dataset = load_results(folder)
    runs = dataset.runs
    titles = {one.document.framework.slug: one.document.framework.title for one in dataset.newest_evidence.values()}
    return ClaimBasis(compare_runs(runs), capacity_tables(runs), dataset.newest_evidence, titles)


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
    return ClaimBasis(
        known.comparison, known.searched, {**known.evidence, framework: Evidence(one.path, document)}, known.titles
    )


def test_an_order_of_two(known: ClaimBasis) -> None:
    right = tried(known, kind="compared", **ECHO, first="fastapi", second="flask-socketio", claimed=4)
    assert right.verdict == "holds"
    assert right.ratio is not None
    assert right.ratio.value > 5
    assert right.found == "The first is better; the article's ratio is 4."
    assert right.page is not None
    assert right.page.startswith("workloads/echo.md#echo-mode-closed")
    assert [row.framework.slug for row, _ in right.values] == ["fastapi", "flask-socketio"]
    wrong = tried(known, kind="compared", **ECHO, first="fastapi", second="flask-socketio", claimed=0.5)
    assert wrong.verdict == "does not hold"
    assert tried(known, kind="compared", **ECHO, first="flask-socketio", second="fastapi").verdict == "does not hold"


def test_equals_are_not_distinguishable(known: ClaimBasis) -> None:
    pair = {"first": "django-channels/uvicorn-memory", "second": "django-channels/uvicorn-redis"}
    same = tried(known, kind="compared", **ECHO, **pair)
    assert (same.verdict, same.found) == ("does not hold", "They are not distinguishable.")
    assert tried(known, kind="differ", **ECHO, **pair).verdict == "does not hold"
    unlike = {"first": "django-channels/uvicorn-memory", "second": "django-channels/daphne-memory"}
    assert tried(known, kind="differ", **ECHO, **unlike).verdict == "holds"


def test_what_was_not_measured_cannot_be_compared(known: ClaimBasis) -> None:
    found = tried(
        known, kind="compared", workload="dashboard", where={"users": 1000}, metric="cpu_percent", first="fastapi",
        second="flask-socketio",
    )  # fmt: skip
    assert found.verdict == "cannot be compared"
    assert found.found == "No published run here measured that (dashboard: users 1000)."
    found = tried(known, kind="compared", **ECHO, first="fastapi", second="nobody")
    assert (found.verdict, found.found) == (
        "cannot be compared",
        "There is no valid messages answered per second of nobody.",
    )
    nothing = ClaimBasis(compare_runs(()), (), {}, {})
    assert tried(nothing, kind="compared", **ECHO, first="fastapi", second="nobody").verdict == "cannot be compared"


@pytest.mark.parametrize(
    ("kind", "names", "verdict"),
    [
        ("first", ["fastapi"], "holds"),
        ("first", ["flask-socketio"], "does not hold"),
        ("first", ["django-channels", "fastapi"], "holds"),
        ("last", ["flask-socketio"], "holds"),
        ("last", ["fastapi"], "does not hold"),
    ],
)
def test_the_first_and_the_last(known: ClaimBasis, kind: str, names: list[str], verdict: str) -> None:
    found = tried(known, kind=kind, **ECHO, names=names)
    assert found.verdict == verdict
    assert found.found == "From the best: FastAPI, Django Channels, Flask-SocketIO."


@pytest.mark.parametrize(("low", "high", "verdict"), [(0.001, 1000, "holds"), (5000, 6000, "does not hold")])
def test_a_range(known: ClaimBasis, low: float, high: float, verdict: str) -> None:
    where = {"workload": "echo", "where": {"mode": "open"}, "metric": "latency_p50"}
    assert tried(known, kind="within", **where, framework="flask-socketio", low=low, high=high).verdict == verdict


def test_evidence(known: ClaimBasis) -> None:
    able = with_finding(known, "fastapi", Finding(item="cross-process", value=True))
    test = {"kind": "evidence", "item": "cross-process", "framework": "fastapi"}
    assert tried(able, **test, has=True).verdict == "holds"
    assert tried(able, **test, has=False).verdict == "does not hold"
    unknown = with_finding(known, "fastapi", Finding(item="cross-process", note="one process only"))
    assert tried(unknown, **test, has=True).verdict == "cannot be compared"
    many = with_finding(known, "fastapi", Finding(item="transports", value=["polling", "websocket"]))
    listed = {"kind": "evidence", "item": "transports", "framework": "fastapi"}
    assert tried(many, **listed, has="polling").verdict == "holds"
    assert tried(many, **listed, has="sse").verdict == "does not hold"


def test_more_of_an_item(known: ClaimBasis) -> None:
    more = with_finding(known, "fastapi", Finding(item="concepts", value=99))
    test = {"kind": "more", "item": "concepts"}
    assert tried(more, **test, first="fastapi", second="flask-socketio").verdict == "holds"
    assert tried(more, **test, first="flask-socketio", second="fastapi").verdict == "does not hold"
    assert tried(more, **test, first="fastapi", second="nobody").verdict == "cannot be compared"


def test_the_rest(known: ClaimBasis) -> None:
    assert tried(known, kind="measured", framework="fastapi/uvicorn", workload="echo").verdict == "holds"
    assert tried(known, kind="measured", framework="fastapi/daphne", workload="echo").verdict == "cannot be compared"
    assert tried(known, kind="none", why="Nobody knows.").found == "Nobody knows."
    users = {"kind": "withstands", "framework": "fastapi/uvicorn"}
    assert tried(known, **users, users=1).verdict == "holds"
    assert tried(known, **users, users=10_000_000).verdict == "does not hold"
    assert tried(known, kind="withstands", framework="nobody/at-all", users=1).verdict == "cannot be compared"
    everybody = {"kind": "interface", "names": ["fastapi", "flask-socketio"]}
    interface = known.evidence["fastapi"].document.framework.interface
    assert tried(known, kind="interface", names=["fastapi"], has=interface).verdict == "holds"
    assert tried(known, **everybody, has="none such").verdict == "does not hold"
    assert tried(known, kind="interface", names=["nobody"], has="ASGI").verdict == "cannot be compared"
    names = with_finding(known, "fastapi", Finding(item="names", value=2, note="fastapi.FastAPI, pydantic.BaseModel"))
    test = {"kind": "vocabulary", "framework": "fastapi"}
    assert tried(names, **test, beyond=["fastapi"]).verdict == "holds"
    assert tried(names, **test, beyond=["fastapi", "pydantic"]).verdict == "does not hold"


def test_our_transcript_names_what_there_is() -> None:
    """Frameworks, variants, workloads, metrics and items of every claim."""
    frameworks = {framework.slug: framework for framework in catalog.discover()}
    named = {f"{slug}/{variant.slug}" for slug, framework in frameworks.items() for variant in framework.variants}
    for claim in load_claims(ROOT / "site" / "claims.yml").claims:
        test = claim.test
        if isinstance(test, Compared | Extreme | Within):
            assert test.metric in METRICS, claim.id
            asked = [set(scenario.parameters.items()) for scenario in WORKLOADS[test.workload].scenarios]
            unmeasured = {("users", 1000)}  # what an article asks of four cores
            assert any(test.where.items() <= one for one in asked) or test.where.items() <= unmeasured, claim.id
        if isinstance(test, EvidenceTest | More):
            assert test.item in ITEMS, claim.id
        for name in (getattr(test, "first", None), getattr(test, "second", None), getattr(test, "framework", None)):
            assert name is None or name in named or name in frameworks, claim.id
        assert all(name in frameworks for name in getattr(test, "names", [])), claim.id
