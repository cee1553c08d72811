"""Whether imported `misset` trials are those of this project's layout.

In: the settings of each row. Out: findings. What a mis-set point means follows from its number
alone (docs/design.md, Commands), so rows of another layout would be read as something they
are not. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from agsam_tune.importing.settings import Settings
from agsam_tune.importing.source import Findings, Source
from agsam_tune.study import MissetPoint, SearchSpace, canonical_order, misset_layout

__all__ = ["check_misset"]

# Beyond them these hyperparameters have no meaning, and a mis-set value is cut there.
_LARGEST = {"alpha": 1.0, "lam": 1.0, "momentum": 1.0}
_CLOSE = 1e-6


def check_misset(
    source: Source,
    keys: pd.DataFrame,
    settings: Settings,
    spaces: Mapping[str, SearchSpace],
    findings: Findings,
) -> None:
    """Adds what is no point of the layout: its number, or its setting given its number."""
    mine = (keys["phase"] == "misset").to_numpy()
    if not mine.any():
        return
    union = canonical_order(name for space in spaces.values() for name in space.names)
    layout = {point.point: point for point in misset_layout(union)}
    wrong = np.zeros(len(keys), dtype=bool)
    for optimizer in keys["optimizer"][mine].unique():
        own = np.flatnonzero(mine & (keys["optimizer"] == optimizer).to_numpy())
        points = keys["point"].to_numpy()[own]
        values = {name: settings.values[name][own] for name in settings.names[optimizer]}
        best = {name: column[points == 0] for name, column in values.items()}
        if not (points == 0).any():
            wrong[own] = True
            continue
        for place, row in enumerate(own):
            at = {name: column[place] for name, column in values.items()}
            center = {name: column[0] for name, column in best.items()}
            wrong[row] = not _fits(layout.get(int(points[place])), at, center, spaces[optimizer])
    if wrong.any():
        message = (
            f"{source.rows(wrong)}: not the layout of the phase misset for {', '.join(union)}: "
            f"point 0 is the own best, point 1 is it with {union[0] if union else 'the first'} "
            "divided by 10, and so on (docs/import.md); leave these rows out to import the others"
        )
        findings.add("column 'point'", message)


def _fits(
    point: MissetPoint | None,
    at: Mapping[str, float],
    best: Mapping[str, float],
    space: SearchSpace,
) -> bool:
    """Whether a setting is what the layout has at its number."""
    if point is None or (point.kind not in {"best", "all", *at}):
        return False
    if point.kind == "all":
        return True  # its factors were drawn: any will do
    for name, value in at.items():
        wanted = best[name]
        if name == point.kind and point.factor is not None:
            start = best[name] or space.ranges[name].default
            wanted = min(start * point.factor, _LARGEST.get(name, np.inf))
        if abs(value - wanted) > _CLOSE * max(abs(value), abs(wanted)):
            return False
    return True
