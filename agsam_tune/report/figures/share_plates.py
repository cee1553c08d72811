"""The plates of distributions, tuning curves and indices.

In: the `Material`, the references of the lens curves. Out: `Plate`s, or None where the summary has
nothing to show in one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from agsam_tune.report import text
from agsam_tune.report.figures import indices, shares
from agsam_tune.report.figures.indices import Share
from agsam_tune.report.figures.lenses import Backdrop
from agsam_tune.report.figures.panel import Panel
from agsam_tune.report.figures.plates import Plate, confidence
from agsam_tune.report.material import Material

CLOSE = 1.6
"""The close view shows this many times the largest epsilon below the best."""
SEED = "seed"
_PANELS = (
    ("sobol_first", "Alone (first-order Sobol index)"),
    ("sobol_total", "With interactions (total Sobol)"),
    ("importance", "Importance (fANOVA)"),
)
_NO_SOBOL = "the Sobol indices need a fitted surface that explains enough of the accuracy"


def distribution_tables(material: Material) -> dict[str, pd.DataFrame]:
    """Optimizer → which share of settings has at most an accuracy, with low and high."""
    return _tables(material, _distribution, ["accuracy", "share", "low", "high"])


def tuning_tables(material: Material) -> dict[str, pd.DataFrame]:
    """Optimizer → the best accuracy (value) after so many draws, with low and high."""
    return _tables(material, _tuning, ["draws", "value", "low", "high"])


def distribution_plate(material: Material, references: Mapping[str, float]) -> Plate | None:
    """How many settings are at least so accurate."""
    tables = distribution_tables(material)
    if not tables:
        return None
    close = CLOSE * max(material.study.analysis.epsilons)
    panels = tuple(
        shares.distribution_panel(
            tables,
            styles=material.styles,
            references=references,
            chance=material.chance,
            closest=closest,
        )
        for closest in (None, close)
    )
    caption = (
        "How many settings of the search space reach an accuracy (drawn evenly in each "
        "hyperparameter's own scale, no setting below chance), with pointwise "
        f"{confidence(material)} bands. The higher and the farther to the right a curve, the more "
        "a setting may be off. Vertical lines: chance (dotted) and optimizers without "
        f"hyperparameters. The second panel shows the last {100 * close:g} points below the best."
    )
    return Plate(key="distribution", panels=panels, caption=caption, columns=2, legend=True)


def tuning_plate(material: Material, references: Mapping[str, float]) -> Plate | None:
    """How good the best of n random settings is."""
    tables = tuning_tables(material)
    if not tables:
        return None
    limits = shares.tuning_limits(tables, references)
    behind = Backdrop(
        styles=material.styles, references=references, chance=None, low=limits[0], high=limits[1]
    )
    prominent = [name for name in tables if material.styles[name].prominent]
    caption = (
        "The median test accuracy of the best of n random settings, one seed each, as if the test "
        "split had chosen. "
    )
    if prominent:
        caption += (
            f"Bands: {' and '.join(prominent)}, {confidence(material)} for the whole curve at "
            "once; where they run off the axis, so few draws say nothing of what is above them. "
        )
    caption += "Horizontal lines: optimizers without hyperparameters, which need no tuning."
    return Plate(
        key="tuning",
        panels=(shares.tuning_panel(tables, behind=behind, limits=limits),),
        caption=caption,
        columns=1,
        legend=True,
    )


def indices_plate(material: Material) -> Plate | None:
    """How much of the variance of accuracy is due to each hyperparameter, and to the seed."""
    panels: list[Panel] = []
    for measure, title in _PANELS:
        rows = _shares(material, measure)
        if rows and measure == "sobol_total":
            rows += _noise(material)
        if rows:
            label = (
                "share of the variance between settings (%)"
                if measure == "importance"
                else "share of all variance (%)"
            )
            panels.append(
                indices.shares_panel(
                    rows, material.styles, key=f"indices-{measure}", title=title, label=label
                )
            )
    sobol = any(panel.key.startswith("indices-sobol") for panel in panels)
    noise = _noise(material)
    if noise and not any(panel.key == "indices-sobol_total" for panel in panels):
        panels.append(
            indices.shares_panel(
                noise,
                material.styles,
                key="indices-noise",
                title="Noise",
                label="share of all variance (%)",
            )
        )
    if not panels:
        return None
    return Plate(
        key="indices",
        panels=tuple(panels),
        caption=_indices_caption(material, sobol=sobol),
        columns=min(len(panels), 3),
        legend=True,
    )


def _indices_caption(material: Material, *, sobol: bool) -> str:
    caption = (
        "How much of what accuracy varies by, over the search space, is due to each "
        f"hyperparameter, with {confidence(material)} intervals where there are any; {SEED}: what "
        "differs between trials at the same setting. "
    )
    if sobol:
        caption += (
            "Sobol indices are those of the fitted surface; small crosses are RBD-FAST's, from the "
            "points alone, as a check. "
        )
        without = _without_sobol(material)
        if without:
            caption += " ".join(without) + " "
    else:
        reason = next(iter(_sobol_reasons(material).values()), _NO_SOBOL)
        caption += f"There are no Sobol indices: {text.sentence(reason)} "
    return caption + (
        "fANOVA's importances are shares of the variance between settings, and change with the "
        "search space."
    )


def _without_sobol(material: Material) -> list[str]:
    return [
        f"None for {name}: {text.sentence(reason)}"
        for name, reason in _sobol_reasons(material).items()
    ]


def _sobol_reasons(material: Material) -> dict[str, str]:
    """Optimizer with hyperparameters → why it has no first-order index of any of its own."""
    reasons: dict[str, str] = {}
    for name in material.optimizers:
        own = material.study.search_spaces[name].names
        metrics = _rho_metrics(material, name)
        found = [metrics.get(f"sobol_first_{hyperparameter}") for hyperparameter in own]
        leaves = [leaf for leaf in found if leaf]
        if leaves and all(leaf.get("reason") for leaf in leaves):
            reasons[name] = str(leaves[0]["reason"])
    return reasons


def _shares(material: Material, measure: str) -> list[Share]:
    rows = []
    for hyperparameter in material.study.hyperparameters:
        for name in material.optimizers:
            metrics = _rho_metrics(material, name)
            check = metrics.get(f"rbd_fast_{hyperparameter}")
            row = _share(
                metrics.get(f"{measure}_{hyperparameter}"),
                hyperparameter,
                name,
                check=check if measure == "sobol_first" else None,
            )
            rows += [] if row is None else [row]
    return rows


def _noise(material: Material) -> list[Share]:
    found = (
        _share(_rho_metrics(material, name).get("noise_share"), SEED, name)
        for name in material.optimizers
    )
    return [row for row in found if row is not None]


def _share(
    leaf: object, hyperparameter: str, optimizer: str, *, check: object = None
) -> Share | None:
    value = _number(leaf, "value")
    if value is None:
        return None
    return Share(
        hyperparameter=hyperparameter,
        optimizer=optimizer,
        value=value,
        low=_number(leaf, "low"),
        high=_number(leaf, "high"),
        check=_number(check, "value"),
    )


def _number(leaf: object, key: str) -> float | None:
    if not isinstance(leaf, Mapping) or not text.is_number(leaf.get(key)):
        return None
    return float(leaf[key])


def _rho_metrics(material: Material, name: str) -> Mapping[str, Any]:
    metrics = _entry(material, name).get("metrics") or {}
    return metrics.get("rho") or {}


def _distribution(entry: Mapping[str, Any]) -> object:
    return entry.get("distribution")


def _tuning(entry: Mapping[str, Any]) -> object:
    metrics = entry.get("metrics") or {}
    return (metrics.get("own_best") or {}).get("tuning_curve")


def _tables(material: Material, of: Any, columns: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Optimizer → the lists of one entry as a table, where the entry has them."""
    tables = {}
    for name in material.optimizers:
        entry = of(_entry(material, name))
        if isinstance(entry, Mapping) and isinstance(entry.get(columns[0]), Sequence):
            tables[name] = pd.DataFrame({one: entry[one] for one in columns}).astype(float)
    return {name: table for name, table in tables.items() if len(table)}


def _entry(material: Material, name: str) -> Mapping[str, Any]:
    return (material.summary.get("optimizers") or {}).get(name) or {}
