"""Verdicts from evidence: points, weightings, and winners."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import synthetic
from generator.comparison import compare_evidence, count_kinds, machine_factors
from generator.comparison.weighting import CRITERIA, LEADING_SHARE, Criterion, Weighed, _points, weigh
from generator.dataset import ClaimsError, Evidence, load_claims, load_results
from runners.record import ITEMS, Finding, RecordError

amounts = st.floats(0.01, 1e6)
some_criteria = tuple(Criterion(item, "lower") for item in ("statements", "concepts", "packages"))
tables = st.dictionaries(
    st.sampled_from(["a", "b", "c", "d", "e"]),
    st.tuples(*[st.floats(0, 1) | st.none()] * 3).filter(lambda row: any(one is not None for one in row)),
    min_size=1,
)


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


def test_every_criterion_agrees_with_its_item() -> None:
    for dimension, criteria in CRITERIA.items():
        assert len({criterion.item for criterion in criteria}) == len(criteria)
        for criterion in criteria:
            facts = ITEMS[criterion.item]
            assert facts.dimension == dimension, criterion.item
            assert facts.better in (criterion.better, None)
            assert not criterion.of_any_variant or facts.of == "variant"


def test_every_dimension_is_weighed(evidence: dict[str, Evidence]) -> None:
    for dimension in CRITERIA:
        weighed = weigh(dimension, evidence)
        assert weighed is not None
        assert set(weighed.points) == set(evidence)
        assert all(one is None or 0 <= one <= 1 for row in weighed.points.values() for one in row)
        assert weighed.leading


def test_the_best_has_all_points_and_twice_as_much_half_of_them(evidence: dict[str, Evidence]) -> None:
    values = {"fastapi": 40, "flask-socketio": 20, "django-channels": 80, "websockets": 20}
    known = {
        slug: holding(evidence[slug], "statements", Finding(item="statements", value=value))
        for slug, value in values.items()
    }
    assert _points(Criterion("statements", "lower"), known) == {
        "fastapi": 0.5,
        "flask-socketio": 1.0,
        "django-channels": 0.25,
        "websockets": 1.0,
    }
    assert _points(Criterion("statements", "higher"), known)["django-channels"] == 1.0
    assert _points(Criterion("statements", "lower", plus=20), known)["fastapi"] == pytest.approx(40 / 60)


def test_what_is_not_distinguishable_from_the_best_has_its_points(evidence: dict[str, Evidence]) -> None:
    spreads = {"fastapi": (1.0, 0.9, 1.2), "flask-socketio": (1.3, 1.1, 1.4), "django-channels": (1.5, 1.3, 1.6)}
    known = {
        slug: holding(evidence[slug], "start-s", Finding(item="start-s", value=value, low=low, high=high, samples=5))
        for slug, (value, low, high) in spreads.items()
    }
    points = _points(Criterion("start-s", "lower"), known)
    assert points["fastapi"] == points["flask-socketio"] == 1.0
    assert points["django-channels"] == pytest.approx(1 / 1.5)


def test_what_any_variant_can_do_counts(evidence: dict[str, Evidence]) -> None:
    channels = evidence["django-channels"]
    first, *others = channels.document.variants
    variants = [
        one.model_copy(update={"findings": [Finding(item="cross-process", value=one is not first)]})
        for one in (first, *others)
    ]
    mixed = Evidence(channels.path, channels.document.model_copy(update={"variants": variants}))
    assert _points(Criterion("cross-process", "yes", of_any_variant=True), {"one": mixed}) == {"one": 1.0}
    assert _points(Criterion("cross-process", "yes"), {"one": mixed}) == {"one": 0.0}
    assert mixed.can("cross-process") is True
    assert mixed.can("rooms") is None


def test_what_was_not_established_is_left_out(evidence: dict[str, Evidence]) -> None:
    silent = {
        slug: holding(one, "statements", Finding(item="statements", note="nobody counted"))
        for slug, one in evidence.items()
    }
    weighed = weigh("ease-of-use", silent)
    assert weighed is not None
    place = [criterion.item for criterion in weighed.criteria].index("statements")
    assert all(row[place] is None for row in weighed.points.values())
    assert weigh("ease-of-use", {}) is None


@settings(deadline=None, max_examples=30)
@given(tables)
def test_shares_and_winners(points: dict[str, tuple[float | None, ...]]) -> None:
    weighed = Weighed(some_criteria, points)
    shares = weighed.first_shares
    assert sum(shares.values()) >= 1 - 1e-9
    assert all(0 <= share <= 1 for share in shares.values())
    assert set(weighed.leading) == {slug for slug, share in shares.items() if share >= LEADING_SHARE}
    assert list(weighed.frameworks) == sorted(points, key=lambda slug: (-weighed.means[slug], slug))
    for slug, row in points.items():
        known = [one for one in row if one is not None]
        assert weighed.means[slug] == pytest.approx(sum(known) / len(known))


@settings(deadline=None, max_examples=30)
@given(tables)
def test_who_is_better_everywhere_is_better(points: dict[str, tuple[float | None, ...]]) -> None:
    mine = tuple(0.5 + (one or 0.0) / 2 for one in (*points.values(),)[0])
    weighed = Weighed(some_criteria, {"first": mine, "second": tuple(one - 0.4 for one in mine)})
    assert weighed.standing("first", "second") == ("better", 1.0)
    assert weighed.standing("second", "first") == ("worse", 0.0)
    assert weighed.standing("first", "first") == ("same", 0.0)
    assert weighed.standing("first", "nobody") == ("unknown", 0.0)
    assert weighed.leading == ("first",)


def test_who_wins_depends_on_the_weights_where_each_is_best_somewhere() -> None:
    weighed = Weighed(some_criteria, {"one": (1.0, 0.2, 0.5), "other": (0.2, 1.0, 0.5)})
    standing, share = weighed.standing("one", "other")
    assert standing == "mixed"
    assert 0.4 < share < 0.6
    assert set(weighed.leading) == {"one", "other"}


# Reading


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
    channels = evidence["django-channels"]
    first, second, *others = channels.document.variants
    assert channels.main == first, "older files do not record a headline variant"
    chosen = second.model_copy(update={"variant": second.variant.model_copy(update={"headline": True})})
    document = channels.document.model_copy(update={"variants": [first, chosen, *others]})
    recorded = Evidence(channels.path, document)
    assert recorded.main == chosen
    assert recorded.finding("start-s") == next(one for one in second.findings if one.item == "start-s")
    assert recorded.finding("start-s", first.variant.slug) == channels.finding("start-s")
