"""The identities of docs/design.md, for gradients of every size in both precisions.

Bounds are multiples of the precision's epsilon: a handful of roundings each.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from agsam_tune.optimizers import rule
from agsam_tune.optimizers.rows import norm, orthogonal, unit
from tests.optimizers.sgd import update

from . import problems
from .numpy_reference import NAMES
from .problems import ALL_WEIGHTS, DTYPES, PROPERTY, apply, columns, normalised, triples

# The identities hold for these, not for every optimizer that may be added.
TWO_PASS = [name for name in problems.TWO_PASS if name in NAMES]
DECOMPOSED = [name for name in problems.DECOMPOSED if name in NAMES]

both_precisions = pytest.mark.parametrize("dtype", DTYPES, ids=str)
fractions = st.floats(0, 1, width=32)
radii = st.floats(2**-10, 8, width=32)


def close(a: Tensor, b: Tensor, *, relative: float) -> bool:
    """‖a − b‖ ≤ relative·‖b‖, measured in float64 without overflow or underflow."""
    peak = max(float(a.abs().max()), float(b.abs().max()))
    if peak == 0:
        return True
    exponent = -int(np.frexp(peak)[1])
    x, y = (np.ldexp(v.to(torch.float64).numpy(), exponent) for v in (a, b))
    return bool(np.linalg.norm(x - y) <= relative * np.linalg.norm(y))


# ── equal limits ─────────────────────────────────────────────────────────────────────────


@both_precisions
@PROPERTY
@given(data=st.data())
def test_without_the_gap_term_it_is_the_sam_variant(
    dtype: torch.dtype, data: st.DataObject
) -> None:
    rows = data.draw(triples(dtype))
    values = columns(dtype, rho=data.draw(radii), gamma=data.draw(fractions), alpha=0.0, lam=1.0)
    values |= ALL_WEIGHTS
    limits = {
        "gsam": "sam",
        "adaptive_gsam_t2": "asam",
        "asam_weights": "asam",
        "gap_penalty": "sam",
    }
    for name, limit in limits.items():
        pairs = zip(
            apply(rule(name), *rows, values), apply(rule(limit), *rows, values), strict=True
        )
        assert all(torch.equal(a, b) for a, b in pairs), name


@both_precisions
@PROPERTY
@given(data=st.data())
def test_a_zero_radius_is_the_base_optimizer(dtype: torch.dtype, data: st.DataObject) -> None:
    w_KP, g_KP, _ = data.draw(triples(dtype))
    values = columns(dtype, rho=0.0, alpha=data.draw(fractions), gamma=data.draw(fractions))
    values |= ALL_WEIGHTS
    plain_KP = rule("sgd").update_direction(g_KP, g_KP, {})
    for name in TWO_PASS:
        step_KP = rule(name).ascent_step(w_KP, g_KP, values)
        assert torch.equal(w_KP + step_KP, w_KP), name
        if "lam" not in rule(name).hyperparameters:
            direction_KP = rule(name).update_direction(g_KP, g_KP.clone(), values)
            assert torch.equal(direction_KP, plain_KP), name


@both_precisions
@PROPERTY
@given(data=st.data())
def test_a_large_gamma_is_the_unscaled_optimizer(dtype: torch.dtype, data: st.DataObject) -> None:
    w_KP, g_KP, gp_KP = data.draw(triples(dtype))
    radius, alpha = data.draw(radii), data.draw(fractions)
    expected = apply(rule("gsam"), w_KP, g_KP, gp_KP, columns(dtype, rho=radius, alpha=alpha))
    for gamma in (2.0**8, 2.0**40, 2.0**80):
        values = columns(dtype, rho=radius / gamma, alpha=alpha, gamma=gamma)
        # (|w|+γ)/γ is 1 + |w|/γ; it enters squared over itself in ASAM's step: at most thrice.
        left_over = 3 * float(w_KP.abs().max()) / gamma
        relative = left_over + 16 * torch.finfo(dtype).eps
        for name in ("adaptive_gsam", "gsam_matched", "adaptive_gsam_t2", "asam"):
            found = apply(rule(name), w_KP, g_KP, gp_KP, values)
            assert close(found[0], expected[0], relative=relative), (name, gamma)
            wanted_KP = gp_KP if name == "asam" else expected[1]
            assert torch.equal(found[1], wanted_KP), (name, gamma)


# ── zero, tiny and huge gradients ────────────────────────────────────────────────────────


@both_precisions
@pytest.mark.parametrize("name", TWO_PASS)
def test_a_zero_gradient_moves_nothing(dtype: torch.dtype, name: str) -> None:
    w_KP = torch.tensor([[0.0, 1.0, -3.0]], dtype=dtype)
    g_KP = torch.tensor([[1.0, -2.0, 0.5]], dtype=dtype)
    zero_KP = torch.zeros_like(w_KP)
    values = columns(dtype, rho=0.5, alpha=0.4, gamma=0.1, lam=0.3) | ALL_WEIGHTS
    assert torch.equal(rule(name).ascent_step(w_KP, zero_KP, values), zero_KP)
    assert torch.equal(rule(name).update_direction(zero_KP, zero_KP, values), zero_KP)
    assert torch.equal(rule(name).update_direction(zero_KP, g_KP, values), g_KP)


@both_precisions
def test_all_of_g_is_orthogonal_to_a_zero_gp(dtype: torch.dtype) -> None:
    g_KP = torch.tensor([[1.0, -2.0, 0.5]], dtype=dtype)
    values = columns(dtype, rho=0.5, alpha=0.5, gamma=0.1)
    for name in DECOMPOSED:
        direction_KP = rule(name).update_direction(g_KP, torch.zeros_like(g_KP), values)
        assert torch.equal(direction_KP, -0.5 * g_KP), name


@both_precisions
def test_zero_weights_without_gamma_are_not_moved_by_the_scaled_steps(dtype: torch.dtype) -> None:
    w_KP, g_KP = torch.zeros(1, 3, dtype=dtype), torch.ones(1, 3, dtype=dtype)
    values = columns(dtype, rho=0.5, gamma=0.0)
    for name in ("asam", "adaptive_gsam", "adaptive_gsam_t2", "gsam_matched"):
        assert torch.equal(rule(name).ascent_step(w_KP, g_KP, values), w_KP)


@both_precisions
@PROPERTY
@given(data=st.data())
def test_the_ball_s_step_has_length_rho(dtype: torch.dtype, data: st.DataObject) -> None:
    w_KP, g_KP, _ = data.draw(triples(dtype))
    radius = data.draw(radii) if bool(g_KP.any()) else 0.0
    step_KP = rule("sam").ascent_step(w_KP, g_KP, columns(dtype, rho=radius))
    assert np.linalg.norm(step_KP.to(torch.float64)) == pytest.approx(
        radius, rel=8 * torch.finfo(dtype).eps
    )


@both_precisions
@PROPERTY
@given(data=st.data())
def test_the_gradient_s_size_does_not_matter_to_the_step(
    dtype: torch.dtype, data: st.DataObject
) -> None:
    """Scaling g by a power of two leaves Δw as it is: no hidden epsilon, no overflow."""
    limits = torch.finfo(dtype)
    entries = st.floats(2**-4, 1, width=32) | st.floats(-1, -(2**-4), width=32)
    g_KP = torch.tensor([data.draw(st.lists(entries, min_size=6, max_size=6))], dtype=dtype)
    w_KP = torch.tensor([[0.01, -0.3, 1.0, 7.0, -20.0, 0.0]], dtype=dtype)
    values = columns(dtype, rho=0.5, gamma=data.draw(st.floats(2**-10, 1, width=32)))
    values |= ALL_WEIGHTS
    sizes = (limits.tiny * 2**5, limits.tiny**0.5, limits.max**0.5, limits.max * 2**-4)
    for name in TWO_PASS:
        expected_KP = rule(name).ascent_step(w_KP, g_KP, values)
        assert bool(expected_KP.isfinite().all()), name
        for size in sizes:
            scaled_KP = g_KP * 2.0 ** int(np.log2(size))
            found_KP = rule(name).ascent_step(w_KP, scaled_KP, values)
            assert close(found_KP, expected_KP, relative=16 * limits.eps), (name, size)


# ── geometry ─────────────────────────────────────────────────────────────────────────────


@both_precisions
@PROPERTY
@given(data=st.data())
def test_the_orthogonal_part_is_orthogonal(dtype: torch.dtype, data: st.DataObject) -> None:
    _, g_KP, gp_KP = data.draw(triples(dtype))
    part_KP = orthogonal(g_KP, gp_KP)
    assert bool(part_KP.isfinite().all())
    exponent = -int(np.frexp(float(g_KP.abs().max()))[1])
    g, part = (np.ldexp(x.to(torch.float64).numpy()[0], exponent) for x in (g_KP, part_KP))
    onto = normalised(gp_KP)[0]
    bound = 16 * torch.finfo(dtype).eps * np.linalg.norm(g) * np.linalg.norm(onto)
    # The last rounding of a subnormal part is absolute.
    bound += np.ldexp(torch.finfo(dtype).smallest_normal, exponent) * np.linalg.norm(onto)
    assert abs(part @ onto) <= bound
    # What is left of g is parallel to gp: g − part and gp have no area between them.
    rest = g - part
    parallel = rest - (rest @ onto) / max(onto @ onto, np.finfo(float).tiny) * onto
    assert np.linalg.norm(parallel) * np.linalg.norm(onto) <= bound


@both_precisions
@PROPERTY
@given(data=st.data())
def test_the_matched_step_has_one_s_direction_and_the_other_s_length(
    dtype: torch.dtype, data: st.DataObject
) -> None:
    w_KP, g_KP, _ = data.draw(triples(dtype))
    values = columns(dtype, rho=data.draw(radii), gamma=data.draw(st.floats(2**-10, 1, width=32)))
    matched_KP = rule("gsam_matched").ascent_step(w_KP, g_KP, values)
    adaptive_KP = rule("adaptive_gsam").ascent_step(w_KP, g_KP, values)
    ball_KP = rule("gsam").ascent_step(w_KP, g_KP, values)
    tolerance = 16 * torch.finfo(dtype).eps
    assert close(norm(matched_KP), norm(adaptive_KP), relative=tolerance)
    assert close(unit(matched_KP), unit(ball_KP), relative=tolerance)


@both_precisions
@PROPERTY
@given(data=st.data())
def test_asam_without_gamma_follows_a_rescaling_of_the_weights(
    dtype: torch.dtype, data: st.DataObject
) -> None:
    """w → Dw, g → D⁻¹g turns Δw into DΔw (Kwon et al. 2021, theorem 1)."""
    w_KP, g_KP, _ = data.draw(triples(dtype))
    size = w_KP.shape[1]
    powers = data.draw(st.lists(st.integers(-6, 6), min_size=size, max_size=size))
    scale_KP = torch.tensor([[2.0**p for p in powers]], dtype=dtype)
    smallest = torch.finfo(dtype).smallest_normal * 2**40
    g_KP = torch.where(g_KP.abs() < smallest, 0.0, g_KP) * 2**-6  # D⁻¹g must be exact
    values = columns(dtype, rho=0.5, gamma=0.0)
    for name in ("asam", "adaptive_gsam_t2"):
        step_KP = rule(name).ascent_step(w_KP, g_KP, values)
        moved_KP = rule(name).ascent_step(scale_KP * w_KP, g_KP / scale_KP, values)
        assert close(moved_KP / scale_KP, step_KP, relative=32 * torch.finfo(dtype).eps)


def test_adaptive_gsam_does_not_follow_a_rescaling_of_the_weights() -> None:
    w_KP = g_KP = torch.tensor([[1.0, -1.0]], dtype=torch.float64)
    scale_KP = torch.tensor([[4.0, 0.25]], dtype=torch.float64)
    values = columns(torch.float64, rho=0.5, gamma=0.0)
    step_KP = rule("adaptive_gsam").ascent_step(w_KP, g_KP, values)
    moved_KP = rule("adaptive_gsam").ascent_step(scale_KP * w_KP, g_KP / scale_KP, values)
    assert not close(moved_KP / scale_KP, step_KP, relative=0.5)


# ── a ReLU network whose layers are rescaled ─────────────────────────────────────────────

HIDDEN = 5
SHAPES = ((HIDDEN, 2), (HIDDEN,), (1, HIDDEN), (1,))


def _relu_loss(w_P: Tensor) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    x_BD = torch.randn(16, 2, generator=generator, dtype=torch.float64)
    y_B1 = torch.randn(16, 1, generator=generator, dtype=torch.float64)
    parts = torch.split(w_P, [int(np.prod(s)) for s in SHAPES])
    w1, b1, w2, b2 = (p.view(s) for p, s in zip(parts, SHAPES, strict=True))
    return ((torch.relu(x_BD @ w1.T + b1) @ w2.T + b2 - y_B1) ** 2).mean()


def _perturbed_loss(name: str, w_1P: Tensor) -> tuple[float, float, Tensor]:
    w_1P = w_1P.clone().requires_grad_()
    loss = _relu_loss(w_1P[0])
    (g_1P,) = torch.autograd.grad(loss, w_1P)
    values = columns(torch.float64, rho=0.5, gamma=0.0)
    step_1P = rule(name).ascent_step(w_1P.detach(), g_1P, values)
    return loss.item(), float(_relu_loss((w_1P.detach() + step_1P)[0])), step_1P


@pytest.mark.parametrize(
    ("name", "follows"),
    [
        ("asam", True),
        ("adaptive_gsam_t2", True),
        ("adaptive_gsam", False),
        ("gsam_matched", False),
        ("gsam", False),
    ],
)
def test_rescaled_layers_of_a_relu_network(name: str, follows: bool) -> None:
    """Layer one times 7 and layer two over 7 is the same function of the data."""
    sizes = [int(np.prod(s)) for s in SHAPES]
    generator = torch.Generator().manual_seed(2)
    w_1P = torch.randn(1, sum(sizes), generator=generator, dtype=torch.float64)
    scale_1P = torch.cat(
        [
            torch.full((1, n), s, dtype=torch.float64)
            for n, s in zip(sizes, (7, 7, 1 / 7, 1), strict=True)
        ],
        dim=1,
    )
    loss, perturbed, step_1P = _perturbed_loss(name, w_1P)
    same_loss, other, moved_1P = _perturbed_loss(name, scale_1P * w_1P)
    assert same_loss == pytest.approx(loss, rel=1e-12)
    assert close(moved_1P, scale_1P * step_1P, relative=1e-10) is follows
    assert (abs(other - perturbed) < 1e-10 * perturbed) is follows
    if not follows:
        assert abs(other - perturbed) > 0.01 * perturbed


# ── whole steps ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("name", DECOMPOSED)
def test_a_zero_radius_trains_as_the_base_optimizer_does(name: str, nesterov: bool) -> None:
    """Twenty steps of SGD with momentum and weight decay, equal to the last bit."""
    generator = torch.Generator().manual_seed(3)
    start_KP = torch.randn(3, 21, generator=generator)
    values = columns(torch.float32, rho=[0.0] * 3, alpha=[0.0, 0.4, 1.0], gamma=[0.0, 0.1, 1.0])
    values |= ALL_WEIGHTS
    base = columns(
        torch.float32, lr_K1=[0.1] * 3, momentum_K1=[0.9] * 3, weight_decay_K1=[0.01] * 3
    )
    ends = []
    for chosen in (rule(name), rule("sgd")):
        w_KP, velocity_KP = start_KP, torch.zeros_like(start_KP)
        for _ in range(20):
            g_KP = torch.sin(3 * w_KP)
            moved_KP = (
                w_KP if chosen.ascent is None else w_KP + chosen.ascent_step(w_KP, g_KP, values)
            )
            direction_KP = chosen.update_direction(g_KP, torch.sin(3 * moved_KP), values)
            w_KP, velocity_KP = update(w_KP, direction_KP, velocity_KP, **base, nesterov=nesterov)
        ends.append(w_KP)
    assert torch.equal(*ends)
