"""The section on sharpness: what was measured of the final weights.

In: the run's material. Out: a table, or None where the study does not ask. Must not import
torch, Ray or Optuna.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from agsam_tune.columns import SHARPNESS
from agsam_tune.report import text
from agsam_tune.report.blocks import Cell, Number, Table, table
from agsam_tune.report.material import Material

__all__ = ["sharpness_table"]

_HEADS = {
    "sigma_max": "σ_max",
    "sigma_from_gap": "2h/ρ² along it",
    "gap": "gap at common ρ",
    "gap_adaptive": "adaptive gap",
    "gradient_norm": "‖g‖ in training",
    "gradient_cosine": "cos(g, gp)",
}


def sharpness_table(material: Material) -> Table | None:
    """Mean and standard deviation over the trainings at each optimizer's default and fixed points.

    Of an optimizer without hyperparameters, over all of its map; of others over the map too where
    there is nothing else.
    """
    wanted, trials = material.study.sharpness, material.trials
    if wanted is None or not set(SHARPNESS) <= set(trials.columns):
        return None
    rows: list[tuple[Cell, ...]] = []
    for name in material.optimizers:
        own = trials[(trials["optimizer"] == name) & ~trials["diverged"].astype(bool)]
        rows += [
            (
                name,
                where,
                *(Number(value=_spread(part[key])) for key in _HEADS),
                text.count(len(part)),
            )
            for where, part in _settings(material, name, own)
        ]
    worst = trials["sigma_residual"].max()
    caption = (
        f"Sharpness of the final weights over the first {text.count(wanted.examples)} training "
        "examples: mean ± standard deviation over trainings that did not diverge. Common "
        f"ρ = {text.short(wanted.rho)}, γ = {text.short(wanted.gamma)}. Largest relative residual "
        f"of σ_max among all trials: {text.short(float(worst))}"
    )
    return table(caption, ("optimizer", "setting", *_HEADS.values(), "trainings"), rows)


def _settings(
    material: Material, optimizer: str, own: pd.DataFrame
) -> Iterator[tuple[str, pd.DataFrame]]:
    names = material.study.search_spaces[optimizer].names
    default = own[own["phase"] == "default"]
    if len(default):
        yield "its default", default
    fixed = own[own["phase"] == "fixed"]
    for _, part in fixed.groupby("point"):
        setting = {name: float(part[name].iloc[0]) for name in names}
        yield text.setting(setting) or "its one setting", part
    box = own[own["phase"] == "map"]
    if len(box) and default.empty and fixed.empty:
        yield "over the box" if names else "its one setting", box


def _spread(values: pd.Series) -> str:
    """Mean ± standard deviation, both to two digits of the latter."""
    values = values.dropna()
    if values.empty:
        return text.DASH
    mean, deviation = float(values.mean()), float(values.std())
    if len(values) == 1 or deviation == 0:
        return text.short(mean)
    digits = max(1 - math.floor(math.log10(deviation)), 0)
    return f"{text.fixed(mean, digits)} ± {text.fixed(deviation, digits)}"
