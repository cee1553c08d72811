"""The Lanczos method on operators whose spectrum is known."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from agsam_tune.sharpness.lanczos import Ritz, largest
from tests.sharpness.problems import generator

SPECTRA = {
    "one": [5.0],
    "negative one": [-5.0],
    "zero": [0.0] * 30,
    "identity": [1.0] * 30,
    "two values": [2.0] * 10 + [-7.0] * 20,
    "repeated top": [3.0] * 5 + list(np.linspace(-1, 2.9, 200)),
    "strongly negative": [1.0, 0.5, *np.linspace(-1000, 0, 200)],
    "all negative": list(np.linspace(-9, -1, 200)),
    "zero on top": [0.0] * 100 + list(np.linspace(-9, -1, 100)),
    "crowded top": list(np.linspace(-1, 1, 400)),
    "tiny": list(1e-250 * np.linspace(-1, 1, 100)),
    "huge": list(1e200 * np.linspace(-1, 1, 100)),
}


def _solve(diagonal_P: Tensor, *, seed: int = 0, **options: float) -> Ritz:
    start_P = torch.from_numpy(generator(seed).normal(size=len(diagonal_P)))
    settings = {"tolerance": 1e-6, "max_products": 2000, **options}
    return largest(lambda v_P: diagonal_P * v_P, start_P, **settings)


@pytest.mark.parametrize("rows", [None, 8])
@pytest.mark.parametrize("name", SPECTRA)
def test_finds_the_largest_algebraic_eigenvalue(name: str, rows: int | None) -> None:
    diagonal_P = torch.tensor(SPECTRA[name], dtype=torch.float64)
    ritz = _solve(diagonal_P, rows=rows)
    scale = float(diagonal_P.abs().max())
    assert ritz.value == pytest.approx(max(SPECTRA[name]), rel=1e-9, abs=1e-12 * scale)
    assert ritz.residual <= 1e-6
    assert float(torch.linalg.vector_norm(ritz.vector_P)) == pytest.approx(1, abs=1e-14)


@pytest.mark.parametrize("products", [1, 2, 5, 30, 90])
@pytest.mark.parametrize("rows", [None, 8])
def test_the_residual_is_the_true_one_whenever_it_stops(products: int, rows: int | None) -> None:
    diagonal_P = torch.linspace(-3, 1, 2000, dtype=torch.float64)
    ritz = _solve(diagonal_P, max_products=products, rows=rows)
    left_P = diagonal_P * ritz.vector_P - ritz.value * ritz.vector_P
    true = float(torch.linalg.vector_norm(left_P)) / abs(ritz.value)
    assert ritz.products == products
    assert ritz.residual == pytest.approx(true, rel=1e-9)
    assert ritz.value < 1


def test_takes_no_more_products_than_it_says() -> None:
    calls = []
    diagonal_P = torch.linspace(-3, 1, 200, dtype=torch.float64)

    def product(v_P: Tensor) -> Tensor:
        calls.append(v_P)
        return diagonal_P * v_P

    start_P = torch.from_numpy(generator().normal(size=200))
    ritz = largest(product, start_P, tolerance=1e-6, max_products=1000)
    assert len(calls) == ritz.products < 200


def test_a_restart_costs_few_products() -> None:
    diagonal_P = torch.from_numpy(np.sort(generator().uniform(-3, 1, 800)))
    whole = _solve(diagonal_P, rows=800).products
    assert whole > 100
    assert _solve(diagonal_P, rows=40).products < 1.1 * whole


@pytest.mark.parametrize("gap", [0.1, 0.05, 0.02, 0.01])
def test_never_takes_the_second_eigenvalue_for_the_first(gap: float) -> None:
    # The tail is what networks have: a few large eigenvalues, the others near zero.
    diagonal_P = torch.arange(1, 2001, dtype=torch.float64) ** -2
    diagonal_P[:2] = torch.tensor([1 + gap, 1], dtype=torch.float64)
    values = [_solve(diagonal_P, seed=seed).value for seed in range(25)]
    assert values == pytest.approx([1 + gap] * 25, rel=1e-9)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_an_operator_that_is_not_finite_has_no_eigenvalue(bad: float) -> None:
    diagonal_P = torch.ones(100, dtype=torch.float64)
    diagonal_P[7] = bad
    ritz = _solve(diagonal_P)
    assert math.isnan(ritz.value)
    assert math.isnan(ritz.residual)
    assert ritz.products == 1
