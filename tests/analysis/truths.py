"""The true values of the estimands in a synthetic world, by large designs and closed forms."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtr
from scipy.stats import qmc

from tests.synthetic import ALL_FACTORS, World, from_unit, misset_settings

Points = Mapping[str, np.ndarray]


def failure_rate(world: World, optimizer: str, points: int = 2**13) -> float:
    """P(diverged, collapsed or accuracy <= chance + 0.01), over settings and seeds."""
    truth = world.truths[optimizer]
    settings = world.uniform(optimizer, points)
    down = np.where(truth.diverges(settings), 1.0, truth.collapse(settings))
    spread = np.sqrt(truth.noise(settings) ** 2 + world.seed_effect**2)
    low = ndtr((world.chance + 0.01 - truth.surface(settings)) / spread)
    return float((down + (1 - down) * low).mean())


def win_probability(world: World, one: str, other: str, points: int = 2**13) -> float:
    """P(one > other) + P(equal) / 2 at the same setting and seed; without collapses."""
    ours, theirs = world.truths[one], world.truths[other]
    a, b = world.uniform(one, points), world.uniform(other, points)
    s, t = ours.noise(a), theirs.noise(b)
    spread = np.sqrt(world.common * (s - t) ** 2 + (1 - world.common) * (s**2 + t**2))
    both = ndtr((ours.surface(a) - theirs.surface(b)) / spread)
    ours_only = ndtr((ours.surface(a) - world.chance) / np.hypot(s, world.seed_effect))
    theirs_only = ndtr((world.chance - theirs.surface(b)) / np.hypot(t, world.seed_effect))
    down_a, down_b = ours.diverges(a), theirs.diverges(b)
    return float(
        np.select([down_a & down_b, down_a, down_b], [0.5, theirs_only, ours_only], both).mean()
    )


def tolerance_volume(world: World, optimizer: str, best: float, epsilon: float) -> float:
    """P(a >= best - epsilon)."""
    expected = world.truths[optimizer].expected(world.uniform(optimizer, 2**13), world.chance)
    return float((expected >= best - epsilon).mean())


def own_best_regret(
    world: World, optimizer: str, best: Mapping[str, float], draws: int = 2000
) -> float:
    """E[a* - max(a, chance)] over all factors that could have been drawn."""
    generator = np.random.default_rng(7)
    ranges = world.study.search_spaces[optimizer].ranges
    total = 0.0
    for largest in ALL_FACTORS:
        settings = {
            name: (best[name] or ranges[name].default) * largest ** generator.uniform(-1, 1, draws)
            for name in ranges
        }
        if "alpha" in settings:
            settings["alpha"] = np.minimum(settings["alpha"], 1.0)
        accuracy = world.truths[optimizer].expected(settings, world.chance)
        total += np.maximum(accuracy, world.chance).mean() / len(ALL_FACTORS)
    return world.true_at(optimizer, best) - float(total)


def drawn_regret(world: World, optimizer: str, best: Mapping[str, float]) -> float:
    """The same over the twelve draws that the study has."""
    ranges = world.study.search_spaces[optimizer].ranges
    _, settings = misset_settings(world.study, ranges, best)
    settings = {name: values[-12:] for name, values in settings.items()}
    accuracy = world.truths[optimizer].expected(settings, world.chance)
    return world.true_at(optimizer, best) - float(np.maximum(accuracy, world.chance).mean())


def one_off(
    world: World, optimizer: str, best: Mapping[str, float], name: str, factor: float
) -> float:
    """E[a* - max(a, chance)] over a log-uniform factor on one hyperparameter."""
    ranges = world.study.search_spaces[optimizer].ranges
    factors = factor ** np.linspace(-1, 1, 2001)
    settings = {n: np.full(len(factors), best[n]) for n in ranges}
    settings[name] = (best[name] or ranges[name].default) * factors
    if name == "alpha":
        settings[name] = np.minimum(settings[name], 1.0)
    accuracy = np.maximum(world.truths[optimizer].expected(settings, world.chance), world.chance)
    return world.true_at(optimizer, best) - float(accuracy.mean())


def longest_run(
    world: World, optimizer: str, best: Mapping[str, float], epsilon: float = 0.01
) -> float:
    """The decades of rho around `best`, up to one each way, with a loss of at most epsilon."""
    decades = np.linspace(-1, 1, 4001)
    settings = {name: np.full(len(decades), value) for name, value in best.items()}
    settings["rho"] = best["rho"] * 10**decades
    accuracy = np.maximum(world.truths[optimizer].expected(settings, world.chance), world.chance)
    beyond = decades[world.true_at(optimizer, best) - accuracy > epsilon]
    return float(min(beyond[beyond > 0], default=1.0) - max(beyond[beyond < 0], default=-1.0))


def radius_regret(world: World, optimizer: str, low: float, high: float) -> float:
    """E[max m - max(m, chance)] on [low, high] of log10 radius, m = E[a | radius]."""
    m = _at_radius(world, optimizer, low, high)
    return float(m.max() - np.maximum(m, world.chance).mean())


def radius_volume(world: World, optimizer: str, low: float, high: float, epsilon: float) -> float:
    """P(m >= max m - epsilon) there."""
    m = _at_radius(world, optimizer, low, high)
    return float(np.mean(m >= m.max() - epsilon))


def _at_radius(world: World, optimizer: str, low: float, high: float) -> np.ndarray:
    settings = world.uniform(optimizer, 2**14)
    truth = world.truths[optimizer]
    x = np.log10(truth.radius(settings))
    inside = (x >= low) & (x <= high)
    cells = np.minimum(((x[inside] - low) / (high - low) * 50).astype(int), 49)
    accuracy = truth.expected(settings, world.chance)[inside]
    m: np.ndarray = np.bincount(cells, accuracy, 50) / np.bincount(cells, minlength=50)
    return m


def noise_share(world: World, optimizer: str, points: int = 2**14) -> float:
    """E[Var(a | setting)] / Var(a) of one trial's accuracy."""
    settings, truth = world.uniform(optimizer, points), world.truths[optimizer]
    down = np.where(truth.diverges(settings), 1.0, truth.collapse(settings))
    above = truth.surface(settings) - world.chance
    spread = truth.noise(settings) ** 2 + world.seed_effect**2
    within = float(((1 - down) * spread + down * (1 - down) * above**2).mean())
    return within / (within + float(truth.expected(settings, world.chance).var()))


def sobol_indices(world: World, optimizer: str, points: int = 2**13) -> dict[str, float]:
    """sobol_first_x and sobol_total_x of one trial's accuracy, by Saltelli's estimators."""
    ranges = world.study.search_spaces[optimizer].ranges
    names = [name for name in world.study.hyperparameters if name in ranges]
    both = qmc.Sobol(2 * len(names), rng=np.random.default_rng(1)).random(points)
    one, other = both[:, : len(names)], both[:, len(names) :]

    def accuracy(unit: np.ndarray) -> np.ndarray:
        settings = {n: from_unit(ranges[n], unit[:, i]) for i, n in enumerate(names)}
        return np.maximum(world.truths[optimizer].expected(settings, world.chance), world.chance)

    a, b = accuracy(one), accuracy(other)
    scale = (1 - noise_share(world, optimizer)) / np.var(np.concatenate([a, b]))
    found = {}
    for i, name in enumerate(names):
        mixed = one.copy()
        mixed[:, i] = other[:, i]
        c = accuracy(mixed)
        found[f"sobol_first_{name}"] = float(scale * np.mean((b - b.mean()) * (c - a)))
        found[f"sobol_total_{name}"] = float(scale * 0.5 * np.mean((a - c) ** 2))
    return found
