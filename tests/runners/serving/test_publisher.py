"""The program that publishes: it becomes ready, gets its lines and ends, or one sentence says why not."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import psutil
import pytest

from runners.record.schema import USUAL_TOPOLOGY
from runners.serving import publisher
from runners.serving.deployment import serve_variant
from runners.serving.publisher import PublisherError, PublisherProgram
from runners.subjects import catalog
from runners.subjects.catalog import Framework, Variant
from tests.support import needs
from tests.support.processes import until

WRITES = """
import sys
print("ready", flush=True)
with open(sys.argv[1], "w") as file:
    for line in sys.stdin:
        file.write(line)
        file.flush()
    file.write("the end")
"""


def program(folder: Path, source: str, *arguments: str) -> PublisherProgram:
    (folder / "publisher.py").write_text(source)
    command = (sys.executable, "publisher.py", *arguments)
    return PublisherProgram("mine/redis", command, folder, {"PATH": os.defpath})


def test_it_gets_each_line_and_sees_the_end_of_its_input(tmp_path: Path) -> None:
    wrote = tmp_path / "wrote"
    with program(tmp_path, WRITES, str(wrote)).running() as running:
        running.publish("tea", "héllo\n")
        until(lambda: wrote.exists() and wrote.read_text().endswith("\n"), "the first line")
        assert json.loads(wrote.read_text()) == {"room": "tea", "text": "héllo\n"}
        with running.lines.open("w") as another:  # as the load generator does
            another.write("its line\n")
        until(lambda: "its line" in wrote.read_text(), "the line of another writer")
        assert running.how_it_ended is None
        pid, folder = running.child.pid, running.lines.parent
    assert wrote.read_text().endswith("the end")
    assert running.child.status == 0
    assert not psutil.pid_exists(pid)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise SystemExit(3)", r"mine/redis: its publisher ended with status 3; expected the line 'ready' first"),
        (
            "raise ConnectionError('no broker')",
            r"ended with status 1 \(ConnectionError: no broker\); expected the line 'ready' first",
        ),
        ("print('connecting', flush=True); input()", "expected the line 'ready' first, got 'connecting'"),
        ("print('ready?')", "expected the line 'ready' first, got 'ready\\?'"),
        ("import time; time.sleep(60)", "did not print 'ready' within 0.5 s; print it, and flush, once it can publish"),
        ("import sys; sys.stdout.write('ready'); sys.stdin.read()", "did not print 'ready' within 0.5 s"),
        ("import os; os.kill(os.getpid(), 9)", "ended with status -9"),
    ],
)
def test_one_that_does_not_become_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, says: str
) -> None:
    monkeypatch.setattr(publisher, "START_S", 0.5 if "within" in says else 20.0)
    monkeypatch.setattr(publisher, "END_S", 0.1)
    with pytest.raises(PublisherError, match=says), program(tmp_path, source).running():
        pass
    assert [one for one in psutil.Process().children(recursive=True) if "publisher.py" in one.cmdline()] == []


def test_one_that_ends_early_takes_no_more(tmp_path: Path) -> None:
    source = "print('ready', flush=True); input(); print('not like this'); raise ValueError('a line too many')"
    says = r"its publisher ended with status 1 \(ValueError: a line too many\)"

    def publish_two() -> None:
        with program(tmp_path, source).running() as running:
            running.publish("tea", "one")
            until(lambda: running.how_it_ended is not None, "its end")
            with pytest.raises(PublisherError, match=f"{says}$"):
                running.publish("tea", "two")

    with pytest.raises(PublisherError, match=f"{says}, before its input ended$"):
        publish_two()


@pytest.mark.parametrize(
    ("takes", "says"), [(1, "^nothing came; .*its publisher ended with status 0$"), (2, "^nothing came$")]
)
def test_what_fails_says_so_if_the_program_had_ended(tmp_path: Path, takes: int, says: str) -> None:
    source = "print('ready', flush=True)" + takes * "; input()"

    def fail() -> None:
        with program(tmp_path, source).running() as running:
            running.publish("tea", "one")
            if takes == 1:
                until(lambda: running.how_it_ended is not None, "its end")
            raise LookupError("nothing came")

    with pytest.raises((PublisherError, LookupError), match=says):
        fail()


def test_it_gets_a_line_that_is_longer_than_the_pipe(tmp_path: Path) -> None:
    wrote = tmp_path / "wrote"
    texts = [letter * 300_000 for letter in "abc"]
    with program(tmp_path, WRITES, str(wrote)).running() as running:
        for text in texts:
            running.publish("tea", text)
    *lines, end = wrote.read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == texts
    assert end == "the end"


@pytest.mark.parametrize("length", [1000, 300_000])
def test_one_that_does_not_read_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    monkeypatch.setattr(publisher, "END_S", 0.1)
    monkeypatch.setattr(publisher, "READ_S", 0.1)
    source = "import time; print('ready', flush=True); time.sleep(60)"

    def publish_many() -> None:
        for _ in range(1000):
            running.publish("tea", length * "x")

    with (
        program(tmp_path, source).running() as running,
        pytest.raises(PublisherError, match="does not read its input"),
    ):
        publish_many()
    assert not psutil.pid_exists(running.child.pid)


@pytest.mark.matrix
@pytest.mark.parametrize(
    ("framework", "variant"),
    [
        pytest.param(framework, variant, id=f"{framework.slug}/{variant.slug}")
        for framework in catalog.discover()
        for variant in framework.variants
        if variant.publisher is not None
    ],
)
def test_one_that_is_ready_is_connected(framework: Framework, variant: Variant, tmp_path: Path) -> None:
    variant = variant.under(needs.allowed_python(framework), USUAL_TOPOLOGY)
    with needs.serving(variant), serve_variant(framework, variant, logs=tmp_path) as serving:
        assert serving.server.publisher is not None
        with serving.server.publisher.running() as running:
            connections = psutil.Process(running.child.pid).net_connections("tcp")
            assert psutil.CONN_ESTABLISHED in [one.status for one in connections]
