"""The machine of a run: its properties, its CPUs, and how server and load generator share them."""

from __future__ import annotations

import contextlib
import fcntl
import math
import os
import platform
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from runners import control_groups, idle_cpus
from runners.record import Machine, Pinning, RtsiteError


class BusyError(RtsiteError):
    """Another command measures on this machine."""


class OpenFilesError(RtsiteError):
    """The system does not allow as many open files as a load needs."""


OPEN_FILES = 65_536
"""Open files that measuring commands allow themselves and their servers, as far as the system lets them. Soft limits
are often 1,024, for old programs that call select(2)."""
FILES_BESIDE_CLIENTS = 200
"""Open files that a server or a load generator needs in addition to its clients."""
_VERY_MANY = 1 << 30


_CPUS = Path("/sys/devices/system/cpu")


def describe_machine() -> Machine:
    """The machine's properties, without anything that identifies its owner or its location."""
    processors = _processors()
    return Machine(
        cpu_model=_cpu_model(),
        cpu_id=_cpu_id(processors),
        logical_cpus=psutil.cpu_count(logical=True) or 1,
        physical_cores=psutil.cpu_count(logical=False),
        memory_mb=round(psutil.virtual_memory().total / 1e6),
        operating_system=_operating_system(),
        kernel=f"{platform.system()} {platform.release()}",
        architecture=platform.machine(),
        virtualisation=_virtualisation(),
        cpu_governor=_read(_CPUS / "cpu0/cpufreq/scaling_governor"),
        python=platform.python_version(),
        python_implementation=platform.python_implementation(),
        open_files_limit=open_files().soft,
        somaxconn=int(_read(Path("/proc/sys/net/core/somaxconn")) or 0) or None,
        cpu_quota_cores=control_groups.cpu_quota(),
        idle_cpus=idle_cpus.state(),
    )


@dataclass(frozen=True)
class OpenFiles:
    """How many files a process may have open, connections included. A process may raise ``soft`` up to ``hard``."""

    soft: int
    hard: int

    def raised_for(self, clients: int) -> OpenFiles:
        """The limit for this many clients of one process: `OPEN_FILES`, or more if needed, if ``hard`` allows that."""
        return OpenFiles(max(self.soft, min(self.hard, max(OPEN_FILES, clients + FILES_BESIDE_CLIENTS))), self.hard)


def open_files() -> OpenFiles:
    """The limit of this process, which its children inherit. A process without a limit may open very many files."""
    soft, hard = (
        _VERY_MANY if limit == resource.RLIM_INFINITY else limit for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    return OpenFiles(soft, hard)


def allow_open_files(clients: int = 0) -> None:
    """Raise the limit of open files for this process and all that it starts, for this many clients of one process.

    Raises `OpenFilesError` if that many are not allowed.
    """
    now = open_files()
    wanted = now.raised_for(clients)
    if wanted.soft > now.soft:
        with contextlib.suppress(OSError, ValueError):  # some systems refuse more than a limit of their own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted.soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    allowed = open_files().soft
    if clients + FILES_BESIDE_CLIENTS > allowed:
        raise OpenFilesError(
            f"{clients} clients in one process need {clients + FILES_BESIDE_CLIENTS} open files, but the limit is"
            f" {allowed}; use fewer clients, or let the administrator raise the hard limit (`ulimit -Hn`)"
        )


def available_memory_bytes() -> int:
    """Memory that new processes can use without swapping, within the limits of our control groups."""
    available, left = int(psutil.virtual_memory().available), control_groups.memory_left()
    return available if left is None else min(available, left)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except OSError:
        return None


_Processor = dict[str, str]
"""What ``/proc/cpuinfo`` states about one logical CPU, or about the whole machine. Keys are in lower case."""


def _processors() -> list[_Processor]:
    return [
        dict(_key_and_value(line) for line in block.splitlines() if ":" in line)
        for block in (_read(Path("/proc/cpuinfo")) or "").split("\n\n")
    ]


def _cpu_id(processors: Iterable[_Processor]) -> dict[str, str]:
    """The numbers by which the CPUs identify themselves, see `Machine.cpu_id`.

    A number that differs between the CPUs has all its values. What is stated about the whole machine, such as a board's
    model and serial number, is left out.
    """
    found: dict[str, dict[str, None]] = {}
    for processor in processors:
        if "processor" in processor:
            for name, key in _ID_KEYS:
                if processor.get(key):
                    found.setdefault(name, {})[processor[key]] = None
    return {name: " + ".join(values) for name, values in found.items()}


_ID_KEYS = (
    ("vendor", "vendor_id"),
    ("family", "cpu family"),
    ("model", "model"),
    ("stepping", "stepping"),
    ("implementer", "cpu implementer"),
    ("variant", "cpu variant"),
    ("part", "cpu part"),
    ("revision", "cpu revision"),
    ("implementer", "mvendorid"),
    ("part", "marchid"),
    ("revision", "mimpid"),
)
"""Names of these numbers, and their lower-case keys in ``/proc/cpuinfo``: x86, ARM, RISC-V. Other CPUs have none."""


def _cpu_model() -> str:
    """The CPU model as ``/proc/cpuinfo`` names it; on ARM the names of its cores, with their numbers if they differ.

    ARM has no ``model name``, or one that only names the architecture (``ARMv8 Processor rev 1``). Each processor has
    the numbers of its implementer and part instead, which are in the register MIDR_EL1. Names of other architectures
    (``_MODEL_KEYS``) are as their kernels write them.
    """
    processors = _processors()
    cores = Counter(
        _arm_core(found["cpu implementer"], found["cpu part"])
        for found in processors
        if {"cpu implementer", "cpu part"} <= found.keys()
    )
    if len(cores) == 1:
        return next(iter(cores))
    if cores:
        return " + ".join(f"{count} {core}" for core, count in sorted(cores.items()))
    named = (found[key] for key in _MODEL_KEYS for found in processors if found.get(key))
    return next(named, "") or platform.processor() or platform.machine() or "unknown"


_MODEL_KEYS = ("model name", "cpu model", "uarch", "cpu")
"""Lower-case keys of the model in ``/proc/cpuinfo``: x86 and LoongArch, MIPS, RISC-V, POWER."""


def _key_and_value(line: str) -> tuple[str, str]:
    key, _, value = line.partition(":")
    return key.strip().lower(), value.strip()


def _arm_core(implementer: str, part: str) -> str:
    """The name of a core by its numbers, such as ``0x41`` and ``0xd0c``; without a name, the numbers."""
    try:
        numbers = int(implementer, 0), int(part, 0)
    except ValueError:
        return f"ARM implementer {implementer}, part {part}"
    maker = _ARM_IMPLEMENTERS.get(numbers[0])
    if maker is None:
        return f"ARM implementer {numbers[0]:#04x}, part {numbers[1]:#05x}"
    return f"{maker} {_ARM_PARTS.get(numbers) or f'part {numbers[1]:#05x}'}"


_ARM_IMPLEMENTERS = {
    0x41: "ARM",
    0x42: "Broadcom",
    0x43: "Cavium",
    0x46: "Fujitsu",
    0x48: "HiSilicon",
    0x4E: "NVIDIA",
    0x50: "APM",
    0x51: "Qualcomm",
    0x53: "Samsung",
    0x56: "Marvell",
    0x61: "Apple",
    0x6D: "Microsoft",
    0x70: "Phytium",
    0xC0: "Ampere",
}
"""Implementers of ARM cores by number, as in the register MIDR_EL1 (Arm Architecture Reference Manual)."""

_ARM_PARTS = {
    **{
        (0x41, part): name
        for part, name in {
            0xB76: "ARM1176",
            0xC07: "Cortex-A7",
            0xC08: "Cortex-A8",
            0xC09: "Cortex-A9",
            0xC0D: "Cortex-A12",
            0xC0E: "Cortex-A17",
            0xC0F: "Cortex-A15",
            0xD03: "Cortex-A53",
            0xD04: "Cortex-A35",
            0xD05: "Cortex-A55",
            0xD07: "Cortex-A57",
            0xD08: "Cortex-A72",
            0xD09: "Cortex-A73",
            0xD0A: "Cortex-A75",
            0xD0B: "Cortex-A76",
            0xD0C: "Neoverse-N1",
            0xD0D: "Cortex-A77",
            0xD40: "Neoverse-V1",
            0xD41: "Cortex-A78",
            0xD44: "Cortex-X1",
            0xD46: "Cortex-A510",
            0xD47: "Cortex-A710",
            0xD48: "Cortex-X2",
            0xD49: "Neoverse-N2",
            0xD4A: "Neoverse-E1",
            0xD4D: "Cortex-A715",
            0xD4E: "Cortex-X3",
            0xD4F: "Neoverse-V2",
            0xD80: "Cortex-A520",
            0xD81: "Cortex-A720",
            0xD82: "Cortex-X4",
            0xD83: "Neoverse-V3AE",
            0xD84: "Neoverse-V3",
            0xD85: "Cortex-X925",
            0xD87: "Cortex-A725",
            0xD8E: "Neoverse-N3",
        }.items()
    },
    (0x43, 0x0A1): "ThunderX",
    (0x43, 0x0AF): "ThunderX2",
    (0x46, 0x001): "A64FX",
    (0x48, 0xD01): "Kunpeng-920",
    (0x4E, 0x004): "Carmel",
    (0x51, 0x001): "Oryon",
    (0x51, 0x802): "Kryo-3XX-Gold",
    (0x51, 0x803): "Kryo-3XX-Silver",
    (0x51, 0x804): "Kryo-4XX-Gold",
    (0x51, 0x805): "Kryo-4XX-Silver",
    (0x61, 0x022): "Icestorm-M1",
    (0x61, 0x023): "Firestorm-M1",
    (0x61, 0x024): "Icestorm-M1-Pro",
    (0x61, 0x025): "Firestorm-M1-Pro",
    (0x61, 0x028): "Icestorm-M1-Max",
    (0x61, 0x029): "Firestorm-M1-Max",
    (0x61, 0x032): "Blizzard-M2",
    (0x61, 0x033): "Avalanche-M2",
    (0x6D, 0xD49): "Azure-Cobalt-100",
    (0xC0, 0xAC3): "Ampere-1",
    (0xC0, 0xAC4): "Ampere-1a",
}
"""Names of ARM cores by implementer and part, as in the Linux kernel (``arch/arm64/include/asm/cputype.h``)."""


def _operating_system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return f"{platform.system()} {platform.release()}"


def _virtualisation() -> str | None:
    cpuinfo = _read(Path("/proc/cpuinfo")) or ""
    if " hypervisor" not in cpuinfo:
        return None
    vendor = _read(Path("/sys/class/dmi/id/sys_vendor"))
    product = _read(Path("/sys/class/dmi/id/product_name"))
    return " ".join(filter(None, [vendor, product])) or "virtual machine"


def physical_cores(cpus: Iterable[int] | None = None) -> list[list[int]]:
    """The usable logical CPUs, grouped by physical core, in order; siblings share execution units."""
    usable = sorted(usable_cpus() if cpus is None else cpus)
    groups: dict[str, list[int]] = {}
    for cpu in usable:
        siblings = _read(_CPUS / f"cpu{cpu}/topology/thread_siblings_list") or str(cpu)
        groups.setdefault(siblings, []).append(cpu)
    return list(groups.values())


def usable_cpus() -> set[int]:
    """The logical CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return existing_cpus()


def existing_cpus() -> set[int]:
    """The logical CPUs of this machine, whether or not this process may run on them."""
    return set(range(psutil.cpu_count() or 1))


@contextmanager
def claimed(purpose: str) -> Iterator[None]:
    """Claim the machine for one measuring command of rtsite; raises `BusyError` with the command that holds the claim.

    The claim is a lock on a file in the system's temporary folder, so it ends with its process. All users of the
    machine share the file, whoever created it: a lock needs no permission to write.
    """
    try:
        path = Path(tempfile.gettempdir()) / "rtsite-measuring.lock"
        lock = _open_shared(path)
    except OSError as error:
        raise BusyError(
            f"{error.filename or 'the temporary folder'}: cannot be opened to lock this machine: {error.strerror};"
            " its owner must make it readable for all users, or delete it"
        ) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BusyError(
                f"another command is measuring on this machine: {_holder(lock)}; two loads at once would disturb each"
                " other. Wait for it, or end that process"
            ) from None
        _write_holder(path, f"{purpose}, process {os.getpid()}")
        yield
    finally:
        os.close(lock)


def _open_shared(path: Path) -> int:
    """Open a file for reading that every user may open, and create it if there is none; raises `OSError`.

    An existing file is opened without ``O_CREAT``. With it, Linux refuses another user's file in a folder like /tmp
    (fs.protected_regular, proc_sys_fs(5)).
    """
    options = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    while True:
        with contextlib.suppress(FileNotFoundError):
            return os.open(path, options)
        with contextlib.suppress(FileExistsError):
            lock = os.open(path, options | os.O_CREAT | os.O_EXCL, 0o666)
            os.fchmod(lock, 0o666)  # whatever the umask is
            return lock


def _holder(lock: int) -> str:
    """The command and the process that hold the claim, as far as the file says."""
    try:
        text = os.pread(lock, 200, 0).decode("utf-8", "replace").strip()
    except OSError:
        text = ""
    process = text.rpartition(" ")[2]
    return text if process.isdecimal() and psutil.pid_exists(int(process)) else "another process"


def _write_holder(path: Path, text: str) -> None:
    """Note who holds the claim, if this user may write into the file."""
    with contextlib.suppress(OSError):
        file = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(file, "w", encoding="utf-8") as opened:
            opened.write(text)


def can_pin() -> bool:
    """Whether processes can be confined to CPUs on this system."""
    if not hasattr(os, "sched_setaffinity"):
        return False
    try:
        os.sched_setaffinity(0, os.sched_getaffinity(0))
    except OSError:
        return False
    return True


def confine(cpus: Iterable[int]) -> None:
    """Confine this process to these CPUs. Has no effect if none are given or the system does not allow it."""
    if can_pin() and (chosen := set(cpus)):
        os.sched_setaffinity(0, chosen)


@dataclass(frozen=True)
class CoreShare:
    """Physical cores of the server, the load generator and the harness. An empty list means not confined."""

    server: list[int]
    loadgen: list[int]
    harness: list[int]
    note: str | None = None
    is_shared: bool = False
    """Whether server and load generator have to run on the same core."""

    def pinning(self) -> Pinning:
        return Pinning(server=self.server, generator=self.loadgen, harness=self.harness, note=self.note)


def cores_for_server(cores: Sequence[Sequence[int]]) -> int:
    """How many physical cores a server can have besides the load generator's; 1 if they must share one."""
    return max(1, len(cores) - 1)


def share_cores(wanted: int, cores: list[list[int]], *, pinnable: bool) -> CoreShare:
    """Give the server ``wanted`` whole cores and the load generator the next one, never siblings of one core.

    The harness wakes once per second. It gets a core of its own if one is free. Otherwise it shares the load
    generator's core, where its work is visible in the send lag. On the server's core its work would count as the
    server's.
    """
    if not pinnable:
        return CoreShare(
            [],
            [],
            [],
            "this system cannot confine processes to CPUs: server and load generator may disturb each other",
            is_shared=len(cores) < 2,
        )
    if len(cores) < 2:
        everything = cores[0] if cores else []
        return CoreShare(
            everything,
            everything,
            everything,
            "one core only: server and load generator share it, so no measurement is valid",
            is_shared=True,
        )
    given = min(wanted, len(cores) - 1)
    note = None
    if given < wanted:
        note = f"the workload needs {wanted} server cores; this machine has {given} besides the load generator's"
    server = [cpu for core in cores[:given] for cpu in core]
    loadgen = cores[given][:1]
    spare = cores[given + 1] if len(cores) > given + 1 else loadgen
    return CoreShare(server, loadgen, list(spare), note)


def read_steal() -> tuple[float, float]:
    """CPU seconds that the hypervisor gave to others, and all CPU seconds. Both are sums over all CPUs since boot."""
    times = psutil.cpu_times()
    return getattr(times, "steal", 0.0), sum(times[:8])


def read_steal_of(cpus: Iterable[int]) -> float:
    """CPU seconds that the hypervisor took from these CPUs since boot. The kernel counts them in ticks of 10 ms."""
    every = psutil.cpu_times(percpu=True)
    return math.fsum(getattr(every[cpu], "steal", 0.0) for cpu in cpus if cpu < len(every))


@dataclass(frozen=True)
class Clocks:
    """Readings of three clocks in seconds: the steady clock, the wall clock, and the boot clock, which counts
    suspension.
    """

    steady_s: float
    wall_s: float
    boot_s: float

    def jump_since(self, earlier: Clocks) -> float:
        """Seconds by which the wall clock was set, or for which the machine was suspended, since an earlier reading.

        Slewing changes the steady and the wall clock equally (clock_gettime(2)), so they differ only after one was set.
        The steady clock stops while a machine is suspended; the boot clock does not.
        """
        steady = self.steady_s - earlier.steady_s
        return max(abs(self.wall_s - earlier.wall_s - steady), abs(self.boot_s - earlier.boot_s - steady))


def read_clocks() -> Clocks:
    """Read all clocks. On systems without a boot clock, the steady clock replaces it."""
    boot = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return Clocks(time.clock_gettime(time.CLOCK_MONOTONIC), time.time(), time.clock_gettime(boot))
