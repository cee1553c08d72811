"""Numbers and names as people read them: 0.005 becomes 0.50 points, None an en dash with a reason.

In: numbers and keys of the analysis's record. Out: plain strings (never HTML: the template
escapes). Standard library only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

DASH = "–"
MINUS = "−"
ACCURACY = "accuracy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """How numbers of one kind are written.

    `scale` turns the stored number into the one that is shown, `digits` follow its point; without
    them it has four significant digits. `of_difference` is what a difference is in.
    """

    name: str
    scale: float = 1.0
    digits: int | None = None
    of_difference: str = ""


PLAIN = Unit(name="")
SHARE = Unit(name="%", scale=100.0, digits=1, of_difference="percentage points")
DECADES = Unit(name="decades", digits=2, of_difference="decades")
WHOLE = Unit(name="", digits=1)
_PERCENT = Unit(name="%", scale=100.0, digits=2, of_difference="points")

_SHARES = re.compile(r"share_.*|.*_(share|rate|probability)")
_LOSSES = re.compile(r".*(regret|penalty).*")
_SCORE_TOO = ("mean_score", "robust_score")
_LABELS: Mapping[str, str] = {
    "score": "Score",
    "mean_score": "Mean score",
    "robust_score": "Score when off, well placed (S)",
    "best": "Best",
    "regret": "Regret: best − score",
    "common_regret": "Regret against the best of all",
    "collapse_rate": "Collapsed",
    "win_probability": "Win probability",
    "placement": "Placement of the key",
    "share_better": "Better settings in the box",
    "tuned": "Tuned: test score of the own best",
}

LENSES: Mapping[str, str] = {
    "same_setting": "Same setting",
    "own_scale": "Own scale",
    "equal_radius": "Equal radius",
    "around_best": "Around the own best",
    "around_default": "Around the default",
    "fixed": "Fixed points",
}

VERDICTS: Mapping[str, str] = {
    "supported": "Supported",
    "contradicted": "Contradicted",
    "mixed": "Mixed",
    "no_difference": "No difference",
    "not_applicable": "Not applicable",
    "undecided": "Undecided",
    "equivalent": "equivalent",
    "opposed": "opposed",
}


METHODS: Mapping[str, str] = {
    "ped_anova": "PED-ANOVA",
    "fanova": "fANOVA",
    "sobol_first": "Sobol index, first order",
    "sobol_total": "Sobol index, total",
    "sobol_pair": "Sobol index, the pair's own",
}
WHY_METHODS_DIFFER = (
    "PED-ANOVA says which hyperparameters the best tenth of the trials depends on, fANOVA which "
    "ones alone move a random forest's prediction over the box in linear units, Sobol's indices "
    "which ones move the fitted surface over the box in the search space's own scale, alone, in "
    "all, and in pairs."
)


def score_unit(metric: str) -> Unit:
    """What scores of a study's metric are written in; differences of accuracies are points."""
    return _PERCENT if metric == ACCURACY else PLAIN


def unit_of(key: str, metric: str) -> Unit:
    """What a number of the record is written in.

    Args:
        key: its `metric`, such as `share_within_0.01`.
        metric: the study's metric, which scores and losses of score are in.
    """
    last = key.partition(".")[0]
    if last.startswith("misset_penalty"):  # It ends with a hyperparameter's name.
        last = "penalty"
    if last.endswith("accuracy"):
        return _PERCENT
    if _SHARES.fullmatch(last):
        return SHARE
    if "decades" in last:
        return DECADES
    if last.endswith(("radius", "placement", "factor", "loss")):
        return PLAIN
    unit = score_unit(metric)
    if _LOSSES.fullmatch(last):  # A difference by itself.
        return Unit(
            name=unit.of_difference,
            scale=unit.scale,
            digits=unit.digits,
            of_difference=unit.of_difference,
        )
    return unit


def label(key: str, metric: str) -> str:
    """What a metric is called; one that is not known here as the record calls it.

    Args:
        key: its `metric`, such as `share_within_0.01`.
        metric: the study's metric, which tolerated losses are in.
    """
    if key in _LABELS:
        return _LABELS[key]
    if match := re.fullmatch(r"share_within_(.+)", key):
        return f"Within {_loss(match[1], metric)} of best"
    if match := re.fullmatch(r"tolerance_decades_(.+)", key):
        return f"Length of the key within {_loss(match[1], metric)} of best"
    if match := re.fullmatch(r"(.+)_factor_(.+)", key):
        return f"{label(match[1], metric)}, off by up to {match[2]}×"
    if match := re.fullmatch(r"misset_penalty_([^_]+)_(.+)", key):
        return f"Loss with {match[2]} alone off by up to {match[1]}×"
    return key


def _loss(epsilon: str, metric: str) -> str:
    """An ε of the record in the metric's own terms: of accuracies, points."""
    if metric != ACCURACY:
        return epsilon
    shown = f"{100 * float(epsilon):.3g}"
    return f"{shown} point{'' if shown == '1' else 's'}"


def without_repeats(keys: Iterable[str]) -> list[str]:
    """A lens's metrics but those that are its `score` by another name (analysis/record.py)."""
    found = list(keys)
    return [key for key in found if "score" not in found or key not in _SCORE_TOO]


def number(value: object, unit: Unit, *, sign: bool = False) -> str:
    """A stored value in its unit, without the unit; an en dash for None."""
    if not is_number(value):
        return DASH
    shown = float(value) * unit.scale  # type: ignore[arg-type]
    if unit.digits is not None:
        return fixed(shown, unit.digits, sign=sign)
    return f"+{short(shown)}" if sign and shown > 0 else short(shown)


def ends(low: object, high: object, unit: Unit, *, sign: bool = False) -> str:
    """`low to high`; empty where there is no interval."""
    if not (is_number(low) and is_number(high)):
        return ""
    return f"{number(low, unit, sign=sign)} to {number(high, unit, sign=sign)}"


def with_interval(
    value: object, low: object, high: object, unit: Unit, *, sign: bool = False
) -> str:
    """`value (low to high)`: how every number with an interval is written."""
    found = ends(low, high, unit, sign=sign)
    return (
        f"{number(value, unit, sign=sign)} ({found})" if found else number(value, unit, sign=sign)
    )


def points(value: object, *, digits: int = 2, sign: bool = False) -> str:
    """A fraction in points: 0.005 is 0.50."""
    return number(value, Unit(name="points", scale=100.0, digits=digits), sign=sign)


def fixed(value: float, digits: int, *, sign: bool = False) -> str:
    """Fixed decimals with a true minus and thousands apart; never a negative zero."""
    text = f"{abs(value):,.{digits}f}"
    zero = not text.strip("0.,")
    if zero:
        return text
    if value < 0:
        return MINUS + text
    return f"+{text}" if sign else text


def short(value: object) -> str:
    """A setting or a loss in four significant digits; text as it is."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}".replace("-", MINUS)
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def count(value: object) -> str:
    """A whole number with thousands apart."""
    return f"{int(value):,}" if is_number(value) else DASH  # type: ignore[call-overload]


def counted(n: int, word: str) -> str:
    """`1 replicate`, `16 replicates`."""
    return f"{count(n)} {word}{'' if n == 1 else 's'}"


def is_number(value: object) -> bool:
    """Whether it is a finite number (None, NaN and text are not)."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return False
    try:
        return math.isfinite(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def setting(hyperparameters: Mapping[str, Any] | None) -> str:
    """A point's hyperparameters as `rho = 0.5, alpha = 0.04`; empty text for none."""
    items = (hyperparameters or {}).items()
    return ", ".join(f"{name} = {short(value)}" for name, value in items if is_number(value))


def sentence(words: str) -> str:
    """A reason as a sentence: a capital first and a full stop last."""
    words = words.strip()
    if not words:
        return words
    return words[0].upper() + words[1:] + ("" if words[-1] in ".!?" else ".")
