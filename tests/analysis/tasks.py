"""Several tasks with known truth, run at the same points with noise of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from agsam_tune.analysis.context import Context, make_context
from tests.synthetic import Settings, Truth, World, synthetic_study

Surface = Callable[[Settings], np.ndarray]
PAIR = ("gsam", "adaptive_gsam")
CHANCE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired(World):
    """A world whose points follow from `design` alone, whatever its noise."""

    design: int = 0

    def _phase(self, phase: Any, noise: Any, _: np.random.Generator) -> pd.DataFrame:
        return World._phase(self, phase, noise, np.random.default_rng([self.design, 1]))


def peak(
    rho: float, alpha: float | None = None, *, steepness: float = 0.03, top: float = 0.92
) -> Surface:
    """A parabola around log10 rho, and around alpha unless that does not matter."""

    def surface(settings: Settings) -> np.ndarray:
        loss = steepness * (np.log10(settings["rho"]) - rho) ** 2
        if alpha is not None:
            loss = loss + 0.25 * (settings["alpha"] - alpha) ** 2
        return top - loss

    return surface


def worlds_of(
    surfaces: Mapping[str, Sequence[Surface]], *, design: int = 0, **study: Any
) -> list[Paired]:
    """One world a task; `surfaces` are an optimizer's, one a task."""
    defaults = {"points": 32, "replicates": 4, "seeds": 2, "tune": 0, "misset_seeds": 0}
    made = synthetic_study(optimizers=tuple(surfaces), **(defaults | study))
    tasks = len(next(iter(surfaces.values())))
    return [
        Paired(
            study=made,
            truths={name: Truth(surface=own[t]) for name, own in surfaces.items()},
            seed_effect=0.002,
            chance=CHANCE,
            design=design,
        )
        for t in range(tasks)
    ]


def contexts_of(worlds: Sequence[Paired], *, seed: int) -> list[Context]:
    tables = [
        world.trials(generator=np.random.default_rng([seed, task]))
        for task, world in enumerate(worlds)
    ]
    return [
        make_context(table, world.study, chance=CHANCE)
        for table, world in zip(tables, worlds, strict=True)
    ]


def true_gain(
    worlds: Sequence[Paired], contexts: Sequence[Context], optimizer: str, scales: Sequence[float]
) -> float:
    """Phi of the expected accuracies over the points that were run."""
    scores = []
    for world, context, scale in zip(worlds, contexts, scales, strict=True):
        cells = context.table.get(optimizer, "map")
        assert cells is not None
        expected = world.truths[optimizer].expected(cells.settings, CHANCE)
        scores.append((np.maximum(expected, CHANCE) - CHANCE) / scale)
    score_TP = np.array(scores)
    return float(score_TP.max(axis=1).mean() - score_TP.mean(axis=0).max())
