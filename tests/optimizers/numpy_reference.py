"""The optimizers once more: slow, plain NumPy, written from the formulas of docs/design.md alone.

In: the parameters of one model as a list of arrays (one a tensor of the model), a function
that gives the gradient at such a list, hyperparameters as floats. Out: the same after one
step. It shares no code and no layout with the package: no rows, no flat vector, no torch.
Must not import torch or anything of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# The optimizers that docs/design.md defines.
NAMES = (
    *("sgd", "sgd_2x", "sam", "asam", "gsam", "adaptive_gsam", "gsam_matched"),
    *("adaptive_gsam_t2", "asam_weights", "gap_penalty"),
)

Array = NDArray[np.float64]
Tensors = list[Array]
Gradient = Callable[[Tensors], Tensors]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sgd:
    """The base optimizer's settings: torch.optim.SGD's without dampening."""

    lr: float
    momentum: float
    weight_decay: float
    nesterov: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one step gives; `ascent` is None for optimizers with one pass."""

    ascent: Tensors | None
    direction: Tensors
    weights: Tensors
    velocity: Tensors


def dot(a: Tensors, b: Tensors) -> float:
    """The scalar product over all tensors of a model."""
    total = 0.0
    for x, y in zip(a, b, strict=True):
        total += float(np.sum(x * y))
    return total


def length(a: Tensors) -> float:
    """The Euclidean norm over all tensors of a model."""
    return float(np.sqrt(dot(a, a)))


def normalised(g: Tensors) -> Tensors:
    """ĝ = g/‖g‖, zero for zero."""
    n = length(g)
    return [x / n if n > 0 else np.zeros_like(x) for x in g]


def ascent_step(name: str, w: Tensors, g: Tensors, h: Mapping[str, float]) -> Tensors:
    """Δw of the optimizer called `name`."""
    if name in {"sam", "gsam", "gap_penalty"}:
        return [h["rho"] * x for x in normalised(g)]
    scales = [np.abs(x) + h["gamma"] for x in w]
    if name == "adaptive_gsam":
        return [h["rho"] * x * t for x, t in zip(normalised(g), scales, strict=True)]
    if name == "gsam_matched":
        wanted = length([x * t for x, t in zip(normalised(g), scales, strict=True)])
        return [h["rho"] * wanted * x for x in normalised(g)]
    if name == "asam_weights":
        # The tensors of weights have two dimensions, those of biases one.
        scales = [t if t.ndim > 1 else np.ones_like(t) for t in scales]
    if name in {"asam", "asam_weights", "adaptive_gsam_t2"}:
        n = length([t * x for x, t in zip(g, scales, strict=True)])
        return [h["rho"] * t**2 * x / n for x, t in zip(g, scales, strict=True)]
    raise ValueError(name)


def update_direction(name: str, g: Tensors, gp: Tensors, h: Mapping[str, float]) -> Tensors:
    """What the base optimizer applies."""
    if name in {"sgd", "sgd_2x"}:
        return g
    if name in {"sam", "asam", "asam_weights"}:
        return gp
    if name == "gap_penalty":
        return [y - (1 - h["lam"]) * x for x, y in zip(g, gp, strict=True)]
    if name in {"gsam", "adaptive_gsam", "gsam_matched", "adaptive_gsam_t2"}:
        c = dot(g, gp) / dot(gp, gp)
        return [y - h["alpha"] * (x - c * y) for x, y in zip(g, gp, strict=True)]
    raise ValueError(name)


def step(
    name: str,
    w: Tensors,
    velocity: Tensors,
    gradient: Gradient,
    h: Mapping[str, float],
    base: Sgd,
) -> Step:
    """One whole step of the optimizer called `name` on the base optimizer SGD."""
    g = gradient(w)
    ascent = None
    gp = g
    if name not in {"sgd", "sgd_2x"}:
        ascent = ascent_step(name, w, g, h)
        gp = gradient([x + d for x, d in zip(w, ascent, strict=True)])
    direction = update_direction(name, g, gp, h)
    weights, velocities = [], []
    for x, d, v in zip(w, direction, velocity, strict=True):
        decayed = d + base.weight_decay * x
        moving = base.momentum * v + decayed
        weights.append(
            x - base.lr * (decayed + base.momentum * moving if base.nesterov else moving)
        )
        velocities.append(moving)
    return Step(ascent=ascent, direction=direction, weights=weights, velocity=velocities)
