"""Stacks are read, named without local paths, counted, and drawn so that shares add up to the whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runners.flame.stacks import (
    MAX_ROWS,
    Stack,
    StackFrame,
    build_graph,
    count_top,
    module_path,
    read_stacks,
    share_by_owner,
)
from runners.record import load_flames, problems_in, save
from tests.support.documents import flame, flame_document

APP = "/home/somebody/frameworks/mine"
PACKAGES = "/home/somebody/.rtsite/environments/mine-1/lib/python3.11/site-packages"
LIBRARY = "/home/somebody/.pyenv/versions/3.11.7/lib/python3.11"

frames = st.builds(
    StackFrame,
    module=st.sampled_from(
        ["./app.py", "uvicorn/server.py", "six.py", "python3.11/asyncio/events.py", "?/x", "<string>"]
    ),
    function=st.text("abcdefg._<>", min_size=1, max_size=3),
)
stacks = st.lists(
    st.builds(Stack, frames=st.lists(frames, min_size=1, max_size=8).map(tuple), samples=st.integers(1, 500)),
    min_size=1,
    max_size=60,
)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{APP}/app.py", "./app.py"),
        (f"{APP}/chat/rooms.py", "./chat/rooms.py"),
        ("app.py", "./app.py"),
        (f"{PACKAGES}/uvicorn/protocols/http.py", "uvicorn/protocols/http.py"),
        ("/usr/lib/python3/dist-packages/six.py", "six.py"),
        (f"{LIBRARY}/asyncio/events.py", "python3.11/asyncio/events.py"),
        ("/usr/lib64/python3.13t/threading.py", "python3.13t/threading.py"),
        ("/home/somebody/.rtsite/environments/mine-1/bin/uvicorn", "?/uvicorn"),
        ("/home/somebody/elsewhere/module.py", "?/module.py"),
        ("../secret/module.py", "?/module.py"),
        ("<string>", "<string>"),
        ("<frozen importlib._bootstrap>", "<frozen importlib._bootstrap>"),
    ],
)
def test_a_module_is_named_from_its_root_on(path: str, expected: str) -> None:
    assert module_path(path, app=APP) == expected


@given(
    root=st.sampled_from([APP, f"{PACKAGES}/web", LIBRARY, "/home/somebody", "/home/somebody/other", ""]),
    rest=st.lists(st.text("ab./-_\\\n ", max_size=8), max_size=4),
)
def test_no_path_of_the_machine_is_left(root: str, rest: list[str]) -> None:
    named = module_path("/".join([root, *rest]), app=APP)
    assert not named.startswith("/")
    assert "somebody" not in named.rpartition("/")[0]
    assert "\n" not in named


def test_py_spys_format_is_read() -> None:
    process = f'process 7:"{PACKAGES}/../../../bin/python app.py --name a;b"'
    text = "\n".join(
        [
            f"{process};<module> ({APP}/app.py:1);run ({LIBRARY}/asyncio/runners.py:160) 3",
            f'{process};process 8:"worker";<module> ({APP}/app.py:1);run ({LIBRARY}/asyncio/runners.py:160) 2',
            f"{process} 4",
            f"{process};f (a b) ({APP}/app.py:12) 1",
            "not a stack",
            "",
        ]
    )
    assert read_stacks(text, app=APP) == [
        Stack((StackFrame("./app.py", "<module>"), StackFrame("python3.11/asyncio/runners.py", "run")), 5),
        Stack((StackFrame("?", "no Python function"),), 4),
        Stack((StackFrame("./app.py", "f (a b)"),), 1),
    ]


@given(text=st.text(max_size=200))
def test_any_text_is_read_or_passed_over(text: str) -> None:
    for stack in read_stacks(text, app=APP):
        assert stack.samples > 0
        assert stack.frames


def test_recursion_counts_once() -> None:
    again = StackFrame("./app.py", "again")
    (top,) = count_top([Stack((again, again, again), 10)])
    assert (top.self_percent, top.total_percent) == (100.0, 100.0)


@given(found=stacks)
@settings(deadline=None)
def test_every_share_is_of_one_whole(found: list[Stack]) -> None:
    top = count_top(found)
    assert sum(function.self_percent for function in top) <= 100 + 0.01 * len(top)
    assert [one.self_percent for one in top] == sorted((one.self_percent for one in top), reverse=True)
    assert all(one.self_percent <= one.total_percent <= 100 for one in top)
    shares = share_by_owner(found)
    assert sum(shares.values()) <= 100 + 0.01 * len(shares)
    assert all("/" not in owner for owner in shares)


@given(found=stacks)
@settings(deadline=None, max_examples=40)
def test_what_is_drawn_adds_up_and_comes_back_from_disk(
    tmp_path_factory: pytest.TempPathFactory, found: list[Stack]
) -> None:
    graph = build_graph(found)
    samples = sum(stack.samples for stack in found)
    assert len(graph.rows) <= MAX_ROWS
    assert all(100 * total / samples >= graph.threshold_percent - 0.01 for _, _, total, _ in graph.rows)
    shown = sum(own for *_, own in graph.rows)
    assert graph.dropped_percent == pytest.approx(100 * (samples - shown) / samples, abs=0.01)
    document = flame_document(
        flame(samples=samples, graph=graph, top=count_top(found), self_percent=share_by_owner(found))
    )
    path = tmp_path_factory.getbasetemp() / "mine.flame.yml"
    save(document, path)
    assert problems_in(path) == []
    assert load_flames(path) == document


def test_a_bush_is_thinned_until_it_is_small(tmp_path: Path) -> None:
    """Many deep stacks with long names that part early, each thick enough to stay."""
    found = [
        Stack(
            tuple(
                StackFrame(
                    f"package_{depth}/protocols/websockets/module.py", f"Class.method_{depth}_{branch % (depth + 1)}"
                )
                for depth in range(45)
            ),
            10 + branch % 7,
        )
        for branch in range(150)
    ]
    graph = build_graph(found)
    assert len(graph.rows) == MAX_ROWS
    assert graph.threshold_percent > 0.5
    document = flame_document(flame(samples=sum(stack.samples for stack in found), graph=graph, top=count_top(found)))
    save(document, tmp_path / "mine.flame.yml")
    assert problems_in(tmp_path / "mine.flame.yml") == []
    assert (tmp_path / "mine.flame.yml").stat().st_size <= 15_000
