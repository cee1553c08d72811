"""Noise share, Sobol indices and RBD-FAST against planted truths and against SALib itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from SALib.analyze import rbd_fast as salib_rbd_fast
from SALib.analyze import sobol as salib_sobol
from SALib.sample import sobol as salib_sample

from agsam_tune.analysis.context import Context, make_context
from agsam_tune.analysis.estimate import to_leaf
from agsam_tune.analysis.indices import rbd_fast, sobol_indices
from agsam_tune.analysis.leaf import Leaf
from agsam_tune.analysis.noise import noise_share
from agsam_tune.analysis.surface_fit import Fit, box_of, fit_surface
from agsam_tune.analysis.table import read_table
from tests.analysis.simulate import least_coverage
from tests.analysis.truths import noise_share as true_noise_share
from tests.analysis.truths import sobol_indices as true_indices
from tests.analysis.worlds import planted, self_comparison
from tests.synthetic import Settings, World

SEED = 20240611
OPTIMIZER = "adaptive_gsam"
Make = Callable[..., World]


def ishigami(settings: Settings) -> np.ndarray:
    """Ishigami's function of the unit cube, as accuracies from 0.74 to 0.99."""
    low, span = np.log(0.005), np.log(8 / 0.005)
    one = np.pi * (2 * (np.log(settings["rho"]) - low) / span - 1)
    two = np.pi * (2 * settings["alpha"] - 1)
    three = np.pi * (2 * np.log(settings["gamma"] / 0.001) / np.log(1000) - 1)
    value = np.sin(one) + 7 * np.sin(two) ** 2 + 0.1 * three**4 * np.sin(one)
    return 0.84 + 0.008 * (value - 3.5)


def additive(settings: Settings) -> np.ndarray:
    rho = np.log(settings["rho"] / 0.005) / np.log(8 / 0.005)
    gamma = np.log(settings["gamma"] / 0.001) / np.log(1000)
    alpha = settings["alpha"]
    return np.asarray(0.9 - 0.16 * (rho - 0.4) ** 2 - 0.03 * alpha - 0.03 * np.sin(3 * gamma))


def rising(settings: Settings) -> np.ndarray:
    return 0.003 + 0.01 * np.log(settings["rho"] / 0.005) / np.log(8 / 0.005)


def context_of(world: World, seed: int) -> Context:
    trials = world.trials(generator=np.random.default_rng([SEED, seed]))
    return make_context(trials, world.study, chance=world.chance)


def surface_of(context: Context) -> Fit:
    cells = context.map_cells(OPTIMIZER)
    assert cells is not None
    fit = fit_surface(
        cells, cells.settings, box_of(context, [OPTIMIZER]), chance=context.chance, margin=0.005
    )
    assert isinstance(fit, Fit)
    return fit


def all_indices(context: Context) -> dict[str, Leaf]:
    """Every index of the candidate under its key; none of Sobol's where the surface is no good."""
    cells, axes = context.map_cells(OPTIMIZER), box_of(context, [OPTIMIZER])
    share = noise_share(cells, 0.95)
    sobol = sobol_indices(surface_of(context), share, chance=0.5, confidence=0.95, seed=0)
    rbd = rbd_fast(cells, axes, chance=0.5)
    assert isinstance(rbd, dict)
    found = {f"rbd_fast_{name}": to_leaf(own, 0.95) for name, own in rbd.items()}
    if isinstance(sobol, dict):
        found |= {f"{key}_{n}": own[key] for n, own in sobol.items() for key in own}
    return found


def coverage_of_indices(make: Make, repetitions: int, **study: Any) -> dict[str, float]:
    hits: dict[str, list[bool]] = defaultdict(list)
    truth = true_indices(make(seed=0, **study), OPTIMIZER)
    for repetition in range(repetitions):
        for key, own in all_indices(context_of(make(seed=repetition, **study), repetition)).items():
            name = key.replace("rbd_fast", "sobol_first")
            hits[key].append(own["low"] <= truth[name] <= own["high"])
    rates = {key: float(np.mean(own)) for key, own in hits.items()}
    print(f"seed {SEED}, {repetitions} repetitions: {rates}")  # noqa: T201
    return rates


def coverage_of_noise_share(kind: str, repetitions: int, **study: Any) -> float:
    truth, hits, values = 0.0, [], []
    for repetition in range(repetitions):
        world = self_comparison(kind, seed=0, misset_seeds=0, tune=0, **study)
        truth = truth or true_noise_share(world, "gsam")
        trials = world.trials(generator=np.random.default_rng([SEED, repetition]))
        table = read_table(trials, world.study, chance=world.chance)
        own = noise_share(table.get("gsam", "map"), 0.95)
        hits.append(own["low"] <= truth <= own["high"])
        values.append(own["value"])
    error = np.std(values) / np.sqrt(repetitions)
    print(f"{kind} {study}: {np.mean(hits):.3f}, {np.mean(values):.4f} of {truth:.4f}")  # noqa: T201
    assert np.mean(values) == pytest.approx(truth, abs=4 * error + 0.15 * truth)
    return float(np.mean(hits))


SHAPES: list[dict[str, Any]] = [{}, {"points": 64, "seeds": 2}]


def test_the_noise_share_covers() -> None:
    assert coverage_of_noise_share("cliff", 50, **SHAPES[1]) >= least_coverage(50)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape", [*SHAPES, {"points": 64, "replicates": 4, "seeds": 2}, {"points": 32, "replicates": 2}]
)
@pytest.mark.parametrize("kind", ["hill", "cliff", "collapse", "seeds"])
def test_the_noise_share_covers_500(kind: str, shape: dict[str, Any]) -> None:
    assert coverage_of_noise_share(kind, 500, **shape) >= least_coverage(500)


def test_the_indices_cover_an_additive_truth() -> None:
    rates = coverage_of_indices(partial(planted, additive, rising), 8, points=64, seeds=3)
    assert len(rates) == 9
    assert min(rates.values()) >= least_coverage(8)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [{}, {"points": 64, "replicates": 4, "seeds": 3}])
@pytest.mark.parametrize("world", ["additive", "hill"])
def test_the_indices_cover_200(world: str, shape: dict[str, Any]) -> None:
    make = partial(self_comparison, "hill", tune=0, misset_seeds=0)
    rates = coverage_of_indices(
        partial(planted, additive, rising) if world == "additive" else make, 200, **shape
    )
    assert min(rates.values()) >= least_coverage(200)


def test_ishigamis_indices_are_found() -> None:
    """First orders 0.314, 0.442 and 0; totals 0.558, 0.442 and 0.244 (less the noise's share)."""
    world = planted(ishigami, rising, seed=1, points=256, seeds=2)
    context = context_of(world, 1)
    found = all_indices(context)
    noise = true_noise_share(world, OPTIMIZER)
    expected = {"sobol_first_rho": 0.314, "sobol_first_alpha": 0.442, "sobol_first_gamma": 0.0}
    expected |= {"sobol_total_rho": 0.558, "sobol_total_alpha": 0.442, "sobol_total_gamma": 0.244}
    for key, value in expected.items():
        assert found[key]["value"] == pytest.approx(value * (1 - noise), abs=0.06), key
        assert found[key]["low"] <= value * (1 - noise) <= found[key]["high"], key
    assert found["rbd_fast_rho"]["value"] == pytest.approx(0.314 * (1 - noise), abs=0.1)


def test_they_are_salibs_numbers() -> None:
    """SALib asked directly, of the surface and of the points."""
    context = context_of(planted(additive, rising, seed=2), 2)
    fit, cells = surface_of(context), context.map_cells(OPTIMIZER)
    assert cells is not None
    problem = {"num_vars": 3, "names": list(fit.names), "bounds": [[0, 1]] * 3}
    unit = salib_sample.sample(problem, 2**12, calc_second_order=False, seed=99)
    asked = salib_sobol.analyze(problem, fit.process.predict(unit), calc_second_order=False, seed=1)
    share = noise_share(cells, 0.95)
    found = all_indices(context)
    for h, name in enumerate(fit.names):
        for key, index in (("sobol_first", "S1"), ("sobol_total", "ST")):
            value = asked[index][h] * (1 - share["value"])
            assert found[f"{key}_{name}"]["value"] == pytest.approx(value, abs=0.01)
    mean_P = cells.accuracy_PS.mean(axis=1)
    x_PH = np.stack([cells.settings[name] for name in fit.names], axis=1)
    by_points = salib_rbd_fast.analyze(problem, x_PH, mean_P, seed=1)
    total = found["rbd_fast_rho"]["value"] / by_points["S1"][0]
    assert 0.8 < total <= 1.0
    assert found["rbd_fast_alpha"]["value"] == pytest.approx(by_points["S1"][1] * total)


def test_there_are_no_indices_of_a_surface_that_is_not_known() -> None:
    context = context_of(self_comparison("collapse", seed=0, tune=0, misset_seeds=0), 0)
    share = noise_share(context.map_cells(OPTIMIZER), 0.95)
    found = sobol_indices(surface_of(context), share, chance=0.5, confidence=0.95, seed=0)
    assert "R²" in getattr(found, "reason", "")
