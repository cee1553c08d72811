"""How good the best of n random draws is: tuning curves with simultaneous bands, from `iid`.

In: a `Context`. Out: the entry `tuning_curve` of `summary.json`. Must not import torch, Ray or
Optuna.

The best of n independent draws has the distribution function F^n, so its median is F's quantile at
(1/2)^(1/n), and a band for F is one for the whole curve at once (N. Lourie, K. Cho and H. He,
"Show your work with confidence: confidence bands for tuning curves", 2023). The empirical
distribution and its curves are opda's; the band's level is exact (`bands.py`).

The curve is the best *test* accuracy of the draws, as if the test split had chosen. Whoever tunes
chooses by validation accuracy and gets a little less: that is `selected`, without a band.

n draws say nothing of what is far above all of them. From some number of draws on, about a ninth of
those that there are, the band's upper end is therefore 1, the largest accuracy possible.
"""

import numpy as np
from numpy.typing import NDArray
from opda.nonparametric import EmpiricalDistribution

from agsam_tune.analysis.bands import band_bounds
from agsam_tune.analysis.context import Context
from agsam_tune.analysis.estimate import point_means
from agsam_tune.analysis.leaf import Leaf, null

__all__ = ["tuning_curve"]

Array = NDArray[np.float64]

METHOD = (
    "median of the best of n draws; simultaneous highest-density band "
    "(Learned-Miller and DeStefano) of the distribution function"
)

#: Numbers of draws that a curve is given at, at most.
_POSITIONS = 40


def tuning_curve(context: Context, optimizer: str) -> Leaf:
    """The best test accuracy after 1, 2, ... independent random draws.

    A draw is a point of `iid`: its accuracy (the mean, should it have several seeds), at chance
    where it diverged.

    Returns:
        "draws" (numbers of draws, at most 40, up to as many as there are), and for each of them
        "value" (the median of the best test accuracy), "low" and "high" (at the study's
        confidence, for all numbers of draws at once) and "selected" (the median test accuracy of
        the draw with the best validation accuracy; null where a draw has none); "n" and "method".
        Or null with the reason.
    """
    if context.is_bare(optimizer):
        return null("the optimizer has no hyperparameters to draw")
    cells = context.table.get(optimizer, "iid")
    if cells is None:
        return null("no finished trial of the iid phase")
    test_P, _ = point_means(cells.accuracy_PS)
    drawn_P = np.isfinite(test_P)
    test_N = test_P[drawn_P]
    if len(test_N) < 2:
        return null("fewer than two finished draws in the iid phase")
    validation_N = point_means(cells.validation_PS)[0][drawn_P]
    draws_M = _numbers(len(test_N))
    lower, upper = _bands(test_N, context.study.analysis.confidence)
    selected = _selected(test_N, validation_N, draws_M)
    return {
        "draws": draws_M.tolist(),
        "value": EmpiricalDistribution(test_N, a=0.0, b=1.0)
        .quantile_tuning_curve(draws_M)
        .tolist(),
        # Where the distribution function is at its upper bound the accuracies are at their lower.
        "low": upper.quantile_tuning_curve(draws_M).tolist(),
        "high": lower.quantile_tuning_curve(draws_M).tolist(),
        "selected": None if selected is None else selected.tolist(),
        "n": len(test_N),
        "method": METHOD,
    }


def _numbers(n: int) -> NDArray[np.int64]:
    """1 ... n, or about as many of them as there are positions, evenly spaced in the logarithm."""
    spaced = np.geomspace(1, n, _POSITIONS).round().astype(np.int64)
    return np.unique(spaced) if n > _POSITIONS else np.arange(1, n + 1)


def _bands(test_N: Array, confidence: float) -> tuple[EmpiricalDistribution, EmpiricalDistribution]:
    """The lower and the upper band of the distribution function.

    Between two draws F is at least its lower bound at the one below and at most its upper bound at
    the one above. Of equal draws that takes the last and the first, and the band stays valid.
    """
    lower_N, upper_N = band_bounds(len(test_N), confidence)
    at = np.concatenate([[0.0], np.sort(test_N), [1.0]])
    lower = np.diff(np.concatenate([[0.0, 0.0], lower_N, [1.0]]))
    upper = np.diff(np.concatenate([[0.0], upper_N, [1.0, 1.0]]))
    return tuple(EmpiricalDistribution(at, ws=ws, a=0.0, b=1.0) for ws in (lower, upper))


def _selected(test_N: Array, validation_N: Array, draws_M: NDArray[np.int64]) -> Array | None:
    """The median over draws of the test accuracy of the best by validation, (M,).

    Of m draws the best by validation is the i-th best of all with probability
    (i/n)^m - ((i-1)/n)^m, counted from the worst; equally good ones share theirs.
    """
    if not np.isfinite(validation_N).all():
        return None
    n = len(test_N)
    _, inverse_N, counts = np.unique(validation_N, return_inverse=True, return_counts=True)
    up_to = np.cumsum(counts) / n
    mass_MK = np.diff(up_to[None, :] ** draws_M[:, None], axis=1, prepend=0.0)
    weights_MN = (mass_MK / counts)[:, inverse_N]
    order = np.argsort(test_N)
    cumulative_MN = np.cumsum(weights_MN[:, order], axis=1)
    # The tolerance keeps a sum of exactly one half, with its rounding, from being passed over.
    return np.asarray(test_N[order][np.argmax(cumulative_MN >= 0.5 - 1e-12, axis=1)])
