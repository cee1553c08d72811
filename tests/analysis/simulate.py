"""Repeated studies with known truth: how often intervals cover and verdicts are wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import binom

from agsam_tune.analysis.context import make_context
from agsam_tune.analysis.leaf import Unknown
from agsam_tune.analysis.metrics import radius_fits
from agsam_tune.analysis.summary import lens_summary
from tests.analysis import truths
from tests.analysis.worlds import PAIR
from tests.synthetic import World

#: One in a thousand false alarms for each rate that is checked.
FALSE_ALARM = 0.001

Check = tuple[str, dict[str, Any], float]


@dataclass(slots=True)
class Record:
    """Counts over repetitions: hits of each interval, and winners declared in each lens."""

    covered: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))
    winners: Counter[str] = field(default_factory=Counter)
    claims: Counter[str] = field(default_factory=Counter)
    repetitions: int = 0

    def coverage(self) -> dict[str, tuple[float, float, int]]:
        """interval -> (share covered, least share allowed, number of intervals)."""
        return {
            name: (float(np.mean(hits)), least_coverage(len(hits)), len(hits))
            for name, hits in self.covered.items()
        }


def least_coverage(n: int, nominal: float = 0.95) -> float:
    """The exact binomial lower bound of the share covered among n."""
    return float(binom.ppf(FALSE_ALARM, n, nominal)) / n


def most_false(n: int, nominal: float = 0.05) -> float:
    """The exact binomial upper bound of the share of false verdicts among n."""
    return float(binom.ppf(1 - FALSE_ALARM, n, nominal)) / n


def simulate(make: Callable[..., World], *, repetitions: int, seed: int, **study: Any) -> Record:
    """Run and analyse `repetitions` studies of `make(seed=...)`, each with its own noise."""
    print(f"seed {seed}, {repetitions} repetitions of {make} with {study}")  # noqa: T201
    record = Record(repetitions=repetitions)
    known = _known_once(make(seed=0, **study))
    for repetition in range(repetitions):
        world = make(seed=repetition, **study)
        trials = world.trials(generator=np.random.default_rng([seed, repetition]))
        context = make_context(trials, world.study, chance=world.chance)
        summary = lens_summary(context, test_size=4000)
        for name, leaf, truth in _checks(world, summary, known, context):
            if leaf.get("low") is not None:
                record.covered[name].append(leaf["low"] <= truth <= leaf["high"])
        won = {c["lens"] for c in summary["comparisons"] if c["verdict"] in ROLES}
        record.winners.update(won)
        record.claims[summary["claim"]["verdict"]] += 1
    return record


ROLES = ("candidate", "baseline")


def _known_once(world: World) -> dict[str, float]:
    """The truths that do not depend on the repetition."""
    known = {}
    for optimizer in PAIR:
        known[f"mean {optimizer}"] = world.true_mean_accuracy(optimizer)
        known[f"failure {optimizer}"] = truths.failure_rate(world, optimizer)
    known["win"] = truths.win_probability(world, "adaptive_gsam", "gsam")
    return known


def _checks(
    world: World, summary: dict[str, Any], known: dict[str, float], context: Any
) -> Iterator[Check]:
    regrets: dict[tuple[str, str], float] = {}
    fits = dict(zip(PAIR, radius_fits(context, *PAIR), strict=True))
    for optimizer in PAIR:
        own = summary["optimizers"][optimizer]
        rho, own_best, radius = (own["metrics"][lens] for lens in ("rho", "own_best", "radius"))
        best = own["best_point"]["hyperparameters"]
        accuracy, mean = world.true_at(optimizer, best), known[f"mean {optimizer}"]
        regrets["rho", optimizer] = accuracy - mean
        yield "rho mean_accuracy", rho["mean_accuracy"], mean
        yield "rho regret_sensitivity", rho["regret_sensitivity"], accuracy - mean
        yield "rho failure_rate", rho["failure_rate"], known[f"failure {optimizer}"]
        for epsilon in (0.01, 0.03, 0.05):
            key = f"tolerance_volume_{epsilon:g}"
            yield (
                f"rho {key}",
                rho[key],
                truths.tolerance_volume(world, optimizer, accuracy, epsilon),
            )
        yield "own_best best_accuracy", own_best["best_accuracy"], accuracy
        if world.study.phase("misset") is not None:
            drawn = truths.drawn_regret(world, optimizer, best)
            regrets["own_best", optimizer] = truths.own_best_regret(world, optimizer, best, 400)
            regret = own_best["regret_sensitivity"]
            yield "own_best regret_sensitivity", regret, drawn
            yield "own_best regret over all factors", regret, regrets["own_best", optimizer]
            run = truths.longest_run(world, optimizer, best)
            yield "own_best tolerance_decades", own_best["tolerance_decades"], run
            for factor in (3, 10):
                key = f"misset_penalty_{factor}_rho"
                yield (
                    f"own_best {key}",
                    own_best[key],
                    truths.one_off(world, optimizer, best, "rho", float(factor)),
                )
        fit = fits[optimizer]
        if not isinstance(fit, Unknown):
            low, high = fit.window.low, fit.window.high
            regrets["radius", optimizer] = truths.radius_regret(world, optimizer, low, high)
            regret = radius["regret_sensitivity"]
            yield "radius regret_sensitivity", regret, regrets["radius", optimizer]
            for epsilon in (0.01, 0.03, 0.05):
                key = f"tolerance_volume_{epsilon:g}"
                share = truths.radius_volume(world, optimizer, low, high, epsilon)
                yield f"radius {key}", radius[key], share
    win = summary["optimizers"]["adaptive_gsam"]["metrics"]["rho"]["win_probability"]
    if world.truths["gsam"].collapse.__name__ == "nothing":
        yield "rho win_probability", win, known["win"]
    yield from _difference_checks(summary, known, regrets)


def _difference_checks(
    summary: dict[str, Any], known: dict[str, float], regrets: dict[tuple[str, str], float]
) -> Iterator[Check]:
    for row in summary["comparisons"]:
        if row["metric"] == "mean_accuracy":
            yield (
                "difference rho mean_accuracy",
                row,
                (known["mean adaptive_gsam"] - known["mean gsam"]),
            )
        ours, theirs = ((row["lens"], optimizer) for optimizer in PAIR[::-1])
        if row["metric"] == "regret_sensitivity" and ours in regrets and theirs in regrets:
            name = f"difference {row['lens']} regret_sensitivity"
            yield name, row, regrets[ours] - regrets[theirs]
