"""Rows never depend on one another: the same bits alone and in a pack, whoever the others are."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor

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

# Odd sizes leave the rows of a pack differently aligned in memory; the last is more than a
# core's cache holds of a pack.
SIZES = (1, 3, 16, 37, 256, 2241)
LARGE = 40003
PARTS = (slice(0, 7), slice(57, 64), [0], [1], [22], [63])

POISON = (float("nan"), float("inf"), float("-inf"), 0.0, 1e-40, 1e37)

every_rule = pytest.mark.parametrize("name", NAMES)
both_precisions = pytest.mark.parametrize("dtype", DTYPES, ids=str)


def _check_parts(
    computed: Callable[..., tuple[Tensor, ...]],
    matrices: list[Tensor],
    values: Mapping[str, Tensor],
) -> None:
    """Parts of a pack of 64 have the bits that they have in it."""
    full = computed(*matrices, values)
    for rows in PARTS:
        found = computed(*(x_KP[rows].clone() for x_KP in matrices), pick(values, rows))
        for a, b in zip(found, full, strict=True):
            assert same_bits(a, b[rows]), rows


@every_rule
@both_precisions
def test_a_row_s_bits_are_the_same_alone_and_in_packs(name: str, dtype: torch.dtype) -> None:
    rule = RULES[name]
    # The widest once a direction, which all optimizers share.
    sizes = (*SIZES, LARGE) if name in ("adaptive_gsam", "asam", "gap_penalty") else SIZES
    for size in sizes:
        matrices = [ordinary_rows(64, size, dtype, seed=s) for s in range(3)]
        values = ordinary_columns(rule, 64, dtype, seed=3)
        _check_parts(lambda *rows: apply(rule, *rows), matrices, values)


@both_precisions
@pytest.mark.parametrize("nesterov", [False, True])
def test_the_base_optimizer_s_rows_keep_their_bits(dtype: torch.dtype, nesterov: bool) -> None:
    names = ("lr_K1", "momentum_K1", "weight_decay_K1")
    settings = ordinary_rows(64, 3, torch.float64, seed=3).abs()
    base = columns(dtype, **{name: settings[:, i].tolist() for i, name in enumerate(names)})
    for size in (*SIZES, LARGE):
        matrices = [ordinary_rows(64, size, dtype, seed=s) for s in range(3)]
        for x_KP in matrices:
            x_KP[9] = float("nan")
        _check_parts(lambda *rows: update(*rows[:3], **rows[3], nesterov=nesterov), matrices, base)


@every_rule
@both_precisions
def test_a_poisoned_row_leaves_the_others_bits_alone(name: str, dtype: torch.dtype) -> None:
    rule = RULES[name]
    rows, bad = 7, 4
    others = [row for row in range(rows) if row != bad]

    def computed(poison: float, where: str) -> tuple[Tensor, ...]:
        given = {x: ordinary_rows(rows, 37, dtype, seed=s) for s, x in enumerate(("w", "g", "gp"))}
        values = ordinary_columns(rule, rows, dtype, seed=3)
        if where == "hyperparameters":
            for column_K1 in values.values():
                column_K1[bad] = poison
        elif where == "entry of g":
            given["g"][bad, 11] = poison
        elif where:
            given[where][bad] = poison
        return apply(rule, *given.values(), values)

    clean = computed(0.0, "")
    places = ("w", "g", "gp", "entry of g", "hyperparameters")
    for poison, where in itertools.product(POISON, places):
        for a, b in zip(computed(poison, where), clean, strict=True):
            assert same_bits(a[others], b[others]), (poison, where)


@every_rule
@both_precisions
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
