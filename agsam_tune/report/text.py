"""Numbers and names as people read them: 0.005 becomes 0.50 points, None an en dash with a reason.

In: leaves and keys of `summary.json`. Out: plain strings (never HTML: the template escapes).
Standard library only.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Leaf = Mapping[str, Any]

DASH = "–"
MINUS = "−"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """How one metric is named and written.

    `scale` turns the stored fraction into the unit that is shown, `digits` follow its point.
    """

    key: str
    label: str
    unit: str
    scale: float = 100.0
    digits: int = 2
    better: str = ""
    explanation: str = ""

    @property
    def difference_unit(self) -> str:
        """The unit of a difference between two values."""
        accuracy = self.key.endswith("accuracy")
        return {"%": "points" if accuracy else "percentage points"}.get(self.unit, self.unit)


_EXACT: tuple[Metric, ...] = (
    Metric(
        key="best_accuracy",
        label="Accuracy at the own best",
        unit="%",
        better="higher",
        explanation="Test accuracy at the setting that was chosen on other seeds.",
    ),
    Metric(
        key="mean_accuracy",
        label="Mean accuracy",
        unit="%",
        better="higher",
        explanation="Averaged over the whole search space, no run below chance.",
    ),
    Metric(
        key="regret_sensitivity",
        label="Regret sensitivity",
        unit="points",
        better="lower",
        explanation="What a random setting loses against the own best.",
    ),
    Metric(
        key="regret_common_best",
        label="Regret against the best of all",
        unit="points",
        better="lower",
        explanation="What a random setting loses against the best of all optimizers.",
    ),
    Metric(
        key="tolerance_decades",
        label="Tolerance in rho",
        unit="decades",
        scale=1.0,
        better="higher",
        explanation="How far rho may move, in powers of ten, within 1 point of the own best.",
    ),
    Metric(
        key="failure_rate",
        label="Failure rate",
        unit="%",
        better="lower",
        explanation="Share of runs that diverge or stay at chance.",
    ),
    Metric(
        key="win_probability",
        label="Win probability",
        unit="%",
        digits=1,
        better="higher",
        explanation="How often it beats the baseline at the same setting; ties count half.",
    ),
    Metric(key="tuning_curve", label="Tuning curve", unit="%", better="higher"),
    Metric(key="accuracy", label="Test accuracy", unit="%", better="higher"),
    Metric(key="loss", label="Test loss", unit="", scale=1.0, digits=4, better="lower"),
    Metric(
        key="noise_share",
        label="Noise share",
        unit="%",
        digits=1,
        explanation="The part of all variance that is due to the seed.",
    ),
)
_BY_KEY = {metric.key: metric for metric in _EXACT}


def metric(key: str) -> Metric:
    """How to write a metric; one that is not known here is shown as it is stored."""
    if key in _BY_KEY:
        return _BY_KEY[key]
    if match := re.fullmatch(r"tolerance_volume_(.+)", key):
        return Metric(
            key=key,
            label=f"Within {plural(_number(match[1]))} of the best",
            unit="%",
            digits=1,
            better="higher",
            explanation="Share of the search space that is that close to the own best.",
        )
    if match := re.fullmatch(r"misset_penalty_([^_]+)_(.+)", key):
        who = "all hyperparameters" if match[2] == "all" else match[2]
        return Metric(
            key=key,
            label=f"Loss with {who} off by up to {match[1]}×",
            unit="points",
            better="lower",
        )
    for prefix, label in (
        ("sobol_first_", "First-order Sobol index"),
        ("sobol_total_", "Total Sobol index"),
        ("rbd_fast_", "RBD-FAST index"),
        ("importance_", "Importance (fANOVA)"),
    ):
        if key.startswith(prefix):
            return Metric(key=key, label=f"{label} of {key[len(prefix) :]}", unit="%", digits=1)
    return Metric(key=key, label=key, unit="", scale=1.0, digits=4)


def number(value: object, one: Metric, *, sign: bool = False) -> str:
    """A stored value in the metric's unit, without the unit; an en dash for None."""
    if not is_number(value):
        return DASH
    return fixed(float(value) * one.scale, one.digits, sign=sign)  # type: ignore[arg-type]


def interval(low: object, high: object, one: Metric, *, sign: bool = False) -> str:
    """`low to high` in the metric's unit; empty where there is none."""
    if not (is_number(low) and is_number(high)):
        return ""
    return f"{number(low, one, sign=sign)} to {number(high, one, sign=sign)}"


def points(value: object, *, digits: int = 2, sign: bool = False) -> str:
    """A fraction in points of accuracy: 0.005 is 0.50."""
    if not is_number(value):
        return DASH
    return fixed(100 * float(value), digits, sign=sign)  # type: ignore[arg-type]


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


def p_value(value: object) -> str:
    """A p-value in two significant digits, or `< 0.001`."""
    if not is_number(value):
        return DASH
    number_ = float(value)  # type: ignore[arg-type]
    return "< 0.001" if number_ < 0.001 else f"{number_:.2g}" if number_ < 0.995 else "1"


def count(value: object) -> str:
    """A whole number with thousands apart."""
    return f"{int(value):,}" if is_number(value) else DASH  # type: ignore[call-overload]


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


def plural(fraction: float | None) -> str:
    """An accuracy in words: 0.01 is `1 point`, 0.005 is `0.5 points`."""
    if fraction is None:
        return DASH
    amount = f"{100 * fraction:.10g}"
    return f"{amount} point" if amount == "1" else f"{amount} points"


def sentence(words: str) -> str:
    """A reason as a sentence: a capital first and a full stop last."""
    words = words.strip()
    if not words:
        return words
    return words[0].upper() + words[1:] + ("" if words[-1] in ".!?" else ".")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
