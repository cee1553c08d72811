"""Accuracy as a smooth curve over one coordinate, with what each point and seed contributes.

In: `Cells` and the points' positions. Out: a fit on a grid and its contributions, from which
pointwise and average estimates follow. Must not import pandas, torch, Ray or Optuna.

**What smoothing does.** A line through the points around x is off by what the curve bends there:
in proportion to the bandwidth's square where it is smooth (J. Fan, 1992), to the bandwidth at a
kink. Half the bandwidth leaves a quarter, or a half, of that. So twice the difference between the
two fits is at least what the wider one is off by, as an estimate, and so it is for what is computed
from them. (Without it the share of radii within a point of the best, beside a kink or a cliff, was
covered in 56-88 % of simulated studies.)

Shapes: G grid positions, P points, S seeds.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agsam_tune.analysis.estimate import Estimate, per_cluster, point_means
from agsam_tune.analysis.local_linear import Smoother
from agsam_tune.analysis.table import Cells

__all__ = ["Curve", "fit_curve", "smoothing_bias"]

Array = NDArray[np.float64]

METHOD = "t over replicates and seeds, infinitesimal jackknife"


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A local-linear fit m and its first-order error.

    Attributes:
        m_G: the fit, not cut at chance.
        half_G: the same with half the bandwidth.
        pulls_GPS: contributions of points and seeds to the error of m_G: their mean over seeds,
            summed over points.
        used_P: the points that it is fitted to.
    """

    cells: Cells
    m_G: Array
    half_G: Array
    pulls_GPS: Array
    used_P: NDArray[np.bool_]

    def estimate(self, value: float, contributions_PS: Array, step: float = 0.0) -> Estimate:
        """An estimate with these contributions to its error, a share if it has a step."""
        cells = self.cells
        clusters = len(np.unique(cells.replicate_P[self.used_P]))
        return Estimate(
            value=value,
            influence_RS=per_cluster(contributions_PS, cells.replicate_P),
            clusters=clusters,
            seeds=int(cells.present_PS[self.used_P].any(axis=0).sum()),
            cluster_degrees=clusters - 1,
            n=int(cells.present_PS[self.used_P].sum()),
            method=METHOD,
            step=step,
            low=0.0 if step else -np.inf,
            high=1.0 if step else np.inf,
        )

    def at(self, g: int) -> Estimate:
        """m at one grid position."""
        m, half = float(self.m_G[g]), float(self.half_G[g])
        return replace(self.estimate(m, self.pulls_GPS[g]), bias=smoothing_bias(m, half))


def smoothing_bias(value: float, half: float) -> float:
    """What smoothing adds to a value, from the same with half the bandwidth."""
    return 2 * (value - half)


def fit_curve(
    cells: Cells,
    smoother: Smoother,
    used_P: NDArray[np.bool_],
    half_S: NDArray[np.bool_] | None = None,
) -> Curve:
    """Fit the points' means over all seeds, or over those where `half_S` is true.

    Args:
        smoother: made from the positions of the points where `used_P` is true.
    """
    chosen_S = np.ones(len(cells.seeds), dtype=bool) if half_S is None else half_S
    accuracy_PS = cells.accuracy_PS[used_P]
    mean_P, _ = point_means(accuracy_PS)
    half_mean_P, deviation_PH = point_means(accuracy_PS[:, chosen_S])
    # A point without a trial in this half keeps its mean over the others.
    y_P = np.where(np.isfinite(half_mean_P), half_mean_P, mean_P)
    scale = len(chosen_S) / int(chosen_S.sum())
    pulls_GPS = np.zeros((len(smoother.weights_GP), *cells.accuracy_PS.shape))
    used_GPS = np.repeat(smoother.pulls(y_P)[:, :, None], len(chosen_S), axis=2)
    used_GPS[:, :, chosen_S] += smoother.weights_GP[:, :, None] * deviation_PH[None] * scale
    pulls_GPS[:, used_P, :] = used_GPS
    return Curve(
        cells=cells,
        m_G=smoother.fit(y_P),
        half_G=smoother.halved().fit(y_P),
        pulls_GPS=pulls_GPS,
        used_P=used_P,
    )
