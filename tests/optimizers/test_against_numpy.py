"""One step of every optimizer against the independent NumPy version, in float64 at 1e-12."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agsam_tune.optimizers import RULES
from tests.optimizers.sgd import update

from . import numpy_reference as reference
from .problems import columns, flat, ordinary_columns, unflat

ROWS = 5
TOLERANCE = 1e-12

BASES = {
    "plain": {"momentum": 0.0, "weight_decay": 0.0, "nesterov": False},
    "momentum": {"momentum": 0.9, "weight_decay": 0.0, "nesterov": False},
    "weight decay": {"momentum": 0.0, "weight_decay": 0.05, "nesterov": False},
    "momentum and weight decay": {"momentum": 0.9, "weight_decay": 0.05, "nesterov": False},
    "nesterov and weight decay": {"momentum": 0.8, "weight_decay": 0.05, "nesterov": True},
}


def _gradient(x: reference.Array, y: reference.Array) -> reference.Gradient:
    """The mean squared error of a tanh network with one hidden layer on (x, y)."""

    def gradient(w: reference.Tensors) -> reference.Tensors:
        w1, b1, w2, b2 = w
        hidden = np.tanh(x @ w1.T + b1)
        error = 2 * (hidden @ w2.T + b2 - y) / len(x)
        back = (error @ w2) * (1 - hidden**2)
        return [back.T @ x, back.sum(0), error.T @ hidden, error.sum(0)]

    return gradient


def _model(rng: np.random.Generator) -> reference.Tensors:
    return [rng.normal(size=shape) for shape in ((7, 3), (7,), (2, 7), (2,))]


def _rows(models: list[reference.Tensors]) -> torch.Tensor:
    return torch.from_numpy(np.stack([flat(m) for m in models]))


def _gradients(w_KP: torch.Tensor, like: reference.Tensors, gradients: list) -> torch.Tensor:
    return _rows([f(unflat(row, like)) for f, row in zip(gradients, w_KP.numpy(), strict=True)])


@pytest.mark.parametrize("name", reference.NAMES)
def test_one_step(name: str) -> None:
    for seed, base in enumerate(BASES):
        _check_step(name, base, seed)


def _check_step(name: str, base: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    models = [_model(rng) for _ in range(ROWS)]
    velocities = [_model(rng) for _ in range(ROWS)]
    gradients = [_gradient(rng.normal(size=(16, 3)), rng.normal(size=(16, 2))) for _ in range(ROWS)]
    lr = rng.uniform(0.01, 0.5, ROWS)
    momentum = BASES[base]["momentum"] * rng.uniform(0.5, 1, ROWS)
    weight_decay = BASES[base]["weight_decay"] * rng.uniform(0.5, 1, ROWS)
    nesterov = BASES[base]["nesterov"]
    rule = RULES[name]
    values = ordinary_columns(rule, ROWS, torch.float64, seed=seed)
    if rule.asks_for_weights:
        marks = flat([np.full(x.shape, x.ndim > 1) for x in models[0]])
        values["is_weight"] = torch.from_numpy(marks)[None]

    w_KP, velocity_KP = _rows(models), _rows(velocities)
    g_KP = gp_KP = _gradients(w_KP, models[0], gradients)
    ascent_KP = None
    if rule.ascent is not None:
        ascent_KP = rule.ascent_step(w_KP, g_KP, values)
        gp_KP = _gradients(w_KP + ascent_KP, models[0], gradients)
    direction_KP = rule.update_direction(g_KP, gp_KP, values)
    after_KP, velocity_KP = update(
        w_KP,
        direction_KP,
        velocity_KP,
        **columns(torch.float64, lr_K1=lr, momentum_K1=momentum, weight_decay_K1=weight_decay),
        nesterov=nesterov,
    )

    for row in range(ROWS):
        expected = reference.step(
            name,
            models[row],
            velocities[row],
            gradients[row],
            {h: float(values[h][row, 0]) for h in rule.hyperparameters},
            reference.Sgd(
                lr=lr[row],
                momentum=momentum[row],
                weight_decay=weight_decay[row],
                nesterov=nesterov,
            ),
        )
        assert (expected.ascent is None) is (ascent_KP is None)
        if expected.ascent is not None and ascent_KP is not None:
            _check(ascent_KP[row], expected.ascent)
        _check(direction_KP[row], expected.direction)
        _check(after_KP[row], expected.weights)
        _check(velocity_KP[row], expected.velocity)


def _check(found_P: torch.Tensor, expected: reference.Tensors) -> None:
    wanted = flat(expected)
    difference = np.linalg.norm(found_P.numpy() - wanted)
    assert difference <= TOLERANCE * np.linalg.norm(wanted)
