"""The parts of a summary as tables.

In: what `summary.json` holds. Out: pandas frames; accuracies are fractions. Must not import torch,
Ray or Optuna.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from agsam_tune.study import canonical_order

__all__ = ["best_table", "comparisons_table", "estimates_table"]

_ESTIMATES = (
    *("optimizer", "lens", "metric", "draws", "value", "low", "high", "n"),
    *("method", "reason"),
)
_COMPARISONS = (
    *("candidate", "baseline", "lens", "metric", "difference", "low", "high"),
    *("p_value", "verdict", "reason"),
)


def estimates_table(summary: Mapping[str, Any]) -> pd.DataFrame:
    """One row an estimate, of a tuning curve one a number of draws; `reason` says why there is no
    value."""
    rows = [
        {"optimizer": optimizer, "lens": lens, "metric": metric, **row}
        for optimizer, found in summary.get("optimizers", {}).items()
        for lens, metrics in found.get("metrics", {}).items()
        for metric, leaf in metrics.items()
        if isinstance(leaf, Mapping) and "value" in leaf
        for row in _rows(leaf)
    ]
    frame = pd.DataFrame(rows, columns=list(_ESTIMATES))
    numbers = dict.fromkeys(("value", "low", "high"), "float64")
    return frame.astype({**numbers, "draws": "Int64", "n": "Int64"})


def _rows(leaf: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The leaf itself, or one for each entry of a curve."""
    if not isinstance(leaf["value"], list):
        yield leaf
        return
    for place, draws in enumerate(leaf["draws"]):
        yield {**leaf, "draws": draws, **{k: leaf[k][place] for k in ("value", "low", "high")}}


def comparisons_table(summary: Mapping[str, Any]) -> pd.DataFrame:
    """One row a comparison; the difference is candidate − baseline."""
    return pd.DataFrame(summary.get("comparisons", ()), columns=list(_COMPARISONS))


def best_table(summary: Mapping[str, Any]) -> pd.DataFrame:
    """One row an optimizer: its own best setting, a column a hyperparameter, and the accuracy there
    with its interval; NaN where there is none."""
    optimizers: Mapping[str, Mapping[str, Any]] = summary.get("optimizers", {})
    settings = {
        name: (found.get("best_point") or {}).get("hyperparameters") or {}
        for name, found in optimizers.items()
    }
    hyperparameters = canonical_order(key for own in settings.values() for key in own)
    rows = []
    for name, found in optimizers.items():
        leaf = found.get("metrics", {}).get("own_best", {}).get("best_accuracy") or {}
        ends = {"accuracy": leaf.get("value"), "low": leaf.get("low"), "high": leaf.get("high")}
        rows.append({"optimizer": name, **settings[name], **ends})
    numbers = [*hyperparameters, "accuracy", "low", "high"]
    return pd.DataFrame(rows, columns=["optimizer", *numbers]).astype(
        dict.fromkeys(numbers, "float64")
    )
