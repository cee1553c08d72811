"""The smallest difference that a study would find, from a small pilot.

In: the differences of two optimizers at the same points with the same seeds. Out: fractions of
accuracy. Must not import pandas, torch, Ray or Optuna.

Two independent parts make the error of a mean difference over the map, as in the analysis: that of
the design, whose variance is the replicates' variance over their number, and that of the seeds.
The first is estimated from the means of a few replicates with one seed; the second from one
replicate with two seeds, as the seeds' variance in a two-way random effects model (Searle, Casella
& McCulloch, "Variance Components", 1992, section 4.7). That each one's best point is judged with
a few fresh seeds adds a third part, from the better points of that replicate. The smallest
difference is that of `agsam_tune.analysis.power`: the half width at the study's confidence and
that at the power, together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from agsam_tune.analysis.intervals import Component, half_width
from agsam_tune.analysis.power import POWER

Accuracies = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Variances of a difference.

    Attributes:
        replicates: of the means of replicates with one seed.
        seeds: between seeds, of the mean over all points.
        rest: of one point with one seed, once point and seed are known.
        best: of one seed at each one's best point, both optimizers together.
        points: of a replicate.
    """

    replicates: float
    seeds: float
    rest: float
    best: float
    points: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a difference is averaged over; two or more of each.

    Attributes:
        replicates: how many.
        seeds: of each point.
        judged: fresh seeds with which the best point is judged.
    """

    replicates: int
    seeds: int
    judged: int


def spread(candidate: Accuracies, baseline: Accuracies) -> Spread:
    """The variances of the difference, candidate − baseline.

    Args:
        candidate: accuracies (replicates, points) with the first seed, and (points, seeds) of
            the first replicate.
        baseline: the same at the same points.
    """
    one_seed, two_seeds = (a - b for a, b in zip(candidate, baseline, strict=True))
    points, seeds = two_seeds.shape
    rest = (
        two_seeds
        - two_seeds.mean(1, keepdims=True)
        - two_seeds.mean(0, keepdims=True)
        + two_seeds.mean()
    )
    square_rest = float((rest**2).sum()) / ((points - 1) * (seeds - 1))
    square_seeds = points * float(two_seeds.mean(0).var(ddof=1))
    return Spread(
        replicates=float(one_seed.mean(1).var(ddof=1)),
        seeds=max(square_seeds - square_rest, 0.0) / points,
        rest=square_rest,
        best=_noise_of_the_best(candidate[1]) + _noise_of_the_best(baseline[1]),
        points=points,
    )


def _noise_of_the_best(two_seeds: npt.NDArray[np.float64]) -> float:
    """The variance between seeds at the best quarter of the points."""
    best = np.argsort(-two_seeds.mean(1), kind="stable")[: max(len(two_seeds) // 4, 1)]
    return float(two_seeds[best].var(axis=1, ddof=1).mean())


def half_width_of(found: Spread, sample: Sample, confidence: float) -> float:
    """The half width of the interval of the difference in lost accuracy."""
    # More seeds than one lower the part of a replicate's mean that is not the design's.
    averaged = found.rest / found.points * (1 - 1 / sample.seeds)
    replicates = max(found.replicates - averaged, found.replicates / sample.seeds)
    parts = [
        Component(variance=replicates / sample.replicates, degrees=sample.replicates - 1),
        Component(variance=found.seeds / sample.seeds, degrees=sample.seeds - 1),
        Component(variance=found.best / sample.judged, degrees=max(sample.judged - 1, 1)),
    ]
    return half_width(parts, confidence)


def smallest_difference(found: Spread, sample: Sample, confidence: float) -> float:
    """The difference in lost accuracy that is found with a probability of `POWER`."""
    return half_width_of(found, sample, confidence) + half_width_of(found, sample, 2 * POWER - 1)
