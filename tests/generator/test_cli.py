from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from threading import Timer
from urllib.request import urlopen

import pytest

from benchmarks import synthetic
from generator.cli import site_options
from tests.support.commands import ROOT, Shell
from tests.support.processes import DEADLINE_S


def test_help_of_both_commands_has_an_example(shell: Shell) -> None:
    for command in ("build", "serve"):
        finished = shell.rtsite(command, "--help")
        assert finished.returncode == 0
        assert f"Example: rtsite {command}" in finished.stdout


def test_an_unknown_results_folder_is_one_sentence_and_exit_2(shell: Shell, tmp_path: Path) -> None:
    finished = shell.rtsite("build", "--results", tmp_path / "nowhere")
    assert finished.returncode == 2
    assert "does not exist" in finished.stderr
    assert "Traceback" not in finished.stderr


def test_broken_results_are_exit_4_with_their_place(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "site", tmp_path / "root" / "site")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path / "root")
    monkeypatch.setattr(site_options, "ROOT", tmp_path / "root")  # others build in the checkout at the same time
    run = tmp_path / "results" / "campaign" / "run"
    run.mkdir(parents=True)
    (run / "run.yml").write_text("schema_version: 1\nkind: &anchor run\n")
    finished = shell.rtsite("build", "--results", tmp_path / "results", "--out", tmp_path / "site")
    assert finished.returncode == 4
    assert f"{run / 'run.yml'}:2:7" in finished.stderr
    assert not (tmp_path / "site").exists()


_FROM_ANOTHER_ROOT = (
    "import pathlib, sys; from generator.cli import main, site_options;"
    "site_options.ROOT = pathlib.Path(sys.argv.pop(1)); main()"
)


@pytest.mark.parametrize(("ending", "updated"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_serve_answers_and_ends_with_its_server(tmp_path: Path, ending: signal.Signals, *, updated: bool) -> None:
    shutil.copytree(ROOT / "site", tmp_path / "site")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    (tmp_path / "results").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with subprocess.Popen(
        [sys.executable, "-c", _FROM_ANOTHER_ROOT, str(tmp_path), "serve", "--port", str(port)],
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    ) as process:
        late = Timer(3 * DEADLINE_S, os.killpg, (process.pid, signal.SIGKILL))  # ends the reading of its messages
        late.start()
        try:
            assert process.stderr is not None
            told = next(line for line in process.stderr if "Serving http" in line or "Error" in line)
            assert f"http://127.0.0.1:{port}/" in told
            with urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
                assert b"Nothing measured yet" in answer.read()
            if updated:
                with (tmp_path / "site" / "data.md").open("a") as page:
                    page.write("\nOne line more.\n")
                told = next(line for line in process.stderr if "pdated" in line)
                assert "Updated in" in told
            process.send_signal(ending)
            assert process.wait(timeout=20) == 130
            with socket.socket() as probe:
                assert probe.connect_ex(("127.0.0.1", port)) != 0
        finally:
            late.cancel()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_two_collections_of_evidence_are_compared(shell: Shell, tmp_path: Path) -> None:
    for campaign in ("first", "second"):
        synthetic.write_evidence(tmp_path / campaign)
    folders = [next((tmp_path / campaign).rglob("evidence")) for campaign in ("first", "second")]
    finished = shell.rtsite("compare", *folders)
    assert finished.returncode == 0, finished.stderr
    assert re.search(r"0 of \d+ facts differ; 0 of \d+ ", finished.stderr)
    empty = tmp_path / "evidence"
    empty.mkdir()
    finished = shell.rtsite("compare", folders[0], empty)
    assert finished.returncode == 2
    assert "contains no evidence" in finished.stderr
