"""The section on sharpness: what was measured of the final weights at each own best setting.

In: the run's material. Out: a table, or None where the study does not ask. Must not import
torch, Ray or Optuna.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from agsam_tune.columns import SHARPNESS
from agsam_tune.report import text
from agsam_tune.report.material import Material
from agsam_tune.report.page import Simple

_HEADS = {
    "sigma_max": "σ_max",
    "sigma_from_gap": "2h/ρ² along it",
    "gap": "gap at common ρ",
    "gap_adaptive": "adaptive gap",
    "gradient_norm": "‖g‖ in training",
    "gradient_cosine": "cos(g, gp)",
}


def sharpness_table(material: Material) -> Simple | None:
    """Mean and standard deviation over the seeds of each optimizer's own best setting."""
    wanted, trials = material.study.sharpness, material.trials
    if wanted is None or not set(SHARPNESS) <= set(trials.columns):
        return None
    rows = []
    for name in material.optimizers:
        own = trials[(trials["optimizer"] == name) & ~trials["diverged"]]
        rows += [
            (name, where, text.count(len(part)), *(_spread(part[key]) for key in _HEADS))
            for where, part in _settings(material, name, own)
        ]
    worst = trials["sigma_residual"].max()
    caption = (
        f"Sharpness of the final weights over the first {text.count(wanted.examples)} training "
        f"examples: mean ± standard deviation over seeds. Common ρ = {text.short(wanted.rho)}, "
        f"γ = {text.short(wanted.gamma)}. Largest relative residual of σ_max among all trials: "
        f"{text.short(float(worst))}"
    )
    return Simple(
        caption=caption,
        head=("optimizer", "setting", "seeds", *_HEADS.values()),
        rows=tuple(rows),
    )


def _settings(
    material: Material, optimizer: str, own: pd.DataFrame
) -> Iterator[tuple[str, pd.DataFrame]]:
    """What the table has a row for: the own best with its fresh seeds, else what there is."""
    for phase, where in (("misset", "own best, fresh seeds"), ("map", "its one setting")):
        if phase == "map" and optimizer not in material.bare:
            continue
        part = own[(own["phase"] == phase) & (own["point"] == 0)]
        if len(part):
            yield where, part
    names = material.study.search_spaces[optimizer].names
    for _, part in own[own["phase"] == "fixed"].groupby("point"):
        setting = {name: float(part[name].iloc[0]) for name in names}
        yield text.setting(setting) or "its one setting", part


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
