"""Single steps in float64 against the NumPy version, the engine, and docs/design.md's values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from agsam_tune.engine.base import BaseOptimizer
from agsam_tune.optim import ASAM, GSAM, SAM, AdaptiveGSAM, TwoPass
from agsam_tune.optimizers import RULES
from agsam_tune.study import Training
from tests.optimizers import numpy_reference as reference

from .problems import CLASSES, RULE_OF, Batch, batches, closure_for, mlp, values_of, vector

TOLERANCE = 1e-12
EVERY_CLASS = pytest.mark.parametrize("kind", CLASSES)


def _gradient(model: nn.Module, batch: Batch) -> reference.Gradient:
    """The gradient of the loss as a function of NumPy arrays, by torch's autograd."""
    names = [name for name, _ in model.named_parameters()]

    def gradient(w: reference.Tensors) -> reference.Tensors:
        tensors = {
            name: torch.from_numpy(x.copy()).requires_grad_()
            for name, x in zip(names, w, strict=True)
        }
        output = torch.func.functional_call(model, tensors, (batch[0],))
        loss = cross_entropy(output, batch[1])
        return [g.numpy() for g in torch.autograd.grad(loss, list(tensors.values()))]

    return gradient


def _arrays(tensors: Any) -> reference.Tensors:
    return [t.detach().numpy().copy() for t in tensors]


def _close(found: reference.Tensors, expected: reference.Tensors) -> bool:
    difference = [a - b for a, b in zip(found, expected, strict=True)]
    return reference.length(difference) <= TOLERANCE * reference.length(expected)


@EVERY_CLASS
@pytest.mark.parametrize("nesterov", [False, True])
def test_ten_steps_beside_the_numpy_version(kind: type[TwoPass], nesterov: bool) -> None:
    """Each step from the same weights and velocity, so 1e-12 holds for the step itself."""
    model = mlp(dtype=torch.float64)
    settings = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "nesterov": nesterov}
    optimizer = kind(model.parameters(), torch.optim.SGD, **values_of(kind), **settings)
    parameters = list(model.parameters())
    velocity = [np.zeros(p.shape) for p in parameters]
    for batch in batches(10, dtype=torch.float64):
        expected = reference.step(
            RULE_OF[kind],
            _arrays(parameters),
            velocity,
            _gradient(model, batch),
            values_of(kind),
            reference.Sgd(**settings),
        )
        optimizer.step(closure_for(model, optimizer, batch))
        velocity = _arrays(optimizer.state[p]["momentum_buffer"] for p in parameters)
        assert _close(_arrays(parameters), expected.weights)
        assert _close(velocity, expected.velocity)
        assert _close(_arrays(p.grad for p in parameters), expected.direction)


@pytest.mark.parametrize("several", [False, True], ids=["one group", "three groups"])
@EVERY_CLASS
def test_both_steps_are_the_rule_s_own_to_the_bit(kind: type[TwoPass], several: bool) -> None:
    """With groups, though all with one value, in the order of the parameters."""
    model = mlp(dtype=torch.float64)
    parameters = list(model.parameters())
    parts = (parameters[:1], parameters[1:3], parameters[3:]) if several else (parameters,)
    optimizer = kind([{"params": part} for part in parts], lr=1.0, **values_of(kind))
    rule = RULES[RULE_OF[kind]]
    columns = {
        name: torch.full((1, 1), value, dtype=torch.float64)
        for name, value in values_of(kind).items()
    }
    (batch,) = batches(1, dtype=torch.float64)
    closure = closure_for(model, optimizer, batch)

    w_1P = vector(model)[None]
    closure()
    g_1P = torch.cat([p.grad.flatten() for p in parameters])[None]
    optimizer.first_step()
    step_1P = rule.ascent_step(w_1P, g_1P, columns)
    assert torch.equal(vector(model)[None], w_1P + step_1P)
    assert step_1P.norm() > 0.01
    closure()
    gp_1P = torch.cat([p.grad.flatten() for p in parameters])[None]
    optimizer.second_step()
    direction_1P = rule.update_direction(g_1P, gp_1P, columns)
    found_1P = torch.cat([p.grad.flatten() for p in parameters])[None]
    assert torch.equal(found_1P, direction_1P)
    assert torch.equal(vector(model)[None], w_1P - direction_1P)


BASES = {
    "sgd": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "adam": (torch.optim.Adam, {"betas": (0.8, 0.95), "eps": 1e-4}),
    "adamw": (torch.optim.AdamW, {"betas": (0.8, 0.95), "eps": 1e-4}),
}


@pytest.mark.parametrize("max_grad_norm", [None, 0.5])
@pytest.mark.parametrize("base", BASES)
@EVERY_CLASS
def test_ten_steps_beside_the_engine(
    kind: type[TwoPass], base: str, max_grad_norm: float | None
) -> None:
    model = mlp(dtype=torch.float64)
    made_by, settings = BASES[base]
    lr, decay = 0.05, 0.02
    optimizer = kind(
        model.parameters(),
        made_by,
        max_grad_norm=max_grad_norm,
        **values_of(kind),
        **settings,
        lr=lr,
        weight_decay=decay,
    )
    recipe = Training(
        epochs=1,
        batch_size=16,
        lr=lr,
        base_optimizer=base,
        max_grad_norm=max_grad_norm,
        weight_decay=decay,
        **settings,
    )
    engine = BaseOptimizer(training=recipe, has_weight_decay=True)
    rule = RULES[RULE_OF[kind]]
    all_values = {**values_of(kind), "lr": lr, "weight_decay": decay, "momentum": recipe.momentum}
    columns = {
        name: torch.full((1, 1), value, dtype=torch.float64) for name, value in all_values.items()
    }
    w_1P = vector(model)[None]
    state = engine.initial_state(w_1P)
    clipped = 0
    for step, batch in enumerate(batches(10, dtype=torch.float64)):
        g_1P = _row_gradient(model, batch, w_1P)
        gp_1P = _row_gradient(model, batch, w_1P + rule.ascent_step(w_1P, g_1P, columns))
        d_1P = rule.update_direction(g_1P, gp_1P, columns)
        clipped += int(d_1P.norm() > 0.5)
        w_1P, state = engine.update(w_1P, d_1P, state, columns, step)
        optimizer.step(closure_for(model, optimizer, batch))
        assert (vector(model) - w_1P[0]).norm() <= 10 * TOLERANCE * w_1P.norm()
    assert clipped > 0


def _row_gradient(model: nn.Module, batch: Batch, w_1P: Tensor) -> Tensor:
    shapes = [p.shape for p in model.parameters()]
    pieces = torch.split(w_1P[0], [s.numel() for s in shapes])
    arrays = [p.view(s).numpy() for p, s in zip(pieces, shapes, strict=True)]
    gradient = _gradient(model, batch)(arrays)
    return torch.from_numpy(np.concatenate([g.ravel() for g in gradient]))[None]


# ── the values of docs/design.md ─────────────────────────────────────────────────────────

A = torch.tensor([[3.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
HALF_A_DIGIT = 0.5e-10 * (1 + 1e-6)
KNOWN = [
    (
        (GSAM, {}),
        (0.0316227766, -0.0948683298),
        (0.9817985763, -3.1638772672),
        (0.9018201424, -1.6836122733),
    ),
    (
        (AdaptiveGSAM, {"gamma": 0.1}),
        (0.0347850543, -0.1992234926),
        (0.8332462795, -3.3830056536),
        (0.9166753721, -1.6616994346),
    ),
    (
        (AdaptiveGSAM, {"gamma": 0.0}),
        (0.0316227766, -0.1897366596),
        (0.8347133761, -3.3668889756),
        (0.9165286624, -1.6633111024),
    ),
]


@pytest.mark.parametrize(("optimizer", "ascent", "direction", "after"), KNOWN)
def test_known_values(
    optimizer: tuple[type[TwoPass], dict[str, float]],
    ascent: tuple[float, float],
    direction: tuple[float, float],
    after: tuple[float, float],
) -> None:
    kind, gamma = optimizer
    w = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    made = kind([w], lr=0.1, rho=0.1, alpha=0.4, **gamma)
    start = w.detach().clone()
    seen = []

    def closure() -> Tensor:
        made.zero_grad()
        seen.append(w.detach().clone())
        loss = 0.5 * w @ A @ w
        loss.backward()
        return loss

    assert made.step(closure).item() == pytest.approx(0.5 * (3 - 4 + 8))
    for found, printed in zip(
        (seen[1] - start, w.grad, w), (ascent, direction, after), strict=True
    ):
        expected = torch.tensor(printed, dtype=torch.float64)
        assert (found.detach() - expected).abs().max() <= HALF_A_DIGIT


def test_a_rule_of_any_kind() -> None:
    """adaptive_gsam_t2 has no class of its own; docs/design.md has its values."""
    w = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    values = {"rho": 0.1, "alpha": 0.4, "gamma": 0.01}
    made = TwoPass([w], rule="adaptive_gsam_t2", hyperparameters=values, lr=0.1)

    def closure() -> Tensor:
        made.zero_grad()
        loss = 0.5 * w @ A @ w
        loss.backward()
        return loss

    made.step(closure)
    expected = torch.tensor([0.9239919193, -1.6597087667], dtype=torch.float64)
    assert (w.detach() - expected).abs().max() <= HALF_A_DIGIT


# ── groups with hyperparameters of their own ─────────────────────────────────────────────


@EVERY_CLASS
def test_groups_share_norms_and_have_their_own_factors(kind: type[TwoPass]) -> None:
    """Each formula once more in NumPy, for two tensors with values of their own."""
    rng = np.random.default_rng(0)
    w, g, gp = ([rng.normal(size=n) for n in (3, 5)] for _ in range(3))
    own = [{"rho": 0.3, "alpha": 0.2, "gamma": 0.5}, {"rho": 0.1, "alpha": 0.7, "gamma": 0.05}]
    names = values_of(kind)
    parameters = [nn.Parameter(torch.from_numpy(x.copy())) for x in w]
    groups = [
        {"params": [p], **{n: v for n, v in values.items() if n in names}}
        for p, values in zip(parameters, own, strict=True)
    ]
    optimizer = kind(groups, lr=1.0)
    for p, x in zip(parameters, g, strict=True):
        p.grad = torch.from_numpy(x.copy())
    optimizer.first_step()
    unit = reference.normalised(g)
    scales = [np.abs(x) + h["gamma"] for x, h in zip(w, own, strict=True)]
    if kind is AdaptiveGSAM:
        unit = [u * t for u, t in zip(unit, scales, strict=True)]
    if kind is ASAM:
        length = reference.length([x * t for x, t in zip(g, scales, strict=True)])
        unit = [x * t**2 / length for x, t in zip(g, scales, strict=True)]
    ascent = [h["rho"] * u for u, h in zip(unit, own, strict=True)]
    found = [p.detach().numpy() - x for p, x in zip(parameters, w, strict=True)]
    assert all(np.abs(a - b).max() < 1e-14 for a, b in zip(found, ascent, strict=True))

    for p, x in zip(parameters, gp, strict=True):
        p.grad = torch.from_numpy(x.copy())
    optimizer.second_step()
    c = reference.dot(g, gp) / reference.dot(gp, gp)
    direction = [
        y - (0.0 if kind in {SAM, ASAM} else h["alpha"]) * (x - c * y)
        for x, y, h in zip(g, gp, own, strict=True)
    ]
    for p, x, d in zip(parameters, w, direction, strict=True):
        assert np.abs(p.detach().numpy() - (x - d)).max() < 1e-14


@EVERY_CLASS
def test_a_group_with_rho_0_is_not_perturbed_but_counts_in_the_norm(kind: type[TwoPass]) -> None:
    first, second = (nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = kind([{"params": [first], "rho": 0.0}, {"params": [second], "rho": 1.0}])
    first.grad, second.grad = torch.full((2,), 3.0), torch.full((2,), 4.0)
    optimizer.first_step()
    assert torch.equal(first.detach(), torch.ones(2))
    if kind in {SAM, GSAM}:
        torch.testing.assert_close(second.detach(), 1 + torch.full((2,), 0.8 / 2**0.5))
    assert bool((second > 1).all())
