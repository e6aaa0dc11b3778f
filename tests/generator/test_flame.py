"""The boxes of a flame graph: nested, side by side, and within the width of the page."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.pages import flame_drawing
from generator.pages.flame_drawing import Box
from runners.flame.stacks import Stack, StackFrame, build_graph
from tests.support import documents

frames = st.builds(
    StackFrame,
    module=st.sampled_from(["./app.py", "uvicorn/server.py", "python3.11/asyncio/events.py"]),
    function=st.sampled_from("abcd"),
)
stacks = st.lists(
    st.builds(Stack, frames=st.lists(frames, min_size=1, max_size=6).map(tuple), samples=st.integers(1, 90)),
    min_size=1,
    max_size=30,
)


def drawn(found: list[Stack]) -> flame_drawing.Drawing:
    samples = sum(stack.samples for stack in found)
    drawing = flame_drawing.lay_out_flame(documents.flame(samples=samples, graph=build_graph(found)))
    assert drawing is not None
    return drawing


@given(found=stacks)
@settings(deadline=None)
def test_boxes_lie_under_their_callers_and_do_not_overlap(found: list[Stack]) -> None:
    drawing = drawn(found)
    above: dict[int, Box] = {}
    ends: dict[int, float] = {}
    for box in drawing.boxes:
        assert box.left_percent >= ends.get(box.depth, 0.0) - 0.01
        ends[box.depth] = right = box.left_percent + box.width_percent
        assert right <= 100.01
        if box.depth:
            caller = above[box.depth - 1]
            assert caller.left_percent - 0.01 <= box.left_percent
            assert right <= caller.left_percent + caller.width_percent + 0.01
        above[box.depth] = box
    assert drawing.levels == 1 + max(box.depth for box in drawing.boxes)


def test_calls_that_only_lead_on_are_left_out() -> None:
    a, b, c, d = (StackFrame("./app.py", name) for name in "abcd")
    drawing = drawn([Stack((a, b, c), 50), Stack((a, b, d), 50)])
    assert drawing.trunk == ("a",)
    assert [(box.label, box.width_percent) for box in drawing.boxes] == [("b", 100.0), ("c", 50.0), ("d", 50.0)]
    assert drawing.boxes[1].title == "c, ./app.py: 50.0 %, 50.0 % itself"
    assert drawn([Stack((a,), 90), Stack((a, b), 10)]).trunk == ()


def test_a_narrow_box_has_no_word_but_its_title() -> None:
    wide, narrow = StackFrame("./app.py", "wide"), StackFrame("./app.py", "narrow")
    boxes = drawn([Stack((wide,), 97), Stack((narrow,), 3)]).boxes
    assert [box.label for box in boxes] == ["wide", ""]
    assert boxes[1].title.startswith("narrow, ./app.py: 3.0 %")


def test_without_a_graph_there_is_no_drawing() -> None:
    failed = documents.flame().model_copy(update={"graph": None, "failure": "no"})
    assert flame_drawing.lay_out_flame(failed) is None


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        ("./app.py", "app"),
        (".", "app"),
        ("python3.11", "python"),
        ("python3.13t/threading.py", "python"),
        ("uvicorn/server.py", "package"),
        ("six.py", "package"),
        ("?", "other"),
        ("<string>", "other"),
    ],
)
def test_whose_code_it_is(module: str, kind: str) -> None:
    assert flame_drawing.kind_of(module) == kind


def test_shares_are_described_in_words() -> None:
    told = documents.flame(self_percent={"uvicorn": 60.0, "python3.11": 30.0, ".": 9.0, "?": 1.0})
    assert flame_drawing.shares_by_owner(told) == [
        ("uvicorn", 60.0),
        ("Python’s own library", 30.0),
        ("the app", 9.0),
        ("neither of these", 1.0),
    ]
