"""Surfaces against planted truths: what they say of themselves, and of a difference of nothing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import qmc, t

from agsam_tune.analysis.context import Context, make_context
from agsam_tune.analysis.surface_fit import Fit, subset
from agsam_tune.analysis.surface_metrics import surface_metrics
from agsam_tune.analysis.surfaces import SIDE, Surfaces, fit_surfaces
from agsam_tune.study import Study
from tests.analysis.simulate import most_false
from tests.analysis.worlds import hill, planted, self_comparison, wider_hill
from tests.synthetic import Settings, World, from_unit, small_noise

SEED = 20240612
PLATES = {("sam", ""), ("gsam", "alpha"), ("adaptive_gsam", "alpha"), ("adaptive_gsam", "gamma")}


def context_of(world: World, seed: int) -> Context:
    trials = world.trials(generator=np.random.default_rng([SEED, seed]))
    return make_context(trials, world.study, chance=world.chance)


def flat(settings: Settings) -> np.ndarray:
    return np.full(len(settings["rho"]), 0.9)


def true_plate(world: World, optimizer: str, plate: pd.DataFrame) -> np.ndarray:
    """The expected accuracy at the plate's positions, averaged over the other hyperparameter."""
    ranges = world.study.search_spaces[optimizer].ranges
    second = plate["second"].iloc[0]
    rest = [name for name in ranges if name not in ("rho", second)]
    total = np.zeros(len(plate))
    for unit in qmc.Sobol(max(len(rest), 1), rng=np.random.default_rng(0)).random(128):
        settings = {"rho": plate["rho"].to_numpy(), second: plate["x2"].to_numpy()}
        for name, value in zip(rest, unit, strict=False):
            settings[name] = from_unit(ranges[name], np.full(len(plate), value))
        expected = world.truths[optimizer].expected(settings, world.chance)
        total += np.maximum(expected, world.chance) / 128
    return total


def test_the_tables_are_as_promised(surfaces: Surfaces, study: Study) -> None:
    grid = surfaces.grid
    assert list(grid.columns) == [
        *("optimizer", "second", "rho", "x2", "accuracy", "noise", "uncertainty")
    ]
    assert set(zip(grid["optimizer"], grid["second"], strict=True)) >= PLATES
    assert (grid.groupby(["optimizer", "second"]).size().drop(("sam", "")) == SIDE**2).all()
    sam = grid[grid["optimizer"] == "sam"]
    assert len(sam) == SIDE
    assert sam["x2"].isna().all()
    assert grid["rho"].min() == pytest.approx(0.005)
    assert grid["rho"].max() == pytest.approx(8.0)
    numbers = grid[["accuracy", "noise", "uncertainty"]].to_numpy()
    assert np.isfinite(numbers).all()
    assert (numbers[:, 1:] >= 0).all()
    assert grid["accuracy"].between(0.5, 1.0).all()
    difference = surfaces.difference
    assert list(difference.columns) == [
        *("second", "rho", "x2", "difference", "low", "high", "significant")
    ]
    assert set(difference["second"]) == {"alpha"}
    assert (difference["low"] <= difference["difference"]).all()
    excluded = (difference["low"] > 0) | (difference["high"] < 0)
    assert (difference["significant"] == excluded).all()
    assert set(surfaces.quality) == set(study.optimizers)
    for own in (*surfaces.quality.values(), surfaces.difference_quality):
        assert own.keys() >= {"usable", "reason", "r2", "rmse", "coverage", "n_points"}


def test_the_noise_is_the_planted_one_quiet_and_loud(surfaces: Surfaces, world: World) -> None:
    gsam = surfaces.grid[surfaces.grid["optimizer"] == "gsam"]
    quiet = gsam[gsam["rho"] < 0.1]["noise"].median()
    truth = world.truths["gsam"].noise({"rho": np.array([0.03])})[0]
    assert quiet == pytest.approx(np.hypot(truth, world.seed_effect), rel=0.35)
    loud = gsam[(gsam["rho"] > 1) & (gsam["rho"] < 1.9)]["noise"].median()
    assert loud > 4 * quiet


def test_the_same_table_gives_the_same_surfaces(
    small_trials: pd.DataFrame, small_study: Study
) -> None:
    context = make_context(small_trials, small_study, chance=0.5)
    one, again = fit_surfaces(context), fit_surfaces(context)
    pd.testing.assert_frame_equal(again.grid, one.grid)
    pd.testing.assert_frame_equal(again.difference, one.difference)


def test_every_optimizer_has_every_key(context: Context, surfaces: Surfaces, study: Study) -> None:
    found = surface_metrics(context, surfaces)
    metrics = ("sobol_first", "sobol_total", "rbd_fast", "importance")
    keys = {f"{metric}_{name}" for metric in metrics for name in study.hyperparameters}
    assert set(found) == set(study.optimizers)
    for own in found.values():
        assert own.keys() == {"noise_share", *keys}
        for leaf in own.values():
            if leaf["value"] is None:
                assert leaf["reason"]
            else:
                assert 0 <= leaf["low"] <= leaf["value"] <= leaf["high"] <= 1
    assert found["gsam"]["sobol_first_gamma"]["reason"] == "the optimizer has no gamma"
    assert found["sgd"]["noise_share"]["value"] is None
    assert found["gsam"]["sobol_total_rho"]["value"] > 0.5


def test_uncertainty_is_that_of_the_surface_over_seeds() -> None:
    """Within t of seeds - 1 degrees, since most of it is what all points of a seed share."""
    inside = []
    for seed in range(5):
        world = self_comparison("seeds", seed=seed, tune=0, misset_seeds=0, points=64)
        grid = fit_surfaces(context_of(world, seed)).grid
        plate = grid[grid["optimizer"] == "gsam"]
        off = (plate["accuracy"] - true_plate(world, "gsam", plate)) / plate["uncertainty"]
        inside.append(float(np.mean(np.abs(off) < t.ppf(0.975, 3))))
    print(f"seed {SEED}: {np.mean(inside):.3f}")  # noqa: T201
    assert np.mean(inside) > 0.85


def test_a_flat_surface_is_well_known_however_low_its_r2() -> None:
    context = context_of(planted(flat, small_noise, seed=0), 0)
    quality = fit_surfaces(context).quality["adaptive_gsam"]
    assert quality["r2"] < 0.5
    assert quality["usable"]


def test_a_surface_lost_in_collapsing_trials_is_not_usable() -> None:
    context = context_of(self_comparison("collapse", seed=0, tune=0, misset_seeds=0), 0)
    found = fit_surfaces(context)
    assert not found.quality["gsam"]["usable"]
    assert "R²" in found.quality["gsam"]["reason"]
    assert found.grid.empty


def test_across_a_cliff_what_it_says_of_points_left_out_holds_or_it_is_not_usable() -> None:
    coverage = []
    for seed in range(3):
        world = self_comparison("cliff", seed=seed, tune=0, misset_seeds=0)
        found = fit_surfaces(context_of(world, seed))
        if not found.quality["gsam"]["usable"]:
            continue
        plate = found.grid[found.grid["optimizer"] == "gsam"]
        off = np.abs(plate["accuracy"] - true_plate(world, "gsam", plate))
        coverage.append(float(np.mean(off < 1.96 * plate["uncertainty"] + 1e-9)))
    print(f"seed {SEED}: {coverage}")  # noqa: T201
    assert len(coverage) == 0 or np.mean(coverage) > 0.85


SMALL = {"points": 64, "seeds": 3, "tune": 0, "misset_seeds": 0}


def false_significance(kind: str, repetitions: int, **study: Any) -> float:
    """How often a difference of an optimizer with itself is significant anywhere."""
    found = []
    for seed in range(repetitions):
        context = context_of(self_comparison(kind, seed=seed, **(SMALL | study)), seed)
        found.append(bool(fit_surfaces(context).difference["significant"].any()))
    print(f"seed {SEED}: {kind}, {sum(found)} of {repetitions}")  # noqa: T201
    return float(np.mean(found))


def test_an_optimizer_does_not_differ_from_itself() -> None:
    assert false_significance("hill", 5) <= most_false(5)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [{}, {"seeds": 2}, {"points": 128, "seeds": 4}])
@pytest.mark.parametrize("kind", ["hill", "cliff", "collapse", "seeds"])
def test_an_optimizer_does_not_differ_from_itself_200(kind: str, shape: dict[str, Any]) -> None:
    assert false_significance(kind, 200, **shape) <= most_false(200)


def test_a_true_difference_is_found_where_it_is() -> None:
    world = wider_hill(seed=0, **SMALL)
    plate = fit_surfaces(context_of(world, 0)).difference
    truth = true_plate(world, "adaptive_gsam", plate) - true_plate(world, "gsam", plate)
    assert plate[np.abs(truth) > 0.05]["significant"].all()
    assert (plate[plate["significant"]]["difference"] > 0).all()
    assert ((plate["low"] <= truth) & (truth <= plate["high"])).all()


def test_different_boxes_are_compared_on_their_intersection() -> None:
    world = wider_hill(seed=0, **SMALL)
    spaces = dict(world.study.search_spaces)
    own = spaces["gsam"].ranges
    narrow = own["rho"].model_copy(update={"high": 2.0})
    spaces["gsam"] = spaces["gsam"].model_copy(update={"ranges": {**own, "rho": narrow}})
    study = world.study.model_copy(update={"search_spaces": spaces})
    changed = World(study=study, truths=world.truths)
    found = fit_surfaces(context_of(changed, 1))
    assert found.grid["rho"].max() == pytest.approx(2.0)
    plate = found.difference
    assert plate["rho"].max() == pytest.approx(2.0)
    truth = true_plate(changed, "adaptive_gsam", plate) - true_plate(changed, "gsam", plate)
    assert np.mean((plate["low"] <= truth) & (truth <= plate["high"])) > 0.95


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"points": 8, "replicates": 2}, "8 points"), ({"points": 16, "replicates": 2}, "")],
)
def test_few_points_are_no_surface(change: dict[str, Any], reason: str) -> None:
    quality = fit_surfaces(context_of(planted(hill(), small_noise, seed=0, **change), 0)).quality
    assert quality["adaptive_gsam"]["usable"] == (reason == "")
    assert reason in quality["adaptive_gsam"]["reason"]


def test_one_seed_a_point_has_its_noise_estimated_with_the_surface() -> None:
    context = context_of(planted(hill(steepness=0.06), small_noise, seed=0, seeds=1), 0)
    found = fit_surfaces(context)
    fit = found.fits["adaptive_gsam"]
    assert isinstance(fit, Fit)
    assert np.sqrt(fit.process.sizes.nugget) == pytest.approx(0.004, rel=0.4)
    assert "estimated" in fit.quality.method
    assert found.grid["noise"].isna().all()
    assert found.grid["uncertainty"].notna().all()
    metrics = surface_metrics(context, found)["adaptive_gsam"]
    assert "one seed" in metrics["noise_share"]["reason"]
    assert "one seed" in metrics["sobol_first_rho"]["reason"]
    assert metrics["rbd_fast_rho"]["value"] > 0.5


def test_many_points_are_thinned_and_that_is_said() -> None:
    world = planted(hill(), small_noise, seed=0, points=1024, seeds=2)
    quality = fit_surfaces(context_of(world, 0)).quality["adaptive_gsam"]
    assert quality["n_points"] == 768
    assert "made from 768 of 1024 points" in quality["method"]
    assert "lengths from 192 of them" in quality["method"]


def test_whole_groups_are_kept_while_they_fit() -> None:
    group_P = np.repeat(np.arange(4), 8)
    np.testing.assert_array_equal(subset(group_P, 20), np.arange(16))
    np.testing.assert_array_equal(subset(group_P, 40), np.arange(32))
    assert len(subset(np.arange(100), 30)) == 30


@pytest.mark.parametrize(
    "change", [{"diverged": True, "test_accuracy": np.nan}, {"test_accuracy": 0.9}]
)
def test_where_all_trials_are_alike_nothing_differs(
    small_trials: pd.DataFrame, small_study: Study, change: dict[str, Any]
) -> None:
    alike = small_trials.assign(**{"diverged": False, **change})
    found = fit_surfaces(make_context(alike, small_study, chance=0.5))
    json.dumps({**found.quality, "difference": found.difference_quality}, allow_nan=False)
    assert not found.difference["significant"].any()
