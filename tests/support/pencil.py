"""A simple model of one connection's ledger: the fate of each message."""

from __future__ import annotations

from runners.loadgen.job import LedgerTotals


class Pencil:
    """Messages are numbered from 0. ``older``: how many numbers below 0 belong to closed ledgers."""

    def __init__(self, *, older: int, depth: int = 1 << 40) -> None:
        self.fate: list[str] = []
        self.highest = -1
        self.alive = True
        self.faults = {"duplicated": 0, "reordered": 0, "corrupted": 0, "foreign": 0}
        self._older = older
        self._depth = depth

    def send(self) -> None:
        if len(self.fate) >= self._depth and self.fate[-self._depth] == "waits":
            self.fate[-self._depth] = "overwritten"
        self.fate.append("waits")

    def receive(self, number: int, *, intact: bool) -> bool:
        if number >= len(self.fate) or number < -self._older:
            self.faults["foreign"] += 1
            return False
        if number < 0 or len(self.fate) - 1 - number >= self._depth or self.fate[number] == "given up":
            return False
        if self.fate[number] == "answered":
            self.faults["duplicated"] += 1
            return False
        self.fate[number] = "answered"
        self.faults["reordered"] += number < self.highest
        self.faults["corrupted"] += not intact
        self.highest = max(self.highest, number)
        return True

    def give_up(self) -> None:
        if self.alive and self.fate and self.fate[-1] == "waits":
            self.fate[-1] = "given up"

    @property
    def waiting(self) -> int:
        return self.fate.count("waits") if self.alive else 0

    def settle(self) -> LedgerTotals:
        received = self.fate.count("answered")
        overtaken = self.fate[: max(0, self.highest)].count("waits")
        gone = self.fate.count("given up") + self.fate.count("overwritten")
        lost = gone + (overtaken if self.alive else self.fate.count("waits"))
        return LedgerTotals(len(self.fate), received, lost, len(self.fate) - received - lost, **self.faults)
