"""The curve against a slow fit, its windows against integrals, and replicates left out."""

import numpy as np
import pytest

from agsam_tune.analysis.lenses.curves import BANDWIDTH, KeyCurve

R, POINTS, LOW, HIGH = 6, 12, -2.0, 1.0


def _curve(replicate_N, x_N, score_N, replicates=R):
    return KeyCurve(replicate_N, x_N, score_N, low=LOW, high=HIGH, replicates=replicates)


@pytest.fixture
def trainings():
    rng = np.random.default_rng(3)
    x_N = rng.uniform(LOW, HIGH, R * POINTS)
    return np.repeat(np.arange(R), POINTS), x_N, np.sin(3 * x_N) + 0.1 * rng.normal(size=len(x_N))


def test_the_curve_is_a_weighted_line_at_each_point(trainings):
    _, x_N, score_N = trainings
    curve = _curve(*trainings)
    for at, found in zip(curve.grid_G[::17], curve.curve_G[::17], strict=True):
        root_N = np.exp(-0.25 * ((x_N - at) / BANDWIDTH) ** 2)
        design = np.stack([np.ones_like(x_N), x_N - at], axis=1) * root_N[:, None]
        line, *_ = np.linalg.lstsq(design, score_N * root_N, rcond=None)
        assert found == pytest.approx(line[0], abs=1e-9)


@pytest.mark.parametrize("points", [POINTS, 1])
def test_a_replicate_left_out_is_a_study_without_it(trainings, points):
    """With a training of each replicate the next one may be many bandwidths away."""
    own_N = np.arange(R * POINTS) % POINTS < points
    replicate_N, x_N, score_N = trainings = tuple(one[own_N] for one in trainings)
    left_out_RG = _curve(*trainings).curves_left_out_RG
    for r in range(R):
        kept = replicate_N != r
        without = _curve(replicate_N[kept], x_N[kept], score_N[kept]).curve_G
        np.testing.assert_allclose(left_out_RG[r], without, atol=1e-9)


def test_a_replicate_left_out_leaves_nothing_behind_where_no_other_is_near():
    rng = np.random.default_rng(4)
    replicate_N = np.arange(R * POINTS) % 2
    x_N = np.where(replicate_N, rng.uniform(0.2, HIGH, R * POINTS), LOW)
    score_N = np.where(replicate_N, 0.7, 0.9)
    left_out_RG = _curve(replicate_N, x_N, score_N, replicates=2).curves_left_out_RG
    np.testing.assert_allclose(left_out_RG, np.array([[0.7], [0.9]]) + 0 * left_out_RG, atol=1e-6)
    window = _curve(replicate_N, x_N, score_N, replicates=2).best_window(0.5, LOW, HIGH)
    assert window.mean.left_out[0] == pytest.approx([0.7, 0.9], abs=1e-6)


def test_where_a_line_has_no_support_the_curve_is_a_mean():
    at = np.full(4, -0.5)
    curve = KeyCurve(
        np.arange(4), at, np.array([1.0, 2.0, 3.0, 6.0]), low=LOW, high=HIGH, replicates=4
    )
    near = np.abs(curve.grid_G + 0.5) < 1
    np.testing.assert_allclose(curve.curve_G[near], 3.0)


@pytest.mark.parametrize("points", [2, 12, 60])
def test_few_trainings_do_not_send_the_curve_anywhere(points):
    """A line through what lies to one side would; five decades and seeds that collapse."""
    rng = np.random.default_rng(8)
    for _ in range(20):
        x_N, score_N = rng.uniform(-3, 2, points), rng.choice([0.5, 0.9], points)
        curve = KeyCurve(np.arange(points) % 2, x_N, score_N, low=-3, high=2, replicates=2)
        for found in (curve.curve_G, curve.curves_left_out_RG):
            assert found.min() > 0.5 - 2 * 0.2
            assert found.max() < 0.9 + 2 * 0.2


def test_far_from_every_training_the_curve_is_their_mean():
    x_N = np.array([-9.0, -8.9])
    curve = KeyCurve(np.arange(2), x_N, np.array([0.6, 0.8]), low=-9, high=2, replicates=2)
    assert curve.curve_G[-1] == pytest.approx(0.7, abs=0.01)


def test_where_a_half_has_no_trainings_the_other_stands_in(trainings):
    replicate_N, x_N, score_N = trainings
    all_of_it = _curve(replicate_N // 2, x_N, score_N, replicates=3)
    alone = _curve(replicate_N // 2 * 2, x_N, score_N, replicates=6)  # odd ones are missing
    window = alone.best_window(0.5, LOW, HIGH)
    assert window.mean.value == all_of_it.window_means(0.5, LOW, HIGH)[1].max()
    assert np.isfinite(window.mean.left_out[0]).all()


def test_windows_are_means_of_the_curve():
    x_N = np.linspace(LOW - 1, HIGH + 1, 400)
    curve = _curve(np.arange(400) % R, x_N, 2 * x_N + 1)
    centre_C, mean_C = curve.window_means(1.0, -10, 10)
    assert (centre_C[0], centre_C[-1]) == pytest.approx((LOW + 0.5, HIGH - 0.5))
    np.testing.assert_allclose(mean_C, 2 * centre_C + 1, atol=1e-6)
    assert curve.window_means(1.0, -0.2, -0.2)[1] == pytest.approx([0.6])


def test_a_window_that_does_not_fit_is_refused(trainings):
    with pytest.raises(ValueError, match="no window of 5 decades"):
        _curve(*trainings).best_window(5.0, LOW, HIGH)


def test_the_best_is_chosen_on_one_half_and_measured_on_the_other():
    """Noise alone: the best of many windows of the whole would be too good, this is not."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(200):
        x_N = rng.uniform(LOW, HIGH, 96)
        curve = KeyCurve(
            np.arange(96) % 8, x_N, rng.normal(size=96), low=LOW, high=HIGH, replicates=8
        )
        assert curve.window_means(0.5, LOW, HIGH)[1].max() > 0
        found.append(curve.best_window(0.5, LOW, HIGH).mean.value)
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(200)


def test_without_one_of_two_replicates_the_other_is_measured_where_that_one_chose(trainings):
    """Where it would itself choose it is too good, and two such may agree on what neither found."""
    replicate_N, x_N, score_N = trainings
    window = _curve(replicate_N % 2, x_N, score_N, replicates=2).best_window(0.5, LOW, HIGH)
    assert window.mean.left_out[0].mean() == pytest.approx(window.mean.value)
    assert window.mean.standard_error > 0


@pytest.mark.parametrize("replicates", [1, 2, 3])
def test_few_replicates_still_have_a_best_window(replicates):
    rng = np.random.default_rng(2)
    x_N = rng.uniform(LOW, HIGH, 20 * replicates)
    window = KeyCurve(
        np.repeat(np.arange(replicates), 20), x_N, -x_N, low=LOW, high=HIGH, replicates=replicates
    ).best_window(0.5, LOW, HIGH)
    assert window.mean.value == pytest.approx(-LOW - 0.25, abs=0.1)
    assert np.isfinite(window.mean.left_out[0]).all()
