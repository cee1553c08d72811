"""What a reader of the own-best lens must know of the mis-set settings that were run.

In: the `Material`. Out: sentences. Must not import torch, Ray, Optuna or matplotlib.
"""

from __future__ import annotations

import math

from agsam_tune.report import frames
from agsam_tune.report.material import Material
from agsam_tune.study import misset_layout


def own_best_note(material: Material) -> str:
    """On what the lens rests, and where its settings were cut; empty without such trials."""
    rows = frames.complete(material.trials)
    if not (rows["phase"] == "misset").any():
        return ""
    note = (
        "The regret with all hyperparameters off together rests on the 12 draws of misset "
        "(4 each for factors up to 2, 3 and 10)"
    )
    largest = _largest_rho_factor(material)
    if largest is not None:
        note += f"; the largest factor of rho among the draws that were run is {largest:.2g}"
    note += ". Mis-set values may leave the search box."
    if "alpha" in material.study.hyperparameters:
        note += (
            " A mis-set alpha is clipped to 1, so that some of its points coincide; a point is "
            "shown at the factor that was run."
        )
    return note


def _largest_rho_factor(material: Material) -> float | None:
    """The largest rho over the own best's, among the all-together draws of all optimizers."""
    rows = frames.complete(material.trials)
    rows = rows[rows["phase"] == "misset"]
    if "rho" not in rows.columns:
        return None
    draws = {p.point for p in misset_layout(material.study.hyperparameters) if p.kind == "all"}
    best = rows[rows["point"] == 0].groupby("optimizer", observed=True)["rho"].first()
    drawn = rows[rows["point"].isin(draws)]
    factors = drawn["rho"] / drawn["optimizer"].map(best).astype(float)
    known = [factor for factor in factors if math.isfinite(factor)]
    return max(known, default=None)
