"""Gradients and Hessian-vector products against closed forms and differences."""

import pytest
import torch
from torch import Tensor

from agsam_tune.sharpness import exact_eigenvalues, module_loss
from agsam_tune.sharpness.hessian import (
    SummedLoss,
    exact_hessian,
    gradient,
    hessian_product,
    value,
)
from tests.sharpness.problems import KINDS, network, quadratic, symmetric, weights

A_PP = symmetric([4.0, -2.0, 1.0, 0.5, 0.0])


def _constant(w_P: Tensor) -> Tensor:
    return torch.tensor(3.0, dtype=torch.float64)


def test_of_a_quadratic_they_are_its_matrix() -> None:
    w_P, v_P = weights(5), weights(5, seed=2)
    loss = quadratic(A_PP)
    torch.testing.assert_close(gradient(loss, w_P), A_PP @ w_P)
    torch.testing.assert_close(hessian_product(loss, w_P)(v_P), A_PP @ v_P)
    torch.testing.assert_close(exact_hessian(loss, w_P), A_PP)
    assert exact_eigenvalues(loss, w_P).tolist() == pytest.approx([-2, 0, 0.5, 1, 4], abs=1e-14)


def test_a_product_does_not_change_the_next() -> None:
    product = hessian_product(lambda w_P: (w_P**4).sum(), weights(5))
    first_P = product(weights(5, seed=2))
    product(weights(5, seed=3))
    torch.testing.assert_close(product(weights(5, seed=2)), first_P, rtol=0, atol=0)


@pytest.mark.parametrize("loss", [_constant, lambda w_P: 2 * w_P.sum()])
def test_flat_and_linear_losses_have_a_zero_hessian(loss) -> None:
    assert hessian_product(loss, weights(5))(weights(5, seed=2)).tolist() == [0] * 5
    assert exact_eigenvalues(loss, weights(5)).tolist() == [0] * 5


def test_a_constant_loss_has_a_zero_gradient() -> None:
    assert gradient(_constant, weights(5)).tolist() == [0] * 5
    assert value(_constant, weights(5)) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_products_agree_with_torch_func_and_with_differences_of_gradients(kind: str) -> None:
    problem = network(kind, steps=20)
    loss, w_P = module_loss(problem.module, problem.x, problem.y, problem.loss)
    v_P = weights(len(w_P))
    hv_P = hessian_product(loss, w_P)(v_P)
    expected_P = torch.func.grad(lambda w_P: torch.func.grad(loss)(w_P) @ v_P)(w_P)
    torch.testing.assert_close(hv_P, expected_P, rtol=1e-10, atol=1e-12)
    # A step short enough that no ReLU switches.
    step_P = 1e-8 * v_P
    rise_P = (gradient(loss, w_P + step_P) - gradient(loss, w_P - step_P)) / 2e-8
    torch.testing.assert_close(hv_P, rise_P, rtol=1e-4, atol=1e-5)


def test_parts_add_up() -> None:
    w_P, v_P = weights(5), weights(5, seed=2)
    whole = quadratic(A_PP)
    split = SummedLoss((quadratic(A_PP - 1), quadratic(torch.ones_like(A_PP)), _constant))
    assert value(split, w_P) == pytest.approx(value(whole, w_P) + 3, rel=1e-14)
    torch.testing.assert_close(gradient(split, w_P), gradient(whole, w_P))
    torch.testing.assert_close(hessian_product(split, w_P)(v_P), hessian_product(whole, w_P)(v_P))


def test_a_hessian_that_is_not_finite_has_no_eigenvalues() -> None:
    assert exact_eigenvalues(lambda w_P: w_P.abs().sqrt().sum(), torch.zeros(3)).isnan().all()


def test_the_weights_stay_as_they_are() -> None:
    w_P = weights(5).to(torch.float32)
    before_P = w_P.clone()
    gradient(quadratic(A_PP), w_P)
    hessian_product(quadratic(A_PP), w_P)(weights(5))
    assert torch.equal(w_P, before_P)
    assert not w_P.requires_grad
