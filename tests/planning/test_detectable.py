"""What a pilot says a study can find, against simulated truth."""

import numpy as np
import pytest

from agsam_tune.analysis.power import POWER
from agsam_tune.planning.detectable import (
    Sample,
    Spread,
    half_width_of,
    smallest_difference,
    spread,
)

POINTS = 16


def _world(
    rng: np.random.Generator, replicates: int, seeds: int, *, sizes: tuple[float, float, float]
) -> np.ndarray:
    """Differences (replicates, points, seeds) of mean 0: deviations of replicates, seeds, rest."""
    of_replicates, of_seeds, of_rest = sizes
    return (
        rng.normal(scale=of_replicates, size=(replicates, 1, 1))
        + rng.normal(scale=of_seeds, size=(1, 1, seeds))
        + rng.normal(scale=of_rest, size=(replicates, POINTS, seeds))
    )


def _pilot(rng: np.random.Generator, sizes: tuple[float, float, float]) -> Spread:
    found = _world(rng, 4, 2, sizes=sizes)
    candidate = found[:, :, 0], found[0]
    baseline = tuple(np.zeros_like(array) for array in candidate)
    return spread(candidate, (baseline[0], baseline[1]))


def test_variances_are_estimated_without_bias() -> None:
    sizes, rng = (0.02, 0.01, 0.03), np.random.default_rng(1)
    found = [_pilot(rng, sizes) for _ in range(3000)]
    # A replicate's mean with one seed holds a sixteenth of the rest.
    assert np.mean([s.replicates for s in found]) == pytest.approx(
        0.02**2 + 0.03**2 / POINTS, rel=0.06
    )
    assert np.mean([s.rest for s in found]) == pytest.approx(0.03**2, rel=0.03)
    # Negative estimates count as none, so that a small bias upwards is left.
    assert 0.9 < np.mean([s.seeds for s in found]) / 0.01**2 < 1.6


def test_the_noise_of_the_best_is_that_of_the_better_points() -> None:
    rng = np.random.default_rng(2)
    accuracies = np.linspace(0.5, 0.9, POINTS)[:, None] + rng.normal(
        scale=np.where(np.arange(POINTS) < 12, 0.1, 0.001)[:, None] * 0.1, size=(POINTS, 2)
    )
    found = spread((np.zeros((2, POINTS)), accuracies), (np.zeros((2, POINTS)), accuracies))
    assert found.best < 2 * 3 * 0.0001**2 * 4


@pytest.mark.parametrize("sizes", [(0.02, 0.005, 0.03), (0.005, 0.02, 0.01), (0.02, 0.0, 0.0)])
def test_a_difference_of_that_size_is_found_as_often_as_is_said(
    sizes: tuple[float, float, float],
) -> None:
    """With the true variances; a study finds it in 80 % of the cases or more, not always."""
    sample = Sample(replicates=8, seeds=4, judged=8)
    truth = Spread(
        replicates=sizes[0] ** 2 + sizes[2] ** 2 / POINTS,
        seeds=sizes[1] ** 2,
        rest=sizes[2] ** 2,
        best=0.0,
        points=POINTS,
    )
    difference = smallest_difference(truth, sample, 0.95)
    rng, repetitions, hits = np.random.default_rng(3), 600, 0
    for _ in range(repetitions):
        found = _world(rng, 8, 4, sizes=sizes) + difference
        estimated = Spread(
            replicates=float(found.mean((1, 2)).var(ddof=1)),
            seeds=max(float(found.mean((0, 1)).var(ddof=1)) - sizes[2] ** 2 / (8 * POINTS), 0.0),
            rest=0.0,
            best=0.0,
            points=POINTS,
        )
        # What the analysis does: replicates' means are over all seeds by then.
        one = Sample(replicates=8, seeds=4, judged=8)
        half = half_width_of(estimated, one, 0.95)
        hits += abs(found.mean()) > half
    # 600 repetitions: 0.8 less three standard errors.
    assert POWER - 0.05 < hits / repetitions < 1.0


def test_more_of_everything_finds_less() -> None:
    found = Spread(replicates=1e-3, seeds=1e-4, rest=1e-3, best=1e-4, points=POINTS)
    small = smallest_difference(found, Sample(replicates=4, seeds=2, judged=4), 0.95)
    for larger in (
        Sample(replicates=8, seeds=2, judged=4),
        Sample(replicates=4, seeds=4, judged=4),
        Sample(replicates=4, seeds=2, judged=8),
    ):
        assert smallest_difference(found, larger, 0.95) < small
