"""What an optimizer's accuracy depends on: the seed's share, indices, importances.

In: a `Context` and its `Surfaces`. Out: leaves under their keys of `summary.json`. Must not import
torch, Ray or Optuna.
"""

from agsam_tune.analysis.context import Context
from agsam_tune.analysis.estimate import to_leaf
from agsam_tune.analysis.importance import importances
from agsam_tune.analysis.indices import rbd_fast, sobol_indices
from agsam_tune.analysis.leaf import Leaf, Unknown, null
from agsam_tune.analysis.metrics import BARE
from agsam_tune.analysis.noise import noise_share
from agsam_tune.analysis.surface_fit import box_of
from agsam_tune.analysis.surfaces import Surfaces

__all__ = ["surface_metrics"]


def surface_metrics(context: Context, surfaces: Surfaces) -> dict[str, dict[str, Leaf]]:
    """optimizer -> key -> leaf, every key for every optimizer.

    The keys are noise_share and, for each hyperparameter x of the study, sobol_first_x,
    sobol_total_x, rbd_fast_x and importance_x, the last with its "range", "sampler" and
    "evaluator". Shares of a variance, in [0, 1].
    """
    return {name: _of_optimizer(context, surfaces, name) for name in context.study.optimizers}


def _of_optimizer(context: Context, surfaces: Surfaces, optimizer: str) -> dict[str, Leaf]:
    study, chance = context.study, context.chance
    confidence = study.analysis.confidence
    names = study.hyperparameters
    if context.is_bare(optimizer):
        return {key: null(BARE.reason) for key in ("noise_share", *_keys(names))}
    cells, axes = context.map_cells(optimizer), box_of(context, [optimizer])
    share = noise_share(cells, confidence)
    sobol = sobol_indices(
        surfaces.fits[optimizer], share, chance=chance, confidence=confidence, seed=study.seed
    )
    rbd = rbd_fast(cells, axes, chance=chance)
    phase = study.phase("map")
    importance = importances(
        cells,
        axes,
        chance=chance,
        sampler=(phase and phase.sampler) or "unknown",
        confidence=confidence,
        seed=study.seed % 2**32,
    )
    found = {"noise_share": share}
    for name in names:
        if name not in study.search_spaces[optimizer].ranges:
            found |= {key: null(f"the optimizer has no {name}") for key in _keys((name,))}
            continue
        for key in ("sobol_first", "sobol_total"):
            found[f"{key}_{name}"] = (
                null(sobol.reason) if isinstance(sobol, Unknown) else sobol[name][key]
            )
        found[f"rbd_fast_{name}"] = (
            null(rbd.reason) if isinstance(rbd, Unknown) else to_leaf(rbd[name], confidence)
        )
        found[f"importance_{name}"] = (
            null(importance.reason) if isinstance(importance, Unknown) else importance[name]
        )
    return found


def _keys(names: tuple[str, ...]) -> list[str]:
    metrics = ("sobol_first", "sobol_total", "rbd_fast", "importance")
    return [f"{metric}_{name}" for name in names for metric in metrics]
