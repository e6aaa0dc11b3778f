"""The ledger of all connections: every message sent is answered, lost or still in flight. It does no I/O.

It works on the tables that the kernel fills while the load runs. It records the messages that the kernel leaves to
Python.
"""

from __future__ import annotations

import numpy as np

from runners.loadgen import arrays, kernel
from runners.loadgen.arrays import GIVEN_UP, HistogramRow
from runners.loadgen.buckets import Counts, counts_of
from runners.loadgen.job import LedgerTotals
from runners.loadgen.message import FIRST_SEQUENCE

_COUNTS = ["sent", "received", "lost", "duplicated", "reordered", "corrupted", "foreign", "empty"]
_OF_A_LEDGER = [*_COUNTS, "pending", "not_found_ns"]
_FORMS = 2
"""Forms in which a server may answer the same message, see `Answer.form`."""


class Ledger:
    """The ledger. Sequence numbers increase by one per message of a connection. An answer to a message older than this
    ledger is not recorded.

    ``depth``: maximum number of unanswered messages per connection before the oldest counts as lost; rounded up to a
    power of two. In a ``room`` every message has one number for all connections. Each connection waits for it, and the
    ledger counts deliveries.
    """

    def __init__(
        self, connections: int, *, open_loop: bool, depth: int, room: bool = False, first: int = FIRST_SEQUENCE
    ) -> None:
        self.tables = arrays.ledger_tables(connections, 1 << max(4, depth - 1).bit_length())
        self.state, self.connections, self.ring, self._places, self._counts = self.tables
        # The number of the last message answered in each form, by connection and place in the ring, as far as Python
        # recorded the answer. Memory that is never written costs nothing.
        self._answered = np.zeros((_FORMS, *self.ring.shape), dtype=np.int64)
        self._waiting = self._places["waiting"]
        self._oldest = [first] * connections
        """By connection: no older message is waited for."""
        self.state["open_loop"], self.state["room"] = open_loop, room
        self._open_loop, self._room = open_loop, room
        self._first, self._last_sent = self.connections["first"], self.connections["last_sent"]
        self._highest, self._sent_ns = self.connections["highest"], self.ring["sent_ns"]
        self._mask = self.depth - 1
        self.connections["first"] = self.connections["expected"] = first
        self.connections["last_sent"] = self.connections["highest"] = first - 1
        self.connections["alive"] = self.connections["reading"] = 1

    @property
    def depth(self) -> int:
        """The number of places in the ring."""
        return int(self.ring.shape[1])

    def open(self) -> None:
        """Begin a new ledger. Messages that are still unanswered no longer count."""
        self.connections["first"] = self.connections["last_sent"] + 1
        for name in _OF_A_LEDGER:
            self.connections[name] = 0
        self.ring["sent_ns"] = 0
        self._places[:] = 0
        for name in ("pending", "answered", "overrun_ns"):
            self.state[name] = 0

    def counts(self, row: HistogramRow) -> Counts:
        """The counts of one histogram."""
        counts: Counts = self._counts[row]
        return counts

    def clear_counts(self) -> None:
        """Set all histograms to zero."""
        self._counts[:] = 0

    def slot_of(self, sequence: int) -> int:
        """The place in the ring of a message."""
        return sequence & self._mask

    def send(self, k: int, intended_ns: int, now_ns: int) -> int:
        """Record connection ``k``'s next message as sent; returns its number."""
        kernel.record_send(k, intended_ns, now_ns, self.tables)
        if self._open_loop:
            kernel.count(self._counts, int(HistogramRow.SEND_LAG), now_ns - intended_ns)
        return int(self._last_sent[k])

    def receive(
        self, k: int, sequence: int, at_ns: int, *, intact: bool = True, empty: bool = False, form: int = 0
    ) -> bool:
        """Record an answer that arrived at ``at_ns``; returns false if no message waited for it.

        A message that was never sent has no answer, so such a message is foreign. A second answer is a duplicate if it
        has the same ``form``.
        """
        if self.is_foreign(k, sequence):
            self.connections["foreign"][k] += 1
            return False
        last_sent = int(self._last_sent[k])
        if self._first[k] <= sequence:
            sent_ns = self._sent_ns[k, sequence & self._mask]
            # An answer older than the ring belongs to a message that was counted as lost.
            recent = last_sent - sequence <= self._mask
            if not recent or sent_ns == GIVEN_UP:
                return False
            if sent_ns == 0:
                self.connections["duplicated"][k] += self._is_repeated(k, sequence, form)
                return False
            kernel.record_answer(k, sequence, at_ns, self.tables)
            self._answered[form, k, sequence & self._mask] = sequence
            if sequence >= self._highest[k]:
                self._highest[k] = sequence
            elif not self._room:  # in a room several members send, and no message shows which of them was first
                self.connections["reordered"][k] += 1
            if not intact:
                self.connections["corrupted"][k] += 1
            if empty:
                self.connections["empty"][k] += 1
            return True
        return False

    def is_foreign(self, k: int, sequence: int) -> bool:
        """Whether connection ``k`` never sent a message with this number."""
        return bool(sequence < 0 or sequence > self._last_sent[k])

    def _is_repeated(self, k: int, sequence: int, form: int) -> bool:
        """Whether a message that is answered already was answered in this form."""
        answered = self._answered[:, k, sequence & self._mask]
        if not (answered == sequence).any():  # the kernel recorded the answer, which was in the first form
            answered[0] = sequence
        if answered[form] == sequence:
            return True
        answered[form] = sequence
        return False

    def oldest_waiting(self, k: int) -> int:
        """The number of the oldest message that connection ``k`` waits for; -1 if it waits for none."""
        last_sent = int(self._last_sent[k])
        sent_ns = self._sent_ns[k]
        number = max(self._oldest[k], int(self._first[k]), last_sent - self._mask)
        while number <= last_sent and sent_ns[number & self._mask] <= 0:
            number += 1
        self._oldest[k] = number
        return number if number <= last_sent else -1

    def overdue(self, before_ns: int) -> list[tuple[int, int]]:
        """The messages sent before this moment that open connections still wait for, as connection and place in the
        ring.
        """
        sent_ns = self.ring["sent_ns"]
        waiting = (sent_ns > 0) & (sent_ns < before_ns) & (self.connections["alive"] == 1)[:, None]
        return [(k, slot) for k, slot in np.argwhere(waiting).tolist()]

    def give_up(self, k: int, slot: int, now_ns: int) -> None:
        """Closed loop: count the message that connection ``k`` waits for at this place of the ring as lost."""
        waited_ns = now_ns - int(self.ring["intended_ns"][k, slot])
        kernel.count(self._counts, int(HistogramRow.LATENCY), waited_ns)
        self.ring["sent_ns"][k, slot] = GIVEN_UP
        row = self.connections[k]
        row["lost"] += 1
        row["pending"] -= 1
        self.state["pending"] -= row["alive"]
        self._miss(slot, waited_ns)

    def _miss(self, slot: int, waited_ns: int) -> None:
        """In a room: one member did not receive the message at this place of the ring, and no longer waits for it."""
        if self._waiting[slot] > 0:
            self._waiting[slot] -= 1
            if self._waiting[slot] == 0:
                kernel.count(self._counts, int(HistogramRow.LAST_DELIVERY), waited_ns)
                kernel.end_delivery(slot, self.tables)

    def next_sender(self, k: int, slot: int) -> int:
        """Closed loop: the connection that sends next, after connection ``k`` stops waiting for the message at this
        place.
        """
        return int(kernel.next_sender(k, slot, self.tables))

    def end_connection(self, k: int, now_ns: int) -> list[int]:
        """Record the end of a connection: nothing waits for its answers any more. Its unanswered messages are lost at
        `settle`.

        Returns the places in the ring of the messages for which it was the last waiting member of its room.
        """
        row = self.connections[k]
        if not row["alive"]:
            return []
        row["alive"] = 0
        self.state["pending"] -= row["pending"]
        missed = np.flatnonzero((self.ring["sent_ns"][k] > 0) & (self._waiting > 0)).tolist()
        for slot in missed:
            self._miss(slot, now_ns - int(self.ring["intended_ns"][k, slot]))
        return [slot for slot in missed if not self._waiting[slot]]

    def settle(self, cutoff_ns: int, overdue_ns: int) -> tuple[LedgerTotals, int]:
        """Close the ledger at ``cutoff_ns``. An unanswered message is lost or in flight, and its latency is the time it
        has waited.

        A message is lost if a newer answer overtook it, if it was sent before ``overdue_ns``, or if its connection has
        ended. Returns the totals over all connections, and the number of latencies that belong to unanswered messages.
        """
        connections, ring = self.connections, self.ring
        who, slot = np.nonzero(ring["sent_ns"] > 0)
        sent_ns, intended_ns = ring["sent_ns"][who, slot], ring["intended_ns"][who, slot]
        last_sent = connections["last_sent"][who]
        # The sequence number with this place in the ring: the highest one up to `last_sent`.
        sequence = last_sent - ((last_sent - slot) & (self.depth - 1))
        lost = (connections["alive"][who] == 0) | (sequence < connections["highest"][who]) | (sent_ns < overdue_ns)
        self._counts[HistogramRow.LATENCY] += counts_of(cutoff_ns - intended_ns)
        if self._open_loop:
            self._counts[HistogramRow.LATENCY_FROM_SEND] += counts_of(cutoff_ns - sent_ns)
        counted = {name: int(connections[name].sum()) for name in _COUNTS}
        lost_before = counted["lost"]
        counted["lost"] += int(lost.sum())
        totals = LedgerTotals(**counted, in_flight=int(sent_ns.size - lost.sum()))
        for place in np.flatnonzero(self._waiting).tolist():  # not received by all members of the room
            kernel.count(self._counts, int(HistogramRow.LAST_DELIVERY), cutoff_ns - int(ring["intended_ns"][0, place]))
            kernel.end_delivery(place, self.tables)
        ring["sent_ns"] = 0
        self._places[:] = 0
        return totals, lost_before + int(sent_ns.size)
