"""The largest eigenvalue against closed forms, the whole spectrum, and ARPACK."""

import math

import numpy as np
import pytest
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor

from agsam_tune.sharpness import Eigenpair, exact_eigenvalues, largest_eigenvalue, module_loss
from agsam_tune.sharpness.hessian import Loss, hessian_product
from tests.sharpness.problems import KINDS, generator, network, quadratic, symmetric, weights

CLOSED_FORMS = {
    "the design's": ([[3.0, 1.0], [1.0, 2.0]], (5 + math.sqrt(5)) / 2),
    "one by one": ([[7.0]], 7.0),
    "one by one, negative": ([[-7.0]], -7.0),
    "zero": ([[0.0, 0.0], [0.0, 0.0]], 0.0),
    "saddle": ([[1.0, 0.0], [0.0, -100.0]], 1.0),
    "repeated": ([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, -3.0]], 2.0),
    "flat top": ([[0.0, 0.0], [0.0, -3.0]], 0.0),
}


def _top(loss: Loss, w_P: Tensor, seed: int = 0, **options: float) -> Eigenpair:
    return largest_eigenvalue(loss, w_P, generator=generator(seed), **options)


def _residual(loss: Loss, w_P: Tensor, pair: Eigenpair) -> float:
    left_P = hessian_product(loss, w_P)(pair.vector_P) - pair.value * pair.vector_P
    return float(torch.linalg.vector_norm(left_P)) / abs(pair.value)


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_closed_forms(name: str) -> None:
    matrix, expected = CLOSED_FORMS[name]
    pair = _top(quadratic(torch.tensor(matrix, dtype=torch.float64)), weights(len(matrix)))
    assert pair.value == pytest.approx(expected, abs=1e-13)
    assert pair.converged
    assert pair.iterations == len(matrix)


@pytest.mark.parametrize(("kind", "steps"), [*((kind, 60) for kind in KINDS), ("relu", 0)])
def test_small_networks_agree_with_their_whole_spectrum(kind: str, steps: int) -> None:
    problem = network(kind, seed=steps, steps=steps)
    loss, w_P = module_loss(problem.module, problem.x, problem.y, problem.loss)
    assert len(w_P) > 64
    pair = _top(loss, w_P)
    assert pair.value == pytest.approx(float(exact_eigenvalues(loss, w_P)[-1]), rel=1e-8)
    assert pair.converged
    assert _residual(loss, w_P, pair) == pytest.approx(pair.residual, rel=1e-3)
    assert pair.iterations < 60


def test_a_larger_network_agrees_with_arpack() -> None:
    problem = network("wide", steps=30)
    loss, w_P = module_loss(problem.module, problem.x, problem.y, problem.loss)
    product = hessian_product(loss, w_P)
    operator = LinearOperator(
        (len(w_P), len(w_P)),
        matvec=lambda v: product(torch.from_numpy(v.ravel().copy())).numpy(),
        dtype=np.float64,
    )
    expected = eigsh(operator, k=1, which="LA", return_eigenvectors=False, rng=generator())[0]
    assert _top(loss, w_P).value == pytest.approx(expected, rel=1e-9)


def test_the_same_generator_gives_the_same_bits() -> None:
    problem = network("relu")
    loss, w_P = module_loss(problem.module, problem.x, problem.y, problem.loss)
    first, other = _top(loss, w_P), _top(loss, w_P, seed=1)
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    again = _top(loss, w_P)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(again.vector_P, first.vector_P)
    assert (again.value, again.residual, again.iterations) == (
        *(first.value, first.residual, first.iterations),
    )
    assert other.residual != first.residual
    assert other.value == pytest.approx(first.value, rel=1e-9)


def test_the_draws_do_not_depend_on_the_way() -> None:
    for size in (3, 100):
        rng = generator()
        largest_eigenvalue(quadratic(symmetric([1.0] * size)), weights(size), generator=rng)
        expected = generator().standard_normal(size + 1)[-1]
        assert rng.standard_normal() == expected


@pytest.mark.parametrize("factor", [1e-30, 1e-3, 17.0, 1e30])
def test_a_multiple_of_the_loss_has_the_multiple_of_the_eigenvalue(factor: float) -> None:
    problem = network("binary", steps=10)
    loss, w_P = module_loss(problem.module, problem.x, problem.y, problem.loss)
    pair, scaled = _top(loss, w_P), _top(lambda w_P: factor * loss(w_P), w_P)
    assert scaled.value == pytest.approx(factor * pair.value, rel=1e-9)
    assert scaled.iterations == pair.iterations


def test_a_rotation_of_the_weights_does_not_change_it() -> None:
    problem = network("tanh", steps=10)
    loss, w_P = module_loss(problem.module, problem.x, problem.y, problem.loss)
    normal_PP = generator(3).normal(size=(len(w_P), len(w_P)))
    q_PP = torch.from_numpy(np.linalg.qr(normal_PP)[0])
    pair, rotated = _top(loss, w_P), _top(lambda v_P: loss(q_PP @ v_P), q_PP.T @ w_P)
    assert rotated.value == pytest.approx(pair.value, rel=1e-8)
    overlap = abs(float((q_PP @ rotated.vector_P) @ pair.vector_P))
    assert overlap == pytest.approx(1, abs=1e-8)


@pytest.mark.parametrize("size", [10, 100])
@pytest.mark.parametrize("products", [1, 2, 6])
def test_out_of_iterations_it_gives_the_best_it_has(size: int, products: int) -> None:
    loss, w_P = quadratic(symmetric(list(np.linspace(-2, 1, size)))), weights(size)
    pair = _top(loss, w_P, max_iterations=products)
    assert not pair.converged
    assert pair.iterations == products
    assert pair.residual > 1e-3
    assert pair.residual == pytest.approx(_residual(loss, w_P, pair), rel=1e-9)
    assert pair.value < 1


def test_more_iterations_give_more() -> None:
    loss, w_P = quadratic(symmetric(list(np.linspace(-2, 1, 100)))), weights(100)
    values = [_top(loss, w_P, max_iterations=n).value for n in range(1, 12)]
    assert values == sorted(values)


def test_a_flat_model_is_not_sharp() -> None:
    problem = network("relu")
    # The weights are in the graph, but nothing depends on them.
    loss, w_P = module_loss(problem.module, problem.x, problem.y, lambda z, _: (0 * z).sum())
    pair = _top(loss, w_P)
    assert (pair.value, pair.residual, pair.converged) == (0, 0, True)


@pytest.mark.parametrize("size", [3, 100])
def test_a_loss_that_is_not_finite_has_none(size: int) -> None:
    pair = _top(lambda w_P: (w_P**3).sum(), torch.full((size,), torch.nan))
    assert math.isnan(pair.value)
    assert math.isnan(pair.residual)
    assert not pair.converged
    assert pair.vector_P.isnan().all()


@pytest.mark.parametrize(
    "options", [{"tolerance": 0.0}, {"tolerance": math.nan}, {"max_iterations": 0}]
)
def test_senseless_limits_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="allowed: tolerance > 0, max_iterations >= 1"):
        _top(quadratic(torch.eye(2, dtype=torch.float64)), weights(2), **options)
