"""The whole measurement, and that it does not depend on the modes of the process."""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from functools import cache

import pytest
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector

from agsam_tune.sharpness import (
    Sharpness,
    curvature_from_gap,
    exact_eigenvalues,
    largest_eigenvalue,
    measure,
    module_loss,
    surrogate_gap,
)
from tests.sharpness.problems import Problem, generator, network, quadratic, symmetric


@contextmanager
def _flushed():
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


MODES: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "denormals flushed": _flushed,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


def _measure(problem: Problem, w_P: Tensor | None = None, **options: int) -> Sharpness:
    loss, own_P = module_loss(problem.module, problem.x, problem.y, problem.loss)
    w_P = own_P if w_P is None else w_P
    return measure(loss, w_P, rho=0.05, gamma=0.1, generator=generator(), **options)


@cache
def _plain(kind: str) -> Sharpness:
    return _measure(network(kind))


def test_it_is_its_parts() -> None:
    problem = network("relu", steps=20)
    loss, w_P = module_loss(problem.module, problem.x, problem.y, problem.loss)
    found = _measure(problem)
    top = largest_eigenvalue(loss, w_P, generator=generator())
    along = curvature_from_gap(loss, w_P, top.vector_P, rho=0.05)
    assert found == Sharpness(
        sigma_max=top.value,
        sigma_residual=top.residual,
        sigma_iterations=top.iterations,
        sigma_converged=True,
        gap=surrogate_gap(loss, w_P, rho=0.05),
        gap_adaptive=surrogate_gap(loss, w_P, rho=0.05, gamma=0.1),
        sigma_from_gap=along.from_gap,
        sigma_from_difference=along.from_difference,
    )
    assert found.sigma_from_gap > found.sigma_from_difference
    assert found.gap > found.gap_adaptive > 0


def test_on_a_smooth_network_the_second_difference_is_the_eigenvalue() -> None:
    problem = network("tanh", steps=200)
    problem.module[3] = torch.nn.Tanh()
    loss, w_P = module_loss(problem.module, problem.x, problem.y, problem.loss)
    found = measure(loss, w_P, rho=1e-3, gamma=0.1, generator=generator())
    assert found.sigma_from_difference == pytest.approx(found.sigma_max, rel=1e-4)


def test_on_the_designs_quadratic_everything_is_known() -> None:
    matrix_PP = torch.tensor([[3.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    found = measure(
        quadratic(matrix_PP), torch.zeros(2), rho=0.05, gamma=0.1, generator=generator()
    )
    top = (5 + math.sqrt(5)) / 2
    values = (found.sigma_max, found.sigma_from_gap, found.sigma_from_difference)
    assert values == pytest.approx((top, top, top), rel=1e-12)
    assert (found.gap, found.gap_adaptive) == (0, 0)


@pytest.mark.parametrize("inside", [False, True], ids=["tensors outside", "tensors inside"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("kind", ["binary", "normed"])
def test_modes_of_the_process_make_no_difference(kind: str, mode: str, inside: bool) -> None:
    problem = network(kind)
    with MODES[mode]():
        if inside:
            problem = Problem(
                module=problem.module, x=1 * problem.x, y=1 * problem.y, loss=problem.loss
            )
        w_P = 1 * parameters_to_vector(problem.module.parameters())
        found = _measure(problem, w_P)
        loss, _ = module_loss(problem.module, problem.x, problem.y, problem.loss)
        spectrum_P = exact_eigenvalues(loss, w_P)
    assert asdict(found) == pytest.approx(asdict(_plain(kind)), rel=1e-12)
    assert float(spectrum_P[-1]) == pytest.approx(found.sigma_max, rel=1e-9)


@pytest.mark.parametrize("factor", [math.nan, math.inf, 1e200])
def test_diverged_weights_are_measured_as_nan(factor: float) -> None:
    problem = network("relu")
    loss, w_P = module_loss(problem.module, problem.x, problem.y, problem.loss)
    found = measure(loss, factor * w_P, rho=0.05, gamma=0.1, generator=generator())
    numbers = (found.sigma_max, found.sigma_residual, found.gap, found.gap_adaptive)
    assert all(math.isnan(number) for number in numbers)
    assert math.isnan(found.sigma_from_gap)
    assert math.isnan(found.sigma_from_difference)
    assert not found.sigma_converged


def test_running_out_of_iterations_is_said() -> None:
    found = _measure(network("relu"), max_iterations=3)
    assert found.sigma_iterations == 3
    assert found.sigma_residual > 1e-3
    assert not found.sigma_converged


def test_a_row_in_float32_is_measured_in_float64() -> None:
    problem = network("relu", steps=3)
    row_P = parameters_to_vector(problem.module.parameters()).detach()
    assert row_P.dtype == torch.float32
    assert _measure(problem, row_P) == _measure(problem)


def test_nothing_of_a_plain_loss_is_assumed() -> None:
    matrix_PP = symmetric([2.0, 1.0, -7.0])
    found = measure(
        lambda w_P: torch.cos(w_P) @ matrix_PP @ torch.cos(w_P),
        torch.tensor([0.3, 0.1, 0.2]),
        rho=1e-3,
        gamma=0.0,
        generator=generator(),
    )
    assert found.sigma_from_difference == pytest.approx(found.sigma_max, rel=1e-4)
