"""Which machines are alike: the same hardware for values over time, and for one page the same kernel and Python too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runners.record import USUAL_TOPOLOGY, IdleCpus, LoadHost, Machine, Topology, parameter_in_words


@dataclass(frozen=True)
class Hardware:
    """What does not change with an update of the software, and whether idle CPUs sleep.

    ``cpu_id``: names and numbers, as in `Machine.cpu_id`.
    """

    cpu_model: str
    cpu_id: tuple[tuple[str, str], ...]
    logical_cpus: int
    load_from: tuple[str, ...] = ()
    """The hosts that applied the load: CPU model and number of processes of each. None if it was this machine."""
    idle_cpus: IdleCpus = "asleep"
    """What its CPUs do when they have nothing to do. They slept in older results."""

    @classmethod
    def of(cls, machine: Machine, load_hosts: Sequence[LoadHost] = ()) -> Hardware:
        """``load_hosts``: those of the run."""
        load_from = sorted(f"{one.cpu_model}, {one.shards} processes" for one in load_hosts)
        numbers = tuple(machine.cpu_id.items())
        idle = machine.idle_cpus or "asleep"
        return cls(machine.cpu_model, numbers, machine.logical_cpus, tuple(load_from), idle)

    def __str__(self) -> str:
        numbers = ", ".join(f"{name} {value}" for name, value in self.cpu_id if name not in _IN_THE_MODEL)
        hosts = len(self.load_from)
        loaded = f", load from {hosts} other machine{'s' if hosts > 1 else ''}" if hosts else ""
        idle = ", awake" if self.idle_cpus == "awake" else ""
        return f"{self.cpu_model}{f' ({numbers})' if numbers else ''}, {self.logical_cpus} logical CPUs{idle}{loaded}"


_IN_THE_MODEL = ("vendor", "implementer")
"""What the name of a CPU model says already."""


@dataclass(frozen=True)
class MachineClass:
    """Hardware, the release of its kernel, the version of Python that ran the servers, and what was between them and
    the clients, as far as results name them. Older ones have no numbers of the CPU.
    """

    hardware: Hardware
    kernel: str
    python: str
    """Such as ``3.13``, or ``3.14t`` without the GIL."""
    topology: Topology = USUAL_TOPOLOGY
    """What was between clients and servers."""

    @classmethod
    def of(
        cls,
        machine: Machine,
        python: str = "",
        topology: Topology = USUAL_TOPOLOGY,
        load_hosts: Sequence[LoadHost] = (),
    ) -> MachineClass:
        """``python``: what ran the servers, if it was not what ran the harness. ``load_hosts``: those of the run."""
        own = ".".join(machine.python.split(".")[:2])
        return cls(Hardware.of(machine, load_hosts), machine.kernel, python or own, topology)

    def __str__(self) -> str:
        through = "" if self.topology == USUAL_TOPOLOGY else f", {parameter_in_words('topology', self.topology)}"
        return f"{self.hardware}, {self.kernel}{through}"
