"""The surfaces' backgrounds: means of what was measured, and nothing where nothing was."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from agsam_tune.report.smoothing import bandwidth, local_means


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**32 - 1))
def test_means_stay_within_what_was_measured(n: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, y, values = generator.random(n), generator.random(n), generator.normal(size=n)
    means = local_means(x, y, values, cells=16)
    seen = means[np.isfinite(means)]
    assert seen.size
    assert seen.min() >= values.min() - 1e-9
    assert seen.max() <= values.max() + 1e-9


def test_blank_where_no_point_is_near() -> None:
    means = local_means(np.array([0.1]), np.array([0.1]), np.array([1.0]), cells=20)
    assert np.isfinite(means[2, 2])
    assert np.isnan(means[19, 19])
    assert np.isnan(means[2, 19])


def test_no_points_are_all_blank() -> None:
    empty = np.empty(0)
    assert np.isnan(local_means(empty, empty, empty)).all()


def test_rows_are_the_second_axis() -> None:
    x = np.repeat(np.linspace(0, 1, 12), 12)
    y = np.tile(np.linspace(0, 1, 12), 12)
    means = local_means(x, y, y, cells=10)
    assert (np.diff(means[:, 5]) > 0).all()
    np.testing.assert_allclose(means[5], means[5, 0], atol=1e-9)


def test_a_plane_is_reproduced_away_from_the_edges() -> None:
    generator = np.random.default_rng(3)
    x, y = generator.random((2, 4000))
    means = local_means(x, y, 2 * x + y, cells=20)
    centres = (np.arange(20) + 0.5) / 20
    plane = 2 * centres[None, :] + centres[:, None]
    assert np.abs(means - plane)[4:-4, 4:-4].max() < 0.05


def test_the_bandwidth_shrinks_with_points_within_bounds() -> None:
    assert bandwidth(0) == bandwidth(1) == 0.16
    assert bandwidth(100) > bandwidth(300) > bandwidth(10**6) == 0.05
