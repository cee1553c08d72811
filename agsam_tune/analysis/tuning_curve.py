"""What one gets from n trials of random search, and who is ahead at an equal number of them.

In: a `Data`. Out: rows of the record. Must not import pandas, torch, Ray or Optuna.

Whoever tunes takes the trial with the best *validation* score and gets its *test* score. The
expectation of that over n independent trials is estimated without bias by its mean over all sets of
n of the trials that there are: of m trials sorted by validation, the i-th smallest is the best of
C(i−1, n−1) of the C(m, n) sets (after J. Dodge, S. Gururangan, D. Card, R. Schwartz and N. Smith,
"Show your work: improved reporting of experimental results", 2019, without their bias, which R.
Tang et al., "Showing your work doesn't always work", 2020, point out).

Trials are those of `iid`, or else of the map, whose points are spread more evenly than random ones.
Who tunes has one data set, so n trials are of one replicate, and the curve ends with a replicate's
points. Only with `data = "fixed"` are all replicates one set of trials; the curve ends with an
eighth of them, since of more there are too few sets that do not overlap.

Bands hold for all n at once: K jackknife intervals at the level 1 − confidence^(1/K) each (Z.
Šidák, "Rectangular confidence regions for the means of multivariate normal distributions", 1967).
A factor from the numbers' estimated correlation is a tenth smaller at 16 replicates, and covered
76 to 81 % with two. Differences are taken replicate by replicate.

Shapes: R replicates, K numbers of trials, N trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from agsam_tune.analysis.data import Data, PhaseData
from agsam_tune.analysis.lenses.estimates import Estimate
from agsam_tune.analysis.record import TuningRow

__all__ = ["best_of", "tuning_rows"]

Array = NDArray[np.float64]
Whole = NDArray[np.int64]

#: Where all replicates are one set of trials, the part of them that a curve goes up to.
_LARGEST_PART = 8

#: There most groups of replicates that are left out in turn: a table may have thousands.
_MOST_GROUPS = 64


def tuning_rows(data: Data) -> tuple[TuningRow, ...]:
    """The curve of each optimizer at n = 1, 2, 4, …, and the difference of the pair.

    Empty where there are no trials, or a single replicate, which says nothing of the spread.
    """
    phase = _phase(data)
    confidence = data.study.analysis.confidence
    curves = {
        name: curve
        for name in data.study.optimizers
        if (own := data.get(name, phase)) is not None and (curve := _curve(data, own)) is not None
    }
    rows: list[TuningRow] = []
    for name, curve in curves.items():
        rows += _rows(name, curve.numbers, curve.value_K, [curve.left_out_RK], confidence)
    pair = [curves.get(name or "") for name in (data.study.candidate, data.study.baseline)]
    return tuple(rows + _difference(pair, confidence, paired=data.facts.paired))


def _phase(data: Data) -> str:
    """`iid` where all have it that have a map, else `map`, so that curves can be compared."""
    tuned = [name for name in data.study.optimizers if data.study.search_spaces[name].names]
    return "iid" if tuned and all(data.get(name, "iid") for name in tuned) else "map"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    """The expected scores after `numbers` of trials, and without each replicate of `replicates`."""

    numbers: tuple[int, ...]
    replicates: Whole
    value_K: Array
    left_out_RK: Array


def _curve(data: Data, own: PhaseData) -> _Curve | None:
    replicate_N, count_N = np.unique(own.replicate_N, return_counts=True)
    pooled = data.study.data == "fixed"
    most = len(own) // _LARGEST_PART if pooled else int(np.median(count_N))
    numbers = tuple(2**k for k in range(max(most, 1).bit_length()))
    if not pooled:
        replicate_N = replicate_N[count_N >= numbers[-1]]
    if len(replicate_N) < 2:
        return None
    if pooled:
        group_N = own.replicate_N % _MOST_GROUPS
        value_K = best_of(own.score_N, own.chosen_by_N, numbers)
        left_out = [
            best_of(own.score_N[kept_N], own.chosen_by_N[kept_N], numbers)
            for kept_N in (group_N != group for group in np.unique(group_N))
        ]
        left_out_RK = np.stack(left_out)
    else:
        value_RK = np.stack(
            [
                best_of(own.score_N[own_N], own.chosen_by_N[own_N], numbers)
                for own_N in (own.replicate_N == r for r in replicate_N)
            ]
        )
        value_K = value_RK.mean(axis=0)
        left_out_RK = (value_RK.sum(axis=0) - value_RK) / (len(value_RK) - 1)
    return _Curve(numbers=numbers, replicates=replicate_N, value_K=value_K, left_out_RK=left_out_RK)


def best_of(score_N: Array, chosen_by_N: Array, numbers: Sequence[int]) -> Array:
    """The mean score of the best by `chosen_by_N`, over all sets of n of the N trials, (K,).

    Args:
        score_N: what one gets.
        chosen_by_N: what one chooses by; equal ones are chosen among at random.
        numbers: the n, each at most N.
    """
    N = len(score_N)
    value, inverse_N, count = np.unique(chosen_by_N, return_inverse=True, return_counts=True)
    mean = np.bincount(inverse_N, weights=score_N, minlength=len(value)) / count
    up_to = np.cumsum(count)
    found = []
    for n in numbers:
        # The share of sets of n whose best is among the so many worst.
        within = np.where(up_to >= n, np.exp(_log_choose(up_to, n) - _log_choose(N, n)), 0.0)
        found.append(float(np.diff(within, prepend=0.0) @ mean))
    return np.array(found)


def _log_choose(m: Whole | int, n: int) -> Array:
    m_N = np.maximum(m, n)
    return np.asarray(gammaln(m_N + 1) - gammaln(n + 1) - gammaln(m_N - n + 1))


def _difference(
    pair: Sequence[_Curve | None], confidence: float, *, paired: bool
) -> list[TuningRow]:
    ours, theirs = pair
    if ours is None or theirs is None:
        return []
    numbers = ours.numbers if len(ours.numbers) <= len(theirs.numbers) else theirs.numbers
    K = len(numbers)
    value_K = ours.value_K[:K] - theirs.value_K[:K]
    left_out = [ours.left_out_RK[:, :K], -theirs.left_out_RK[:, :K]]
    # Where a replicate is not whole in both, they are taken as independent: wider, and not wrong.
    if paired and np.array_equal(ours.replicates, theirs.replicates):
        left_out = [left_out[0] + left_out[1]]
    return _rows(None, numbers, value_K, left_out, confidence)


def _rows(
    optimizer: str | None,
    numbers: Sequence[int],
    value_K: Array,
    left_out: Sequence[Array],
    confidence: float,
) -> list[TuningRow]:
    level = 1 - confidence ** (1 / len(numbers))
    rows = []
    for k, n in enumerate(numbers):
        estimate = Estimate(value=float(value_K[k]), left_out=tuple(one[:, k] for one in left_out))
        interval = estimate.interval(level)
        rows.append(
            TuningRow(
                optimizer=optimizer,
                trials=n,
                value=estimate.value,
                low=interval.low,
                high=interval.high,
            )
        )
    return rows
