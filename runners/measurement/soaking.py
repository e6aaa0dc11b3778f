"""How a server changed over a long load: its memory and its latency by pieces of time, and what became of visitors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from statistics import mean

from runners.judging.trend import slope_of
from runners.loadgen.buckets import no_counts
from runners.loadgen.job import Visited
from runners.loading.load_result import ClientsResult
from runners.record import Histogram, Soak, VisitOutcomes

PIECES = 24
"""Pieces of the time. Those of two hours are five minutes long, so neighbours hardly depend on each other."""
FILLING = 4
"""The first pieces, in which caches and pools fill up, do not count for the growth."""
_MB = 1e6


def soak_record(
    seconds: Sequence[Histogram],
    memory: Sequence[tuple[float, int]],
    visited: ClientsResult[Visited],
    *,
    window_s: float,
    is_whole: bool,
) -> Soak:
    """The record of a load of ``window_s``.

    ``seconds``: the latencies of each second. ``memory``: seconds since the begin, and the proportional set size in
    bytes. ``is_whole``: whether the load was long enough to show how the memory grows.
    """
    (shard,) = visited.shards
    piece_s = window_s / PIECES
    latencies = [_sum_of(seconds[first:last]) for first, last in _bounds(len(seconds))]
    by_piece: list[list[int]] = [[] for _ in range(PIECES)]
    for at_s, pss in memory:
        if 0 <= at_s < window_s:
            by_piece[int(at_s / piece_s)].append(pss)
    pss_mb = [round(mean(found) / _MB, 3) if found else None for found in by_piece]
    counted = [one for one in pss_mb[FILLING:] if one is not None]
    slope = slope_of(counted) if is_whole and len(counted) == PIECES - FILLING else None
    per_hour = [None] * 3 if slope is None else [round(3600 / piece_s * one, 4) for one in slope]
    return Soak(
        piece_s=round(piece_s, 6),
        pss_mb=pss_mb,
        p50_ms=[one.percentile_ms(0.5) for one in latencies],
        p99_ms=[one.percentile_ms(0.99) for one in latencies],
        memory_mb_per_hour=per_hour[0],
        memory_low_mb_per_hour=per_hour[1],
        memory_high_mb_per_hour=per_hour[2],
        visits=VisitOutcomes(
            begun=shard.begun,
            stayed=shard.stayed,
            ended=shard.ended,
            refused=shard.refused,
            unfinished=shard.unfinished,
            silent=shard.silent,
            connect_ms=visited.histograms["connect"].percentiles(),
            lag_ms=visited.histograms["send_lag"].percentiles(),
        ),
    )


def _bounds(count: int) -> Iterator[tuple[int, int]]:
    """The first second of each piece and that after its last one."""
    for piece in range(PIECES):
        yield count * piece // PIECES, count * (piece + 1) // PIECES


def _sum_of(histograms: Sequence[Histogram]) -> Histogram:
    return reduce(Histogram.merge, histograms, Histogram(no_counts()))
