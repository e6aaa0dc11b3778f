"""The pace of a load: invalid values are refused, JSON preserves it, and shards share the rate."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.loadgen.pace import Closed, Open, Pace, PushOnly, from_mapping, share_of, to_mapping

rates = st.floats(min_value=0, max_value=1e9, exclude_min=True, allow_subnormal=False)
paces: st.SearchStrategy[Pace] = (
    st.builds(Closed, st.integers(1, 10**6))
    | st.builds(Open, rates, st.sampled_from(["steady", "poisson"]))
    | st.just(PushOnly())
)


@given(paces)
def test_a_pace_survives_json(pace: Pace) -> None:
    assert from_mapping(json.loads(json.dumps(to_mapping(pace)))) == pace


@pytest.mark.parametrize(
    "data",
    [{}, {"loop": "half-open"}, {"loop": "open"}, {"loop": "open", "rate_per_s": 0}, {"loop": "push-only", "x": 1}],
)
def test_other_mappings_are_refused(data: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        from_mapping(data)


@pytest.mark.parametrize("rate_per_s", [0.0, -1.0, math.inf, math.nan])
def test_an_open_loop_has_a_rate(rate_per_s: float) -> None:
    with pytest.raises(ValueError, match="more than 0 messages per second"):
        Open(rate_per_s)


def test_a_closed_loop_has_a_message_in_flight() -> None:
    with pytest.raises(ValueError, match="at least 1 message in flight, not 0"):
        Closed(0)


@given(paces, st.lists(st.integers(1, 1000), min_size=1, max_size=8))
def test_the_shares_of_all_shards_are_the_whole(pace: Pace, connections: list[int]) -> None:
    total = sum(connections)
    shares = [share_of(pace, each, total) for each in connections]
    if isinstance(pace, Open):
        opens = [share for share in shares if isinstance(share, Open)]
        assert {share.arrivals for share in opens} == {pace.arrivals}
        assert sum(share.rate_per_s for share in opens) == pytest.approx(pace.rate_per_s)
        assert len(opens) == len(connections)
    else:
        assert shares == [pace] * len(connections)
