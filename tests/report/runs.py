"""Synthetic runs to report on: everything that `write_report` takes, made without training."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from agsam_tune.analysis import analyse
from agsam_tune.study import Study, load_study
from tests.synthetic import Settings, Truth, World, size_of, synthetic_curves

STUDIES = Path(__file__).parents[2] / "studies"
CHANCE = 0.5


def study_of(name: str, **changes: Any) -> Study:
    """A study file of this repository, with changed keys of its resolved form."""
    return Study.from_resolved(load_study(STUDIES / f"{name}.toml").resolved() | changes)


def large_study() -> Study:
    """moons.toml with some ten thousand trials."""
    phases = study_of("moons").resolved()["phases"]
    for phase in phases:
        if phase["name"] == "map":
            phase.update(points=1024, replicates=8, seeds=2)
        if phase["name"] == "iid":
            phase.update(points=256)
    return study_of("moons", phases=phases)


def trials_of(study: Study, *, seed: int = 0, skip: tuple[str, ...] = ()) -> pd.DataFrame:
    """One simulated run: gsam breaks down at a smaller rho than the others and diverges there."""
    truths = {name: truth(name) for name in study.optimizers}
    world = World(study=study, truths=truths, chance=CHANCE, skip=skip)
    return world.trials(generator=np.random.default_rng(seed))


def truth(optimizer: str) -> Truth:
    """What an optimizer does in the simulation; sgd and sgd_2x have no radius."""
    knee = -0.75 if optimizer in ("gsam", "sam") else -0.3
    shrink = 0.35 if optimizer.startswith("adaptive") or optimizer == "gsam_matched" else 1.0

    def surface(settings: Settings) -> np.ndarray:
        if "rho" not in settings:
            return np.full(size_of(settings), 0.917)
        x = np.log10(settings["rho"])
        accuracy = 0.916 - 0.14 * np.maximum(0, x - knee) ** 2
        return np.maximum(accuracy - 0.03 * settings.get("alpha", 0.0) ** 2, CHANCE)

    def radius(settings: Settings) -> np.ndarray:
        return settings.get("rho", np.full(size_of(settings), np.nan)) * shrink

    def diverges(settings: Settings) -> np.ndarray:
        if optimizer != "gsam":
            return np.zeros(size_of(settings), dtype=bool)
        return (settings["rho"] > 2.0) & (settings["alpha"] > 0.5)

    return Truth(surface=surface, radius=radius, diverges=diverges)


def manifest_of(study: Study, **changes: Any) -> dict[str, Any]:
    """The contents of `manifest.json`."""
    return {
        "study": study.resolved(),
        "study_hash": study.hash,
        "versions": {"python": "3.11.9", "torch": "2.13.0"},
        "commit": "0123abc",
        "device": "cpu",
        "data": {
            "train": 400,
            "validation": 400,
            "test": 400,
            "chance": CHANCE,
            "validation_chance": CHANCE,
            "parameters": 2241,
            "digest": "ab" * 32,
        },
        "started": "2026-01-02T03:04:05+00:00",
        "finished": "2026-01-02T03:14:05+00:00",
        "command": ["agsam-tune", "run", "studies/quick.toml"],
        "foreign_code": False,
    } | changes


def arguments(
    study: Study, trials: pd.DataFrame, *, curves: pd.DataFrame | None = None, **manifest: Any
) -> Mapping[str, Any]:
    """Keyword arguments of `write_report` for a run's trials."""
    return {
        "summary": analyse(trials, study, chance=CHANCE, test_size=400),
        "trials": trials,
        "curves": synthetic_curves(trials) if curves is None else curves,
        "manifest": manifest_of(study, **manifest),
        "study": study,
    }


@cache
def run_of(name: str) -> Mapping[str, Any]:
    """The arguments of `write_report` for a study file's run; made once, so none is changed."""
    study = study_of(name)
    return arguments(study, trials_of(study))
