"""Surrogate gaps and the curvature from them, against closed forms."""

import math

import pytest
import torch

from agsam_tune.sharpness import curvature_from_gap, largest_eigenvalue, surrogate_gap
from agsam_tune.sharpness.hessian import gradient
from tests.sharpness.problems import generator, quadratic, symmetric, weights

# The design's quadratic and its ascent steps (docs/design.md, Formulas).
A_PP = torch.tensor([[3.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
W_P = torch.tensor([1.0, -2.0], dtype=torch.float64)
STEPS = {None: (0.0316227766, -0.0948683298), 0.1: (0.0347850543, -0.1992234926)}


@pytest.mark.parametrize("gamma", STEPS)
def test_the_designs_steps_give_its_gaps(gamma: float | None) -> None:
    step_P = torch.tensor(STEPS[gamma], dtype=torch.float64)
    expected = (A_PP @ W_P) @ step_P + 0.5 * step_P @ (A_PP @ step_P)
    gap = surrogate_gap(quadratic(A_PP), W_P, rho=0.1, gamma=gamma)
    assert gap == pytest.approx(float(expected), rel=1e-8)


@pytest.mark.parametrize("gamma", [None, 0.1, 0.0])
def test_without_a_gradient_there_is_no_gap(gamma: float | None) -> None:
    assert surrogate_gap(quadratic(A_PP), torch.zeros(2), rho=0.5, gamma=gamma) == 0
    assert surrogate_gap(quadratic(A_PP), W_P, rho=0, gamma=gamma) == 0


def test_the_gap_of_a_linear_loss_is_its_slope() -> None:
    slope_P = torch.tensor([3.0, -4.0], dtype=torch.float64)
    assert surrogate_gap(lambda w_P: slope_P @ w_P, W_P, rho=0.1) == pytest.approx(0.5)


def test_at_a_minimum_both_are_the_largest_eigenvalue() -> None:
    matrix_PP = symmetric([9.0, 4.0, 1.0, 0.1])
    w_P = torch.zeros(4, dtype=torch.float64)
    top = largest_eigenvalue(quadratic(matrix_PP), w_P, generator=generator())
    for rho in (1e-3, 0.05, 10.0):
        along = curvature_from_gap(quadratic(matrix_PP), w_P, top.vector_P, rho=rho)
        assert along.from_gap == pytest.approx(top.value, rel=1e-12)
        assert along.from_difference == pytest.approx(top.value, rel=1e-12)
        # The one-step gap sees nothing of it.
        assert surrogate_gap(quadratic(matrix_PP), w_P, rho=rho) == 0


@pytest.mark.parametrize("spectrum", [[9.0, 4.0, 1.0], [-1.0, -4.0, -9.0], [0.0, -5.0, -5.0]])
def test_away_from_it_the_slope_adds_what_is_documented(spectrum: list[float]) -> None:
    loss, w_P, rho = quadratic(symmetric(spectrum)), weights(3), 0.05
    top = largest_eigenvalue(loss, w_P, generator=generator())
    along = curvature_from_gap(loss, w_P, top.vector_P, rho=rho)
    assert along.from_difference == pytest.approx(max(spectrum), rel=1e-9, abs=1e-10)
    slope = abs(float(gradient(loss, w_P) @ top.vector_P))
    assert along.from_gap == pytest.approx(max(spectrum) + 2 * slope / rho, rel=1e-9, abs=1e-10)


def test_the_sign_of_the_vector_does_not_matter() -> None:
    v_P = weights(2, seed=4)
    v_P /= torch.linalg.vector_norm(v_P)
    one = curvature_from_gap(quadratic(A_PP), W_P, v_P, rho=0.05)
    assert curvature_from_gap(quadratic(A_PP), W_P, -v_P, rho=0.05) == one


def test_where_the_loss_is_not_finite_there_is_no_gap() -> None:
    def wall(w_P: torch.Tensor) -> torch.Tensor:
        return torch.where(w_P.sum() > -1, torch.inf, (w_P**2).sum())

    v_P = torch.tensor([1.0, 0.0], dtype=torch.float64)
    for sign in (1, -1):
        along = curvature_from_gap(wall, W_P, sign * v_P, rho=0.05)
        assert math.isnan(along.from_gap)
        assert math.isnan(along.from_difference)
    assert math.isnan(surrogate_gap(lambda w_P: (w_P**2).sum(), W_P * torch.nan, rho=0.1))


@pytest.mark.parametrize("rho", [0.0, -1.0, math.nan])
def test_a_senseless_radius_is_refused(rho: float) -> None:
    with pytest.raises(ValueError, match="allowed: a number > 0"):
        curvature_from_gap(quadratic(A_PP), W_P, W_P, rho=rho)
