"""Which lengths of steps the phase `radius` draws from, where the study does not say it.

In: the trials of the phase `key`. Out: the decade around where the first of the pair begins to
fail, or why there is none. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from agsam_tune.analysis.data import Data, read_data
from agsam_tune.analysis.facts import AnalysisFacts
from agsam_tune.analysis.lenses.equal_radius import decade_of_radii, radius_at_the_edge
from agsam_tune.analysis.lenses.own_scale import best_over_key
from agsam_tune.analysis.measured import key_curve, log_key
from agsam_tune.study import Study

__all__ = ["GIVE_THE_RANGE", "radius_range"]

#: What is asked of whoever writes the study.
GIVE_THE_RANGE = "give low and high of the phase radius"


def radius_range(
    trials: pd.DataFrame, study: Study, *, trivial: float
) -> tuple[float, float] | str:
    """Shortest and longest step of the phase `radius`, or a sentence on why it is not known.

    Args:
        trials: the trials table; all of the phase `key` are read, of those that are compared.
        study: what was run; a range that it gives is returned.
        trivial: the trivial score.
    """
    phase = study.phase("radius")
    if phase is not None and phase.low is not None and phase.high is not None:
        return phase.low, phase.high
    own = trials[trials["phase"] == "key"]
    replicates = max(int(own["replicate"].nunique()), 1)
    data = read_data(own, study, AnalysisFacts(trivial=trivial, looks=(replicates,)))
    edges = []
    for optimizer in study.compared:
        edge = _edge(data, optimizer)
        if edge is None:
            return f"no length is known at which {optimizer} begins to fail: {GIVE_THE_RANGE}"
        edges.append(edge)
    low, high = decade_of_radii(edges)
    return float(low), float(high)


def _edge(data: Data, optimizer: str) -> float | None:
    curve, trainings = key_curve(data, optimizer, "key"), data.get(optimizer, "key")
    if curve is None or trainings is None:
        return None
    return radius_at_the_edge(
        curve,
        log_key(data, trainings),
        np.asarray(trainings.radius_N),
        best=best_over_key(curve).value,
        trivial=data.facts.trivial,
    )
