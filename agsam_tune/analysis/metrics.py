"""Every metric of one optimizer in one lens, as estimates under their keys of `summary.json`.

In: the study's arrays (`Context`). Out: dictionaries of `Estimate`s or `Unknown`s. Must not import
torch, Ray or Optuna.
"""

from dataclasses import replace

import numpy as np

from agsam_tune.analysis import own_best_lens, rho_lens
from agsam_tune.analysis.context import Context, held
from agsam_tune.analysis.estimate import Estimate
from agsam_tune.analysis.leaf import Unknown
from agsam_tune.analysis.plateau import NO_COLLAPSES, Collapses
from agsam_tune.analysis.radius_lens import RadiusFit, common_window, fit_radius
from agsam_tune.analysis.table import Cells
from agsam_tune.study import MISSET_MAXIMA

__all__ = [
    "Metrics",
    "best_accuracy_estimate",
    "doubled_win",
    "own_best_metrics",
    "radius_fits",
    "radius_metrics",
    "rho_metrics",
]

Metrics = dict[str, Estimate | Unknown]

BARE = Unknown(reason="the optimizer has no hyperparameters to mis-set")


def best_accuracy_estimate(context: Context, optimizer: str) -> Estimate | Unknown:
    """a* of one optimizer; its error is the fresh seeds' alone."""
    best = context.best[optimizer]
    if isinstance(best, Unknown):
        return best
    return Estimate(
        value=best.value,
        influence_RS=np.zeros((0, 0)),
        clusters=1,
        seeds=1,
        cluster_degrees=0,
        n=len(best.accuracy),
        method=f"t over {best.seeds}",
        best_terms=((1.0, best),),
        low=0.0,
        high=1.0,
    )


def rho_metrics(
    context: Context,
    optimizer: str,
    cells: Cells | None,
    baseline: Cells | Unknown | None = None,
) -> Metrics:
    """The averages over the search space.

    Args:
        cells: the optimizer's map, possibly without the cells that its partner lacks.
        baseline: the map that `win_probability` is against, or why there is none.
    """
    best = context.best[optimizer]
    mean = rho_lens.mean_accuracy(cells, context.chance)
    bare = context.is_bare(optimizer)
    metrics: Metrics = {
        "mean_accuracy": mean,
        "regret_sensitivity": BARE if bare else rho_lens.regret(mean, best),
        "regret_common_best": BARE if bare else rho_lens.regret(mean, context.common_best),
    }
    for epsilon in context.study.analysis.epsilons:
        volume = BARE if bare else rho_lens.tolerance_volume(cells, best, epsilon)
        metrics[f"tolerance_volume_{epsilon:g}"] = volume
    metrics["failure_rate"] = rho_lens.failure_rate(cells)
    metrics["win_probability"] = _win(bare, cells, baseline)
    if context.shared_box:
        metrics = {key: _in_shared_box(estimate) for key, estimate in metrics.items()}
    return metrics


def _in_shared_box(estimate: Estimate | Unknown) -> Estimate | Unknown:
    if isinstance(estimate, Unknown):
        return estimate
    return replace(estimate, method=f"{estimate.method}, in the box common to all optimizers")


def _win(bare: bool, cells: Cells | None, baseline: Cells | Unknown | None) -> Estimate | Unknown:
    if bare:
        return BARE
    if isinstance(baseline, Unknown):
        return baseline
    return rho_lens.win_probability(cells, baseline)


def own_best_metrics(
    context: Context,
    optimizer: str,
    cells: Cells | None,
    baseline: Cells | Unknown | None = None,
) -> Metrics:
    """The metrics around the own best; `tolerance_decades` is not among them."""
    layout, chance = context.layout, context.chance
    metrics: Metrics = {"best_accuracy": best_accuracy_estimate(context, optimizer)}
    bare = context.is_bare(optimizer)
    best = context.best[optimizer]
    unseen = () if isinstance(best, Unknown) else best.unseen
    known = context.choices.get(optimizer)
    metrics["regret_sensitivity"] = (
        BARE if bare else own_best_lens.regret(cells, layout, chance, known=known, unseen=unseen)
    )
    own = context.study.search_spaces[optimizer].names
    for name in (*context.study.hyperparameters, "all"):
        for factor in MISSET_MAXIMA:
            key = f"misset_penalty_{factor:g}_{name}"
            if bare:
                metrics[key] = BARE
            elif name != "all" and name not in own:
                metrics[key] = Unknown(reason=f"the optimizer has no {name}")
            else:
                metrics[key] = own_best_lens.misset_penalty(
                    cells, layout, chance, name, factor, known=known, unseen=unseen
                )
    if bare or isinstance(baseline, Unknown):
        metrics["win_probability"] = BARE if bare else baseline  # type: ignore[assignment]
    else:
        metrics["win_probability"] = own_best_lens.win_probability(cells, baseline, layout)
    return metrics


def radius_metrics(context: Context, fit: RadiusFit | Unknown) -> Metrics:
    """The metrics on the radius axis."""
    metrics: Metrics = {
        "regret_sensitivity": fit if isinstance(fit, Unknown) else fit.regret(),
    }
    for epsilon in context.study.analysis.epsilons:
        volume = fit if isinstance(fit, Unknown) else fit.tolerance_volume(epsilon)
        metrics[f"tolerance_volume_{epsilon:g}"] = volume
    return metrics


def radius_fits(
    context: Context, one: str, other: str
) -> tuple[RadiusFit | Unknown, RadiusFit | Unknown]:
    """Both optimizers' fits on their common window, from the whole map of each."""
    first, second = _fits_of_pair(context, min(one, other), max(one, other))
    return (first, second) if one <= other else (second, first)


@held
def _fits_of_pair(
    context: Context, one: str, other: str
) -> tuple[RadiusFit | Unknown, RadiusFit | Unknown]:
    cells = [context.table.get(name, "map") for name in (one, other)]
    if any(context.is_bare(name) for name in (one, other)):
        return BARE, BARE
    window = common_window(cells[0], cells[1])
    if isinstance(window, Unknown) or cells[0] is None or cells[1] is None:
        reason = window if isinstance(window, Unknown) else Unknown(reason=rho_lens.NO_MAP)
        return reason, reason
    return (
        fit_radius(cells[0], window, context.chance, _collapses(context, one)),
        fit_radius(cells[1], window, context.chance, _collapses(context, other)),
    )


def _collapses(context: Context, optimizer: str) -> Collapses:
    best = context.best[optimizer]
    return NO_COLLAPSES if isinstance(best, Unknown) else best.collapses


def doubled_win(win: Estimate | Unknown) -> Estimate | Unknown:
    """The candidate's win probability minus the baseline's, 2 W - 1, from W."""
    if isinstance(win, Unknown):
        return win
    return Estimate(
        value=2 * win.value - 1,
        influence_RS=2 * win.influence_RS,
        clusters=win.clusters,
        seeds=win.seeds,
        cluster_degrees=win.cluster_degrees,
        n=win.n,
        method=win.method,
        imagined_B=2 * win.imagined_B,
        compares=True,
        step=2 * win.step,
        low=-1.0,
        high=1.0,
    )
