"""Schedules against their formulas."""

import numpy as np

from agsam_tune.engine.schedules import lr_factors, proportional_rho, rho_factors


def test_constant_and_cosine() -> None:
    assert (lr_factors("constant", steps=5) == 1).all()
    cosine = lr_factors("cosine", steps=4)
    np.testing.assert_allclose(cosine, [1, (1 + np.sqrt(0.5)) / 2, 0.5, (1 - np.sqrt(0.5)) / 2])


def test_warmup_rises_linearly() -> None:
    np.testing.assert_allclose(lr_factors("constant", steps=5, warmup=4), [0.25, 0.5, 0.75, 1, 1])


def test_rho_is_clamped_and_defined_for_a_constant_rate() -> None:
    lr = np.array([0.2, 0.1, 0.05, 0.0])
    rho = proportional_rho(lr, lr_min=0.05, lr_max=0.1, rho_min=0.1, rho_max=0.5)
    np.testing.assert_allclose(rho, [0.5, 0.5, 0.1, 0.1])
    flat = proportional_rho(np.ones(3), lr_min=1.0, lr_max=1.0, rho_min=0.1, rho_max=0.5)
    np.testing.assert_allclose(flat, 0.5)
    assert (rho_factors("constant", lr) == 1).all()
    np.testing.assert_allclose(rho_factors("proportional", np.ones(3)), 1)


def test_linear_falls_to_one_step_above_zero() -> None:
    np.testing.assert_allclose(lr_factors("linear", steps=4), [1, 0.75, 0.5, 0.25])
    np.testing.assert_allclose(lr_factors("linear", steps=4, warmup=2), [0.5, 0.75, 0.5, 0.25])
