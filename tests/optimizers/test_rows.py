"""Rows never depend on one another: the same bits alone and in a pack, whoever the others are."""

from __future__ import annotations

import pytest
import torch

from agsam_tune.optimizers import RULES
from tests.optimizers.sgd import update

from .problems import (
    DTYPES,
    NAMES,
    apply,
    columns,
    ordinary_columns,
    ordinary_rows,
    pick,
    same_bits,
)

# Odd sizes leave the rows of a pack differently aligned in memory; the last is a CNN's.
SIZES = (1, 3, 16, 37, 256, 2241, 40003)

POISON = {
    "nan": float("nan"),
    "inf": float("inf"),
    "minus_inf": float("-inf"),
    "zero": 0.0,
    "tiny": 1e-40,
    "huge": 1e37,
}


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", SIZES)
def test_a_row_s_bits_are_the_same_alone_and_in_packs_of_7_and_64(
    name: str, dtype: torch.dtype, size: int
) -> None:
    rule = RULES[name]
    w_KP, g_KP, gp_KP = (ordinary_rows(64, size, dtype, seed=s) for s in range(3))
    values = ordinary_columns(rule, 64, dtype, seed=3)
    full = apply(rule, w_KP, g_KP, gp_KP, values)
    for rows in (slice(0, 7), slice(20, 27), slice(57, 64), [0], [1], [5], [22], [63]):
        found = apply(
            rule, w_KP[rows].clone(), g_KP[rows].clone(), gp_KP[rows].clone(), pick(values, rows)
        )
        for a, b in zip(found, full, strict=True):
            assert same_bits(a, b[rows])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("poison", POISON)
@pytest.mark.parametrize("where", ["w", "g", "gp", "entry of g", "hyperparameters"])
def test_a_poisoned_row_leaves_the_others_bits_alone(
    name: str, dtype: torch.dtype, poison: str, where: str
) -> None:
    rule = RULES[name]
    rows, bad, value = 7, 4, POISON[poison]
    w_KP, g_KP, gp_KP = (ordinary_rows(rows, 37, dtype, seed=s) for s in range(3))
    values = ordinary_columns(rule, rows, dtype, seed=3)
    clean = apply(rule, w_KP, g_KP, gp_KP, values)
    if where == "hyperparameters":
        for column_K1 in values.values():
            column_K1[bad] = value
    elif where == "entry of g":
        g_KP[bad, 11] = value
    else:
        {"w": w_KP, "g": g_KP, "gp": gp_KP}[where][bad] = value
    poisoned = apply(rule, w_KP, g_KP, gp_KP, values)
    others = [row for row in range(rows) if row != bad]
    for a, b in zip(poisoned, clean, strict=True):
        assert same_bits(a[others], b[others])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_rows_of_all_sizes_keep_their_bits_beside_broken_ones(
    name: str, dtype: torch.dtype
) -> None:
    """A tiny or huge row, which needs rescaling, is treated alike alone and beside others."""
    rule = RULES[name]
    powers = [2.0**e for e in (-140, -100, -60, -20, 0, 20, 60, 100, 120)]
    broken = [0.0, float("inf"), float("nan")]
    rows = len(powers) + len(broken)
    w_KP, g_KP, gp_KP = (ordinary_rows(rows, 37, dtype, seed=s) for s in range(3))
    g_KP *= torch.tensor([*powers, *broken], dtype=dtype).unsqueeze(1)
    gp_KP *= torch.tensor([*reversed(powers), *broken], dtype=dtype).unsqueeze(1)
    values = ordinary_columns(rule, rows, dtype, seed=3)
    full = apply(rule, w_KP, g_KP, gp_KP, values)
    for row in range(len(powers)):
        alone = [x_KP[[row]].clone() for x_KP in (w_KP, g_KP, gp_KP)]
        for a, b in zip(apply(rule, *alone, pick(values, [row])), full, strict=True):
            assert bool(a.isfinite().all())
            assert same_bits(a, b[[row]])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_the_base_optimizer_s_rows_keep_their_bits(
    dtype: torch.dtype, nesterov: bool, size: int
) -> None:
    matrices = [ordinary_rows(64, size, dtype, seed=s) for s in range(3)]
    for x_KP in matrices:
        x_KP[9] = float("nan")
    settings = ordinary_rows(64, 3, torch.float64, seed=3).abs()
    names = ("lr_K1", "momentum_K1", "weight_decay_K1")
    base = columns(dtype, **{name: settings[:, i].tolist() for i, name in enumerate(names)})
    full = update(*matrices, **base, nesterov=nesterov)
    for rows in (slice(0, 7), slice(20, 27), slice(57, 64), [0], [1], [5], [22], [63]):
        found = update(*(x[rows].clone() for x in matrices), **pick(base, rows), nesterov=nesterov)
        for a, b in zip(found, full, strict=True):
            assert same_bits(a, b[rows])
