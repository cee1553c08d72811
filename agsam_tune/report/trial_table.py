"""The trials table as the page carries it, for the panel behind each number.

In: the trials table. Out: JSON text that is safe inside a `<script>` element. Must not import
torch, Ray, Optuna or matplotlib.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from agsam_tune.report import frames

_TEXTS = ("optimizer", "phase")
_WHOLE = ("replicate", "point", "seed", "diverged_step", "trial_number")
_PERCENT = ("val_accuracy", "test_accuracy")
_FLAGS = ("diverged", "collapsed")
_LABELS = {
    "val_accuracy": "validation accuracy (%)",
    "test_accuracy": "test accuracy (%)",
    "test_loss": "test loss",
    "diverged_step": "diverged at step",
    "trial_number": "trial number",
}
DIGITS = 6
"""Significant digits of a number that is not whole: more than a setting or an accuracy needs."""


def trials_json(trials: pd.DataFrame, threshold: float) -> str:
    """The columns that people ask for, one list of values each.

    `{"n", "threshold", "columns": [{"key", "label", "kind", "values" | "runs", …}]}`; texts are
    codes into `names`, numbers have `DIGITS` significant digits, what is unknown is null, and
    `collapsed` is a column of its own. Neither a `<` nor a `>` nor an `&` stands in the text.
    """
    table = trials.assign(collapsed=frames.collapsed(trials, threshold))
    keys = (
        *("optimizer", "phase", "replicate", "point", "seed"),
        *frames.hyperparameter_columns(trials),
        *("val_accuracy", "test_accuracy", "test_loss", "radius"),
        *("diverged", "diverged_step", "collapsed", "state", "trial_number"),
    )
    columns = [_column(key, table[key]) for key in dict.fromkeys(keys) if key in table.columns]
    whole = {"n": len(table), "threshold": threshold, "columns": columns}
    text = json.dumps(whole, allow_nan=False, separators=(",", ":"))
    # A name with `</script>` or `<!--` in it must not end or hide the element.
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _column(key: str, values: pd.Series) -> dict[str, Any]:
    made: dict[str, Any] = {"key": key, "label": _LABELS.get(key, key)}
    if key in _FLAGS:
        return made | {"kind": "flag"} | _shorter([int(bool(value)) for value in values])
    if key in _TEXTS or not pd.api.types.is_numeric_dtype(values):
        codes, names = pd.factorize(values)
        made |= {"kind": "text", "names": [str(name) for name in names]}
        return made | _shorter([int(code) for code in codes])
    made |= {"kind": "number", "percent": key in _PERCENT, "whole": key in _WHOLE}
    # Most numbers stand in many rows: a setting in those of every optimizer and seed.
    numbers = values.to_numpy(dtype=float, na_value=np.nan)
    different, places = np.unique(numbers, return_inverse=True)
    written = [_rounded(number) for number in different.tolist()]
    return made | _shorter([written[place] for place in places.tolist()])


def _rounded(number: float) -> float | int | None:
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else float(f"{number:.{DIGITS}g}")


def _shorter(values: Sequence[float | int | None]) -> dict[str, Any]:
    """The values as they are, or as [value, how often] where that is shorter."""
    runs = [[value, len(list(group))] for value, group in groupby(values)]
    return {"runs": runs} if 2 * len(runs) < len(values) else {"values": list(values)}
