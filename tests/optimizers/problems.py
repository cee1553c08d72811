"""What the tests of the optimizers feed them: columns of hyperparameters and random rows.

Must not import the engine.

Shapes: K rows (models), P parameters of one model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from hypothesis import settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from agsam_tune.optimizers import RULES, Rule
from agsam_tune.optimizers.rules import IS_WEIGHT

# A deadline would make the tests depend on the machine's load, a database on earlier runs.
PROPERTY = settings(derandomize=True, deadline=None, database=None, max_examples=25)

DTYPES = (torch.float32, torch.float64)
NAMES = tuple(sorted(RULES))
TWO_PASS = tuple(name for name in NAMES if RULES[name].ascent is not None)
DECOMPOSED = tuple(name for name in NAMES if "alpha" in RULES[name].hyperparameters)

# Plausible values for hyperparameters with a meaning of their own; others get ORDINARY.
ORDINARY = 0.3
VALUES = {"rho": 0.2, "alpha": 0.4, "gamma": 0.1, "lam": 0.7}

# For rules that tell weights from biases: there are no biases.
ALL_WEIGHTS = {IS_WEIGHT: torch.ones(1, 1, dtype=torch.bool)}

_NUMPY = {torch.float32: np.float32, torch.float64: np.float64}
# Powers of two that a vector with entries up to 1 is scaled with: from the smallest
# subnormal numbers to rows whose norm, for up to 12 entries, is still finite.
_EXPONENTS = {torch.float32: (-147, 125), torch.float64: (-1072, 1021)}


def columns(dtype: torch.dtype, **values: float | Sequence[float]) -> dict[str, Tensor]:
    """Hyperparameters as (K, 1) columns; a single number is a column of one row."""
    return {
        name: torch.tensor(np.atleast_1d(value), dtype=dtype).unsqueeze(1)
        for name, value in values.items()
    }


def ordinary_columns(rule: Rule, rows: int, dtype: torch.dtype, *, seed: int) -> dict[str, Tensor]:
    """Each of the rule's hyperparameters, a different value in each of the rows."""
    factors = np.random.default_rng(seed).uniform(0.5, 1.5, (len(rule.hyperparameters), rows))
    values = columns(
        dtype,
        **{
            name: VALUES.get(name, ORDINARY) * factors[i]
            for i, name in enumerate(rule.hyperparameters)
        },
    )
    mask_K1 = ALL_WEIGHTS[IS_WEIGHT].repeat(rows, 1)
    return values | ({IS_WEIGHT: mask_K1} if rule.asks_for_weights else {})


def ordinary_rows(rows: int, parameters: int, dtype: torch.dtype, *, seed: int) -> Tensor:
    """Normal random numbers, (K, P)."""
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(rows, parameters))).to(dtype)


def pick(values: Mapping[str, Tensor], rows: Any) -> dict[str, Tensor]:
    """Copies of some rows of every column."""
    return {name: column[rows].clone() for name, column in values.items()}


def apply(
    rule: Rule, w_KP: Tensor, g_KP: Tensor, gp_KP: Tensor, values: Mapping[str, Tensor]
) -> tuple[Tensor, ...]:
    """All that a rule computes: the ascent step, if it has one, and the update direction."""
    direction_KP = rule.update_direction(g_KP, gp_KP, values)
    if rule.ascent is None:
        return (direction_KP,)
    return rule.ascent_step(w_KP, g_KP, values), direction_KP


def same_bits(a: Tensor, b: Tensor) -> bool:
    """Equal bit for bit: NaN equals itself, 0 does not equal −0."""
    integers = {torch.float32: torch.int32, torch.float64: torch.int64}[a.dtype]
    return torch.equal(a.contiguous().view(integers), b.contiguous().view(integers))


def normalised(x: Tensor) -> NDArray[np.float64]:
    """x scaled by a power of two to a largest entry in [1, 2), in float64: safe to square."""
    array = x.to(torch.float64).numpy()
    peak = np.max(np.abs(array))
    return np.ldexp(array, -(int(np.frexp(peak)[1]) - 1)) if peak > 0 else array


@st.composite
def vectors(draw: st.DrawFn, dtype: torch.dtype, size: int, *, extreme: bool = True) -> Tensor:
    """A row (1, P) with entries of any size: tiny, huge, mixed, or zero."""
    element = st.floats(-1, 1, width=32, allow_subnormal=False)
    entries = np.array(draw(st.lists(element, min_size=size, max_size=size)), _NUMPY[dtype])
    low, high = _EXPONENTS[dtype] if extreme else (-8, 4)
    scaled = np.ldexp(entries, draw(st.integers(low, high)))
    return torch.from_numpy(scaled).unsqueeze(0)


@st.composite
def triples(draw: st.DrawFn, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Weights of ordinary size and two gradients of any size, each (1, P)."""
    size = draw(st.integers(1, 12))
    w_1P = draw(vectors(dtype, size, extreme=False))
    return w_1P, draw(vectors(dtype, size)), draw(vectors(dtype, size))


def flat(tensors: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The tensors of one model as one vector."""
    return np.concatenate([x.ravel() for x in tensors])


def unflat(
    vector: NDArray[np.float64], like: Sequence[NDArray[np.float64]]
) -> list[NDArray[np.float64]]:
    """One vector as tensors of the shapes of `like`."""
    ends = np.cumsum([x.size for x in like])[:-1]
    return [part.reshape(x.shape) for part, x in zip(np.split(vector, ends), like, strict=True)]
