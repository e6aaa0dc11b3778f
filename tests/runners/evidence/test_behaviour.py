"""How the tests of a running server start it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runners.evidence.behaviour import SHORTENED_ENDS, with_own_end
from runners.subjects import catalog

WORDS = st.lists(st.sampled_from(["gunicorn", "app:app", "--bind", "{host}:{port}", "1", "--workers", "--reload"]))
SHORTENED = st.builds(
    lambda option, value, is_one_word: [f"{option}={value}"] if is_one_word else [option, value],
    st.sampled_from(SHORTENED_ENDS),
    st.sampled_from(["0", "1", "30"]),
    st.booleans(),
)


@given(st.lists(st.tuples(WORDS, SHORTENED)), WORDS)
def test_only_the_options_that_shorten_the_end_are_left_out(
    parts: list[tuple[list[str], list[str]]], last: list[str]
) -> None:
    command = [word for before, shortened in parts for word in (*before, *shortened)] + last
    assert with_own_end(command) == [word for before, _ in parts for word in before] + last


def test_no_command_of_ours_shortens_the_end_where_it_is_tested() -> None:
    shortened = [
        variant for one in catalog.discover() for variant in one.variants if "-timeout" in str(variant.command)
    ]
    assert shortened
    for variant in shortened:
        assert "graceful" not in " ".join(with_own_end(variant.command))
