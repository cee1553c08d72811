"""The process against scikit-learn's, and against numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern

from agsam_tune.analysis.gaussian_process import Process, Sizes, condition, fit_sizes

SIZES = Sizes(length_H=np.array([0.4]), scale=0.01, nugget=0.0)


def points(count: int, H: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, values with noise that grows along the first coordinate, and its variances."""
    generator = np.random.default_rng(seed)
    unit_PH = generator.random((count, H))
    noise_P = (0.002 + 0.01 * unit_PH[:, 0]) ** 2
    value_P = 0.9 - 0.1 * np.sin(3 * unit_PH[:, 0]) * unit_PH[:, -1]
    return unit_PH, value_P + np.sqrt(noise_P) * generator.standard_normal(count), noise_P


def conditioned(H: int = 2) -> Process:
    unit_PH, value_P, noise_P = points(60, H)
    return condition(unit_PH, value_P, noise_P, fit_sizes(unit_PH, value_P, noise_P, nugget=False))


def test_predictions_are_those_of_scikit_learn() -> None:
    unit_PH, value_P, noise_P = points(40, 1)
    process = condition(unit_PH, value_P, noise_P, SIZES)
    at_NH = np.linspace(0, 1, 9)[:, None]
    kernel = ConstantKernel(0.01) * Matern(0.4, nu=2.5) + ConstantKernel(process.level)
    peer = GaussianProcessRegressor(kernel, alpha=process.noise_P, optimizer=None)
    peer.fit(unit_PH, value_P - process.centre)
    mean_N, covariance_NN = peer.predict(at_NH, return_cov=True)
    np.testing.assert_allclose(process.predict(at_NH), mean_N + process.centre, atol=1e-8)
    cross_NP, prior_NN = process.averaged([0], at_NH)
    found_NN = process.covariance(cross_NP, prior_NN)
    np.testing.assert_allclose(found_NN, covariance_NN, atol=1e-8)


def test_an_unknown_noise_is_found() -> None:
    generator = np.random.default_rng(5)
    unit_PH, value_P, _ = points(120, 2)
    value_P += 0.02 * generator.standard_normal(120)
    sizes = fit_sizes(unit_PH, value_P, np.zeros(120), nugget=True)
    assert np.sqrt(sizes.nugget) == pytest.approx(0.0215, rel=0.25)


@pytest.mark.parametrize("group_size", [1, 12])
def test_leaving_out_in_closed_form_is_conditioning_without(group_size: int) -> None:
    process = conditioned()
    group_P = np.arange(60) // group_size
    found = process.left_out(group_P)
    out = group_P == 2
    noise_P = process.noise_P - 1e-7 * process.mean_P.var()
    rest = condition(process.unit_PH[~out], process.mean_P[~out], noise_P[~out], process.sizes)
    np.testing.assert_allclose(found.mean_P[out], rest.predict(process.unit_PH[out]), atol=2e-5)
    cross, prior = rest.averaged([0, 1], process.unit_PH[out])
    variance = np.diag(rest.covariance(cross, prior)) + process.noise_P[out]
    np.testing.assert_allclose(found.variance_P[out], variance, rtol=0.02)
    assert (abs(found.solved_RP[2][out]) < 1e-6 * abs(process.solved_P).max()).all()
    at_NH = np.array([[0.3, 0.3], [0.8, 0.6]])
    without_N = process.centre + process.cross(at_NH) @ found.solved_RP[2]
    np.testing.assert_allclose(without_N, rest.predict(at_NH), atol=2e-5)


def test_an_average_over_a_coordinate_is_the_mean_of_predictions() -> None:
    process = conditioned(3)
    at_G = np.array([[0.2, 0.7]])
    cross_GP, prior_GG = process.averaged([0, 2], at_G)
    side = (np.arange(200) + 0.5) / 200
    along_NH = np.column_stack([np.full(200, 0.2), side, np.full(200, 0.7)])
    averaged = process.centre + cross_GP @ process.solved_P
    assert averaged[0] == pytest.approx(process.predict(along_NH).mean(), abs=1e-5)
    full, prior = process.averaged([0, 1, 2], along_NH)
    by_hand = process.covariance(full, prior).mean()
    assert process.covariance(cross_GP, prior_GG)[0, 0] == pytest.approx(by_hand, rel=0.02)


def test_the_predictive_intervals_cover_where_noise_differs_by_region() -> None:
    """Of new points, in the quiet half and in the loud half."""
    hits: dict[str, list[bool]] = {"quiet": [], "loud": []}
    for seed in range(30):
        unit_PH, value_P, noise_P = points(160, 2, seed)
        few = np.arange(160) < 80
        sizes = fit_sizes(unit_PH[few], value_P[few], noise_P[few], nugget=False)
        process = condition(unit_PH[few], value_P[few], noise_P[few], sizes)
        cross, prior = process.averaged([0, 1], unit_PH[~few])
        variance = np.diag(process.covariance(cross, prior)) + noise_P[~few]
        inside = np.abs(value_P[~few] - process.predict(unit_PH[~few])) < 1.96 * np.sqrt(variance)
        loud = unit_PH[~few, 0] > 0.5
        hits["loud"] += list(inside[loud])
        hits["quiet"] += list(inside[~loud])
    print({name: np.mean(values) for name, values in hits.items()})  # noqa: T201
    assert all(0.93 < np.mean(values) < 0.97 for values in hits.values())


def test_points_without_noise_and_without_variance_are_fitted_without_a_warning() -> None:
    unit_PH, value_P, _ = points(30, 2)
    for y_P in (np.full(30, 0.5), np.where(unit_PH[:, 0] > 0.5, 0.5, 0.9)):
        process = condition(unit_PH, y_P, 0 * y_P, fit_sizes(unit_PH, y_P, 0 * y_P, nugget=False))
        assert np.isfinite(process.predict(unit_PH)).all()
    assert len(value_P) == 30
