"""What a study can find, in each lens, from the standard errors of a pilot.

In: what the lenses make of a pilot. Out: differences and numbers of replicates. Must not import
torch, Ray or Optuna.

A standard error of R replicates is √(R/R') times that of R'. A pilot has so few that its own are
uncertain: taken is the upper quartile of what a replicate's deviation may be, by the chi-squared
distribution of its square. A difference counts as found when score and regret both show it, at the
level of the look (`agsam_tune.analysis.needed`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtri

from agsam_tune.analysis.lenses.pair import FAIR, Judgement, Lens
from agsam_tune.analysis.needed import (
    POWER,
    LookLevel,
    Spread,
    chance_of_verdict,
    level_of_looks,
    replicates_needed,
    sizes_after,
)
from agsam_tune.study import Study

#: Differences that one might want to find, fractions.
DIFFERENCES = (0.005, 0.01, 0.02, 0.05)
_UPPER = 0.75
_HALVINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LensForecast:
    """What a study will find in one lens, with a probability of 0.8.

    Attributes:
        lens: its name.
        margin: within which two optimizers count as equal; None where that is not known.
        smallest: at each look the smallest difference that is found; above 1 where none is.
        needed: for each of `DIFFERENCES`, at how many replicates it is found; None where at no
            number tried.
        equal: at how many replicates two that are equal are shown to be.
        reason: why nothing is known.
    """

    lens: str
    margin: float | None = None
    smallest: tuple[float, ...] = ()
    needed: tuple[int | None, ...] = ()
    equal: int | None = None
    reason: str | None = None


def forecast_of(study: Study, judgement: Judgement, replicates: int) -> tuple[LensForecast, ...]:
    """What the study will find in each lens.

    Args:
        study: with the looks that are planned.
        judgement: of the pilot.
        replicates: of the pilot.
    """
    rows = {(row.lens, row.metric): row for row in judgement.comparisons}
    found = []
    for lens in Lens:
        pair = [rows[lens, metric] for metric in ("score", "regret")]
        errors = [row.standard_error for row in pair if row.standard_error is not None]
        margin = pair[0].margin
        if len(errors) < len(pair) or margin is None or not np.isfinite(errors).all():
            reason = pair[0].reason or "the pilot has no numbers of it"
            found.append(LensForecast(lens=lens.value, reason=reason))
            continue
        alpha = (1 - study.analysis.confidence) / (judgement.lenses if lens in FAIR else 1)
        asked = _Asked(
            deviations=(_likely(errors[0], replicates), _likely(errors[1], replicates)),
            level=level_of_looks(study.looks, study.max_replicates, alpha),
            sizes=(*study.looks, *sizes_after(study.looks[-1])),
        )
        found.append(
            LensForecast(
                lens=lens.value,
                margin=margin,
                smallest=tuple(asked.smallest(size) for size in study.looks),
                needed=tuple(asked.needed(difference, 0.0) for difference in DIFFERENCES),
                equal=asked.needed(0.0, margin),
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is asked of one lens.

    Attributes:
        deviations: of one replicate's score and regret.
        level: of the look at so many replicates.
        sizes: numbers of replicates, increasing.
    """

    deviations: tuple[float, float]
    level: LookLevel
    sizes: tuple[int, ...]

    def needed(self, difference: float, margin: float) -> int | None:
        """Where so large a difference is found, or one that is none is shown to be."""
        return replicates_needed(
            *self._spreads(difference), margin=margin, level=self.level, sizes=self.sizes
        )

    def smallest(self, replicates: int) -> float:
        """The smallest difference that is found with the probability `POWER`."""
        level, (low, high) = self.level(replicates), (0.0, 2.0)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            chance = chance_of_verdict(*self._spreads(middle), replicates, margin=0.0, level=level)
            low, high = (low, middle) if chance >= POWER else (middle, high)
        return high

    def _spreads(self, difference: float) -> tuple[Spread, Spread]:
        score, regret = (Spread(difference=difference, deviation=own) for own in self.deviations)
        return score, regret


def _likely(error: float, replicates: int) -> float:
    """A replicate's deviation: what it exceeds with a probability of a quarter."""
    degrees = replicates - 1
    uncertain = np.sqrt(degrees / chdtri(degrees, _UPPER))
    return float(error * np.sqrt(replicates) * uncertain)
