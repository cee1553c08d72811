"""The smallest difference that a study would find, from a small pilot.

In: accuracies of the candidate and the baseline at the same points with the same two seeds. Out: a
fraction of accuracy. Must not import torch, Ray or Optuna.

Studies are imagined as the pilot lets one (a bootstrap; B. Efron and R. Tibshirani, 1993):
replicates are drawn with replacement from the pilot's, each point's accuracy with a seed is one of
its two, the same one of both optimizers, and each one's best setting is chosen and judged with
fresh seeds as the study does. What the analysis says of each, by `agsam_tune.analysis.power`, is
what it would say of the study. So nothing that the analysis counts is forgotten: the design, the
seeds, few fresh seeds, what replicates may all have missed, and the choice of the best.

Two seeds show half of a point's variance, so that of the imagined studies the upper quartile is
taken and not the middle: in simulated worlds it came within a factor of two of what the analysis
said of whole studies, but for one in which trials collapse now and then near the best.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from agsam_tune.analysis.context import make_context
from agsam_tune.analysis.power import power
from agsam_tune.store.tables import trials_table
from agsam_tune.study import Phase, Study
from agsam_tune.trials import Outcome, State, Trial

IMAGINED = 9
_QUANTILE = 0.75

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piloted:
    """One optimizer's part of a pilot: Q replicates of P points with J = 2 seeds.

    Attributes:
        val_QPJ: validation accuracies, fractions.
        test_QPJ: test accuracies.
        settings_QP: each point's hyperparameters.
    """

    val_QPJ: Array
    test_QPJ: Array
    settings_QP: tuple[tuple[tuple[tuple[str, float], ...], ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How large a study is.

    Attributes:
        replicates: of the map, each as large as one of the pilot's.
        seeds: of each of its points.
        judged: fresh seeds of `misset`; 0 without that phase.
    """

    replicates: int
    seeds: int
    judged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Detectable:
    """What a study of such a size would find at the same settings.

    Attributes:
        smallest: the difference in lost accuracy that is found with a probability of 0.8.
        half_width: of its interval.
    """

    smallest: float
    half_width: float


def detectable(
    study: Study,
    piloted: Mapping[str, Piloted],
    sample: Sample,
    *,
    chance: float,
    generator: np.random.Generator,
) -> Detectable | None:
    """What the study would find, were it of this size; None where the analysis cannot say.

    Args:
        study: with a candidate and a baseline.
        piloted: of both, by name.
        sample: the size.
        chance: accuracy of guessing.
        generator: of the imagined studies.
    """
    small = _shrunk(study, piloted, sample)
    found = []
    for _ in range(IMAGINED):
        table = imagined_trials(small, piloted, sample, generator)
        said = power(make_context(table, small, chance=chance)).get("rho", {})
        if "smallest_difference" in said:
            found.append((said["smallest_difference"], said["half_width"]))
    if len(found) < IMAGINED:
        return None
    smallest, half_width = np.quantile(np.array(found), _QUANTILE, axis=0)
    return Detectable(smallest=float(smallest), half_width=float(half_width))


def _shrunk(study: Study, piloted: Mapping[str, Piloted], sample: Sample) -> Study:
    """The study with the two optimizers alone, a map of this size, and the best judged."""
    points = sum(len(row) for row in next(iter(piloted.values())).settings_QP[:1])
    mapped = Phase(
        name="map",
        sampler="sobol",
        points=points * sample.replicates,
        replicates=sample.replicates,
        seeds=sample.seeds,
    )
    misset = (Phase(name="misset", seeds=sample.judged),) if sample.judged else ()
    return study.model_copy(
        update={
            "phases": (mapped, *misset),
            "optimizers": tuple(piloted),
            "control": None,
            "sharpness": None,
        }
    )


def imagined_trials(
    study: Study,
    piloted: Mapping[str, Piloted],
    sample: Sample,
    generator: np.random.Generator,
) -> pd.DataFrame:
    """The trials table of one imagined study: `map`, and of `misset` the best setting."""
    Q, P, J = next(iter(piloted.values())).test_QPJ.shape
    drawn_R = generator.integers(Q, size=sample.replicates)
    # The same for both optimizers: what seeds do to both alike is none of their difference.
    mapped_RPS = generator.integers(J, size=(sample.replicates, P, sample.seeds))
    judged_RPS = generator.integers(J, size=(sample.replicates, P, sample.judged))
    outcomes: list[Outcome] = []
    for optimizer, own in piloted.items():
        val_RPS, test_RPS = (
            np.take_along_axis(found[drawn_R], mapped_RPS, axis=2)
            for found in (own.val_QPJ, own.test_QPJ)
        )
        for r, p, s in np.ndindex(*test_RPS.shape):
            trial = Trial(
                optimizer=optimizer,
                phase="map",
                replicate=r,
                point=r * P + p,
                seed=s,
                hyperparameters=own.settings_QP[drawn_R[r]][p],
            )
            outcomes.append(_outcome(trial, float(val_RPS[r, p, s]), float(test_RPS[r, p, s])))
        best = np.unravel_index(val_RPS[:, :, ::2].mean(2).argmax(), val_RPS.shape[:2])
        r, p = int(best[0]), int(best[1])
        for s, j in enumerate(judged_RPS[r, p]):
            trial = Trial(
                optimizer=optimizer,
                phase="misset",
                replicate=None,
                point=0,
                seed=sample.seeds + s,
                hyperparameters=own.settings_QP[drawn_R[r]][p],
            )
            q = drawn_R[r]
            outcomes.append(_outcome(trial, own.val_QPJ[q, p, j], own.test_QPJ[q, p, j]))
    return trials_table(study, ((outcome, 0) for outcome in outcomes))


def _outcome(trial: Trial, val_accuracy: float, test_accuracy: float) -> Outcome:
    return Outcome(
        trial=trial,
        state=State.COMPLETE,
        val_accuracy=float(val_accuracy),
        test_accuracy=float(test_accuracy),
    )
