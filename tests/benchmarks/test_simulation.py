"""The rule on simulated tables, of which the truth is known. A broken rule fails here."""

from __future__ import annotations

import pytest

from benchmarks.simulation import LATENCY, SETTINGS, THROUGHPUT, Setting, simulate

FEW_TABLES = {6: 150, 14: 60, 32: 25}


@pytest.mark.parametrize(
    "setting",
    [
        Setting(THROUGHPUT, 6, 10, 0),
        Setting(THROUGHPUT, 14, 10, 4),
        Setting(THROUGHPUT, 32, 10, 4),
        Setting(LATENCY, 14, 10, 0),
        Setting(LATENCY, 32, 10, 4),
    ],
    ids=str,
)
def test_ten_rounds_find_what_is_there_and_nothing_else(setting: Setting) -> None:
    found = simulate(setting, tables=FEW_TABLES[setting.rows], seed=3)
    assert found.not_different >= 0.99
    assert found.no_order >= 0.975, "0.99, and what so few tables may stray from it"
    assert found.found >= 0.95
    assert found.equal >= 0.9
    assert found.covered >= 0.93
    assert found.false_share <= 0.01


@pytest.mark.parametrize("setting", [Setting(THROUGHPUT, 14, 5, 0), Setting(THROUGHPUT, 32, 5, 4)], ids=str)
def test_with_five_rounds_the_model_finds_what_single_t_tests_do_not(setting: Setting) -> None:
    found = simulate(setting, tables=FEW_TABLES[setting.rows], seed=3)
    assert found.found > found.paired_found + 0.15
    assert found.no_order >= 0.975
    assert found.covered >= 0.93


@pytest.mark.parametrize("rounds", [3, 5])
def test_rows_four_times_as_noisy_have_intervals_that_hold(rounds: int) -> None:
    found = simulate(Setting(LATENCY, 14, rounds, 4), tables=100, seed=3)
    assert found.covered >= 0.93
    assert found.no_order >= 0.975


def test_the_same_seed_gives_the_same_counts() -> None:
    first, again, other = (simulate(SETTINGS[0], tables=20, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
