"""The metrics of the own_best lens: around each optimizer's best setting, from `misset`.

In: `Cells` of `misset`, whose point 0 is the best setting. Out: `Estimate`s or `Unknown`s.
Must not import pandas, torch, Ray or Optuna.

The all-together draws are the same factors for every optimizer. They are treated as what they
are, independent draws from three strata (factors up to 2, 3 and 10), and not as a fixed list: an
interval then covers the expectation over all factors that could have been, and more than covers the
average over the twelve that were drawn (98 % in simulations); taken as a fixed list, the draws
would cover that expectation in 34-84 % and find false winners at a cliff. But a cliff that few
factors reach is often missed by all twelve, and their spread then says nothing of it. The map knows
of it: what draws vary by is at least what they would vary by if accuracies around the best setting
were those of the nearest points of the map (`Choices.around_setting`). That is used for this
variance alone. (Without it the expectation was covered in 69-83 % of studies beside a cliff.)

The seeds are fresh and shared by all points, so that the error has the draws' part, on draws -
strata degrees of freedom, and the seeds' part, which holds the error of a* too.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from agsam_tune.analysis.estimate import Estimate, point_means
from agsam_tune.analysis.intervals import KNOWN, Component, half_width
from agsam_tune.analysis.leaf import Leaf, Unknown, leaf, null
from agsam_tune.analysis.plateau import noise_near
from agsam_tune.analysis.rho_lens import clipped
from agsam_tune.analysis.selection import Choices
from agsam_tune.analysis.table import Cells, paired_wins
from agsam_tune.study.misset import MissetPoint

__all__ = [
    "misset_penalty",
    "regret",
    "tolerance_decades",
    "win_probability",
]

Array = NDArray[np.float64]
Layout = tuple[MissetPoint, ...]

#: Factors that the variance of draws is taken from, where the map's accuracies stand for theirs.
_IMAGINED_FACTORS = 512

NO_MISSET = "no finished trial of the misset phase"
NO_BEST = "no finished trial at the best point in the misset phase"


def regret(
    cells: Cells | None,
    layout: Layout,
    chance: float,
    *,
    factor: float | None = None,
    choices: Choices | None = None,
    known: Choices | None = None,
    unseen: tuple[Component, ...] = (),
) -> Estimate | Unknown:
    """E[a* - max(a_o, chance)] over the all-together draws.

    Args:
        factor: only the draws of up to this factor.
        choices: the best settings of imagined studies, for comparisons.
        known: the map's accuracies, which tell of cliffs that the draws missed.
        unseen: the error of a* that its fresh seeds do not show (`Best.unseen`).
    """
    if cells is None:
        return Unknown(reason=NO_MISSET)
    penalty_PS = penalties(cells, chance)
    if isinstance(penalty_PS, Unknown):
        return penalty_PS
    estimate = _over_draws(cells, layout, penalty_PS, factor=factor)
    if isinstance(estimate, Unknown):
        return estimate
    estimate = replace(estimate, extra=unseen)
    if known is not None:
        least = _least_variance(cells, layout, penalty_PS, chance, factor, known)
        estimate = replace(estimate, least_variance=least)
    if choices is None:
        return estimate
    estimate = _of_these_draws(estimate)
    rows, weight_D, _ = _draws(cells, layout, _has_trials(penalty_PS), factor)
    around_BD = choices.around(_factors(cells, rows, choices))
    imagined_B = choices.best_B - np.maximum(around_BD, chance) @ weight_D
    return replace(estimate, imagined_B=imagined_B)


def _least_variance(
    cells: Cells,
    layout: Layout,
    penalty_PS: Array,
    chance: float,
    factor: float | None,
    known: Choices,
) -> float:
    """The variance of the draws' mean, were accuracies around the best those of the map."""
    rows, weight_D, stratum_D = _draws(cells, layout, _has_trials(penalty_PS), factor)
    largest = {p.point: p.factor for p in layout}
    best = np.flatnonzero(cells.points == 0)
    unit_NH = np.random.default_rng(_IMAGINED_FACTORS).random(
        (_IMAGINED_FACTORS, len(known.space.names))
    )
    variance = 0.0
    for stratum in np.unique(stratum_D):
        own_D = stratum_D == stratum
        most = largest[int(cells.points[rows[own_D][0]])] or 1.0
        setting = {name: float(cells.settings[name][best[0]]) for name in known.space.names}
        around_N = known.around_setting(setting, most ** (2 * unit_NH - 1))
        variance += float(np.sum(weight_D[own_D] ** 2)) * float(np.maximum(around_N, chance).var())
    return variance


def win_probability(
    one: Cells | None,
    other: Cells | None,
    layout: Layout,
    choices: tuple[Choices, Choices] | None = None,
) -> Estimate | Unknown:
    """P(one > other) + P(equal) / 2 over trials with the same all-together factors and seed."""
    if one is None or other is None:
        return Unknown(reason=NO_MISSET)
    wins_PS = paired_wins(one, other)
    estimate = _over_draws(one, layout, wins_PS, share=True)
    if choices is None or isinstance(estimate, Unknown):
        return estimate
    rows, weight_D, _ = _draws(one, layout, _has_trials(wins_PS), None)
    ours_BD = choices[0].around(_factors(one, rows, choices[0]))
    theirs_BD = choices[1].around(_factors(other, rows, choices[1]))
    noise = max(noise_near(one, -np.inf) or 0.0, noise_near(other, -np.inf) or 0.0, 1e-6)
    wins_BD = ndtr((ours_BD - theirs_BD) / (np.sqrt(2) * noise))
    return replace(estimate, imagined_B=np.asarray(wins_BD @ weight_D))


def misset_penalty(
    cells: Cells | None,
    layout: Layout,
    chance: float,
    name: str,
    factor: float,
    *,
    known: Choices | None = None,
    unseen: tuple[Component, ...] = (),
) -> Estimate | Unknown:
    """E[a* - max(a_o, chance)] with one hyperparameter, or "all", off by up to `factor`.

    For one hyperparameter the expectation is over a log-uniform factor in [1/factor, factor], of
    the line through the penalties at the factors that were run (0 at 1). What happens between two
    of those factors is not known; if the accuracy is monotone there, the mean over the gap lies
    between its two ends. That is a part of the error, as that of a uniform number between them.
    """
    if name == "all":
        return regret(cells, layout, chance, factor=factor, known=known, unseen=unseen)
    if cells is None:
        return Unknown(reason=NO_MISSET)
    penalty_PS = penalties(cells, chance)
    if isinstance(penalty_PS, Unknown):
        return penalty_PS
    rows, logs = axis_rows(cells, layout, name)
    inside = np.abs(logs) <= np.log(factor) * (1 + 1e-9)
    rows, logs = rows[inside], logs[inside]
    wanted = {-np.log(factor), np.log(factor)}
    if not all(np.isclose(logs, edge).any() for edge in wanted):
        return Unknown(reason=f"no finished trial with {name} off by {factor:g} both ways")
    estimate = _over_seeds(
        trapezoid_weights(logs) @ penalty_PS[rows], int(cells.present_PS[rows].sum())
    )
    if isinstance(estimate, Unknown):
        return estimate
    steps = np.diff(point_means(penalty_PS[rows])[0]) * np.diff(logs) / (logs[-1] - logs[0])
    between = Component(variance=float(np.sum(steps**2)) / 12, degrees=KNOWN)
    return replace(estimate, extra=(between, *unseen))


def tolerance_decades(
    cells: Cells | None,
    layout: Layout,
    chance: float,
    *,
    confidence: float,
    name: str = "rho",
    epsilon: float = 0.01,
) -> Leaf:
    """The decades of rho around the best within `epsilon` of a*, as a leaf.

    The longest run around the best, the other hyperparameters at the best, of the line through
    the mean losses at the factors that were run. Its interval is that of the runs for which the
    losses are at the upper and the lower ends of their t-intervals over fresh seeds (an inverted
    test: the loss crosses epsilon where its interval holds epsilon), and from the one of two
    neighbouring factors to the other: where between them the loss crosses epsilon is not known.
    (With the crossing of the line alone, the true run was covered in 41-93 % of studies.)
    "censored" says where the axis ends before the loss reaches epsilon: "low", "high" or "both",
    else None.
    """
    if cells is None:
        return null(NO_MISSET)
    penalty_PS = penalties(cells, chance)
    if isinstance(penalty_PS, Unknown):
        return null(penalty_PS.reason)
    rows, logs = axis_rows(cells, layout, name)
    if len(rows) < 3:
        return null(f"no finished trial with {name} mis-set")
    losses_PS = penalty_PS[rows]
    losses_PS = losses_PS[:, np.isfinite(losses_PS).all(axis=0)]
    seeds = losses_PS.shape[1]
    if seeds < 2:
        return null("needs two fresh seeds that all of the axis has")
    variance_P = losses_PS.var(axis=1, ddof=1) / seeds
    half_P = np.sqrt(variance_P) * half_width(
        [Component(variance=1, degrees=seeds - 1)], confidence
    )
    # Rounded, so that the whole axis is two decades and not a little less.
    mean_P, decades = losses_PS.mean(axis=1), np.round(logs / np.log(10), 12)
    value, censored = _run_length(decades, mean_P, epsilon)
    return leaf(
        value=value,
        low=_run_length(decades, mean_P + half_P, epsilon, crossing="first")[0],
        high=_run_length(decades, mean_P - half_P, epsilon, crossing="last")[0],
        n=losses_PS.size,
        method="t over fresh seeds, inverted",
        censored=censored,
    )


def penalties(cells: Cells, chance: float) -> Array | Unknown:
    """a* - max(a_o, chance) for each point and fresh seed, paired by seed; (P, S)."""
    best = np.flatnonzero(cells.points == 0)
    if not len(best) or not cells.present_PS[best[0]].any():
        return Unknown(reason=NO_BEST)
    accuracy_PS = clipped(cells.accuracy_PS, chance)
    accuracy_PS[best[0]] = cells.accuracy_PS[best[0]]
    return np.asarray(cells.accuracy_PS[best[0]][None, :] - accuracy_PS)


def axis_rows(cells: Cells, layout: Layout, name: str) -> tuple[NDArray[np.int64], Array]:
    """Rows of the best point and of those with `name` alone mis-set, by log factor; (N,), (N,)."""
    factors = {p.point: p.factor or 1.0 for p in layout if p.kind in ("best", name)}
    rows = [
        row
        for row, point in enumerate(cells.points)
        if int(point) in factors and cells.present_PS[row].any()
    ]
    logs = np.log([factors[int(cells.points[row])] for row in rows])
    order = np.argsort(logs)
    return np.array(rows, dtype=np.int64)[order], np.asarray(logs[order])


def trapezoid_weights(positions: Array) -> Array:
    """Weights of the mean over the positions' span of the line through the values at them."""
    gaps = np.diff(positions)
    weights = np.zeros(len(positions))
    weights[:-1] += gaps / 2
    weights[1:] += gaps / 2
    return np.asarray(weights / gaps.sum())


def _over_draws(
    cells: Cells,
    layout: Layout,
    values_PS: Array,
    *,
    factor: float | None = None,
    share: bool = False,
) -> Estimate | Unknown:
    mean_P, deviation_PS = point_means(values_PS)
    rows, weight_D, stratum_D = _draws(cells, layout, _has_trials(values_PS), factor)
    if len(rows) < 2:
        return Unknown(reason="fewer than two finished all-together draws")
    sizes = np.bincount(stratum_D)
    means = np.bincount(stratum_D, weights=mean_P[rows]) / sizes
    off_DS = (mean_P[rows] - means[stratum_D])[:, None] + deviation_PS[rows]
    return Estimate(
        value=float(means.mean()),
        influence_RS=weight_D[:, None] * off_DS,
        clusters=len(rows),
        seeds=int(np.isfinite(values_PS[rows]).any(axis=0).sum()),
        cluster_degrees=len(rows) - len(sizes),
        n=int(np.isfinite(values_PS[rows]).sum()),
        method="t over draws and fresh seeds",
        step=1.0 if share else 0.0,
        low=0.0 if share else -np.inf,
        high=1.0 if share else np.inf,
    )


def _of_these_draws(estimate: Estimate) -> Estimate:
    return replace(
        estimate,
        influence_RS=estimate.influence_RS.sum(axis=0, keepdims=True),
        clusters=1,
        cluster_degrees=0,
        step=0.0,
        method="t over fresh seeds",
    )


def _has_trials(values_PS: Array) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(values_PS).any(axis=1))


def _draws(
    cells: Cells, layout: Layout, usable_P: NDArray[np.bool_], factor: float | None
) -> tuple[NDArray[np.int64], Array, NDArray[np.int64]]:
    """Rows of the all-together draws, their weights (strata count alike), and their strata."""
    strata = {
        p.point: p.factor
        for p in layout
        if p.kind == "all" and (factor is None or p.factor == factor)
    }
    rows = np.array(
        [r for r, p in enumerate(cells.points) if int(p) in strata and usable_P[r]],
        dtype=np.int64,
    )
    labels = np.array([strata[int(p)] for p in cells.points[rows]], dtype=float)
    stratum_D = np.unique(labels, return_inverse=True)[1]
    sizes = np.bincount(stratum_D)
    return rows, 1.0 / (len(sizes) * sizes[stratum_D]), stratum_D


def _factors(cells: Cells, rows: NDArray[np.int64], choices: Choices) -> Array:
    """What each draw multiplies the best setting by, (D, H); 1 where that is not known."""
    best = np.flatnonzero(cells.points == 0)
    if not len(best):
        return np.ones((len(rows), len(choices.space.names)))
    columns = []
    for name in choices.space.names:
        values = cells.settings[name]
        start = values[best[0]] or choices.space.ranges[name].default
        columns.append(values[rows] / start if start else np.ones(len(rows)))
    factors = np.stack(columns, axis=1)
    return np.where(np.isfinite(factors) & (factors > 0), factors, 1.0)


def _over_seeds(values_S: Array, n: int) -> Estimate | Unknown:
    values = values_S[np.isfinite(values_S)]
    if len(values) < 2:
        return Unknown(reason="needs two fresh seeds")
    return Estimate(
        value=float(values.mean()),
        influence_RS=(np.where(np.isfinite(values_S), values_S, values.mean()) - values.mean())[
            None, :
        ]
        * (len(values_S) / len(values)),
        clusters=1,
        seeds=len(values),
        cluster_degrees=0,
        n=n,
        method="t over fresh seeds",
    )


def _run_length(
    decades: Array, penalty: Array, epsilon: float, crossing: str = "line"
) -> tuple[float, str | None]:
    centre = int(np.argmin(np.abs(decades)))
    high, high_cut = _reach(decades[centre:], penalty[centre:], epsilon, crossing)
    low, low_cut = _reach(-decades[centre::-1], penalty[centre::-1], epsilon, crossing)
    cuts = {(True, True): "both", (True, False): "low", (False, True): "high"}
    return high + low, cuts.get((low_cut, high_cut))


def _reach(distance: Array, penalty: Array, epsilon: float, crossing: str) -> tuple[float, bool]:
    """How far the loss stays within epsilon, and whether to the axis's end.

    The loss crosses epsilon between two factors: where the line between them does, or at the
    first or the last of them.
    """
    beyond = np.flatnonzero(penalty > epsilon)
    if not len(beyond):
        return float(distance[-1]), True
    i = int(beyond[0])
    if i == 0 or crossing != "line":
        return float(distance[max(i - 1, 0) if crossing == "first" else i]), False
    part = (epsilon - penalty[i - 1]) / (penalty[i] - penalty[i - 1])
    return float(distance[i - 1] + part * (distance[i] - distance[i - 1])), False
