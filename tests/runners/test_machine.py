"""Server and load generator get separate cores, and limitations are reported."""

from __future__ import annotations

import os
import platform
import subprocess
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners import machine
from runners.machine import FILES_BESIDE_CLIENTS, OPEN_FILES, Clocks, OpenFiles, share_cores
from tests.support.commands import ROOT
from tests.support.processes import python, until


@st.composite
def topologies(draw: st.DrawFn) -> list[list[int]]:
    count, threads = draw(st.integers(2, 16)), draw(st.integers(1, 4))
    cpus = draw(st.permutations(range(count * threads)))
    return [sorted(cpus[core * threads : (core + 1) * threads]) for core in range(count)]


@given(topologies(), st.integers(1, 20))
def test_sides_are_disjoint_and_siblings_never_split(cores: list[list[int]], wanted: int) -> None:
    share = share_cores(wanted, cores, pinnable=True)
    core_of = {cpu: index for index, core in enumerate(cores) for cpu in core}
    server, generator, harness = (
        {core_of[cpu] for cpu in side} for side in (share.server, share.loadgen, share.harness)
    )
    assert server
    assert generator
    assert harness
    assert server.isdisjoint(generator | harness)
    assert sorted(share.server) == sorted(cpu for core in server for cpu in cores[core]), "whole cores"
    assert len(server) == min(wanted, len(cores) - 1)
    assert (share.note is not None) == (len(server) < wanted)
    if len(cores) > len(server) + 1:
        assert harness.isdisjoint(generator)
    if share.note:
        assert str(wanted) in share.note


def test_one_core_is_shared_and_reported() -> None:
    share = share_cores(1, [[0, 1]], pinnable=True)
    assert share.server == share.loadgen == [0, 1]
    assert share.note is not None
    assert "one core only" in share.note


def test_where_nothing_can_be_pinned_nothing_is() -> None:
    share = share_cores(1, [[0], [1]], pinnable=False)
    assert share.server == share.loadgen == share.harness == []
    assert share.note is not None


def test_this_machine() -> None:
    cores = machine.physical_cores()
    cpus = [cpu for core in cores for cpu in core]
    assert sorted(cpus) == sorted(machine.usable_cpus())
    facts = machine.describe_machine()
    assert facts.logical_cpus >= 1
    assert os.uname().nodename not in facts.model_dump_json().split('"')
    stolen_before, total_before = machine.read_steal()
    until(lambda: machine.read_steal()[1] > total_before, "time passes")
    stolen, total = machine.read_steal()
    assert 0 <= stolen - stolen_before <= total - total_before
    assert 0 <= machine.read_steal_of([min(cpus)]) <= machine.read_steal()[0]
    assert machine.read_steal_of([]) == machine.read_steal_of([10**6]) == 0


def test_confining_and_back() -> None:
    before = machine.usable_cpus()
    try:
        machine.confine([min(before)])
        assert machine.usable_cpus() == {min(before)}
        machine.confine([])
        assert machine.usable_cpus() == {min(before)}
    finally:
        machine.confine(before)


def test_two_loads_at_once_are_refused_with_who_is_measuring(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    told = rf"another command is measuring on this machine: the first run, process {os.getpid()}"
    with machine.claimed("the first run"), pytest.raises(machine.BusyError, match=told), machine.claimed("the second"):
        pass
    with machine.claimed("the second"):
        pass


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of the lock file, which does not exist yet."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / "rtsite-measuring.lock"


def test_the_lock_of_another_user_is_taken_although_it_cannot_be_written(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock.write_text("rtsite run, process 1")
    really = os.open

    def as_another_user(path: str | Path, flags: int, *more: int) -> int:
        """Refuses what Linux refuses for another user's file in /tmp: to write it, and O_CREAT."""
        if Path(path) == lock and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise PermissionError(13, "Permission denied", str(path))
        return really(path, flags, *more)

    monkeypatch.setattr(os, "open", as_another_user)
    with machine.claimed("mine"), pytest.raises(machine.BusyError), machine.claimed("the second"):
        pass
    with machine.claimed("the third"):
        pass


def test_a_new_lock_is_for_all_users_whatever_the_umask(lock: Path) -> None:
    before = os.umask(0o077)
    try:
        with machine.claimed("mine"):
            assert lock.stat().st_mode & 0o777 == 0o666
    finally:
        os.umask(before)


def test_a_holder_that_has_ended_is_not_named(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_write_holder", lambda *_: None)
    for text in (f"rtsite run, process {2**22 + 1}", "words", "", "process x"):
        lock.write_text(text)
        with (
            machine.claimed("mine"),
            pytest.raises(machine.BusyError, match="this machine: another process;"),
            machine.claimed("the second"),
        ):
            pass


def test_a_lock_that_cannot_be_opened_is_one_sentence(lock: Path) -> None:
    lock.symlink_to("/etc/passwd")  # opening it could change a file elsewhere
    with pytest.raises(machine.BusyError, match=r"rtsite-measuring\.lock: cannot be opened"), machine.claimed("mine"):
        pass
    assert "rtsite" not in Path("/etc/passwd").read_text()


moments = st.builds(Clocks, *[st.floats(0, 1e6)] * 3)
seconds = st.floats(0, 1e5)


@given(moments, seconds)
def test_clocks_that_go_together_have_not_jumped(moment: Clocks, passed: float) -> None:
    later = Clocks(moment.steady_s + passed, moment.wall_s + passed, moment.boot_s + passed)
    assert later.jump_since(moment) == pytest.approx(0, abs=1e-6)


@given(moments, seconds, st.floats(-1e5, 1e5), st.floats(0, 1e5))
def test_a_clock_that_was_set_and_a_machine_that_slept_are_seen(
    moment: Clocks, passed: float, step: float, asleep: float
) -> None:
    set_meanwhile = Clocks(moment.steady_s + passed, moment.wall_s + passed + step, moment.boot_s + passed)
    assert set_meanwhile.jump_since(moment) == pytest.approx(abs(step), abs=1e-6)
    # The wall clock goes on while the machine sleeps, or it does not: both are seen.
    woken = Clocks(moment.steady_s + passed, moment.wall_s + passed + asleep, moment.boot_s + passed + asleep)
    frozen = Clocks(moment.steady_s + passed, moment.wall_s + passed, moment.boot_s + passed + asleep)
    assert woken.jump_since(moment) == pytest.approx(asleep, abs=1e-6)
    assert frozen.jump_since(moment) == pytest.approx(asleep, abs=1e-6)


def test_the_clocks_of_this_machine_go_on() -> None:
    before = machine.read_clocks()
    until(lambda: machine.read_clocks().steady_s > before.steady_s, "time passes")
    assert machine.read_clocks().boot_s > before.boot_s


def cpuinfo(*processors: dict[str, str]) -> str:
    """The text of ``/proc/cpuinfo`` with these processors."""
    return "\n\n".join(
        "\n".join(f"{key}\t: {value}" for key, value in {"processor": str(number), **one}.items())
        for number, one in enumerate(processors)
    )


def arm(implementer: int, part: int, **more: str) -> dict[str, str]:
    return {"CPU implementer": f"{implementer:#04x}", "CPU architecture": "8", "CPU part": f"{part:#05x}", **more}


MODELS = {
    "Apple Icestorm-M1": [arm(0x61, 0x022)],
    "ARM Cortex-A76": [arm(0x41, 0xD0B)] * 4,
    "4 ARM Cortex-A55 + 4 ARM Cortex-A76": [arm(0x41, 0xD05)] * 4 + [arm(0x41, 0xD0B)] * 4,
    "6 ARM Cortex-A55 + 2 ARM Cortex-A76": [arm(0x41, 0xD05)] * 6 + [arm(0x41, 0xD0B)] * 2,
    "ARM part 0xfff": [arm(0x41, 0xFFF)],
    "ARM implementer 0x99, part 0xd0b": [arm(0x99, 0xD0B)],
    "ARM Cortex-A53": [{"model name": "ARMv8 Processor rev 4 (v8l)", **arm(0x41, 0xD03)}],
    "Intel(R) Xeon(R) CPU @ 2.20GHz": [{"vendor_id": "GenuineIntel", "model name": "Intel(R) Xeon(R) CPU @ 2.20GHz"}],
    "sifive,u74-mc": [{"hart": "1", "isa": "rv64imafdc", "uarch": "sifive,u74-mc"}],
    "POWER9, altivec supported": [{"cpu": "POWER9, altivec supported", "clock": "2166MHz"}],
}


@pytest.mark.parametrize(("model", "processors"), MODELS.items(), ids=list(MODELS))
def test_a_cpu_is_named_by_what_tells_it_from_others(
    monkeypatch: pytest.MonkeyPatch, model: str, processors: list[dict[str, str]]
) -> None:
    monkeypatch.setattr(machine, "_read", lambda path: cpuinfo(*processors))
    assert machine._cpu_model() == model


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 4095)), min_size=2, max_size=2, unique=True))
def test_arm_cores_of_other_numbers_have_other_names(cores: list[tuple[int, int]]) -> None:
    first, second = (machine._arm_core(hex(implementer), hex(part)) for implementer, part in cores)
    assert first != second


def test_a_cpu_without_a_name_is_named_by_its_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_read", lambda path: None)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert machine._cpu_model() == "aarch64"


@pytest.mark.parametrize(
    ("processors", "numbers"),
    [
        (
            [{"vendor_id": "AuthenticAMD", "cpu family": "25", "model": "1", "stepping": "1", "cpu MHz": "2445.4"}] * 2,
            {"vendor": "AuthenticAMD", "family": "25", "model": "1", "stepping": "1"},
        ),
        (
            [arm(0x41, 0xD0C, **{"CPU variant": "0x3", "CPU revision": "1"})],
            {"implementer": "0x41", "variant": "0x3", "part": "0xd0c", "revision": "1"},
        ),
        ([arm(0x41, 0xD05)] * 4 + [arm(0x41, 0xD0B)], {"implementer": "0x41", "part": "0xd05 + 0xd0b"}),
        ([{"cpu": "POWER9, altivec supported"}], {}),
    ],
)
def test_the_numbers_of_a_cpu_are_recorded_and_nothing_of_its_board(
    monkeypatch: pytest.MonkeyPatch, processors: list[dict[str, str]], numbers: dict[str, str]
) -> None:
    board = "\n\nRevision\t: c03111\nSerial\t: 10000000abcdef\nModel\t: Raspberry Pi 4 Model B"
    text = cpuinfo(*processors) + board
    monkeypatch.setattr(machine, "_read", lambda path: text if path.name == "cpuinfo" else None)
    assert machine._cpu_id(machine._processors()) == numbers
    facts = machine.describe_machine()
    assert facts.cpu_id == numbers
    assert "abcdef" not in facts.model_dump_json()


# Open files


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_limit_of_open_files_is_raised_within_bounds(soft: int, above: int, clients: int) -> None:
    limit = OpenFiles(soft, soft + above)
    raised = limit.raised_for(clients)
    assert limit.soft <= raised.soft <= raised.hard == limit.hard
    needed = clients + FILES_BESIDE_CLIENTS
    assert raised.soft >= min(needed, limit.hard)
    assert limit.raised_for(clients).raised_for(clients) == raised
    assert raised.soft <= max(limit.soft, needed, OPEN_FILES), "no more than needed"


def in_a_process_with(soft: int, hard: int, clients: int) -> subprocess.CompletedProcess[str]:
    code = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "from runners import machine; from runners.record import RtsiteError\n"
        f"try: machine.allow_open_files({clients})\n"
        "except RtsiteError as error: print(error)\n"
        "import subprocess; subprocess.run(['sh', '-c', 'ulimit -n'])"
    )
    return subprocess.run(python(code), capture_output=True, text=True, check=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("soft", "hard", "clients", "words", "allowed"),
    [
        (256, 4096, 500, "", 4096),
        (256, 1000, 500, "", 1000),
        (256, 300, 500, "500 clients in one process need 700 open files, but the limit is 300", 300),
        (256, 300, 0, "", 300),
    ],
)
def test_children_get_the_raised_limit_or_it_is_one_sentence(
    soft: int, hard: int, clients: int, words: str, allowed: int
) -> None:
    printed = in_a_process_with(soft, hard, clients).stdout
    assert printed.endswith(f"{allowed}\n")
    assert printed.startswith(words)
    assert bool(words) == (len(printed.splitlines()) == 2)


@pytest.mark.parametrize(("cores", "shared"), [([[0, 1]], True), ([[0]], True), ([], True), ([[0], [1]], False)])
@pytest.mark.parametrize("pinnable", [True, False])
def test_one_core_is_shared_whether_or_not_processes_can_be_confined(
    cores: list[list[int]], shared: bool, pinnable: bool
) -> None:
    assert share_cores(1, cores, pinnable=pinnable).is_shared == shared
