"""Where a value is on an axis."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class LogScale:
    """A logarithmic axis: values from ``low`` to ``high``, both above zero, are pixels from ``start`` to ``end``."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """The pixel of a value; that of the nearer end if it is outside."""
        inside = min(max(value, self.low), self.high)
        share = math.log(inside / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high


def power_of_two_above(values: Iterable[float], least: int = 2, most: int = 32) -> int:
    """The smallest power of two that no value exceeds, in these limits; values below 1 count as their inverse."""
    largest = max((max(one, 1 / one) for one in values if one > 0 and math.isfinite(one)), default=1.0)
    power = 1 << max(0, math.ceil(math.log2(largest) - 1e-9))
    return min(max(power, least), most)


def decades(low: float, high: float) -> list[float]:
    """The values 1, 2 and 5 of each decade between two values above zero."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    found = [digit * 10.0**power for power in range(first, last + 1) for digit in (1, 2, 5)]
    return [one for one in found if low * (1 - 1e-9) <= one <= high * (1 + 1e-9)]


@dataclass(frozen=True)
class LinearScale:
    """A linear axis from zero to ``high``, which is above zero."""

    high: float
    start: float
    end: float

    @property
    def low(self) -> float:
        return 0.0

    def at(self, value: float) -> float:
        """The pixel of a value; that of the nearer end if it is outside."""
        return self.start + min(max(value / self.high, 0.0), 1.0) * (self.end - self.start)


def even_steps(high: float, most: int = 5) -> list[float]:
    """Zero and further round values at even steps up to ``high``, at most so many."""
    rough = high / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * (1 - 1e-9))
    return [index * step for index in range(int(high / step + 1e-9) + 1)]
