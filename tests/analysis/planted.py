"""Maps and independent draws whose truth is known, as `Data`, without training anything.

Shapes: R replicates, N trainings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy.stats import qmc

from agsam_tune.analysis.data import Data, PhaseData
from agsam_tune.analysis.facts import AnalysisFacts
from agsam_tune.study import Range, SearchSpace, Study, Training

TRIVIAL = 0.5
RHO = Range(low=0.005, high=8.0, log=True, default=0.1)
ALPHA = Range(low=0.0, high=1.0, default=0.1)
GAMMA = Range(low=0.001, high=1.0, log=True, default=0.1)
RANGES = {"rho": RHO, "alpha": ALPHA, "gamma": GAMMA}

#: Of points in the unit cube (N, H) a score (N,).
Surface = Callable[[np.ndarray], np.ndarray]


def hill(unit_NH: np.ndarray) -> np.ndarray:
    """Smooth, with an interaction of the first two."""
    x, y = unit_NH[:, 0], unit_NH[:, 1 % unit_NH.shape[1]]
    return 0.9 - 0.3 * (x - 0.4) ** 2 - 0.2 * x * y


def cliff(unit_NH: np.ndarray) -> np.ndarray:
    """A plateau that falls to chance within half a decade, earlier where the second is large."""
    edge = 0.75 - 0.1 * unit_NH[:, 1 % unit_NH.shape[1]]
    return TRIVIAL + 0.41 / (1 + np.exp((unit_NH[:, 0] - edge) / 0.04))


def study_of(optimizers: Mapping[str, tuple[str, ...]], **more: object) -> Study:
    """A study of optimizers by their hyperparameters, the first two as the pair."""
    names = list(optimizers)
    return Study(
        name="planted",
        task="moons",
        optimizers=tuple(names),
        candidate=names[0] if len(names) > 1 else None,
        baseline=names[1] if len(names) > 1 else None,
        training=Training(epochs=1, batch_size=1, lr=0.1),
        search_spaces={
            name: SearchSpace(optimizer=name, ranges={own: RANGES[own] for own in hyper})
            for name, hyper in optimizers.items()
        },
        phases=(),
        **more,  # type: ignore[arg-type]
    )


def planted(
    rng: np.random.Generator,
    surfaces: Mapping[str, Surface],
    *,
    hyperparameters: tuple[str, ...] = ("rho", "alpha"),
    replicates: int = 16,
    points: int = 16,
    noise: Callable[[np.ndarray], np.ndarray] | float = 0.004,
    data_level: float = 0.0,
    phase: str = "map",
    data: str = "per_replicate",
    second_seeds: bool = True,
) -> Data:
    """A study with one phase, scores drawn around the optimizers' surfaces.

    Args:
        surfaces: optimizer → its score over the unit cube.
        noise: standard deviation of a training, of each optimizer alone and of both together.
        data_level: standard deviation of what a data set adds to all its scores.
    """
    H = len(hyperparameters)
    draw = _sobol if phase == "map" else _independent
    unit_NH = np.concatenate([draw(rng, points, H) for _ in range(replicates)])
    replicate_N = np.repeat(np.arange(replicates), points)
    point_N, seed_N = np.arange(len(unit_NH)), np.zeros(len(unit_NH), dtype=int)
    if phase == "map" and second_seeds:
        again = point_N % points % 4 == 0
        unit_NH = np.concatenate([unit_NH, unit_NH[again]])
        replicate_N = np.concatenate([replicate_N, replicate_N[again]])
        point_N = np.concatenate([point_N, point_N[again]])
        seed_N = np.concatenate([seed_N, np.ones(again.sum(), dtype=int)])
    level_R = data_level * rng.standard_normal(replicates)
    common_N = rng.standard_normal(len(unit_NH))
    phases = {
        (name, phase): _trainings(
            rng,
            surface,
            unit_NH,
            replicate_N,
            point_N,
            seed_N,
            level_R,
            common_N,
            noise,
            hyperparameters,
        )
        for name, surface in surfaces.items()
    }
    study = study_of(dict.fromkeys(surfaces, hyperparameters), data=data)
    return data_of(study, phases, replicates)


def data_of(study: Study, phases: Mapping[tuple[str, str], PhaseData], replicates: int) -> Data:
    return Data(
        study=study,
        facts=AnalysisFacts(trivial=TRIVIAL, looks=(replicates,)),
        replicates=dict.fromkeys(study.optimizers, replicates),
        phases=phases,
        best_seen=max(float(own.score_N.max()) for own in phases.values()),
        failed=dict.fromkeys(study.optimizers, 0),
        trainings={
            name: sum(len(own) for (one, _), own in phases.items() if one == name)
            for name in study.optimizers
        },
    )


def _trainings(
    rng, surface, unit_NH, replicate_N, point_N, seed_N, level_R, common_N, noise, names
) -> PhaseData:
    n = len(unit_NH)
    size_N = noise(unit_NH) if callable(noise) else np.full(n, noise)
    mean_N = surface(unit_NH) + level_R[replicate_N]
    own_N = (common_N + rng.standard_normal(n)) / np.sqrt(2)
    score_N = np.maximum(mean_N + size_N * own_N, TRIVIAL)
    settings = {
        name: RANGES[name].low * (RANGES[name].high / RANGES[name].low) ** unit_NH[:, h]
        if RANGES[name].log
        else RANGES[name].low + (RANGES[name].high - RANGES[name].low) * unit_NH[:, h]
        for h, name in enumerate(names)
    }
    order = np.lexsort((seed_N, point_N))
    whole = PhaseData(
        replicate_N=replicate_N,
        point_N=point_N,
        seed_N=seed_N,
        settings=settings,
        score_N=score_N,
        chosen_by_N=np.maximum(score_N + 0.003 * rng.standard_normal(n), TRIVIAL),
        radius_N=settings.get("rho", np.full(n, np.nan)),
        diverged_N=np.zeros(n, dtype=bool),
    )
    return _ordered(whole, order)


def _ordered(own: PhaseData, order: np.ndarray) -> PhaseData:
    return PhaseData(
        settings={name: value[order] for name, value in own.settings.items()},
        **{
            name: getattr(own, name)[order]
            for name in (
                *("replicate_N", "point_N", "seed_N", "score_N"),
                *("chosen_by_N", "radius_N", "diverged_N"),
            )
        },
    )


def _sobol(rng: np.random.Generator, points: int, H: int) -> np.ndarray:
    return qmc.Sobol(H, rng=rng).random(points)


def _independent(rng: np.random.Generator, points: int, H: int) -> np.ndarray:
    return rng.uniform(size=(points, H))
