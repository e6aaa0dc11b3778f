"""Every signal that ends a command ends it in the same way, at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners import signals
from tests.support.commands import ROOT
from tests.support.processes import python

IMPORTING = """
import sys, time
from generator import cli

def slow(name):
    print("importing", flush=True)
    while True:
        time.sleep(0.1)  # a signal just before a single long sleep would be handled after it

cli.import_module = slow
sys.argv = ["rtsite", "load"]
cli.main()
"""
"""A command whose imports take long."""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in signals.NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", signals.NUMBERS)
def test_a_signal_while_modules_are_imported_is_one_sentence_and_130(number: signal.Signals) -> None:
    with subprocess.Popen(
        python(IMPORTING), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as importing:
        assert importing.stdout is not None
        assert importing.stdout.readline() == "importing\n"
        importing.send_signal(number)
        _, told = importing.communicate(timeout=30)
    assert importing.returncode == 130
    assert told == f"Interrupted by {number.name}.\n"


@pytest.mark.parametrize("number", signals.NUMBERS)
def test_a_signal_while_a_command_works_is_raised_once(number: signal.Signals) -> None:
    with signals.raised():
        with pytest.raises(signals.Interrupted):
            signal.raise_signal(number)
        for another in signals.NUMBERS:  # impatience, or `timeout`, which signals the process and its group
            signal.raise_signal(another)
        assert signals.received() == number.name


def test_a_signal_long_after_the_first_one_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    with signals.raised():
        with pytest.raises(signals.Interrupted):
            signal.raise_signal(signal.SIGTERM)
        monkeypatch.setattr(signals, "PATIENCE_S", -1.0)
        signal.raise_signal(signal.SIGTERM)
    assert ended == [130]


def test_a_signal_that_the_starter_ignores_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals.end_at_once()
    with signals.raised():
        signal.raise_signal(signal.SIGHUP)
    assert signals.received() is None


def test_a_command_imports_what_it_needs_only() -> None:
    code = (
        "import sys; sys.argv = ['rtsite', 'list', 'workloads']; from generator.cli import main\n"
        "try: main()\nfinally: print('numba' in sys.modules, 'aiohttp' in sys.modules, 'plotly' in sys.modules,"
        " 'scipy' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(python(code), capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stderr == "False False False False\n"
    assert "capacity" in done.stdout


def test_what_comes_before_the_policy_is_the_standard_library() -> None:
    code = "import sys; import generator.cli; print([n for n in sys.modules if n.split('.')[0] in ('typer', 'rich')])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=Path(ROOT)) == "[]\n"
