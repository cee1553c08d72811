"""Fitted surfaces, curves and indices as the analysis gives them, made without fitting."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from agsam_tune.analysis.surfaces import Surfaces
from agsam_tune.study import Study

NODES = 15
GRID = ("optimizer", "second", "rho", "x2", "accuracy", "noise", "uncertainty")


def surfaces_of(study: Study, *, unusable: tuple[str, ...] = ()) -> Surfaces:
    """Hills over rho and each second hyperparameter; the candidate's lies at a larger rho."""
    seconds = [name for name in study.hyperparameters if name != "rho"]
    spaces = study.search_spaces
    owners = [name for name in study.optimizers if spaces[name].names and name not in unusable]
    plates = [
        _grid(study, name, second)
        for name in owners
        for second in seconds
        if second in spaces[name].names
    ]
    empty = pd.DataFrame({name: [] for name in GRID})
    grid = pd.concat(plates) if plates else empty
    quality: dict[str, dict[str, Any]] = {
        name: {"usable": True, "r2": 0.95, "rmse": 0.004, "coverage": 0.95, "n_points": 128}
        for name in owners
    }
    for name in unusable:
        reason = "left-out points are predicted with R² 0.41, below 0.8"
        quality[name] = {"usable": False, "reason": reason, "r2": 0.41, "n_points": 128}
    return Surfaces(
        grid=grid,
        difference=_difference(study, grid),
        quality=quality,
        difference_quality=quality.get(study.baseline or "", {}),
    )


def _grid(study: Study, name: str, second: str) -> pd.DataFrame:
    ranges = study.search_spaces[name].ranges
    unit = np.linspace(0, 1, NODES)
    u, v = (one.ravel() for one in np.meshgrid(unit, unit))
    top = 0.6 if name == study.candidate else 0.45
    accuracy = 0.915 - 0.25 * (u - top) ** 2 - 0.05 * v * u
    return pd.DataFrame(
        {
            "optimizer": name,
            "second": second,
            "rho": _value(ranges["rho"], u),
            "x2": _value(ranges[second], v),
            "accuracy": accuracy,
            "noise": 0.002 + 0.01 * u,
            "uncertainty": 0.001 + 0.004 * (u - 0.5) ** 2 + 0.002 * (v - 0.5) ** 2,
        }
    )


def _value(box: Any, share: np.ndarray) -> np.ndarray:
    if box.log:
        return np.asarray(box.low * (box.high / box.low) ** share)
    return np.asarray(box.low + share * (box.high - box.low))


def _difference(study: Study, grid: pd.DataFrame) -> pd.DataFrame:
    keys = ["second", "rho", "x2"]
    own = grid[grid["optimizer"] == study.candidate]
    other = grid[grid["optimizer"] == study.baseline]
    if own.empty or other.empty:
        return pd.DataFrame(columns=[*keys, "difference", "low", "high", "significant"])
    both = own.merge(other, on=keys, suffixes=("", "_baseline"))
    gain = both["accuracy"] - both["accuracy_baseline"]
    half = 2 * np.hypot(both["uncertainty"], both["uncertainty_baseline"])
    return both[keys].assign(
        difference=gain, low=gain - half, high=gain + half, significant=gain.abs() > half
    )


def fitted_summary(summary: dict[str, Any], study: Study) -> dict[str, Any]:
    """The summary with a distribution, a tuning curve, indices and a range curve added."""
    optimizers = {}
    for place, (name, entry) in enumerate(summary["optimizers"].items()):
        space = study.search_spaces[name]
        if not space.names:
            optimizers[name] = entry
            continue
        metrics = entry["metrics"]
        rho = {**metrics.get("rho", {}), **indices(space.names, shift=0.02 * place)}
        own = {**metrics.get("own_best", {}), "tuning_curve": tuning_curve(0.004 * place)}
        optimizers[name] = {
            **entry,
            "metrics": {**metrics, "rho": rho, "own_best": own},
            "distribution": distribution(0.01 * place),
        }
    return {**summary, "optimizers": optimizers, "range_curve": range_curve()}


def leaf(value: float, half: float = 0.04) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": 128, "method": "test"}


def indices(names: tuple[str, ...], *, shift: float) -> dict[str, Any]:
    found = {"noise_share": leaf(0.1 + shift, 0.02)}
    for rank, name in enumerate(names):
        first = 0.6 / (rank + 1) ** 2 + shift
        found[f"sobol_first_{name}"] = leaf(first)
        found[f"sobol_total_{name}"] = leaf(first + 0.1)
        found[f"rbd_fast_{name}"] = leaf(first + 0.02, 0.0)
        found[f"importance_{name}"] = leaf(first + 0.05, 0.06)
    return found


def tuning_curve(shift: float) -> dict[str, Any]:
    draws = np.unique(np.geomspace(1, 128, 30).round().astype(int))
    value = 0.915 - 0.3 / (draws + 3) - shift
    return {
        "draws": draws.tolist(),
        "value": value.tolist(),
        "low": (value - 0.2 / (draws + 4)).tolist(),
        "high": (value + 0.006).tolist(),
        "n": 128,
        "method": "test",
    }


def distribution(shift: float) -> dict[str, Any]:
    share = np.linspace(0.01, 1, 100)
    accuracy = 0.5 + 0.415 * share**0.3 - shift
    return {
        "accuracy": accuracy.tolist(),
        "share": share.tolist(),
        "low": np.maximum(share - 0.06, 0).tolist(),
        "high": np.minimum(share + 0.06, 1).tolist(),
        "n": 128,
        "method": "test",
    }


def range_curve() -> list[dict[str, Any]]:
    """Rows of three lenses: two flips, one row without an estimate."""
    changes = ("lower half", "upper half", "middle half", "middle three quarters", "wider by 2")
    rows = [_range_row(lens, "all", "whole", -0.004) for lens in ("rho", "own_best", "radius")]
    for axis_rank, axis in enumerate(("rho", "alpha", "gamma")):
        rows += [
            _range_row("rho", axis, change, -0.006 + 0.003 * rank + 0.002 * axis_rank)
            for rank, change in enumerate(changes)
        ]
    for rank, change in enumerate(("up to 2", "up to 3")):
        rows.append(_range_row("own_best", "factor", change, -0.001 * rank))
    rows += [
        _range_row("radius", "radius", "lower half", -0.02),
        {
            "lens": "radius",
            "axis": "radius",
            "change": "upper half",
            "box": {"radius": [0.1, 1.0]},
            "metric": "regret_sensitivity",
            "difference": None,
            "reason": "fewer than 10 points of gsam",
        },
    ]
    return rows


def _range_row(lens: str, axis: str, change: str, difference: float) -> dict[str, Any]:
    low, high = difference - 0.003, difference + 0.003
    verdict = "candidate" if high < 0 else "baseline" if low > 0 else "undecided"
    return {
        "lens": lens,
        "axis": axis,
        "change": change,
        "box": {"rho": [0.01, 1.0]},
        "metric": "regret_sensitivity",
        "difference": difference,
        "low": low,
        "high": high,
        "p_value": 0.04,
        "verdict": verdict,
        "n": 512,
        "method": "test",
        "flips": verdict == "baseline",
        "worst_low": low - 0.004,
        "worst_high": high + 0.004,
    }
