"""The books of all connections: every message sent is answered, lost or still in flight. No I/O.

They are arrays, because the kernel keeps them while the load runs; what it does not understand is entered here.
"""

from __future__ import annotations

import numpy as np

from runners.loadgen import kernel
from runners.loadgen.job import Ledger
from runners.loadgen.kernel import (
    ALIVE,
    ANSWERED,
    ASKED,
    CORRUPTED,
    DUPLICATED,
    EXPECTED,
    FIRST,
    FOUND,
    FROM_SEND,
    HIGHEST,
    INTENDED,
    LAG,
    LAST,
    LATENCY,
    LISTENS,
    LOST,
    OPEN_LOOP,
    PENDING,
    PENDING_ALL,
    RECEIVED,
    REORDERED,
    ROOM,
    SENT,
    SENT_AT,
)
from runners.loadgen.message import FIRST_SEQUENCE

GIVEN_UP = -1
"""In place of a send time: counted as lost already, but an answer that comes after all is no duplicate."""


class Books:
    """Sequence numbers rise by one per message of a connection. An answer to something older than these books
    is not entered.

    ``depth``: the messages a connection may have unanswered before the oldest counts as lost; rounded up to a power
    of two. In a ``room`` every message has one number for all and is waited for on each connection: what is counted
    are deliveries.
    """

    def __init__(
        self, connections: int, *, open_loop: bool, depth: int, room: bool = False, first: int = FIRST_SEQUENCE
    ) -> None:
        self.state = np.zeros(kernel.STATES, dtype=np.int64)
        self.state[[OPEN_LOOP, ROOM]] = open_loop, room
        self.book = np.zeros((connections, kernel.FIELDS), dtype=np.int64)
        self.book[:, [FIRST, EXPECTED]] = first
        self.book[:, [ASKED, HIGHEST]] = first - 1
        self.book[:, [ALIVE, LISTENS]] = 1
        self.ring = np.zeros((connections, 1 << max(4, depth - 1).bit_length(), 2), dtype=np.int64)
        self.left = np.zeros(self.ring.shape[1], dtype=np.int64)
        self.counts = kernel.room_for_counts()

    def open(self) -> None:
        """Begin fresh books; what is still unanswered belongs to none."""
        book = self.book
        book[:, FIRST] = book[:, ASKED] + 1
        book[:, [SENT, RECEIVED, LOST, DUPLICATED, REORDERED, CORRUPTED, PENDING, FOUND]] = 0
        self.ring[:, :, SENT_AT] = 0
        self.left[:] = 0
        self.state[[PENDING_ALL, ANSWERED]] = 0

    def send(self, k: int, intended: int, now: int) -> int:
        """Enter connection ``k``'s next message as sent; gives its number. Times are clock nanoseconds."""
        kernel.enter_all(k, intended, now, self.state, self.book, self.ring, self.left, self.counts)
        if self.state[OPEN_LOOP]:
            kernel.count(self.counts, LAG, now - intended)
        return int(self.book[k, ASKED])

    def receive(self, k: int, sequence: int, at: int, *, intact: bool = True) -> bool:
        """Enter an answer that came at ``at``; false where nothing waited for it."""
        row = self.book[k]
        if row[FIRST] <= sequence <= row[ASKED]:
            place = self.ring[k, sequence & (self.ring.shape[1] - 1)]
            # An answer older than the ring is one to a message that was counted as lost.
            recent = row[ASKED] - sequence < self.ring.shape[1]
            if not recent or place[SENT_AT] == GIVEN_UP:
                return False
            if place[SENT_AT] == 0:
                row[DUPLICATED] += 1
                return False
            kernel.answered(k, sequence, at, self.state, self.book, self.ring, self.left, self.counts)
            if sequence < row[HIGHEST]:
                # In a room several speak, and nobody says whose message is the earlier one.
                row[REORDERED] += not self.state[ROOM]
            else:
                row[HIGHEST] = sequence
            row[CORRUPTED] += not intact
            return True
        if sequence > row[ASKED] or sequence < 0:
            row[CORRUPTED] += 1
        return False

    def overdue(self, before: int) -> list[tuple[int, int]]:
        """What living connections have waited for since before this moment: connection, and place in the ring."""
        sent_at = self.ring[:, :, SENT_AT]
        waiting = (sent_at > 0) & (sent_at < before) & (self.book[:, ALIVE] == 1)[:, None]
        return [(k, slot) for k, slot in np.argwhere(waiting).tolist()]

    def give_up(self, k: int, slot: int, now: int) -> None:
        """Closed loop: what connection ``k`` waits for at this place of the ring will not come; it is lost."""
        place = self.ring[k, slot]
        kernel.count(self.counts, LATENCY, now - int(place[INTENDED]))
        place[SENT_AT] = GIVEN_UP
        self.book[k, LOST] += 1
        self.book[k, PENDING] -= 1
        self.state[PENDING_ALL] -= self.book[k, ALIVE]
        self._miss(slot, now - int(place[INTENDED]))

    def _miss(self, slot: int, waited_ns: int) -> None:
        """In a room: one member less waits for the message at this place of the ring, and had it not."""
        if self.left[slot] > 0:
            self.left[slot] -= 1
            if self.left[slot] == 0:
                kernel.count(self.counts, LAST, waited_ns)

    def next_asker(self, k: int, slot: int) -> int:
        """Closed loop: who asks next, now that connection ``k`` waits no longer for the message at this place."""
        return int(kernel.next_asker(k, slot, self.state, self.book, self.left))

    def waiting_since(self, k: int) -> int:
        """When the last message was sent if it is unanswered, else 0."""
        return max(0, int(self.ring[k, self.book[k, ASKED] & (self.ring.shape[1] - 1), SENT_AT]))

    def bury(self, k: int, now: int) -> list[int]:
        """The connection is dead: nothing is waited for any more. What it owes is lost at `settle`.

        Gives the places in the ring of the messages that only it waited for in its room.
        """
        if not self.book[k, ALIVE]:
            return []
        self.book[k, ALIVE] = 0
        self.state[PENDING_ALL] -= self.book[k, PENDING]
        missed = np.flatnonzero((self.ring[k, :, SENT_AT] > 0) & (self.left > 0)).tolist()
        for slot in missed:
            self._miss(slot, now - int(self.ring[k, slot, INTENDED]))
        return [slot for slot in missed if not self.left[slot]]

    def settle(self, cutoff: int, overdue: int) -> tuple[Ledger, int]:
        """Close the books at ``cutoff``: what is unanswered is lost or in flight, and its latency the time it waited.

        Lost is what a newer answer overtook, what was sent before ``overdue``, and all that a dead connection
        owes. Gives the ledger over all connections, and how many latencies are of unanswered messages.
        """
        book, ring = self.book, self.ring
        who, slot = np.nonzero(ring[:, :, SENT_AT] > 0)
        sent_at, intended = ring[who, slot, SENT_AT], ring[who, slot, INTENDED]
        asked = book[who, ASKED]
        # The number whose place in the ring this is: the newest not above ASKED.
        sequence = asked - ((asked - slot) & (ring.shape[1] - 1))
        lost = (book[who, ALIVE] == 0) | (sequence < book[who, HIGHEST]) | (sent_at < overdue)
        for moment, sent in zip(intended.tolist(), sent_at.tolist(), strict=True):
            kernel.count(self.counts, LATENCY, cutoff - moment)
            if self.state[OPEN_LOOP]:
                kernel.count(self.counts, FROM_SEND, cutoff - sent)
        overwritten = int(book[:, LOST].sum())
        ledger = Ledger(
            sent=int(book[:, SENT].sum()),
            received=int(book[:, RECEIVED].sum()),
            lost=overwritten + int(lost.sum()),
            in_flight=int(sent_at.size - lost.sum()),
            duplicated=int(book[:, DUPLICATED].sum()),
            reordered=int(book[:, REORDERED].sum()),
            corrupted=int(book[:, CORRUPTED].sum()),
        )
        for place in np.flatnonzero(self.left).tolist():  # never had by all in the room
            kernel.count(self.counts, LAST, cutoff - int(ring[0, place, INTENDED]))
        ring[:, :, SENT_AT] = 0
        self.left[:] = 0
        return ledger, overwritten + int(sent_at.size)
