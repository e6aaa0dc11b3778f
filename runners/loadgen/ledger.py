"""The books of one connection: every message sent is answered, lost or still in flight. No I/O."""

from __future__ import annotations

from runners.loadgen.job import Ledger


class ConnectionLedger:
    """Counts by sequence number, which rises by one per send from ``first`` on.

    An answer to something older belongs to books already closed and is not entered. ``pending``
    maps each unanswered sequence number to its send time in nanoseconds.
    """

    __slots__ = (
        "corrupted",
        "duplicated",
        "first",
        "highest",
        "newest",
        "pending",
        "received",
        "reordered",
        "sent",
    )

    def __init__(self, first: int = 0) -> None:
        self.first = first
        self.sent = 0
        self.received = 0
        self.duplicated = 0
        self.reordered = 0
        self.corrupted = 0
        self.newest = -1
        self.highest = -1
        self.pending: dict[int, int] = {}

    def send(self, sequence: int, at_ns: int) -> None:
        """Enter a message as sent."""
        self.pending[sequence] = at_ns
        self.newest = sequence
        self.sent += 1

    def receive(self, sequence: int, *, intact: bool = True) -> int | None:
        """Enter an answer; gives the send time, or ``None`` where nothing was waiting for it."""
        sent_at = self.pending.pop(sequence, None)
        if sent_at is None:
            if self.first <= sequence <= self.newest:
                self.duplicated += 1
            elif not 0 <= sequence < self.first:
                self.corrupted += 1
            return None
        if sequence < self.highest:
            self.reordered += 1
        else:
            self.highest = sequence
        self.received += 1
        if not intact:
            self.corrupted += 1
        return sent_at

    def answer_in_order(self, count: int, newest: int) -> None:
        """Enter ``count`` exchanges that were sent and answered one by one, the last one ``newest``."""
        self.sent += count
        self.received += count
        self.newest = max(self.newest, newest)
        self.highest = max(self.highest, newest)

    def settle(self, *, alive: bool, overdue_ns: int = 0) -> Ledger:
        """Close the books; what is unanswered is lost or in flight.

        Lost is what a newer answer overtook, what was sent before ``overdue_ns``, and all that a dead
        connection owed.
        """
        lost = sum(
            1
            for sequence, sent_at in self.pending.items()
            if not alive or sequence < self.highest or sent_at < overdue_ns
        )
        return Ledger(
            sent=self.sent,
            received=self.received,
            lost=lost,
            in_flight=len(self.pending) - lost,
            duplicated=self.duplicated,
            reordered=self.reordered,
            corrupted=self.corrupted,
        )
