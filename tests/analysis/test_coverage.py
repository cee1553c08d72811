"""The intervals cover at their nominal rate, and an optimizer compared with itself does not win.

Every rate is held against the exact binomial bound at which one in a thousand correct analyses
would fail. The default suite has 50 repetitions of one world at a small size; those of 500 are
slow.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from tests.analysis.simulate import Record, most_false, simulate
from tests.analysis.worlds import self_comparison, unit_change, wider_hill

SEED = 20240501

#: What a study costs most time in is its size, not the number of seeds.
SMALL = {"points": 64, "replicates": 8, "seeds": 4, "misset_seeds": 6, "tune": 8}

SHAPES: dict[str, dict[str, Any]] = {
    "R8 S4": {},
    "R4 S2": {"points": 64, "replicates": 4, "seeds": 2, "misset_seeds": 4, "tune": 8},
    "R2 S2": {"points": 32, "replicates": 2, "seeds": 2, "misset_seeds": 2, "tune": 8},
    "R8 S2, no misset": {"points": 64, "seeds": 2, "misset_seeds": 0, "tune": 0},
    "independent": {"points": 64, "replicates": 64, "seeds": 3, "misset_seeds": 6, "tune": 8},
}


def assert_covers(record: Record) -> None:
    """Every interval with at least 50 repetitions covers often enough."""
    rates = record.coverage()
    for name, (share, least, n) in sorted(rates.items()):
        print(f"{name}: covered {share:.3f} of {n}, at least {least:.3f}")  # noqa: T201
    low = {
        name: (share, least)
        for name, (share, least, n) in rates.items()
        if n >= 50 and share < least
    }
    assert not low


def assert_finds_nothing(record: Record) -> None:
    """In no lens more false winners than one in twenty, within the binomial bound."""
    most = most_false(record.repetitions)
    print(f"winners {dict(record.winners)} of {record.repetitions}, at most {most:.3f}")  # noqa: T201
    assert all(count / record.repetitions <= most for count in record.winners.values())


def test_unit_change_alone_wins_at_raw_rho_and_not_at_equal_radius() -> None:
    record = simulate(unit_change, repetitions=50, seed=SEED, **SMALL)
    assert_covers(record)
    assert record.winners["rho"] >= 0.8 * record.repetitions
    assert record.winners["radius"] / record.repetitions <= most_false(record.repetitions)
    assert record.claims["supported"] == 0


def test_a_wider_hill_wins() -> None:
    record = simulate(wider_hill, repetitions=8, seed=SEED)
    assert record.winners["rho"] == record.winners["radius"] == record.repetitions
    assert record.claims["contradicted"] == record.claims["mixed"] == 0
    assert record.claims["supported"] > 0


@pytest.mark.slow
def test_cliff_small_table() -> None:
    record = simulate(partial(self_comparison, "cliff"), repetitions=500, seed=SEED, **SMALL)
    assert_covers(record)
    assert_finds_nothing(record)
    assert record.claims["supported"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["hill", "cliff", "seeds", "corner"])
def test_self_comparison(kind: str, shape: str) -> None:
    make = partial(self_comparison, kind)
    record = simulate(make, repetitions=500, seed=SEED + 1, **SHAPES[shape])
    assert_covers(record)
    assert_finds_nothing(record)


@pytest.mark.slow
def test_bimodal_noise_at_the_best() -> None:
    record = simulate(partial(self_comparison, "bimodal"), repetitions=100, seed=SEED, **SMALL)
    assert_covers(record)
    assert_finds_nothing(record)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["collapse", "bimodal"])
def test_collapsing_trials(kind: str) -> None:
    make = partial(self_comparison, kind)
    record = simulate(make, repetitions=500, seed=SEED + 2)
    assert_covers(record)
    assert_finds_nothing(record)
