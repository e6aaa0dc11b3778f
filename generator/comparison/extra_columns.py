"""Counts and outcomes that some workloads report besides metrics, as additional columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from generator.comparison.tables import Row, RowKey, Table
from runners.record import Deliveries, Measurement, PublishedMessages, Recovery, SlowConsumer, Soak, disturbance_percent


@dataclass(frozen=True)
class Column:
    """A heading, a note below it, and the text of each row; rows without the result have no text.

    ``keys``: the numbers by which rows sort, in the order of the text.
    """

    title: str
    note: str
    cells: Mapping[RowKey, str]

    @cached_property
    def keys(self) -> dict[RowKey, tuple[float, ...]]:
        return {
            row: tuple(float(number.replace(",", "")) for number in _NUMBER.findall(text))
            for row, text in self.cells.items()
        }


_NUMBER = re.compile(r"-?\d+(?:,\d{3})*(?:\.\d+)?")


_Text = Callable[[list[Measurement]], str | None]
"""Returns the text for some rounds of a row; ``None`` if they do not report the result."""
_Rounds = Callable[[Row], list[Measurement]]


def columns_of(table: Table) -> tuple[Column, ...]:
    """The columns for which at least one row of the table has a text."""
    columns = (*_COLUMNS, *(_at_a_fixed_rate(table) if table.kind in ("rate", "share", "push") else ()))
    found = (Column(title, note, _cells(table, text_of, rounds)) for title, note, text_of, rounds in columns)
    return tuple(column for column in found if column.cells)


def _cells(table: Table, text_of: _Text, rounds: _Rounds) -> dict[RowKey, str]:
    texts = {row.key: text_of(rounds(row)) for row in table.rows}
    return {key: text for key, text in texts.items() if text is not None}


def _counting(row: Row) -> list[Measurement]:
    return row.counting


def _measured(row: Row) -> list[Measurement]:
    """All rounds with values. Outcomes for which a round does not count are shown from these."""
    return [measurement for measurement in row.cell.measurements if measurement.failure is None]


def _missed_pushes(measurements: list[Measurement]) -> str | None:
    """Pushes that clients missed, of all pushes to them in the window."""
    found = [one for one in measurements if one.pushes_missed is not None and one.pushes_per_s is not None]
    missed = sum(one.pushes_missed or 0 for one in found)
    received = sum(round((one.pushes_per_s or 0.0) * (one.duration_s or 0.0)) for one in found)
    return f"{missed:,} of {missed + received:,}" if found else None


def _stalled(measurements: list[Measurement]) -> str | None:
    """Seconds of the window in which no other member received anything, as mean over the rounds."""
    found = [one for one in _consumers(measurements) if one.stalled_s is not None]
    return f"{sum(one.stalled_s or 0.0 for one in found) / len(found):.0f} s" if found else None


def _others_disconnected(measurements: list[Measurement]) -> str | None:
    """Members that read and were disconnected all the same, of all such members."""
    found = [(one.slow_consumer, one.connections) for one in measurements if one.slow_consumer and one.connections]
    members = sum(connections.established - consumer.consumers for consumer, connections in found)
    return f"{sum(connections.closed_early for _, connections in found)} of {members}" if found else None


def _turned_away(measurements: list[Measurement]) -> str | None:
    """Attempts that the kernel dropped in the last round, and the backlog that was too small."""
    found = [one.connecting for one in measurements if one.connecting and one.connecting.listen_drops is not None]
    if not found:
        return None
    drops, backlog = found[-1].listen_drops, found[-1].listen_backlog
    return f"{drops}, needs a backlog above {backlog}" if drops else f"0, backlog {backlog}"


def _consumers(measurements: list[Measurement]) -> list[SlowConsumer]:
    return [one.slow_consumer for one in measurements if one.slow_consumer is not None]


def _kept(measurements: list[Measurement]) -> str | None:
    """The share of the messages sent while a reader was paused that it received later."""
    found = _consumers(measurements)
    sent = sum(one.said * one.consumers for one in found)
    return f"{100 * sum(one.heard for one in found) / sent:.0f} %" if sent else None


def _disconnected(measurements: list[Measurement]) -> str | None:
    found = _consumers(measurements)
    return f"{sum(one.closed for one in found)} of {sum(one.consumers for one in found)}" if found else None


def _growth(measurements: list[Measurement]) -> str | None:
    """Growth of memory from the first to the last reading, as mean over the rounds."""
    grown = [one.memory_mb[-1] - one.memory_mb[0] for one in _consumers(measurements) if len(one.memory_mb) > 1]
    return f"{sum(grown) / len(grown):+.1f} MB" if grown else None


def _capacity(measurements: list[Measurement]) -> str | None:
    """The capacity behind the rate of the last round, which rests on most searches, with its interval."""
    found = [one.load_share for one in measurements if one.load_share is not None]
    last = found[-1] if found else None
    return None if last is None else f"{last.capacity_per_s:,} ({last.low_per_s:,} to {last.high_per_s:,})"


def _recoveries(measurements: list[Measurement]) -> list[Recovery]:
    return [one.recovery for one in measurements if one.recovery is not None]


def _per_round(count: Callable[[Recovery], int]) -> _Text:
    def text_of(measurements: list[Measurement]) -> str | None:
        found = _recoveries(measurements)
        return f"{sum(map(count, found)) / len(found):.1f}" if found else None

    return text_of


def _old_server(measurements: list[Measurement]) -> str | None:
    """How long the old server of a deploy took to end, as mean over the rounds, and how often it was killed."""
    found = [one for one in _recoveries(measurements) if one.ended_s is not None]
    if not found:
        return None
    killed = sum(one.was_killed or False for one in found)
    mean = f"{sum(one.ended_s or 0.0 for one in found) / len(found):.1f} s"
    return f"{mean}, killed in {killed} of {len(found)} rounds" if killed else mean


def _served_again(measurements: list[Measurement]) -> str | None:
    found = [one.served_again_s for one in _recoveries(measurements) if one.ended_s is not None]
    known = [one for one in found if one is not None]
    if not found:
        return None
    return f"{sum(known) / len(known):.1f} s" if len(known) == len(found) else "not in time"


def _seen_by_clients(measurements: list[Measurement]) -> str | None:
    """What clients of a deploy saw, as shares of all connections that ended, the most frequent first."""
    kinds: Counter[str] = Counter()
    for one in _recoveries(measurements):
        kinds.update(one.endings)
    every = sum(kinds.values())
    return ", ".join(f"{kind} {100 * times / every:.0f} %" for kind, times in kinds.most_common(3)) or None


def _never_back(measurements: list[Measurement]) -> str | None:
    found = _recoveries(measurements)
    return str(sum(one.never_back for one in found)) if found else None


def _cut_streams(measurements: list[Measurement]) -> str | None:
    found = [one.streams for one in measurements if one.streams is not None]
    cut = sum(one.broken + one.unfinished for one in found)
    return f"{cut:,} of {sum(one.begun for one in found):,}" if found else None


def _clumped(measurements: list[Measurement]) -> str | None:
    """Chunks that were held back until the next one, which shows what buffers a stream."""
    found = [one.streams for one in measurements if one.streams is not None and one.streams.chunks]
    return f"{100 * sum(one.together for one in found) / sum(one.chunks for one in found):.1f} %" if found else None


def _counted(measurements: list[Measurement]) -> list[Deliveries | PublishedMessages]:
    return [one.counted_deliveries for one in measurements if one.counted_deliveries is not None]


def _deliveries(measurements: list[Measurement]) -> list[Deliveries]:
    return [one.room_deliveries for one in measurements if one.room_deliveries is not None]


def _share_of_due(counts: Iterable[int], found: Sequence[Deliveries | PublishedMessages]) -> str | None:
    """Deliveries in percent of all that were due."""
    due = sum(one.due for one in found)
    return f"{100 * sum(counts) / due:.2g} %" if due else None


def _late(measurements: list[Measurement]) -> str | None:
    found = _counted(measurements)
    return _share_of_due((one.late for one in found), found)


def _twice(measurements: list[Measurement]) -> str | None:
    found = _counted(measurements)
    return _share_of_due((one.twice for one in found), found)


def _lost_although_connected(measurements: list[Measurement]) -> str | None:
    found = _deliveries(measurements)
    return _share_of_due((one.never_connected for one in found), found)


def _refused_messages(measurements: list[Measurement]) -> str | None:
    """Messages from outside that were not taken, of all."""
    found = [one.published for one in measurements if one.published is not None]
    return f"{sum(one.refused for one in found):,} of {sum(one.messages for one in found):,}" if found else None


def _answer_times(measurements: list[Measurement]) -> str | None:
    """The median time to the answer of a request that publishes, as mean over the rounds. No metric, because servers
    answer at different times: after the last delivery, or before the first.
    """
    answers = [one.published.answer_ms for one in measurements if one.published is not None]
    found = [one.p50 for one in answers if one is not None and one.p50 is not None]
    return f"{sum(found) / len(found):.1f} ms" if found else None


def _publishing_connections(measurements: list[Measurement]) -> str | None:
    """Connections per request: 1 if the server keeps none open."""
    found = [
        one.published for one in measurements if one.published is not None and one.published.connections is not None
    ]
    messages = sum(one.messages for one in found)
    return f"{sum(one.connections or 0 for one in found) / messages:.2g}" if messages else None


def _ended_by_server(measurements: list[Measurement]) -> str | None:
    found = _counted(measurements)
    return f"{sum(one.ended for one in found) / len(found):.1f}" if found else None


def _stays_away(measurements: list[Measurement]) -> str | None:
    found = _deliveries(measurements)
    return str(sum(one.never_back for one in found)) if found else None


def _soaks(measurements: list[Measurement]) -> list[Soak]:
    return [one.soak for one in measurements if one.soak is not None]


def _growth_per_hour(measurements: list[Measurement]) -> str | None:
    """The interval of the growth in the last round."""
    low, high = next(
        ((one.memory_low_mb_per_hour, one.memory_high_mb_per_hour) for one in reversed(_soaks(measurements))),
        (None, None),
    )
    return None if low is None or high is None else f"{low:+.2f} to {high:+.2f} MB"


def _later_p50(measurements: list[Measurement]) -> str | None:
    """The median latency of the last sixth of the last round, against the second sixth."""
    for one in reversed(_soaks(measurements)):
        piece = len(one.p50_ms) // 6
        early, late = (
            [value for value in one.p50_ms[start : start + piece] if value is not None]
            for start in (piece, len(one.p50_ms) - piece)
        )
        if early and late:
            return f"{100 * (median(late) / median(early) - 1):+.0f} %"
    return None


def _visitors(measurements: list[Measurement]) -> str | None:
    found = _soaks(measurements)
    unwell = sum(one.visits.ended + one.visits.refused + one.visits.silent for one in found)
    return f"{unwell:,} of {sum(one.visits.begun for one in found):,}" if found else None


def _spread(measurements: list[Measurement]) -> str | None:
    """The number of clients of each process in the last round."""
    spreads = [one.server.connections_per_process for one in measurements if one.server is not None]
    return " + ".join(map(str, spreads[-1])) if spreads and spreads[-1] else None


def _memory_steps(measurements: list[Measurement]) -> str | None:
    """Memory at each step of the last round."""
    found = [one.connecting for one in measurements if one.connecting is not None and len(one.connecting.steps) > 2]
    return ", ".join(f"{step.pss_mb:.0f}" for step in found[-1].steps) + " MB" if found else None


def _accepted(measurements: list[Measurement]) -> str | None:
    """The clients that the server took in the last round, and what ended there."""
    found = [one for one in measurements if one.connecting and one.connecting.idle and one.connections]
    if not found:
        return None
    connecting, connections = found[-1].connecting, found[-1].connections
    assert connecting is not None
    assert connections is not None
    accepted = f"{connections.established:,} of {connections.planned:,}"
    return f"{accepted}; {connecting.ceiling}" if connecting.ceiling else accepted


def _closed_while_idle(measurements: list[Measurement]) -> str | None:
    found = [one.connecting.idle for one in measurements if one.connecting and one.connecting.idle]
    return f"{sum(one.closed for one in found)} of {sum(one.clients for one in found)}" if found else None


def _compression(measurements: list[Measurement]) -> str | None:
    """Whether the server agreed to compress messages in the last round."""
    found = [one.compression for one in measurements if one.compression is not None]
    if not found:
        return None
    agreed, declined = found[-1].agreed, found[-1].declined
    return f"agreed on {agreed:,} of {agreed + declined:,}" if agreed else "declined"


def _wire_bytes(measurements: list[Measurement]) -> str | None:
    """Bytes on the wire per message in the last round, where compression was offered."""
    found = [one.traffic for one in measurements if one.compression is not None and one.traffic is not None]
    if not found:
        return None
    received = found[-1].received_wire_bytes
    return f"{found[-1].sent_wire_bytes:,.0f}, {'–' if received is None else f'{received:,.0f}'}"


def _at_a_fixed_rate(table: Table) -> tuple[tuple[str, str, _Text, _Rounds]]:
    """How much others disturbed the rows, where latency rests on it; runs of one table have machines of one class."""
    cpus = table.run.document.machine.logical_cpus

    def text_of(measurements: list[Measurement]) -> str | None:
        found = [disturbance_percent(one, logical_cpus=cpus) for one in measurements]
        known = [one for one in found if one is not None]
        return f"{sum(known) / len(known):.2f} %" if known else None

    return (("Disturbance", "of a core, mean", text_of, _counting),)


_COLUMNS: tuple[tuple[str, str, _Text, _Rounds], ...] = (
    ("Its capacity", "messages/s, 95 % interval, last round", _capacity, _counting),
    ("Missed pushes", "of all, all measured rounds", _missed_pushes, _measured),
    ("Others stalled", "seconds without a delivery", _stalled, _counting),
    ("Others disconnected", "members that read", _others_disconnected, _counting),
    ("Queued for the paused client", "share of messages", _kept, _counting),
    ("Disconnected", "paused clients", _disconnected, _counting),
    ("Memory growth", "while they were paused", _growth, _counting),
    ("Old server", "seconds until it ended", _old_server, _counting),
    ("Clients saw", "of connections that ended", _seen_by_clients, _counting),
    ("Served as before", "after SIGTERM", _served_again, _counting),
    ("Unanswered", "messages per round", _per_round(lambda one: one.lost), _counting),
    ("Not sent", "without a connection, per round", _per_round(lambda one: one.unsent), _counting),
    ("Never back", "clients", _never_back, _counting),
    ("Streams cut", "refused, ended early or not in time, all measured rounds", _cut_streams, _measured),
    ("Clumped", "chunks that came with the one before", _clumped, _counting),
    ("Late", "after more than a second, of all", _late, _counting),
    ("Twice", "of all", _twice, _counting),
    ("Lost although connected", "of all", _lost_although_connected, _counting),
    ("Not taken", "messages that were refused or not answered, all measured rounds", _refused_messages, _measured),
    ("Answer", "p50; before or after the deliveries, so not comparable", _answer_times, _counting),
    ("Connections", "per request", _publishing_connections, _counting),
    ("Ended by the server", "connections per round", _ended_by_server, _counting),
    ("Not back", "members", _stays_away, _counting),
    ("Growth per hour", "95 % interval, last round", _growth_per_hour, _counting),
    ("Median latency", "last sixth against the second, last round", _later_p50, _counting),
    ("Visits that failed", "refused, ended by the server or without a push", _visitors, _counting),
    ("Clients per process", "last round", _spread, _counting),
    ("Memory", "at each step, last round", _memory_steps, _counting),
    ("Clients accepted", "and what ended there, last measured round", _accepted, _measured),
    ("Closed while idle", "clients, all measured rounds", _closed_while_idle, _measured),
    ("Compression", "connections, last round", _compression, _counting),
    ("Bytes on the wire", "per message sent and received, last round", _wire_bytes, _counting),
    ("Dropped by the listen queue", "attempts, last measured round", _turned_away, _measured),
)
"""Title, note, text, and the rounds that the text is about."""
