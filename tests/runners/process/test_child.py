"""Servers are started with the given settings, and all their processes end with them and with us."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from runners.process import GRACE_S, Child, Finished, ProcessError, copied_environment, find_free_port, run, start
from runners.process.warden import LOG_BYTES
from runners.record import RtsiteError
from tests.support.processes import DEADLINE_S, SLEEPER, alive, gone, marked, python, until

ROOT = Path(__file__).parents[3]


def begin(
    folder: Path,
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    cpus: Sequence[int] = (),
    grace_s: float = GRACE_S,
) -> Child:
    log = folder / "log" / "server.log"
    return start("tested", command, folder=folder, environment=environment or {}, cpus=cpus, log=log, grace_s=grace_s)


def lines(child: Child, count: int) -> list[str]:
    until(lambda: len(child.last_lines()) >= count, f"{count} lines of output")
    return child.last_lines()


def report(child: Child) -> list[Any]:
    """The one line of JSON the command prints, however long."""
    until(lambda: child.log.exists() and child.log.read_text().endswith("\n"), "a report")
    return list(json.loads(child.log.read_text()))


def test_a_command_gets_its_folder_environment_and_cpus_and_nothing_else(tmp_path: Path) -> None:
    code = (
        "import json, os, signal, sys, time\n"
        "print(json.dumps([os.getcwd(), dict(os.environ), sorted(os.sched_getaffinity(0)),"
        " sys.stdin.read(), signal.getsignal(signal.SIGINT) is signal.default_int_handler]), flush=True)\n" + SLEEPER
    )
    cpu = max(os.sched_getaffinity(0))
    child = begin(tmp_path, python(code), environment={"COLOUR": "blue"}, cpus=[cpu])
    try:
        folder, environment, cpus, stdin, interruptible = report(child)
        assert Path(folder) == tmp_path.resolve()
        assert environment.pop("COLOUR") == "blue"
        assert set(environment) <= {"LC_CTYPE"}
        assert (cpus, stdin, interruptible) == ([cpu], "", True)
        assert child.running
    finally:
        assert child.stop()
    gone([child.pid])
    assert child.stop()


def test_a_traceable_command_may_be_looked_into_by_others(tmp_path: Path) -> None:
    """Where Yama's ``ptrace_scope`` is 1 it would be refused to a process that is no ancestor."""
    child = start(
        "tested", python(SLEEPER), folder=tmp_path, environment={}, cpus=(), log=tmp_path / "log", traceable=True
    )
    try:
        looking = subprocess.run(
            python(f"open('/proc/{child.pid}/mem', 'rb').close()"), capture_output=True, text=True, check=False
        )
        scope = Path("/proc/sys/kernel/yama/ptrace_scope")
        if looking.returncode and scope.exists() and scope.read_text().strip() not in ("0", "1"):
            pytest.skip("kernel.yama.ptrace_scope forbids it altogether")
        assert looking.returncode == 0, looking.stderr
    finally:
        child.stop()


def test_output_of_both_kinds_is_in_the_log(tmp_path: Path) -> None:
    child = begin(
        tmp_path,
        python(
            "import sys; print('out', flush=True); print('\\x1b[31merr\\x00', file=sys.stderr, flush=True);" + SLEEPER
        ),
    )
    try:
        assert lines(child, 2) == ["out", " [31merr "]
    finally:
        child.stop()


def test_the_last_lines_are_few_and_short(tmp_path: Path) -> None:
    child = begin(
        tmp_path,
        python("for n in range(500): print(n, 'x' * 500)\nprint('end', flush=True)\n" + SLEEPER),
    )
    try:
        until(lambda: child.last_lines(1) == ["end"], "the end")
        last = child.last_lines(5)
        assert [line.split()[0] for line in last] == ["496", "497", "498", "499", "end"]
        assert max(map(len, last)) == 300
    finally:
        child.stop()


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    child = begin(tmp_path, python(SLEEPER))
    assert child.stop()
    assert child.stop()


@pytest.mark.parametrize("status", [0, 3])
def test_a_server_that_ends_by_itself_is_noticed(tmp_path: Path, status: int) -> None:
    child = begin(tmp_path, python(f"raise SystemExit({status})"))
    until(lambda: not child.running, "the end")
    assert child.status == status
    assert child.stop()


def test_a_server_that_is_killed_is_noticed(tmp_path: Path) -> None:
    child = begin(tmp_path, python("import os; os.kill(os.getpid(), 9)"))
    until(lambda: not child.running, "the end")
    assert child.status == -9
    child.stop()


DEAF = "import signal; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True);"


def test_a_server_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    child = begin(tmp_path, python(DEAF + SLEEPER))
    lines(child, 1)
    started = time.monotonic()
    assert not child.stop()
    assert GRACE_S <= time.monotonic() - started < 5
    assert child.status == -signal.SIGKILL
    gone([child.pid])


@pytest.mark.parametrize(("grace_s", "in_time"), [(0.05, False), (GRACE_S, True)])
def test_a_server_has_the_time_to_end_that_it_was_given(tmp_path: Path, grace_s: float, in_time: bool) -> None:
    slow = (
        "import signal, sys, time; signal.signal(15, lambda *_: (time.sleep(0.5), sys.exit())); print(1, flush=True);"
    )
    child = begin(tmp_path, python(slow + SLEEPER), grace_s=grace_s)
    lines(child, 1)
    assert child.stop() is in_time
    gone([child.pid])


ESCAPING = f"""
import os, signal, subprocess, sys, time
signal.signal(15, signal.SIG_IGN)
def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            signal.signal(15, signal.SIG_IGN)
            print(os.getpid(), flush=True)
            {SLEEPER.replace("import time; ", "")}
        os._exit(0)
    os.wait()
daemon()
subprocess.Popen([sys.executable, "-c", "import os; print(os.getpid(), flush=True); {SLEEPER}"], start_new_session=True)
"""
"""Starts one process that double-forks into a session of its own, and one that only leaves the session."""


@pytest.mark.parametrize("ends_by_itself", [True, False])
def test_grandchildren_that_got_away_are_killed_too(tmp_path: Path, ends_by_itself: bool) -> None:
    rest = "import time; time.sleep(0.3)" if ends_by_itself else SLEEPER
    child = begin(tmp_path, python(ESCAPING + rest))
    escaped = [int(line) for line in lines(child, 2)]
    assert len(escaped) == 2
    if ends_by_itself:
        until(lambda: not child.running, "the end")
    else:
        assert all(map(alive, escaped))
        child.stop()
    gone([child.pid, *escaped])
    child.stop()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_when_the_harness_is_killed(tmp_path: Path, how: signal.Signals) -> None:
    code = (
        "import pathlib, sys, time\nfrom runners.process import start\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "child = start('x', sys.argv[2:], folder=folder, environment={}, cpus=(), log=folder / 'log')\n"
        "print(child.pid, child._warden.pid, flush=True)\ntime.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path), *python(ESCAPING + SLEEPER)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as harness:
        assert harness.stdout is not None
        assert harness.stderr is not None
        pids = [int(word) for word in harness.stdout.readline().split()]
        log = tmp_path / "log"
        until(lambda: len(log.read_text().split()) == 2, "grandchildren")
        pids += [int(word) for word in log.read_text().split()]
        assert all(map(alive, pids))
        harness.stdout.close()  # whoever the harness told something is gone as well
        harness.send_signal(how)
        harness.wait(DEADLINE_S)
        gone(pids)
        assert harness.stderr.read() == ""


@pytest.mark.parametrize("order", ["", '{"command": ["sle'])
def test_a_harness_killed_before_its_order_leaves_no_word(order: str) -> None:
    warden = [sys.executable, "-S", "-E", str(ROOT / "runners" / "process" / "warden.py")]
    done = subprocess.run(warden, input=order, capture_output=True, text=True, check=False, timeout=DEADLINE_S)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["/no/such/program"], "/no/such/program cannot be started: No such file or directory"),
        (["/"], "/ cannot be started: Permission denied"),
        (["a\0b"], "cannot be started"),
    ],
)
def test_a_command_that_cannot_be_started_is_one_sentence(tmp_path: Path, command: list[str], words: str) -> None:
    with pytest.raises(ProcessError) as raised:
        begin(tmp_path, command)
    assert str(raised.value).startswith("tested: ")
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
    assert isinstance(raised.value, RtsiteError)


def test_a_cpu_that_is_not_there_is_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ProcessError, match=r"cannot be started on CPUs \[4000\]"):
        begin(tmp_path, python(SLEEPER), cpus=[4000])
    assert capfd.readouterr().err == ""


def test_a_log_that_cannot_be_written_is_one_sentence(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log" / "server.log").mkdir(parents=True)
    with pytest.raises(ProcessError, match=r"cannot be started: Is a directory: .*server\.log"):
        begin(tmp_path, python(SLEEPER))
    assert capfd.readouterr().err == ""


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match="nowhere"):
        start("x", python(SLEEPER), folder=tmp_path / "nowhere", environment={}, cpus=(), log=tmp_path / "log")


def test_a_free_port_can_be_listened_on() -> None:
    ports = {find_free_port() for _ in range(5)}
    for port in ports:
        with socket.create_server(("127.0.0.1", port)):
            pass


# No process is left, whatever it does

CHAIN = "import os, time\nprint(os.getpid(), flush=True)\nwhile True:\n    if os.fork(): os._exit(0)\n    {each}"
"""A process that forks and ends all the time, so that no list of processes is ever right."""


@pytest.mark.parametrize("each", ["pass", "os.setsid()", "time.sleep(0.001)"])
def test_a_chain_of_processes_ends(tmp_path: Path, each: str) -> None:
    child = begin(tmp_path, python(CHAIN.format(each=each)))
    lines(child, 1)
    until(lambda: not child.running, "the end of the first one")
    child.stop()
    assert marked(str(tmp_path)) == []


def test_a_daemon_born_while_the_warden_looks_ends(tmp_path: Path) -> None:
    """It is born at another moment in each try, shortly after the command has ended."""
    daemon = (
        "import os, sys, time\nif os.fork(): os._exit(0)\nos.setsid(); time.sleep(float(sys.argv[1]))\n"
        "if os.fork(): os._exit(0)\ntime.sleep(600)"
    )
    for number in range(10):
        child = begin(tmp_path, [*python(daemon), str(number / 500)], environment={"PLACE": str(tmp_path)})
        assert child.wait(DEADLINE_S)
        child.stop()
        assert marked(str(tmp_path)) == []


def test_a_stopped_process_ends(tmp_path: Path) -> None:
    stopped = "import os, signal\nif os.fork() == 0: os.setsid(); os.kill(os.getpid(), signal.SIGSTOP)\n" + SLEEPER
    child = begin(tmp_path, python(stopped), environment={"PLACE": str(tmp_path)})
    until(lambda: len(marked(str(tmp_path))) == 2, "two processes")
    child.stop()
    assert marked(str(tmp_path)) == []


def test_adopted_processes_that_ended_are_no_zombies(tmp_path: Path) -> None:
    orphans = (
        "import os, time\nfor _ in range(5):\n    if os.fork() == 0:\n        if os.fork() == 0: time.sleep(0.01)\n"
        "        os._exit(0)\n    os.wait()\nprint('done', flush=True)\n" + SLEEPER
    )
    child = begin(tmp_path, python(orphans))
    lines(child, 1)
    warden = psutil.Process(child._warden.pid)
    until(lambda: [one.pid for one in warden.children()] == [child.pid], "one child of the warden")
    child.stop()


# Logs


def test_a_log_is_cut_to_its_end(tmp_path: Path) -> None:
    noisy = (
        "import os, time\nfor n in range(1200):\n    os.write(1, b'x' * 9999 + b'\\n')\n"
        "while True:  # what is printed in the moment of a cut is lost\n"
        "    print('the last line', flush=True)\n    time.sleep(0.02)\n"
    )
    child = begin(tmp_path, python(noisy))
    try:
        until(
            lambda: child.last_lines()[-1:] == ["the last line"] and is_cut(child.log), "a short log with the last line"
        )
    finally:
        child.stop()


def is_cut(log: Path) -> bool:
    """Whether the log was cut and written again; while it is cut, it is empty for a moment."""
    text = log.read_text()
    return "the log was longer than 4 MB" in text and len(text) < LOG_BYTES


# Commands that run to their end


def run_python(folder: Path, code: str, timeout_s: float = DEADLINE_S, **options: str) -> Finished:
    environment = {"PLACE": str(folder)}
    return run("tested", python(code), folder=folder, environment=environment, timeout_s=timeout_s, **options)


def test_what_a_command_printed_is_kept_apart_whatever_its_encoding(tmp_path: Path) -> None:
    code = "import os, sys; os.write(1, sys.stdin.buffer.read() + b'\\xff'); os.write(2, b'trouble'); sys.exit(3)"
    done = run_python(tmp_path, code, stdin="caf\u00e9")
    assert (done.returncode, done.stdout, done.stderr) == (3, "caf\u00e9\ufffd", "trouble")


def test_a_command_that_ends_leaves_nothing_that_it_started(tmp_path: Path) -> None:
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEPER!r}], start_new_session=True)"
    assert run_python(tmp_path, code).returncode == 0
    assert marked(str(tmp_path)) == []


def test_a_command_that_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match=r"tested: took longer than 0\.5 s"):
        run_python(tmp_path, ESCAPING + SLEEPER, timeout_s=0.5)
    assert marked(str(tmp_path)) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_harness_leaves_no_command(tmp_path: Path, number: signal.Signals) -> None:
    code = (
        "import pathlib, sys; from runners import process, signals\n"
        "with signals.raised():\n"
        "    process.run('x', sys.argv[2:], folder=pathlib.Path(sys.argv[1]), environment={'PLACE': sys.argv[1]},"
        " timeout_s=600)"
    )
    begun = f"open('begun', 'w').close(); {SLEEPER}"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    harness = subprocess.Popen(
        [*python(code), str(tmp_path), *python(begun)], cwd=ROOT, stderr=subprocess.DEVNULL, env=environment
    )
    until((tmp_path / "begun").exists, "the start of the command")
    harness.send_signal(number)
    harness.wait(DEADLINE_S)
    assert marked(str(tmp_path)) == []
    assert [path.name for path in tmp_path.iterdir()] == ["begun"]


def test_children_start_while_another_thread_changes_the_environment(tmp_path: Path) -> None:
    """As pytest does with the name of the current test, beside threads that start servers."""
    done = threading.Event()

    def change() -> None:
        for number in itertools.count():
            if done.is_set():
                return
            os.environ["RTSITE_CHANGING"] = "x" * (number % 200)
            del os.environ["RTSITE_CHANGING"]

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(12):
            finished = run("true", ["true"], folder=tmp_path, environment=copied_environment(), timeout_s=10.0)
            assert finished.returncode == 0
    finally:
        done.set()
        thread.join()
