"""A flame graph of a real server; a failure is recorded, retried, and leaves no process behind."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from runners import machine, process
from runners.flame import FlameError, record_missing, recording, sampler
from runners.record import Flame, as_command, cell_key, load_flames, problems_in, save
from runners.serving import environment
from runners.subjects import catalog
from runners.subjects.catalog import Framework
from tests.support import frameworks
from tests.support.documents import framework_document, run_document
from tests.support.processes import gone, marked

pytestmark = pytest.mark.runs


@dataclass(frozen=True)
class Measured:
    """A run's folder with nothing but its plan, and the framework that it names."""

    path: Path
    framework: Framework
    marker: str

    def record(self) -> list[Flame]:
        return record_missing(self.path, [self.framework], lambda _: None)

    @property
    def file(self) -> Path:
        return self.path / "mine.flame.yml"


Make = Callable[..., Measured]


@pytest.fixture
def make(tmp_path: Path, environments: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes such a run; the pass is short."""
    monkeypatch.setattr(environment, "HOME", environments)
    monkeypatch.setattr(recording, "DURATION_S", 1)
    monkeypatch.setattr(recording, "WARMUP_S", 0.3)
    monkeypatch.setattr(recording, "STARTING_S", 1.0)

    def made(*behaviours: str, **changes: object) -> Measured:
        marker = f"rtsite-test-{uuid.uuid4()}"
        framework = catalog.read_folder(frameworks.make(tmp_path / "mine", behaviours, marker))
        cells = [cell_key("mine", behaviour, "echo", {"mode": "closed"}) for behaviour in behaviours]
        document = run_document().model_copy(
            update={
                "machine": machine.describe_machine(),
                "cells": cells,
                "order": [list(range(len(cells)))] * 2,
                **changes,
            }
        )
        save(document, tmp_path / "run" / "run.yml")
        return Measured(tmp_path / "run", framework, marker)

    return made


def test_a_servers_functions_are_seen_and_nobody_elses(make: Make) -> None:
    run = make("good", "exits")
    good, exits = run.record()
    assert good.failure is None or "the kernel does not let" in good.failure, good.failure
    assert marked(run.marker) == []
    assert problems_in(run.file) == []
    assert load_flames(run.file).flames == [good, exits]
    assert exits.failure is not None
    assert "ended at once, with status 3" in exits.failure
    if good.failure is not None:
        pytest.skip(good.failure)
    assert good.graph is not None
    assert good.samples is not None
    assert good.samples > 20
    seen = {
        (function, good.graph.modules[module])
        for function, module in zip(good.graph.functions, good.graph.module_of, strict=True)
    }
    assert ("echo", "./app.py") in seen
    assert not [module for _, module in seen if module.startswith(("/", "runners", "picows"))]
    assert str(run.framework.folder) not in run.file.read_text()
    assert str(environment.HOME) not in run.file.read_text()
    # What is there is kept; only what failed is tried again.
    (again,) = run.record()
    assert again.variant == "exits"
    assert [flame.variant for flame in load_flames(run.file).flames] == ["good", "exits"]
    assert load_flames(run.file).flames[0] == good


@pytest.fixture
def instead(make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a script in the place of py-spy. It reads no server, so the load is shorter still."""
    for name, value in (("WARMUP_S", 0.1), ("DURATION_S", 0), ("STARTING_S", 0.2)):
        monkeypatch.setattr(recording, name, value)

    def put(script: str) -> None:
        path = tmp_path / "spy"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(sampler, "find_sampler", lambda: sampler.Sampler(path, "0.0"))

    return put


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo 'Permission Denied: Try running again' >&2; exit 1", "the kernel does not let py-spy read"),
        (
            "echo 'Error: bad luck in /home/somebody/x.txt'; exit 2",
            "status 2 and recorded nothing; its last message: Error",
        ),
        ("exit 0", "recorded nothing; its last message: nothing"),
        ('while [ "$1" != --output ]; do shift; done; : > "$2"', "found no running thread"),
    ],
)
def test_a_failing_sampler_is_recorded_and_leaves_nothing(
    make: Make, instead: Callable[[str], None], script: str, words: str
) -> None:
    instead(script)
    run = make("good")
    (flame,) = run.record()
    assert flame.failure is not None
    assert words in flame.failure
    assert "/home/somebody" not in flame.failure
    assert problems_in(run.file) == []
    assert marked(run.marker) == []


def test_a_sampler_that_hangs_is_ended(
    make: Make, instead: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    instead(f"echo $$ > {tmp_path}/pid; exec sleep 600")
    monkeypatch.setattr(recording, "ENDING_S", 0.2)
    run = make("good")
    (flame,) = run.record()
    assert flame.failure is not None
    assert "did not end" in flame.failure
    gone([int((tmp_path / "pid").read_text())])
    assert marked(run.marker) == []


def test_a_framework_without_the_load_is_reported(make: Make) -> None:
    run = make("good")
    other = run.framework.model_copy(update={"exchanges": ["dashboard"]})
    (flame,) = record_missing(run.path, [other], lambda _: None)
    assert flame.failure is not None
    assert "does not run the workload echo" in flame.failure


def test_what_is_unknown_here_is_passed_over(make: Make) -> None:
    assert record_missing(make("good").path, [], lambda _: None) == []


def test_another_machine_is_refused(make: Make) -> None:
    run = make("good", machine=run_document().machine)
    with pytest.raises(FlameError, match="measured on another machine"):
        run.record()


def test_changed_code_is_refused(make: Make) -> None:
    run = make("good")
    measured = framework_document()
    facts = measured.framework.model_copy(update={"slug": "mine", "sources": {"app.py": "0" * 64}})
    save(measured.model_copy(update={"framework": facts}), run.path / "mine.yml")
    with pytest.raises(FlameError, match=r"changed since .* start a new run"):
        run.record()


def test_a_full_disk_is_one_sentence(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make("exits")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FlameError, match="cannot be written: No space left on device; free some space") as raised:
        run.record()
    command = as_command("run", "--flame", "--resume", run.path, "--framework", run.framework.folder)
    assert f"`{command}`" in str(raised.value)


def test_the_cpus_are_given_back(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    before = machine.usable_cpus()
    monkeypatch.setattr(process, "start", lambda *_, **__: pytest.fail("nothing is to be started"))
    run = make("good")
    without = run.framework.model_copy(update={"exchanges": []})
    record_missing(run.path, [without], lambda _: None)
    assert machine.usable_cpus() == before
