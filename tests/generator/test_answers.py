"""Sentences say no more than the outcomes behind them, and answer what people ask."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import synthetic
from generator.comparison import (
    METRICS,
    USE_CASES,
    Conclusions,
    Labelled,
    Sheet,
    best_labelled,
    capacity_tables,
    compare_runs,
    conclude,
    facet_values,
)
from generator.dataset import PublicQuestions, QuestionsError, load_questions, load_results
from generator.sentences import PairAnswer, answer_pair, answer_questions, case_answer, start_answers
from generator.sentences.amounts import less, more, shorter
from runners.record import ITEMS
from runners.subjects.workloads import WORKLOADS

ROOT = Path(__file__).parents[2]
MOST_WORDS = 25
HEADLINES = {
    "fastapi": "uvicorn",
    "flask-socketio": "gevent",
    "django-channels": "daphne-redis",
    "websockets": "asyncio",
}
TITLES = {
    "fastapi": "FastAPI",
    "flask-socketio": "Flask-SocketIO",
    "django-channels": "Django Channels",
    "websockets": "websockets",
}


def conclusions_of(folder: Path, rounds: int) -> Conclusions:
    synthetic.write(folder, rounds=rounds, seconds=2)
    synthetic.write_evidence(folder)
    dataset = load_results(folder)
    runs = dataset.headline
    return conclude(compare_runs(runs), capacity_tables(runs), dataset.newest_evidence, HEADLINES, sorted(HEADLINES))


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Conclusions:
    return conclusions_of(tmp_path_factory.mktemp("decided"), rounds=8)


@pytest.fixture(scope="module")
def undecided(tmp_path_factory: pytest.TempPathFactory) -> Conclusions:
    return conclusions_of(tmp_path_factory.mktemp("undecided"), rounds=2)


@pytest.mark.parametrize(
    ("factor", "words"),
    [(1.1, "9\u00a0% less CPU"), (1.49, "33\u00a0% less CPU"), (1.5, "1.5× less CPU"), (12.34, "12× less CPU")],
)
def test_small_ratios_are_percent_and_large_ones_multiples(factor: float, words: str) -> None:
    assert less(factor, "CPU") == words
    assert shorter(factor, "CPU") == words.replace("less", "shorter")
    assert more(1.3, "messages") == "30\u00a0% more messages"
    assert more(3.14, "messages") == "3.1× more messages"


def test_the_best_label_wins_and_flags_never_do() -> None:
    labelled = {
        "a": Labelled("good choice", 0.7),
        "b": Labelled("recommended", 0.8),
        "c": Labelled("recommended", 0.9),
        "d": Labelled("special case", 1.0, by_flags=True),
        "e": Labelled(None, None),
    }
    found = best_labelled(labelled)
    assert found is not None
    assert (found.frameworks, found.label) == (("c", "b"), "recommended")
    assert best_labelled({"d": labelled["d"], "e": labelled["e"]}) is None


def test_a_pair_is_answered_alike_from_both_sides(decided: Conclusions) -> None:
    for one, other in zip(
        answer_pair(decided, TITLES, "fastapi", "flask-socketio"),
        answer_pair(decided, TITLES, "flask-socketio", "fastapi"),
        strict=True,
    ):
        assert (one.case, one.better, one.sureness) == (other.case, other.better, other.sureness)
        if one.better is not None:
            assert one.sentence == other.sentence


def test_who_is_named_better_is_better_by_the_rule(decided: Conclusions) -> None:
    answers = answer_pair(decided, TITLES, "fastapi", "flask-socketio")
    assert {one.case for one in answers} <= {case.slug for case in USE_CASES}
    named = [one for one in answers if one.better is not None]
    assert named, "the synthetic results differ by far"
    for one in named:
        standing = decided.standing_for(one.case, "fastapi", "flask-socketio")
        assert standing.outcome == ("better" if one.better == "fastapi" else "worse")
        assert one.sentence.startswith(f"{TITLES[one.better or '']} is {one.sureness} better: it ")


def with_sheet(conclusions: Conclusions, case: str, sheet: Sheet) -> Conclusions:
    """The same conclusions with another sheet of a use case."""
    made = replace(conclusions)
    made.__dict__["use_cases"] = {**conclusions.use_cases, case: sheet}
    return made


def complete(conclusions: Conclusions, case: str) -> Sheet:
    """The sheet of a use case without the facets in which nobody has values."""
    sheet = conclusions.use_cases[case]
    return sheet.without({one.key for one in sheet.criteria if one.facet in sheet.lacking_facets})


def answered(conclusions: Conclusions, case: str, first: str, second: str) -> PairAnswer:
    return next(one for one in answer_pair(conclusions, TITLES, first, second) if one.case == case)


def test_only_what_holds_without_any_part_is_clear(decided: Conclusions) -> None:
    """The synthetic results lack memory per connection, so nothing that counts it is clear."""
    assert answered(decided, "dashboard", "fastapi", "flask-socketio").sureness != "clearly"
    sheet = complete(decided, "dashboard")
    clear = answered(with_sheet(decided, "dashboard", sheet), "dashboard", "fastapi", "flask-socketio")
    assert (clear.better, clear.sureness) == ("fastapi", "clearly")
    key = next(one.key for one in sheet.criteria if one.unit == "% of a core")
    gap = {slug: replace(one, value=None, state="few-rounds") for slug, one in sheet.cells[key].items()}
    lacking = with_sheet(decided, "dashboard", replace(sheet, cells={**sheet.cells, key: gap}))
    assert not lacking.is_robust("dashboard", "fastapi", "flask-socketio")


def test_a_flag_keeps_the_better_one_from_being_named(decided: Conclusions) -> None:
    barred = replace(decided, basis=replace(decided.basis, flagged=frozenset({"fastapi"})))
    found = answered(
        with_sheet(barred, "dashboard", complete(decided, "dashboard")), "dashboard", "fastapi", "flask-socketio"
    )
    assert (found.better, found.sureness) == (None, None)
    assert found.sentence == "FastAPI has the better values, but it has a flag."


def test_with_too_few_rounds_nothing_is_answered(undecided: Conclusions) -> None:
    for one in answer_pair(undecided, TITLES, "fastapi", "flask-socketio"):
        assert (one.better, one.sureness) == (None, "can't say yet")
    for start in start_answers(undecided):
        assert start.slug == "rooms" or not start.frameworks or start.sureness != "clearly"
    for case in USE_CASES:
        assert case_answer(undecided, case).frameworks == ()


def test_no_answer_names_a_framework_with_a_flag(decided: Conclusions) -> None:
    barred = decided.basis.barred
    named = [slug for one in start_answers(decided) for slug in one.frameworks]
    named += [slug for case in USE_CASES for slug in case_answer(decided, case).frameworks]
    assert not barred.intersection(named)


def test_values_of_bare_libraries_alone_make_no_chart(decided: Conclusions) -> None:
    (echo, *_) = USE_CASES
    assert facet_values(echo, decided.basis)
    assert facet_values(echo, replace(decided.basis, competing=())) == ()


def sentences_of(conclusions: Conclusions) -> list[str]:
    asked = load_questions(ROOT / "site" / "questions.yml")
    return [
        *(one.sentence for one in answer_pair(conclusions, TITLES, "fastapi", "flask-socketio")),
        *(one.sentence for one in start_answers(conclusions)),
        *(case_answer(conclusions, case).sentence for case in USE_CASES),
        *(one.sentence for one in answer_questions(asked, conclusions, (), TITLES)),
    ]


def test_sentences_are_short_and_complete(decided: Conclusions, undecided: Conclusions) -> None:
    for text in [*sentences_of(decided), *sentences_of(undecided)]:
        assert text.endswith("."), text
        assert "{" not in text, text
        for sentence in re.split(r"(?<=[.:]) ", text):
            assert len(sentence.split()) <= MOST_WORDS, sentence


# What people ask


def test_what_is_asked_names_values_that_exist() -> None:
    asked = load_questions(ROOT / "site" / "questions.yml")
    assert len(asked.questions) == 44
    for one in asked.questions:
        for source in one.answers:
            metric = getattr(source, "metric", None)
            assert metric is None or metric in METRICS, one.id
            workload = getattr(source, "workload", None)
            assert workload is None or workload in WORKLOADS, one.id
            item = getattr(source, "item", None)
            assert item is None or item in ITEMS, one.id
            for name in ("where", "over"):
                where = getattr(source, name, {})
                scenarios = WORKLOADS[workload].scenarios if workload else ()
                assert not where or any(where.items() <= scenario.parameters.items() for scenario in scenarios), one.id


def test_values_are_named_with_their_unit_and_whose_they_are(decided: Conclusions) -> None:
    asked = PublicQuestions.model_validate(
        {
            "questions": [
                {
                    "id": "echo",
                    "topic": "Any",
                    "question": "How many?",
                    "answers": [
                        {"kind": "none", "why": "It is hard."},
                        {
                            "kind": "spread",
                            "workload": "echo",
                            "where": {"mode": "closed"},
                            "metric": "messages_per_s",
                            "says": "{low} ({lowest}) to {high} ({highest}), {count} of them.",
                        },
                    ],
                }
            ]
        }
    )
    (answer,) = answer_questions(asked, decided, (), TITLES)
    assert answer.state == "answered"
    assert answer.page is not None
    assert answer.page.startswith("tests/echo.md#")
    assert re.match(r"[\d,]+\u00a0messages/s \(.+\) to [\d,]+\u00a0messages/s \(.+\), \d of them\.", answer.sentence)


DOUBTS = ("practically equal.", "is not decided.")


@pytest.mark.parametrize(("over", "is_decided"), [({"mode": "closed"}, False), ({"mode": "open"}, True)])
def test_how_many_times_is_said_with_its_doubt(decided: Conclusions, over: dict[str, str], is_decided: bool) -> None:
    """A table does not differ from itself. A closed loop answers many times the messages of a slow fixed rate."""
    source = {
        "kind": "times",
        "workload": "echo",
        "where": {"mode": "closed"},
        "over": over,
        "metric": "messages_per_s",
        "says": "{low} ({lowest}) to {high} ({highest}).",
    }
    asked = PublicQuestions.model_validate(
        {"questions": [{"id": "echo", "topic": "Any", "question": "How many?", "answers": [source]}]}
    )
    (answer,) = answer_questions(asked, decided, (), TITLES)
    assert answer.state == "answered"
    assert answer.sentence.endswith(DOUBTS) is not is_decided, answer.sentence


def test_with_too_few_rounds_it_is_said(undecided: Conclusions) -> None:
    asked = load_questions(ROOT / "site" / "questions.yml")
    found = {one.asked.id: one for one in answer_questions(asked, undecided, (), TITLES)}
    assert found["asgi-server"].state == "few rounds"
    assert "too few valid rounds" in found["asgi-server"].sentence
    assert found["six-connections"].state == "not measured"
    assert found["six-connections"].sentence.startswith("Not measured. Browsers open six")


GOOD = "questions: [{id: a, topic: T, question: Q?, answers: [{kind: none, why: W.}]}]"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            GOOD.replace("kind: none, why: W.", "kind: spread, workload: echo, metric: m, says: '{best}'"),
            "{best} is no value",
        ),
        (GOOD.replace("kind: none, why: W.", "kind: evidence, item: sse, says: '{low}'"), "{low} is no value"),
        (GOOD.replace("kind: none, why: W.", "kind: spread, workload: echo, metric: m, says: '{low'"), "expected '}'"),
        (GOOD.replace("kind: none", "kind: some"), "some"),
        (GOOD.replace("id: a", "id: a, asked: ['http://plain.example']"), "asked"),
        (GOOD.replace("answers: [{kind: none, why: W.}]", "answers: []"), "at least 1 item"),
        (GOOD[:-1] + ", {id: a, topic: T, question: Q?, answers: [{kind: none, why: W.}]}]", "two have the id 'a'"),
        ("questions: [", "not valid YAML"),
        ("\xff", "not UTF-8"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused_with_the_reason(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "questions.yml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(QuestionsError, match=re.escape(str(path))) as refused:
        load_questions(path)
    assert says in str(refused.value)


def test_without_the_list_nothing_is_asked(tmp_path: Path) -> None:
    assert load_questions(tmp_path / "questions.yml").questions == []
