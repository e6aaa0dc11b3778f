"""The measuring commands for users and scripts: help, streams, keys, exit codes, and Ctrl-C."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import typer.main
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

from generator.cli import commands_for
from runners import machine
from runners.cli import load
from runners.flame import recording
from runners.judging.thresholds import WORKING_TIME
from runners.loadgen.job import Job
from runners.loading import driver
from runners.measurement import window
from runners.record import cell_key, load_flames, load_framework, load_run, problems_in, save
from runners.serving import environment, proxy
from runners.subjects import catalog, profiles
from tests.support import frameworks, needs
from tests.support.commands import Shell
from tests.support.documents import framework_document, run_document
from tests.support.own_streams import serving_pieces
from tests.support.processes import gone, marked, until
from tests.support.servers import Talk, serving, serving_compressed

ROOT = Path(__file__).parents[3]
MAIN = (
    "import sys; from pathlib import Path; from runners.serving import environment;"
    "environment.HOME = Path(sys.argv.pop(1)); from generator.cli import main; sys.exit(main())"
)
"""The command in a process of its own, with its environments in a folder of the tests."""


def command(home: Path, *arguments: str | Path) -> list[str]:
    return [sys.executable, "-c", MAIN, str(home), *map(str, arguments)]


@pytest.fixture
def shell(shell: Shell, monkeypatch: pytest.MonkeyPatch, environments: Path) -> Shell:
    monkeypatch.setattr(environment, "HOME", environments)
    monkeypatch.setattr(window, "IDLE_S", 0.1)  # no test here depends on it
    return shell


# Help


def commands() -> Iterator[tuple[str, str]]:
    group: Any = typer.main.get_command(commands_for([]))
    for name, one in group.commands.items():
        for path, leaf in [(f"{name} {sub}", leaf) for sub, leaf in getattr(one, "commands", {}).items()] or [
            (name, one)
        ]:
            yield path, leaf.help or ""


def test_every_command_has_help_with_an_example_of_itself() -> None:
    found = dict(commands())
    assert {"doctor", "check", "run", "load", "validate", "list frameworks", "list workloads", "list runs"} <= set(
        found
    )
    for path, text in found.items():
        assert f"Example: rtsite {path}" in text, path


def test_help_is_shown(shell: Shell) -> None:
    done = shell.rtsite("run", "--help")
    assert done.returncode == 0
    assert "Example: rtsite run" in done.stdout


# What reports


def test_list_frameworks(shell: Shell) -> None:
    for one in shell.answer("list", "frameworks")["frameworks"]:
        assert {"slug", "title", "protocol", "workloads", "variants"} <= set(one)
        assert one["protocol"] in ("websocket", "socket.io")
        assert all(variant["slug"] for variant in one["variants"])
        (headline,) = (variant for variant in one["variants"] if variant["headline"])
        assert headline["recommended_by"].startswith("https://")
        assert headline["production"] is True
    table = shell.rtsite("list", "frameworks").stdout
    assert re.search(r"^flask-socketio .* gunicorn-threads +gunicorn, ", table, re.MULTILINE)


def test_list_workloads(shell: Shell) -> None:
    assert {one["slug"] for one in shell.answer("list", "workloads")["workloads"]} >= {"echo", "dashboard"}


def test_list_runs(shell: Shell, tmp_path: Path) -> None:
    done = shell.rtsite("list", "runs", "--results", tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert shell.answer("list", "runs", "--results", tmp_path) == {"runs": []}
    save(run_document(), tmp_path / "c" / "r" / "run.yml")
    (one,) = shell.answer("list", "runs", "--results", tmp_path)["runs"]
    assert one["path"] == str(tmp_path / "c" / "r")
    assert one["finished"] is None
    (tmp_path / "c" / "r" / "run.yml").write_text("broken: [")
    assert shell.rtsite("list", "runs", "--results", tmp_path).returncode == 4


def test_doctor(shell: Shell) -> None:
    found = shell.answer("doctor")
    assert found["ok"] is True
    details = {one["name"]: one["detail"] for one in found["findings"]}
    assert {"machine", "cores", "redis", "uv", "py-spy"} <= details.keys()
    assert details["quiet"].startswith("other processes use ")


LOAD_KEYS = {
    "messages_per_second", "received", "lost", "duplicated", "reordered", "corrupted", "latency_ms",
    "latency_from_send_ms", "send_lag_ms", "generator_cpu_percent", "valid", "invalid_reasons",
}  # fmt: skip


@pytest.mark.runs
@pytest.mark.parametrize(
    "arguments", [[], ["--rate", "200"], ["--protocol", "socket.io"]], ids=["closed", "open", "socket.io"]
)
def test_load(shell: Shell, arguments: list[str]) -> None:
    with serving("socket.io" if "socket.io" in arguments else "websocket") as server:
        found = shell.answer(
            "load", server.url, "--connections", "5", "--duration", "0.5", "--warmup", "0.1", *arguments
        )
    assert set(found) >= LOAD_KEYS
    assert set(found["latency_ms"]) == set(found["latency_from_send_ms"]) == {"p50", "p90", "p99", "p999", "max"}
    assert found["received"] == found["sent"] > 0
    assert found["lost"] == found["duplicated"] == found["reordered"] == found["corrupted"] == 0
    assert (found["send_lag_ms"]["p99"] is not None) == ("--rate" in arguments)


@pytest.mark.runs
@pytest.mark.parametrize("agrees", [True, False])
def test_load_that_offers_compression(shell: Shell, agrees: bool) -> None:
    load = ["--connections", "3", "--duration", "0.3", "--warmup", "0.1", "--deflate"]
    with serving_compressed(ServerPerMessageDeflateFactory(client_max_window_bits=10) if agrees else None) as url:
        found = shell.answer("load", url, *load)
        shown = shell.rtsite("load", url, *load)
    assert found["received"] == found["sent"] > 0
    traffic = found["traffic"]
    assert traffic["sent_payload_bytes"] == traffic["received_payload_bytes"] == 64
    if agrees:
        agreement = "permessage-deflate; client_max_window_bits=10"
        assert found["compression"] == {"agreed": 3, "declined": 0, "agreements": {agreement: 3}}
        assert traffic["received_wire_bytes"] < traffic["sent_wire_bytes"] < 64
        assert f"{agreement} (3 connections)" in " ".join(shown.stdout.split())
    else:
        assert found["compression"] == {"agreed": 0, "declined": 3, "agreements": {}}
        assert (traffic["sent_wire_bytes"], traffic["received_wire_bytes"]) == (70, 66)
        assert "The server declines to compress: it answered --deflate without permessage-deflate on 3 of 3" in (
            " ".join((shown.stdout + shown.stderr).split())
        )


@pytest.mark.runs
def test_load_of_event_streams(shell: Shell) -> None:
    words = ["--connections", "3", "--duration", "0.5", "--warmup", "0.1"]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    with serving_pieces([head, b"data: a\n\n", 0.01, b"data: b\n\ndata: [DONE]\n\n"]) as server:
        found = shell.answer("load", server.url, "--sse", *words)
        table = shell.rtsite("load", server.url, "--sse", *words)
    assert found["begun"] == found["completed"] == found["done"] > 0
    assert found["chunks"] == 2 * found["begun"]
    assert set(found["first_chunk_ms"]) == set(found["chunk_gap_ms"]) == {"p50", "p90", "p99", "p999", "max"}
    assert table.returncode == 0
    for row in ("time to first chunk, p50 (ms)", "gap between chunks, p90 (ms)", "completed by [DONE]"):
        assert row in table.stdout
    with serving_pieces([b"HTTP/1.1 500 Oh\r\nContent-Length: 4\r\n\r\nnope"]) as server:
        failed = shell.rtsite("load", server.url, "--sse", "--connections", "1", "--duration", "0.2", "--warmup", "0")
    assert failed.returncode == 1
    assert "http-500" in failed.stdout
    assert "it says 'nope'" in failed.stderr


@pytest.mark.runs
def test_interrupted_streams_are_reported(environments: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    words = ["--sse", "--connections", "3", "--duration", "600", "--warmup", "0", "--json"]
    with serving_pieces([head, b"data: a\n\n", 0.01]) as server, loading(environments, server.url, *words) as process:
        until(lambda: len(server.requests) > 30, "a load under way")
        process.send_signal(signal.SIGINT)
        out, told = process.communicate(timeout=60)
    assert (process.returncode, told.splitlines()[-1]) == (130, "Interrupted by SIGINT."), told
    report = json.loads(out)
    assert report["interrupted"] is True
    assert report["begun"] == report["completed"] == len(server.requests)
    assert 0 < report["duration_s"] < 600


@pytest.mark.runs
def test_load_by_a_scenario_and_by_options_is_the_same(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reply(talk: Talk, message: bytes) -> None:
        asked = json.loads(message)
        talk.send(json.dumps({"ok": True, "id": asked["id"], "from": asked["from"]}).encode())

    message, answer = '{"id":{seq},"from":{client}}', '{"id":{seq},"from":{client},"ok":{any}}'
    jobs: list[Job] = []
    apply = driver.apply

    def note(job: Job, **options: Any) -> Any:
        jobs.append(job)
        return apply(job, **options)

    monkeypatch.setattr(driver, "apply", note)
    with serving(lie=reply) as server:
        scenario = tmp_path / "own.yml"
        scenario.write_text(
            f"connect:\n  url: {server.url}\n  headers: {{X-Id: 'c{{client}}'}}\nsend:\n  message: '{message}'\n"
            f"  every_s: 0.01\nexpect: '{answer}'\nclients: 5\nduration_s: 0.5\n"
        )
        options = ["--message", message, "--answer", answer, "--connections", "5", "--duration", "0.5"]
        options += ["--rate", "500", "--header", "X-Id: c{client}"]
        first = shell.answer("load", "--scenario", scenario, "--warmup", "0.1")
        second = shell.answer("load", server.url, *options, "--warmup", "0.1")
        refused = shell.rtsite("load", server.url, "--scenario", scenario, "--rate", "5")
    assert first["sent"] == first["received"] == second["sent"] == second["received"] == 250
    assert first["foreign"] == first["lost"] == 0
    assert jobs[0] == jobs[1]
    assert refused.returncode == 2
    assert "leaves no place for the address and --rate; omit one of them" in " ".join(refused.stderr.split())


@contextlib.contextmanager
def loading(home: Path, *words: str) -> Iterator[subprocess.Popen[str]]:
    """`rtsite load` in a process of its own, which ends in any case."""
    with subprocess.Popen(
        command(home, "load", *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.runs
@pytest.mark.parametrize("arguments", [["--json"], ["--rate", "300", "--json"], []])
def test_an_interrupted_load_reports_what_it_measured(environments: Path, arguments: list[str]) -> None:
    how = signal.SIGTERM if "--rate" in arguments else signal.SIGINT
    words = ["--connections", "3", "--duration", "600", "--warmup", "0", *arguments]
    with serving() as server, loading(environments, server.url, *words) as process:
        until(lambda: server.received > 100, "a load under way")
        process.send_signal(how)
        process.send_signal(how)
        out, told = process.communicate(timeout=60)
        assert (process.returncode, told.splitlines()[-1]) == (130, f"Interrupted by {how.name}."), told
    if "--json" in arguments:
        report = json.loads(out)
        assert report["interrupted"] is True
        assert report["sent"] == report["received"] == server.received
        assert 0 < report["duration_s"] < 600
    else:
        assert "interrupted" in out
        assert "messages per second" in out


@pytest.mark.runs
def test_a_load_interrupted_before_it_measured_is_one_sentence(environments: Path) -> None:
    words = ["--connections", "3", "--duration", "9", "--warmup", "600"]
    with serving() as server, loading(environments, server.url, *words) as process:
        until(lambda: server.received > 100, "a warm-up under way")
        process.send_signal(signal.SIGHUP)
        out, told = process.communicate(timeout=60)
    assert (process.returncode, out, told) == (130, "", "Interrupted by SIGHUP.\n")


@pytest.mark.runs
@pytest.mark.parametrize("output", [[], ["--json"]], ids=["table", "json"])
def test_a_load_generator_at_its_limit_suggests_more_processes(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, output: list[str]
) -> None:
    arguments = ["--connections", "5", "--duration", "0.3", "--warmup", "0.1", *output]
    with serving("websocket") as server:
        assert "--shards" not in shell.rtsite("load", server.url, "--rate", "50", *arguments).stderr
        monkeypatch.setattr(load, "WORKING_TIME", replace(WORKING_TIME, limit=0.0))
        done = shell.rtsite("load", server.url, *arguments)
    assert "Try more processes: --shards" in done.stderr
    assert "--shards" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["http://x"], 2, "must start with ws://"),
        (["ws://127.0.0.1:1/", "--protocol", "websocktes"], 2, "did you mean websocket"),
        (["ws://127.0.0.1:1/", "--rate", "1", "--arrivals", "poison"], 2, "did you mean poisson"),
        (
            ["ws://127.0.0.1:1/", "--rate", "inf"],
            2,
            "--rate: an open loop sends more than 0 messages per second, not inf",
        ),
        (["ws://127.0.0.1:1/", "--payload", "3"], None, "too small: at least 18"),
        (["ws://127.0.0.1:1/", "--connections", "0"], 2, "connections"),
        ([], 2, "no address is given"),
        (
            ["ws://127.0.0.1:1/", "--message", "ping", "--answer", "{seq}"],
            2,
            "--answer has {seq}, but --message has none",
        ),
        (["ws://127.0.0.1:1/", "--message", "{sqe}"], 2, "unknown placeholder {sqe}: did you mean {seq}?"),
        (["ws://127.0.0.1:1/", "--message", "a", "--payload", "64"], 2, "omit one of them"),
        (
            ["ws://127.0.0.1:1/", "--answer", "a", "--answers", "any"],
            2,
            "so --answer, or expect in a scenario, has no effect",
        ),
        (["ws://127.0.0.1:1/", "--answer", "a", "--protocol", "socket.io"], 2, "are for raw WebSocket"),
        (["ws://127.0.0.1:1/", "--body", "a"], 2, "add --sse, or use --message"),
        (["--scenario", "none.yml"], 2, "none.yml:1:1: cannot be read: No such file or directory"),
        (["http://127.0.0.1:1/", "--sse", "--message", "a"], 2, "--sse leaves no place for --message"),
        (["ws://127.0.0.1:1/", "--sse"], 2, "did you mean http://127.0.0.1:1/?"),
        (
            ["http://127.0.0.1:1/", "--sse", "--warmup", "0.1", "--duration", "0.1"],
            1,
            "could be read: the connection br",
        ),
        (["ws://127.0.0.1:1/", "--duration", "0.1"], 1, "none of 100 connections to ws://127.0.0.1:1/ could be opened"),
    ],
)
def test_load_that_cannot_be_applied(shell: Shell, arguments: list[str], status: int | None, words: str) -> None:
    done = shell.rtsite("load", *arguments)
    assert done.returncode == (status or done.returncode) != 0
    assert words in done.stderr
    assert done.stdout == ""


def test_validate(shell: Shell, tmp_path: Path) -> None:
    assert shell.rtsite("validate", tmp_path).returncode == 3
    assert shell.rtsite("validate", tmp_path / "nowhere").returncode == 2
    save(run_document(), tmp_path / "run.yml")
    save(framework_document(), tmp_path / "fastapi.yml")
    assert shell.answer("validate", tmp_path) == {"ok": True, "files": 2, "problems": []}
    bad = tmp_path / "fastapi.yml"
    text = bad.read_text().replace("interface: ASGI", "interface: 3.10", 1)
    bad.write_text(text)
    line = next(number for number, one in enumerate(text.splitlines(), 1) if "interface" in one)
    found = shell.answer("validate", tmp_path, status=4)
    assert found["ok"] is False
    (problem,) = found["problems"]
    assert set(problem) == {"path", "line", "column", "severity", "message"}
    assert (problem["path"], problem["line"], problem["column"]) == (str(bad), line, 14)
    done = shell.rtsite("validate", tmp_path)
    assert (done.returncode, done.stdout) == (4, "")
    assert f"{bad}:{line}:14: framework.interface: " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--framework", "fastapy"], "did you mean fastapi"),
        (["run", "--framework", "fastapi/uvicron"], "did you mean uvicorn"),
        (["run", "--framework", "fastapy/uvicorn"], "did you mean fastapi"),
        (["run", "--workload", "eco"], "did you mean echo"),
        (["run", "--profile", "fast"], "there are: full, quick, standard"),
        (["run", "--campaign", "../up", "--framework", "websockets"], "is not a valid campaign name"),
        (["run", "--rounds", "0"], "rounds"),
        (["run", "--budget", "3", "--framework", "websockets"], "'3' is no time for --budget; write hours, minutes or"),
        (["run", "--budget", "1h", "--profile", "quick"], "choose --profile standard or full"),
        (["run", "--budget", "1m", "-f", "websockets", "-w", "echo/closed"], "but the budget is 1 min"),
        (["run", "--headline", "--framework", "flask-socketio/threading"], "is not a headline variant"),
        (["check", "flsk-socketio"], "did you mean flask-socketio"),
        (["measure"], "No such command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_exist_is_a_usage_error(shell: Shell, tmp_path: Path, arguments: list[str], words: str) -> None:
    results = ["--results", str(tmp_path)] if arguments[0] == "run" else []
    done = shell.rtsite(*arguments, *results)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_colourless_log_where_there_is_no_terminal(shell: Shell, tmp_path: Path) -> None:
    done = shell.rtsite("list", "frameworks")
    assert "\x1b" not in done.stdout + done.stderr


# Runs


class Running:
    """``rtsite run`` in the background, on a good server of the tests and the reference."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.marker = f"rtsite-test-{uuid.uuid4()}"
        self.results = folder / "results"
        mine = frameworks.make(folder / "mine", ["good", "stubborn"], self.marker)
        arguments: list[str | Path] = [
            "run",
            "--framework",
            mine,
            "--workload",
            "echo",
            "--profile",
            "quick",
            "--results",
            self.results,
        ]
        self.process = subprocess.Popen(
            command(home, *arguments, "--seed", "3", "--json"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            start_new_session=True,
            env={**os.environ, "RTSITE_TEST": self.marker},
        )

    def files(self) -> list[Path]:
        return sorted(self.results.rglob("*.yml"))

    def generating(self) -> bool:
        """A measurement is saved already, and the next one's load is under way."""
        assert self.process.poll() is None, self.process.communicate()
        saved = any(path.name != "run.yml" for path in self.files())
        return saved and any(self._is_shard(pid) for pid in marked(self.marker))

    @staticmethod
    def _is_shard(pid: int) -> bool:
        """A child of the fork server."""
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(pid).parent()
            return parent is not None and "runners.loadgen.forkserver" in parent.cmdline()
        return False

    def tree(self) -> list[int]:
        """All processes of it: ours by our environment, its servers by theirs."""
        return marked(self.marker)


@pytest.fixture
def running(environments: Path, tmp_path: Path) -> Iterator[Running]:
    run = Running(environments, tmp_path)
    with run.process:
        try:
            yield run
        finally:
            run.process.kill()


@pytest.mark.runs
@pytest.mark.parametrize(
    ("how", "whole_group"),
    [
        pytest.param(signal.SIGINT, True, id="ctrl-c"),
        pytest.param(signal.SIGTERM, False, id="term", marks=pytest.mark.matrix),
    ],
)
def test_interrupted_it_ends_within_five_seconds_with_everything_on_disk(
    running: Running, how: signal.Signals, whole_group: bool
) -> None:
    until(running.generating, "a load under way")
    pids = running.tree()
    started = time.monotonic()
    if whole_group:  # as Ctrl-C in a terminal does
        os.killpg(running.process.pid, how)
    else:
        running.process.send_signal(how)
    _, errors = running.process.communicate(timeout=30)
    assert time.monotonic() - started < 5
    assert running.process.returncode == 130, errors
    assert "Traceback" not in errors
    assert f"rtsite run --resume {next(running.results.glob('*/*'))}" in errors
    gone(pids)
    assert marked(running.marker) == []
    assert len(running.files()) >= 2
    for path in running.files():
        assert problems_in(path) == []
    (run,) = (path for path in running.files() if path.name == "run.yml")
    assert load_run(run).finished is None
    measured = [load_framework(path) for path in running.files() if path.name != "run.yml"]
    assert sum(len(cell.measurements) for one in measured for cell in one.cells) >= 1


@pytest.mark.runs
def test_killed_it_leaves_no_server_and_no_half_written_file(running: Running) -> None:
    until(running.generating, "a load under way")
    pids = running.tree()
    assert len(pids) >= 3
    running.process.kill()
    running.process.communicate(timeout=30)
    gone(pids)
    until(lambda: not marked(running.marker), "the end of what was being started at that moment")
    assert len(running.files()) >= 2
    for path in running.files():
        assert problems_in(path) == []


@pytest.mark.runs
def test_a_run_reports_and_validates(shell: Shell, tmp_path: Path) -> None:
    mine = frameworks.make(tmp_path / "mine", ["exits"])
    arguments = ["run", "--framework", str(mine), "--workload", "echo", "--profile", "quick", "--rounds", "1"]
    found = shell.answer(*arguments, "--results", tmp_path / "results", "--campaign", "tested", status=1)
    assert set(found) == {"run", "measurements", "failed", "invalid", "again"}
    assert (found["measurements"], found["failed"]) == (4, 2)
    folder = Path(found["run"])
    assert folder.parent == tmp_path / "results" / "tested"
    assert sorted(path.name for path in folder.iterdir()) == ["mine.yml", "reference.yml", "run.yml"]
    validated = shell.answer("validate", tmp_path / "results")
    assert (validated["ok"], validated["files"]) == (True, 3)
    run = load_run(folder / "run.yml")
    assert (run.reference, run.rounds, run.campaign) == ("reference", 1, "tested")
    assert sorted(run.order[0]) == list(range(4))
    (closed,) = (
        cell.measurements[0]
        for cell in load_framework(folder / "reference.yml").cells
        if cell.parameters["mode"] == "closed"
    )
    assert closed.generator is not None
    assert closed.generator.share_of_ceiling_percent == 100


@pytest.mark.runs
def test_flame_graphs_are_added_to_a_finished_run(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "DURATION_S", 1)
    monkeypatch.setattr(recording, "WARMUP_S", 0.3)
    mine = frameworks.make(tmp_path / "mine", ["good", "exits"])
    run = tmp_path / "run"
    cells = [cell_key("mine", variant, "echo", {}) for variant in ("good", "exits")]
    planned = {"machine": machine.describe_machine(), "cells": cells, "finished": "2026-11-01T01:00:00Z"}
    save(run_document().model_copy(update=planned), run / "run.yml")
    measured = framework_document()
    facts = {"slug": "mine", "sources": catalog.read_folder(mine).sources}
    framework = measured.framework.model_copy(update=facts)
    save(measured.model_copy(update={"framework": framework}), run / "mine.yml")
    arguments: list[str | Path] = ["run", "--resume", run, "--framework", mine, "--flame"]
    found = shell.answer(*arguments)
    assert found == {
        "run": str(run), "measurements": 2, "failed": 0, "invalid": 0, "again": 0,
        "flames": {"recorded": 1, "failed": 1},
    }  # fmt: skip
    assert problems_in(run / "mine.flame.yml") == []
    (good,) = (flame for flame in load_flames(run / "mine.flame.yml").flames if flame.variant == "good")
    assert good.graph is not None
    done = shell.rtsite(*arguments)
    assert "[1/1] flame graph of mine/exits: FAILED: the server ended at once" in done.stderr
    assert "good" not in done.stderr
    assert load_run(run / "run.yml").finished == "2026-11-01T01:00:00Z"


@pytest.mark.runs
def test_check_reports_what_was_expected_and_what_came(shell: Shell, tmp_path: Path) -> None:
    mine = frameworks.make(tmp_path / "mine", ["wrong", "exits"])
    found = shell.answer("check", mine, status=4)
    assert found["ok"] is False
    (one,) = found["frameworks"]
    assert (one["slug"], one["ok"]) == ("mine", False)
    assert all({"name", "ok", "detail"} <= set(check) for check in one["checks"])
    broken = {check["name"]: check["detail"] for check in one["checks"] if not check["ok"]}
    assert "expected text" in broken["wrong: echo-text"]
    assert "no licence found" in broken["exits: start"]


# A framework of one's own


@pytest.mark.parametrize("command", [["check"], ["run", "--plan", "-w", "echo", "-f"], ["evidence"]])
@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("transports", '["websockets"]', "did you mean websocket"),
        ("exchanges", '["ecoh"]', "did you mean echo"),
        ("exchanges", "[]", "no workload fits its exchanges []"),
        ("workloads", '["ecoh"]', "did you mean echo"),
        ("broker", '"reddis"', "did you mean redis"),
    ],
)
def test_what_its_description_misspells_is_never_left_out_in_silence(
    shell: Shell, tmp_path: Path, command: list[str], key: str, value: str, words: str
) -> None:
    assert shell.rtsite("new", "framework", "mine", "--folder", tmp_path).returncode == 0
    project = tmp_path / "mine" / "pyproject.toml"
    text, replaced = re.subn(rf"^{key} = .*$", f"{key} = {value}", project.read_text(), count=1, flags=re.M)
    project.write_text(text if replaced else text.replace("exchanges =", f"{key} = {value}\nexchanges =", 1))
    done = shell.rtsite(*command, project.parent)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.runs
def test_a_new_framework_is_checked_measured_and_shown(shell: Shell, tmp_path: Path) -> None:
    def state() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in catalog.FRAMEWORKS.rglob("*") if path.is_file()}

    before = state()
    made = shell.rtsite("new", "framework", "mine", "--like", "reference", "--folder", tmp_path)
    folder = tmp_path / "mine"
    assert (made.returncode, made.stdout) == (0, f"rtsite check {folder}\n"), made.stderr
    assert shell.answer("check", folder)["ok"]
    results, site = tmp_path / "results", tmp_path / "site"
    run = shell.answer("run", "-f", folder, "-w", "echo/closed", "--profile", "quick", "--results", results)
    assert (run["measurements"], run["failed"]) == (2, 0)
    built = shell.rtsite("build", "--results", results, "--out", site)
    assert built.returncode == 0, built.stderr
    assert "picows" in (site / "frameworks" / "mine.html").read_text()
    assert 'href="../frameworks/mine.html"' in (site / "tests" / "echo.html").read_text()
    assert state() == before, "nothing else was touched"


def test_a_plan_shows_what_an_adaptive_run_takes(shell: Shell, tmp_path: Path) -> None:
    wanted = ("run", "--plan", "-w", "echo", "-w", "room/closed-10", "--results", tmp_path)
    plan = shell.answer(*wanted, "--budget", "30h")
    assert plan["budget_s"] == 30 * 3600
    assert plan["rounds"] < plan["most_rounds"]
    assert plan["first_s"] < plan["expected_s"] < plan["worst_s"] <= plan["budget_s"]
    assert plan["further_round_s"] > 0
    assert all(part["first_s"] < part["expected_s"] < part["worst_s"] for part in plan["parts"])
    assert "budget_s" not in shell.answer(*wanted)
    headline = shell.answer(*wanted, "--headline")
    assert headline["measurements"] < plan["measurements"]
    assert headline["further_round_s"] == plan["further_round_s"]
    told = shell.rtsite(*wanted, "--budget", "30h")
    assert "at most 15 rounds measure what is undecided" in told.stderr
    assert "The budget of 1800 min leaves" in told.stderr
    too_short = shell.rtsite(*wanted, "--budget", "1h")
    assert too_short.returncode == 2
    assert "--headline leaves out all but the headline variants" in too_short.stderr
    assert "room/closed-10" in too_short.stdout, "the plan is shown all the same"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "version", "status", "words"),
    [
        (["run", "--plan", "-w", "echo"], "2.7", 2, "'2.7' is no version of Python for --python; write 3.13"),
        (["run", "--plan", "-w", "echo"], "3.99", 1, "no Python 3.99 on this machine; install it with `uv python"),
        (["check", "sanic"], "py", 2, "'py' is no version of Python"),
        (["check", "sanic"], "3.99", 1, "or remove --python 3.99"),
    ],
)
def test_a_python_that_is_not_there_is_one_sentence(
    shell: Shell, command: list[str], version: str, status: int, words: str
) -> None:
    done = shell.rtsite(*command, "--python", version)
    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("command", [["run", "--plan", "-w", "echo"], ["check", "sanic"]])
def test_a_topology_that_is_misspelt_or_not_there_is_one_sentence(
    shell: Shell, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = shell.rtsite(*command, "--topology", "ngnix")
    assert (done.returncode, done.stdout) == (2, "")
    assert "ngnix" in done.stderr
    assert "did you mean nginx?" in done.stderr
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(proxy, "SYSTEM_PLACES", ())
    done = shell.rtsite(*command, "--topology", "haproxy")
    assert (done.returncode, done.stdout) == (1, "")
    assert "install it, for example with `apt-get install haproxy`" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("option", [["--python", "3.13"], ["--topology", "nginx"], ["--headline"], ["--seed", "0"]])
def test_a_resumed_run_refuses_what_would_change_its_plan(shell: Shell, tmp_path: Path, option: list[str]) -> None:
    done = shell.rtsite("run", "--resume", tmp_path, *option)
    assert (done.returncode, done.stdout) == (2, "")
    assert "from the interrupted run; remove these options" in done.stderr


def test_a_plan_names_no_version_for_the_python_that_runs_this(shell: Shell) -> None:
    running = ".".join(map(str, sys.version_info[:2]))
    usual = shell.answer("run", "--plan", "-w", "echo", "--seed", "1")
    assert shell.answer("run", "--plan", "-w", "echo", "--seed", "1", "--python", running, "--python", running) == usual
    other = needs.other_python()
    both = shell.answer("run", "--plan", "-w", "echo", "--seed", "1", "--python", running, "--python", other)
    assert both["measurements"] == 2 * usual["measurements"]
    assert usual["settings"] == [{}]
    assert both["settings"] == [{}, {"python": other}]
    variants = [part["variants"] for part in usual["parts"]]
    assert [part["variants"] for part in both["parts"]] == variants, "each is one, however often it is measured"


def test_a_plan_names_the_settings_of_several_pythons_and_topologies(shell: Shell) -> None:
    needs.proxy_program("nginx")
    running, other = ".".join(map(str, sys.version_info[:2])), needs.other_python()
    wanted = ("--python", running, "--python", other, "--topology", "direct", "--topology", "nginx")
    told = shell.rtsite("run", "--plan", "-w", "echo/closed", "-f", "fastapi", *wanted).stderr
    assert (
        "Measured in 4 settings, each variant in those that concern it:"
        f" Python {running}, directly; Python {running}, through nginx;"
        f" Python {other}, directly; Python {other}, through nginx."
    ) in " ".join(told.split())


def test_a_scenario_that_is_longer_than_a_job_is_shown_in_several(shell: Shell, tmp_path: Path) -> None:
    plan = shell.answer("run", "--plan", "-w", "slow-consumer", "--profile", "standard", "--rounds", "9")
    assert plan["jobs"] == [["slow-consumer/open"]] * len(plan["jobs"])
    assert len(plan["jobs"]) > 1
    told = shell.rtsite("run", "--plan", "-w", "slow-consumer", "--profile", "standard", "--rounds", "9")
    assert "1, 2" in told.stdout


@pytest.mark.runs
def test_an_adaptive_run_says_what_is_decided_and_why_it_ended(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the adviser of the command, on windows that are too short for its results to be of any use."""
    brief = replace(profiles.PROFILES["quick"], slug="standard", rounds=2, most_rounds=3, duration_s=0.3)
    monkeypatch.setitem(profiles.PROFILES, "standard", brief)
    mine = frameworks.make(tmp_path / "mine", ["good", "stubborn"])
    done = shell.rtsite(
        "run", "--framework", mine, "--workload", "echo/closed", "--results", tmp_path / "results", "--json"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"rounds", "decided", "deciding", "ended"} <= set(found)
    assert "After 2 rounds of everything, at most 1 rounds measure what is undecided" in done.stderr
    assert "After round 2: 0 of 0 comparisons are decided" in done.stderr, "one framework has one headline variant"
    assert f"No further round: {found['ended']}." in done.stderr
    run = load_run(Path(found["run"]) / "run.yml")
    assert run.adaptive is not None
    assert (run.adaptive.ended, run.rounds) == (found["ended"], found["rounds"])
    (part,) = run.adaptive.looks[0].parts
    assert part == "echo/closed"
    assert shell.answer("validate", tmp_path / "results")["ok"]


def test_a_plan_is_printed_and_nothing_measured(shell: Shell, tmp_path: Path) -> None:
    wanted = ("-w", "echo", "-w", "room/closed-10", "--rounds", "1")
    plan = shell.answer("run", "--plan", *wanted, "--results", tmp_path)
    assert [part["workload"] for part in plan["parts"]] == ["echo/closed", "echo/open", "room/closed-10"]
    assert plan["measurements"] == sum(part["measurements"] for part in plan["parts"])
    assert plan["expected_s"] > plan["load_s"] > 0
    assert [sorted(job) for job in plan["jobs"]] == [["echo/closed", "echo/open", "room/closed-10"]]
    told = shell.rtsite("run", "--plan", "--profile", "quick", "--results", tmp_path)
    assert "room/open-100" in told.stdout
    assert "capacity" not in told.stdout
    assert "under load" in told.stdout
    assert list(tmp_path.iterdir()) == []
