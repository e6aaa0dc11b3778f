"""Data is never lost in a traceback: whatever stdout is, a command ends with one sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import ROOT
from tests.support.processes import python

PRINTS = (
    "import sys; from runners.cli import console\n"
    "console.prepare_streams()\n"
    "sys.exit(console.exit_code_of(lambda: {call}))"
)
CALLS = {
    "json": "console.print_json({'caf\\u00e9': 1})",
    "table": "console.print_table(['caf\\u00e9'], [['\\u2026 \\u2013 \\U0001f40d']])",
    "line": "console.print_line('caf\\u00e9')",
    "help": "print('caf' + 'e' * 20000)",
}


def run(call: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        python(PRINTS.format(call=call)), stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT, **options
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("kind", CALLS)
def test_a_full_disk_behind_stdout_is_one_sentence_and_the_data_is_on_stderr(kind: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = run(CALLS[kind], stdout=full)
    assert done.returncode == 1
    assert "No space left on device" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert "caf" in done.stderr or kind == "help"


@pytest.mark.parametrize("kind", CALLS)
def test_characters_that_a_stream_lacks_are_replaced(kind: str) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    done = run(CALLS[kind], stdout=subprocess.PIPE, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "caf" in done.stdout


@pytest.mark.parametrize("kind", ["json", "table", "line"])
def test_a_closed_stdout_is_one_sentence_and_the_data_is_on_stderr(kind: str) -> None:
    done = run(CALLS[kind], preexec_fn=lambda: os.close(1))
    assert done.returncode == 1
    *data, sentence = done.stderr.splitlines()
    assert sentence.startswith("Error: stdout cannot be written: it is closed")
    assert "caf" in " ".join(data)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_children_have_every_standard_stream(number: int) -> None:
    child = "import sys; sys.exit(None in (sys.stdin, sys.stdout, sys.stderr))"
    call = f"__import__('subprocess').run([sys.executable, '-c', '{child}'], check=True)"
    done = subprocess.run(python(PRINTS.format(call=call)), check=False, cwd=ROOT, preexec_fn=lambda: os.close(number))
    assert done.returncode == 0


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    done = run(CALLS["line"], stdout=theirs)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_stderr_that_cannot_be_written_ends_nothing() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", PRINTS.format(call="(console.say('progress'), console.print_line('data'))")],
            stdout=subprocess.PIPE, stderr=full, text=True, check=False, cwd=ROOT,
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "data\n")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("PermissionError(13, 'Permission denied', '/here')", "Error: /here: Permission denied"),
        ("OSError(28, 'No space left on device')", "Error: No space left on device"),
    ],
)
def test_what_the_system_refuses_is_one_sentence(error: str, sentence: str) -> None:
    done = run(f"(_ for _ in ()).throw({error})", stdout=subprocess.DEVNULL)
    assert done.returncode == 1
    assert done.stderr.strip() == sentence
