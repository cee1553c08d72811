"""Synthetic trials tables with known truth, in the exact format of `trials.parquet`.

In: a study, and for each optimizer a `Truth` (its surface, noise, radius, where it diverges).
Out: the trials table that a run of that study would have stored, a curves table, and the true
values of the estimands. Imports nothing of the project but the best point and the study's own
layouts, so that analysis and report can be tested without training anything.

The model of one trial with hyperparameters h and seed s is

    accuracy = surface(h) + seed_effect * b_s + noise(h) * (sqrt(c) z_ps + sqrt(1 - c) z_ops)

with b, z standard normal, c = `common` the share of the noise that all optimizers have in common
(the same weights and batches), and accuracy = chance where the trial diverges or, with
probability collapse(h), collapses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import qmc

from agsam_tune.analysis import best_points
from agsam_tune.study import Phase, Range, SearchSpace, Study, Training

Settings = Mapping[str, np.ndarray]
FACTORS = (0.1, 1 / 3, 0.5, 2.0, 3.0, 10.0)
ALL_FACTORS = (2.0, 3.0, 10.0)
DRAWS = 4


def never(settings: Settings) -> np.ndarray:
    return np.zeros(size_of(settings), dtype=bool)


def nothing(settings: Settings) -> np.ndarray:
    return np.zeros(size_of(settings))


def small_noise(settings: Settings) -> np.ndarray:
    return np.full(size_of(settings), 0.004)


def rho_itself(settings: Settings) -> np.ndarray:
    return settings.get("rho", np.full(size_of(settings), np.nan))


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """One optimizer's planted behaviour; every function maps arrays (N,) of settings to (N,)."""

    surface: Callable[[Settings], np.ndarray]
    noise: Callable[[Settings], np.ndarray] = small_noise
    radius: Callable[[Settings], np.ndarray] = rho_itself
    diverges: Callable[[Settings], np.ndarray] = never
    collapse: Callable[[Settings], np.ndarray] = nothing

    def expected(self, settings: Settings, chance: float) -> np.ndarray:
        """The expected accuracy over seeds, (N,)."""
        share = np.where(self.diverges(settings), 1.0, self.collapse(settings))
        return (1 - share) * self.surface(settings) + share * chance


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a simulated run is drawn from."""

    study: Any
    truths: Mapping[str, Truth]
    chance: float = 0.5
    seed_effect: float = 0.0
    common: float = 0.5
    skip: tuple[str, ...] = field(default=())  # names of phases that are not run

    def trials(self, *, generator: np.random.Generator) -> pd.DataFrame:
        """One simulated run's trials table."""
        first = [p for p in self.study.phases if p.name not in ("misset", *self.skip)]
        noise = _Noise(generator)
        parts = [self._phase(phase, noise, generator) for phase in first]
        table = self._finish([part for part in parts if len(part)])
        misset = self.study.phase("misset")
        if misset is None or "misset" in self.skip:
            return table
        return self._finish([table, self._misset(table, misset, noise)])

    def true_mean_accuracy(self, optimizer: str, points: int = 2**14) -> float:
        """E_pi[max(a, chance)] by a large scrambled Sobol design."""
        expected = self.truths[optimizer].expected(self.uniform(optimizer, points), self.chance)
        return float(np.maximum(expected, self.chance).mean())

    def true_best(self, optimizer: str, points: int = 2**14) -> float:
        """The largest accuracy of the surface within the search space."""
        settings = self.uniform(optimizer, points)
        return float(self.truths[optimizer].expected(settings, self.chance).max())

    def true_at(self, optimizer: str, hyperparameters: Mapping[str, float]) -> float:
        """The expected accuracy at one setting."""
        settings = {name: np.array([value]) for name, value in hyperparameters.items()}
        return float(self.truths[optimizer].expected(settings, self.chance)[0])

    def uniform(self, optimizer: str, points: int) -> dict[str, np.ndarray]:
        """`points` settings that fill the optimizer's search space evenly in its own scale."""
        names = self.study.hyperparameters
        unit = qmc.Sobol(len(names), rng=np.random.default_rng(0)).random(points)
        return self._project(optimizer, unit)

    def _project(self, optimizer: str, unit: np.ndarray) -> dict[str, np.ndarray]:
        ranges = self._ranges(optimizer)
        names = self.study.hyperparameters
        settings = {
            name: from_unit(ranges[name], unit[:, names.index(name)])
            for name in names
            if name in ranges
        }
        return settings or {"": np.zeros(len(unit))}

    def _ranges(self, optimizer: str) -> Mapping[str, Any]:
        space = self.study.search_spaces.get(optimizer)
        return {} if space is None else space.ranges

    def _phase(self, phase: Any, noise: _Noise, generator: np.random.Generator) -> pd.DataFrame:
        if phase.name == "fixed":
            return self._fixed(phase, noise)
        dimensions = len(self.study.hyperparameters)
        unit, replicate = draw_design(phase, dimensions, generator)
        seeds = 1 if phase.name == "iid" else phase.seeds
        parts = []
        for optimizer in self.study.optimizers:
            bare = not self._ranges(optimizer)
            if bare and phase.name != "map":
                continue
            points = np.arange(1 if bare else len(unit))
            settings = self._project(optimizer, unit[: len(points)])
            own = None if bare or phase.name != "map" else replicate
            part = self._run(optimizer, phase.name, points, seeds, 0, settings, own, noise)
            parts.append(part)
        table = pd.concat(parts) if parts else pd.DataFrame()
        if phase.name == "iid" and parts:
            table["seed"] = table["point"]
        return table

    def _fixed(self, phase: Any, noise: _Noise) -> pd.DataFrame:
        parts = []
        for optimizer in dict.fromkeys(p.optimizer for p in phase.fixed):
            own = [p for p in phase.fixed if p.optimizer == optimizer]
            names = tuple(own[0].hyperparameters)
            settings = {n: np.array([p.hyperparameters[n] for p in own]) for n in names}
            points = np.arange(len(own))
            seeds = phase.seeds
            settings = settings or {"": np.zeros(len(own))}
            parts.append(self._run(optimizer, "fixed", points, seeds, 0, settings, None, noise))
        return pd.concat(parts)

    def _misset(self, table: pd.DataFrame, phase: Any, noise: _Noise) -> pd.DataFrame:
        others = [p.seeds for p in self.study.phases if p.name in ("map", "tune")]
        best = best_points(table, self.study.optimizers)
        parts = []
        for optimizer in self.study.optimizers:
            ranges = self._ranges(optimizer)
            if not ranges or optimizer not in best:
                continue
            points, settings = misset_settings(self.study, ranges, best[optimizer].hyperparameters)
            first = max(others)
            part = self._run(optimizer, "misset", points, phase.seeds, first, settings, None, noise)
            parts.append(part)
        return pd.concat(parts) if parts else table.iloc[:0]

    def _run(
        self,
        optimizer: str,
        phase: str,
        points: np.ndarray,
        seeds: int,
        first_seed: int,
        settings: Settings,
        replicate: np.ndarray | None,
        noise: _Noise,
    ) -> pd.DataFrame:
        truth = self.truths[optimizer]
        shape = (len(points), seeds)
        mean, spread = truth.surface(settings), truth.noise(settings)
        common = noise.common(phase, points, first_seed + np.arange(seeds))
        own = noise.own(shape)
        deviation = np.sqrt(self.common) * common + np.sqrt(1 - self.common) * own
        accuracy = mean[:, None] + spread[:, None] * deviation
        accuracy += self.seed_effect * noise.seeds(first_seed, seeds)[None, :]
        diverged = np.broadcast_to(truth.diverges(settings)[:, None], shape)
        collapsed = noise.uniform(shape) < truth.collapse(settings)[:, None]
        accuracy = np.where(diverged | collapsed, self.chance, accuracy)
        validation = accuracy + np.where(diverged | collapsed, 0, 0.002) * noise.own(shape)
        radius = np.broadcast_to(truth.radius(settings)[:, None], shape)
        rows = {
            "optimizer": optimizer,
            "phase": phase,
            "replicate": np.repeat(-1 if replicate is None else replicate, seeds)
            if replicate is not None
            else np.full(len(points) * seeds, -1),
            "point": np.repeat(points, seeds),
            "seed": np.tile(first_seed + np.arange(seeds), len(points)),
        }
        for name in self.study.hyperparameters:
            values = settings.get(name, np.full(len(points), np.nan))
            rows[name] = np.repeat(values, seeds)
        rows |= {
            "val_accuracy": validation.ravel(),
            "test_accuracy": accuracy.ravel(),
            "test_loss": np.where(diverged, np.nan, 1.2 * (1.0 - accuracy)).ravel(),
            "train_loss": np.where(diverged, np.nan, 1.1 * (1.0 - accuracy)).ravel(),
            "radius": radius.ravel(),
            "surrogate_gap": 0.1 * radius.ravel() ** 2,
            "diverged": diverged.ravel(),
        }
        return pd.DataFrame(rows)

    def _finish(self, parts: list[pd.DataFrame]) -> pd.DataFrame:
        table = pd.concat(parts, ignore_index=True)
        table = table.sort_values(["optimizer", "phase", "point", "seed"], ignore_index=True)
        replicate = table["replicate"].astype("Int64")
        step = pd.Series(17, index=table.index, dtype="Int64")
        finished = {
            "study": self.study.name,
            "task": self.study.task,
            "optimizer": table["optimizer"].astype("str"),
            "phase": table["phase"].astype("str"),
            "replicate": replicate.mask((replicate < 0).fillna(value=True)),
            "point": table["point"].astype("int64"),
            "seed": table["seed"].astype("int64"),
            **{name: table[name].astype("float64") for name in self.study.hyperparameters},
            **{name: table[name] for name in METRICS},
            "diverged": table["diverged"].astype(bool),
            "diverged_step": step.mask(~table["diverged"].astype(bool)),
            "state": "COMPLETE",
            "seconds": 0.5,
            "trial_number": np.arange(len(table)),
            "error": "",
        }
        return pd.DataFrame(finished)


METRICS = ("val_accuracy", "test_accuracy", "test_loss", "train_loss", "radius", "surrogate_gap")


class _Noise:
    """Standard normal draws; those of the seeds and of (phase, point, seed) are shared."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator
        self._common: dict[tuple[str, int], np.ndarray] = {}
        self._seeds = generator.standard_normal(4096)

    def common(self, phase: str, points: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        key = (phase, len(seeds))
        if key not in self._common:
            self._common[key] = self._generator.standard_normal((4096, len(seeds)))
        return self._common[key][points]

    def own(self, shape: tuple[int, int]) -> np.ndarray:
        return self._generator.standard_normal(shape)

    def uniform(self, shape: tuple[int, int]) -> np.ndarray:
        return self._generator.random(shape)

    def seeds(self, first: int, count: int) -> np.ndarray:
        return self._seeds[first : first + count]


def size_of(settings: Settings) -> int:
    """The number of points in a dictionary of equally long arrays."""
    return len(next(iter(settings.values())))


def from_unit(bounds: Any, unit: np.ndarray) -> np.ndarray:
    """Map [0, 1] to a range in its own scale."""
    if bounds.log:
        return np.exp(np.log(bounds.low) + unit * (np.log(bounds.high) - np.log(bounds.low)))
    return bounds.low + unit * (bounds.high - bounds.low)


def draw_design(
    phase: Any, dimensions: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Points in the unit cube (P, D) and their replicate (P,)."""
    if phase.name != "map":
        return generator.random((phase.points, dimensions)), np.zeros(phase.points, dtype=int)
    size = phase.points // phase.replicates
    blocks = [qmc.Sobol(dimensions, rng=generator).random(size) for _ in range(phase.replicates)]
    return np.concatenate(blocks), np.repeat(np.arange(phase.replicates), size)


def misset_settings(
    study: Any, ranges: Mapping[str, Any], best: Mapping[str, float]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The numbered points around a best setting, the draws from the study's seed."""
    union = study.hyperparameters
    draws = np.random.default_rng(study.seed).random((len(ALL_FACTORS), DRAWS, len(union)))
    points, rows = [0], [dict(best)]
    start = {n: best[n] or ranges[n].default for n in ranges}
    for i, name in enumerate(union):
        if name not in ranges:
            continue
        for j, factor in enumerate(FACTORS):
            points.append(1 + 6 * i + j)
            rows.append({**best, name: start[name] * factor})
    for k, largest in enumerate(ALL_FACTORS):
        for d in range(DRAWS):
            points.append(1 + 6 * len(union) + DRAWS * k + d)
            factors = largest ** (2 * draws[k, d] - 1)
            rows.append({n: start[n] * factors[union.index(n)] for n in ranges})
    settings = {n: np.array([row[n] for row in rows]) for n in ranges}
    if "alpha" in settings:
        settings["alpha"] = np.minimum(settings["alpha"], 1.0)
    return np.array(points), settings


def synthetic_study(
    *,
    optimizers: tuple[str, ...] = ("sgd", "sam", "gsam", "adaptive_gsam", "gsam_matched"),
    points: int = 128,
    replicates: int = 8,
    seeds: int = 4,
    misset_seeds: int = 8,
    tune: int = 32,
    iid: int = 0,
    **more: Any,
) -> Study:
    """A study on moons with the given phases (0 leaves one out) and the built-in search spaces."""
    phases = [Phase(name="map", sampler="sobol", points=points, replicates=replicates, seeds=seeds)]
    if tune:
        phases.append(Phase(name="tune", sampler="tpe", points=tune, seeds=seeds))
    if iid:
        phases.append(Phase(name="iid", sampler="random", points=iid))
    if misset_seeds:
        phases.append(Phase(name="misset", seeds=misset_seeds))
    rho = Range(low=0.005, high=8.0, log=True, default=0.5)
    alpha = Range(low=0.0, high=1.0, default=0.04)
    gamma = Range(low=0.001, high=1.0, log=True, default=0.1)
    own = {
        "sgd": {},
        "sgd_2x": {},
        "sam": {"rho": rho},
        "gsam": {"rho": rho, "alpha": alpha},
        "adaptive_gsam": {"rho": rho, "alpha": alpha, "gamma": gamma},
        "gsam_matched": {"rho": rho, "alpha": alpha, "gamma": gamma},
    }
    names = {"candidate": "adaptive_gsam", "baseline": "gsam", "control": "gsam_matched"}
    roles = {role: name if name in optimizers else None for role, name in names.items()}
    spaces = {o: SearchSpace(optimizer=o, ranges=own[o]) for o in optimizers}
    settings = {
        "name": "synthetic",
        "task": "moons",
        "optimizers": optimizers,
        "training": Training(epochs=1, batch_size=64, lr=0.05),
        "search_spaces": spaces,
        "phases": tuple(phases),
        **roles,
    }
    return Study(**(settings | more))


def synthetic_curves(trials: pd.DataFrame, epochs: int = 5, chance: float = 0.5) -> pd.DataFrame:
    """A curves table that ends at each trial's accuracy; diverged rows freeze after epoch 1."""
    keys = trials[["optimizer", "phase", "point", "seed"]]
    parts = []
    for epoch in range(1, epochs + 1):
        share = 1.0 - 0.6**epoch
        part = keys.copy()
        part["epoch"] = epoch
        frozen = trials["diverged"].to_numpy() & (epoch > 1)
        for name in ("val_accuracy", "test_accuracy"):
            reached = chance + (trials[name] - chance) * share
            part[name] = np.where(frozen, chance, reached)
        part["f"] = np.where(frozen, np.nan, 1.2 * (1 - part["test_accuracy"]))
        part["f_p"] = part["f"] * 1.1
        part["surrogate_gap"] = part["f_p"] - part["f"]
        part["radius"] = np.where(frozen, np.nan, trials["radius"])
        parts.append(part)
    columns = ["optimizer", "phase", "point", "seed", "epoch"]
    return pd.concat(parts).sort_values(columns, ignore_index=True)
