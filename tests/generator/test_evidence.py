"""Evidence: how it is scored, read and compared."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks import synthetic
from generator.comparison import compare_evidence, compare_runs, count_kinds, machine_factors
from generator.comparison.scored_values import ScoringBasis, evidence_sheets, headline_finding
from generator.comparison.scoring import Sheet
from generator.dataset import ClaimsError, Evidence, load_claims, load_results
from generator.pages import make_site
from runners.record import FACETS, ITEMS, NOT_ALWAYS, Finding, RecordError


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Evidence]:
    folder = tmp_path_factory.mktemp("results")
    synthetic.write_evidence(folder)
    return load_results(folder).newest_evidence


def holding(one: Evidence, item: str, finding: Finding) -> Evidence:
    """The same evidence with another finding of this item."""

    def replaced(findings: list[Finding]) -> list[Finding]:
        return [finding if found.item == item else found for found in findings]

    document = one.document.model_copy(
        update={
            "findings": replaced(one.document.findings),
            "variants": [
                variant.model_copy(update={"findings": replaced(variant.findings)}) for variant in one.document.variants
            ],
        }
    )
    return Evidence(one.path, document)


def sheets_of(evidence: dict[str, Evidence]) -> dict[str, Sheet]:
    headline = {slug: one.document.variants[0].variant.slug for slug, one in evidence.items()}
    frameworks = tuple(sorted(evidence))
    basis = ScoringBasis(compare_runs(()), (), evidence, headline, frameworks, frameworks)
    return evidence_sheets(basis, {dimension: dimension for dimension in FACETS})


def test_every_item_with_a_facet_counts(evidence: dict[str, Evidence]) -> None:
    sheets = sheets_of(evidence)
    assert set(sheets) == set(FACETS)
    counting = {item.slug for item in ITEMS.values() if item.facet is not None}
    assert {one.key for sheet in sheets.values() for one in sheet.criteria} == counting
    for dimension, sheet in sheets.items():
        assert {one.facet for one in sheet.criteria} == set(FACETS[dimension])  # type: ignore[index]
        assert set(sheet.totals) == set(evidence)
        assert all(0 <= total <= 1 for total in sheet.totals.values())


def test_twice_as_much_is_half_a_point_and_own_code_too(evidence: dict[str, Evidence]) -> None:
    values = {"fastapi": 40, "flask-socketio": 20, "django-channels": 80, "websockets": 20}
    across = {"fastapi": "with 24 lines", "flask-socketio": "built in", "django-channels": "no", "websockets": "no"}
    known = {
        slug: holding(
            holding(evidence[slug], "statements", Finding(item="statements", value=value)),
            "rooms-across",
            Finding(item="rooms-across", value=across[slug]),
        )
        for slug, value in values.items()
    }
    sheet = sheets_of(known)["ease-of-use"]
    found = {one.key: {slug: sheet.score_of(slug, one) for slug in values} for one in sheet.criteria}
    assert found["statements"] == pytest.approx(
        {"fastapi": 0.5, "flask-socketio": 1.0, "django-channels": 0.0, "websockets": 1.0}
    )
    assert found["rooms-across"] == {
        "fastapi": 0.5,
        "flask-socketio": 1.0,
        "django-channels": 0.0,
        "websockets": 0.0,
    }


def test_only_the_headline_variant_counts(evidence: dict[str, Evidence]) -> None:
    """Another variant that can do more changes no score."""
    channels = evidence["django-channels"]
    variants = [
        one.model_copy(update={"findings": [Finding(item="plain-websocket", value=number == last)]})
        for last in (len(channels.document.variants) - 1,)
        for number, one in enumerate(channels.document.variants)
    ]
    mixed = Evidence(channels.path, channels.document.model_copy(update={"variants": variants}))
    first, last = (variants[place].variant.slug for place in (0, -1))
    for headline, expected in ((first, False), (last, True)):
        finding = headline_finding(mixed, "plain-websocket", headline)
        assert finding is not None
        assert finding.value is expected
    assert headline_finding(mixed, "plain-websocket", None) is None
    assert headline_finding(mixed, "statements", None) is not None


def test_what_was_not_determined_is_unknown(evidence: dict[str, Evidence]) -> None:
    silent = {
        slug: holding(one, "statements", Finding(item="statements", note="nobody counted"))
        for slug, one in evidence.items()
    }
    sheet = sheets_of(silent)["ease-of-use"]
    assert [one.key for one in sheet.unknown] == ["statements"]
    assert sheets_of({}) == {}


@pytest.mark.parametrize("value", [True, NOT_ALWAYS])
@pytest.mark.parametrize(("ends_after_s", "is_enough"), [(0.4, True), (None, False)])
def test_an_answer_of_a_server_that_does_not_end_is_no_orderly_end(
    evidence: dict[str, Evidence], ends_after_s: float | None, is_enough: bool, value: bool | str
) -> None:
    one = evidence["fastapi"]
    counts = value if is_enough else False
    for finding in (
        Finding(item="drain-answered", value=value),
        Finding(item="drain-s", value=ends_after_s, note="not within 10 s"),
    ):
        one = holding(one, finding.item, finding)
    found = one.finding("drain-answered")
    assert found is not None
    assert found.value == counts
    assert found.note == (None if is_enough else ITEMS["drain-answered"].otherwise)
    assert {each.value for _, each in one.findings_of("drain-answered")} == {counts}
    assert one.can("drain-answered") is (counts is True)


# Reading


def test_what_a_framework_cannot_do_is_taken_from_its_folder(tmp_path: Path) -> None:
    """Its application may be able to do more today than when it was measured."""
    synthetic.write(tmp_path, rounds=2, seconds=1, searches=False)
    dataset = load_results(tmp_path)
    before = {one.document.framework.slug: one.document.framework.cannot for one in dataset.runs[0].frameworks}
    changed = dataset.with_abilities({"fastapi": {"polling": "No."}, "unmeasured": {}})
    after = {one.document.framework.slug: one.document.framework.cannot for one in changed.runs[0].frameworks}
    assert after == {**before, "fastapi": {"polling": "No."}}
    assert changed.headline[0].frameworks[0].document.cells == dataset.headline[0].frameworks[0].document.cells


def test_the_newest_evidence_of_each_framework_is_shown(tmp_path: Path) -> None:
    synthetic.write_evidence(tmp_path, campaign="old", collected="2026-11-01T00:00:00Z", seed=1)
    synthetic.write_evidence(
        tmp_path, campaign="new", collected="2026-11-02T00:00:00Z", variants=synthetic.VARIANTS[:3]
    )
    dataset = load_results(tmp_path)
    assert len(dataset.evidence) > len(dataset.newest_evidence)
    campaigns = {slug: one.document.campaign for slug, one in dataset.newest_evidence.items()}
    assert campaigns["fastapi"] == campaigns["websockets"] == "new"
    assert campaigns["django-channels"] == "old"
    assert "reference" not in campaigns


def test_evidence_under_another_name_is_a_problem(tmp_path: Path) -> None:
    synthetic.write_evidence(tmp_path, variants=synthetic.VARIANTS[:3])
    file = next(tmp_path.glob("*/evidence/fastapi.yml"))
    file.rename(file.with_name("sanic.yml"))
    with pytest.raises(RecordError, match=r"sanic\.yml:1:1: contains fastapi; rename it to fastapi\.yml"):
        load_results(tmp_path)


# Claims


def test_our_transcript_of_the_claims_can_be_read() -> None:
    claims = load_claims(Path(__file__).parents[2] / "site" / "claims.yml")
    assert {claim.dimension for claim in claims.winners} == {
        "ease-of-use",
        "architecture",
        "performance",
        "development-experience",
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("articles: [", "not valid YAML"),
        ("winners: [{id: a, article: b, dimension: speed, winner: c}]", r"winners\.0\.dimension"),
        ("winners: [{id: a, article: b, dimension: performance, winner: c}]", "article 'b', which is not listed"),
        (
            "articles: [{id: b, title: B, between: [x, y]}]\n"
            "winners: [{id: a, article: b, dimension: performance, winner: c}]",
            "names 'c', which its article does not compare",
        ),
    ],
)
def test_a_broken_transcript_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "claims.yml").write_text(text)
    with pytest.raises(ClaimsError, match=said) as caught:
        load_claims(tmp_path / "claims.yml")
    assert "\n" not in str(caught.value)


def test_no_claims_are_no_error(tmp_path: Path) -> None:
    assert load_claims(tmp_path / "none.yml").articles == []


def test_two_collections_show_facts_that_differ_and_timings_with_separate_ranges(evidence: dict[str, Evidence]) -> None:
    changed = dict(evidence)
    changed["fastapi"] = holding(evidence["fastapi"], "statements", Finding(item="statements", value=9999))
    changed["websockets"] = holding(
        evidence["websockets"], "start-s", Finding(item="start-s", value=900, low=800, high=1000, samples=3)
    )
    assert count_kinds(compare_evidence(evidence, evidence))["differs"] == 0
    assert {change.kind for change in compare_evidence(evidence, evidence)} == {"same", "within"}
    remarkable = [one for one in compare_evidence(evidence, changed) if one.kind in {"differs", "apart"}]
    assert [(one.framework, one.after.item, one.kind) for one in remarkable] == [
        ("fastapi", "statements", "differs"),
        ("websockets", "start-s", "apart"),
    ]
    # A release is a day older the next day, which is no change of the framework.
    older = holding(evidence["fastapi"], "release-age-days", Finding(item="release-age-days", value=9999))
    assert compare_evidence(evidence, evidence | {"fastapi": older}) == compare_evidence(evidence, evidence)
    # What only one of them holds cannot be compared.
    del changed["fastapi"]
    assert "fastapi" not in {one.framework for one in compare_evidence(changed, evidence)}


def test_memory_differs_from_collection_to_collection_by_more_than_its_samples(evidence: dict[str, Evidence]) -> None:
    def resting(mb: float) -> dict[str, Evidence]:
        found = Finding(item="memory-mb", value=mb, low=0.999 * mb, high=1.001 * mb, samples=6)
        return {"fastapi": holding(evidence["fastapi"], "memory-mb", found)}

    def kinds(mb: float) -> set[str]:
        changes = compare_evidence(resting(50.0), resting(mb))
        return {one.kind for one in changes if one.after.item == "memory-mb"}

    assert kinds(51.0) == {"within"}
    assert kinds(55.0) == {"apart"}


def test_an_hour_in_which_the_machine_is_slow_is_no_change_of_any_framework(evidence: dict[str, Evidence]) -> None:
    def timed(value: float) -> Evidence:
        found = Finding(item="start-s", value=value, low=0.9 * value, high=1.1 * value, samples=6)
        return holding(evidence["fastapi"], "start-s", found)

    before = {f"framework-{number}": timed(0.2 + number / 10) for number in range(9)}
    after = {f"framework-{number}": timed(1.5 * (0.2 + number / 10)) for number in range(9)}
    after["framework-3"] = timed(0.5)  # as fast as before, while all others are slower
    changes = compare_evidence(before, after)
    assert machine_factors(changes)["start-s"] == pytest.approx(1.5)
    apart = [(one.framework, one.after.item) for one in changes if one.kind == "apart"]
    assert set(apart) == {("framework-3", "start-s")}
    # A few timings are no measure of the machine's pace: what lies apart might be the frameworks' own doing.
    few = {slug: before[slug] for slug in list(before)[4:6]}
    assert "start-s" not in machine_factors(compare_evidence(few, after))
    assert count_kinds(compare_evidence(few, after))["apart"] > 0


def test_the_headline_variant_represents_a_framework(evidence: dict[str, Evidence]) -> None:
    made = evidence["django-channels"]
    unknown = [
        one.model_copy(update={"variant": one.variant.model_copy(update={"headline": None})})
        for one in made.document.variants
    ]
    channels = Evidence(made.path, made.document.model_copy(update={"variants": unknown}))
    first, second, *others = channels.document.variants
    assert channels.main == first, "older files do not record a headline variant"
    chosen = second.model_copy(update={"variant": second.variant.model_copy(update={"headline": True})})
    document = channels.document.model_copy(update={"variants": [first, chosen, *others]})
    recorded = Evidence(channels.path, document)
    assert recorded.main == chosen
    assert recorded.finding("start-s") == next(one for one in second.findings if one.item == "start-s")
    assert recorded.finding("start-s", first.variant.slug) == channels.finding("start-s")


@pytest.mark.parametrize(("collected", "is_marked"), [("2026-11-28T23:59:59Z", True), ("2026-11-29T00:00:00Z", False)])
def test_evidence_by_an_older_rule_is_marked(tmp_path: Path, collected: str, is_marked: bool) -> None:
    synthetic.write_evidence(tmp_path, collected=collected)
    pages = {page.path: page.text() for page in make_site(load_results(tmp_path), {}).pages}
    for path, title in (
        ("dimensions/ease-of-use.md", "Statements of the app"),
        ("frameworks/fastapi/results.md", "Bytes that are no frame: a close frame says so"),
    ):
        (said,) = re.findall(r"By an older rule.*?</p>", pages[path]) or [""]
        assert (title in said) is is_marked, path
        assert "Memory at rest" not in said
    assert ('by an <a href="#evidence">older rule</a>' in pages["dimensions/ease-of-use.md"]) is is_marked
