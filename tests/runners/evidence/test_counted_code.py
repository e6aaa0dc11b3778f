"""Which part of an app's code counts, by the same rule for every framework."""

from __future__ import annotations

import ast
from functools import reduce
from pathlib import Path

import pytest

from runners.evidence.collection import main_variant
from runners.evidence.copies import HintError, altered
from runners.evidence.counted_code import EVERYBODYS, apart_names, counted_trees, without_exchanges
from runners.evidence.source_code import count_statements, modules_of
from runners.serving.deployment import serve_variant
from runners.subjects import catalog
from runners.subjects.catalog import EvidenceHints, Framework
from tests.support import frameworks, needs

FRAMEWORKS = [
    framework
    for framework in catalog.discover()
    if not framework.reference and set(framework.exchanges) & set(EVERYBODYS)
]
every_framework = pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.slug)

APP = """
import json
import os
from queue import Queue
from some import Response, serve

streams = set()
viewers = set()


def push(text):
    event = Response(text)
    for stream in streams:
        stream.put(event)
    for viewer in viewers:
        viewer.send(text)


def events(request):
    streams.add(Queue())
    return answer(request)


def answer(request):
    return json.dumps(request)


routes = [("/echo", echo), ("/events", events)]


def start(routes):
    if os.fork():
        serve(routes)


if __name__ == "__main__":
    start(routes)
"""
WITHOUT_EVENTS = """
import os
from some import serve

viewers = set()


def push(text):
    for viewer in viewers:
        viewer.send(text)


routes = [("/echo", echo)]


def start(routes):
    if os.fork():
        serve(routes)


if __name__ == "__main__":
    start(routes)
"""
COUNTED = """
viewers = set()


def push(text):
    for viewer in viewers:
        viewer.send(text)


routes = [("/echo", echo)]
"""


def text_of(tree: ast.Module) -> str:
    return ast.unparse(tree)


def test_what_serves_one_exchange_goes_with_all_that_only_it_uses() -> None:
    left = without_exchanges({"app.py": ast.parse(APP)}, {"events", "streams"})
    assert text_of(left["app.py"]) == text_of(ast.parse(WITHOUT_EVENTS))


def test_nothing_goes_without_a_name_to_go() -> None:
    left = without_exchanges({"app.py": ast.parse(APP)}, set())
    assert text_of(left["app.py"]) == text_of(ast.parse(APP))


def made(home: Path, hints: EvidenceHints, *exchanges: str) -> Framework:
    framework = catalog.read_folder(frameworks.make(home / "mine"))
    return framework.model_copy(update={"evidence": hints, "exchanges": ["echo", *exchanges]})


@pytest.mark.parametrize("key", ["supervisor", "own_tls", None])
def test_starting_processes_counts_for_nobody(tmp_path: Path, key: str | None) -> None:
    """Whether a module, a function or the block at the end of the app does it. TLS settings are such a function too."""
    hints = EvidenceHints(apart={"events": ["events", "streams"]}).model_copy(update={key: "start"} if key else {})
    (tree,) = counted_trees(made(tmp_path, hints, "events"), {"app.py": ast.parse(APP)}).values()
    wanted = COUNTED if key else WITHOUT_EVENTS[: WITHOUT_EVENTS.index("if __name__")]
    assert text_of(tree) == text_of(ast.parse(wanted))
    module = EvidenceHints(apart=hints.apart, supervisor="processes.py")
    modules = {"app.py": ast.parse(COUNTED.replace("viewers =", "streams = events =")), "processes.py": ast.parse(APP)}
    assert list(counted_trees(made(tmp_path / "other", module, "events"), modules)) == ["app.py"]


@pytest.mark.parametrize(
    ("hints", "exchanges", "said"),
    [
        (EvidenceHints(), ["events"], "does not name what serves only 'events'"),
        (EvidenceHints(apart={"events": []}), ["events"], r'Write apart = \{ events = \["events"\] \}'),
        (
            EvidenceHints(apart={"events": ["events"]}),
            [],
            "has apart for 'events', expected only .*: none; take it out",
        ),
        (EvidenceHints(apart={"echo": ["echo"], "events": ["events"]}), ["events"], "has apart for 'echo'"),
        (EvidenceHints(apart={"events": ["gone"]}), ["events"], "has 'gone' in apart, which the app does not have"),
    ],
)
def test_a_wrong_hint_is_reported(tmp_path: Path, hints: EvidenceHints, exchanges: list[str], said: str) -> None:
    with pytest.raises(HintError, match=said):
        apart_names(made(tmp_path, hints, *exchanges), {"app.py": ast.parse(APP)})


def test_a_function_for_tls_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(HintError, match="has own_tls = 'gone', which the app does not have"):
        counted_trees(made(tmp_path, EvidenceHints(own_tls="gone")), {"app.py": ast.parse(APP)})


def test_the_exchanges_that_count_are_those_that_all_have() -> None:
    everybodys = reduce(set[str].intersection, (set[str](one.exchanges) for one in FRAMEWORKS))
    assert everybodys >= set(EVERYBODYS)


def trees_of(framework: Framework) -> dict[str, ast.Module]:
    modules = modules_of(framework.folder, main_variant(framework))
    return {path.name: ast.parse(path.read_text()) for path in modules}


WORDS_OF_OTHERS = (
    *("event-stream", "EventSourceResponse", "ServerSentEvent", "streams"),
    *("fork", "argparse", "workers", "load_cert_chain"),
)
"""Words of code that serves an event stream, starts processes or sets TLS up."""


@every_framework
def test_nobody_is_charged_for_an_event_stream_or_for_processes(framework: Framework) -> None:
    counted = counted_trees(framework, trees_of(framework))
    code = "\n".join(map(text_of, counted.values()))
    compile(code, "app.py", "exec")
    for word in (
        "event-stream",
        "EventSourceResponse",
        "ServerSentEvent",
        "streams",
        "fork",
        "argparse",
        "workers",
        "load_cert_chain",
    ):
        assert word not in code, word
    before = sum(map(count_statements, trees_of(framework).values()))
    after = sum(map(count_statements, counted.values()))
    assert after < before if "events" in framework.exchanges else after <= before


def serves_the_rest(framework: Framework, logs: Path) -> None:
    """Without what serves its event stream, the app keeps every other promise: no more than that was left out."""
    main = needs.on_allowed_python(framework, main_variant(framework))
    with altered(framework) as copy:
        trees = trees_of(copy)
        for name, tree in without_exchanges(trees, apart_names(copy, trees)).items():
            (copy.folder / name).write_text(ast.unparse(tree))
        with serve_variant(copy, main, logs=logs) as deployment:
            found = deployment.server.check(["echo-text", "room", "dashboard-answer", "dashboard-push"])
            assert [one.detail for one in found if not one.ok] == []
            (events,) = deployment.server.check(["events"], ["sse"])
            assert not events.ok


def test_the_code_that_counts_serves_what_all_have(tmp_path: Path) -> None:
    (framework,) = catalog.choose_frameworks(["aiohttp"])
    serves_the_rest(framework, tmp_path)


@pytest.mark.matrix
@pytest.mark.parametrize(
    "framework", [one for one in FRAMEWORKS if "events" in one.exchanges], ids=lambda framework: framework.slug
)
def test_the_code_that_counts_serves_what_all_have_for_every_framework(framework: Framework, tmp_path: Path) -> None:
    serves_the_rest(framework, tmp_path)
