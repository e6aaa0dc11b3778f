"""Which machines are alike: the same hardware for values over time, and the same kernel as well for one page."""

from __future__ import annotations

from dataclasses import dataclass

from runners.record import Machine


@dataclass(frozen=True)
class Hardware:
    """What does not change with an update of the software. ``cpu_id``: names and numbers, as in `Machine.cpu_id`."""

    cpu_model: str
    cpu_id: tuple[tuple[str, str], ...]
    logical_cpus: int

    @classmethod
    def of(cls, machine: Machine) -> Hardware:
        return cls(machine.cpu_model, tuple(machine.cpu_id.items()), machine.logical_cpus)

    def __str__(self) -> str:
        numbers = ", ".join(f"{name} {value}" for name, value in self.cpu_id if name not in _IN_THE_MODEL)
        return f"{self.cpu_model}{f' ({numbers})' if numbers else ''}, {self.logical_cpus} logical CPUs"


_IN_THE_MODEL = ("vendor", "implementer")
"""What the name of a CPU model says already."""


@dataclass(frozen=True)
class MachineClass:
    """Hardware and the release of its kernel, as far as results name them. Older ones have no numbers of the CPU."""

    hardware: Hardware
    kernel: str

    @classmethod
    def of(cls, machine: Machine) -> MachineClass:
        return cls(Hardware.of(machine), machine.kernel)

    def __str__(self) -> str:
        return f"{self.hardware}, {self.kernel}"
