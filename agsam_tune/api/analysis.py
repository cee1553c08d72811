"""The estimates of a run as an object for notebooks.

In: the summary that `summary.json` holds. Out: sentences and tables. Must not import torch, Ray or
Optuna.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from agsam_tune.analysis.summary_tables import best_table, comparisons_table, estimates_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What a study found.

    Attributes:
        summary: everything, as in `summary.json` (docs/design.md).

    >>> Analysis(summary={}).verdict is None
    True
    """

    summary: Mapping[str, Any]

    @property
    def claim(self) -> str:
        """The verdict on the claim in a sentence; "" where the study makes none."""
        return str((self.summary.get("claim") or {}).get("text", ""))

    @property
    def verdict(self) -> str | None:
        """`supported`, `contradicted`, `mixed` or `undecided`; None without a claim."""
        verdict: str | None = (self.summary.get("claim") or {}).get("verdict")
        return verdict

    @property
    def because(self) -> tuple[str, ...]:
        """What the verdict rests on, a sentence each."""
        return tuple((self.summary.get("claim") or {}).get("because", ()))

    @property
    def estimates(self) -> pd.DataFrame:
        """One row an estimate: optimizer, lens, metric, value, low, high, n, method, reason.

        Accuracies are fractions; `reason` says why there is no value. A tuning curve has a row
        for each number of draws, `draws`.
        """
        return estimates_table(self.summary)

    @property
    def comparisons(self) -> pd.DataFrame:
        """One row a comparison: candidate, baseline, lens, metric, difference, low, high,
        p_value, verdict; the difference is candidate − baseline."""
        return comparisons_table(self.summary)

    @property
    def best(self) -> pd.DataFrame:
        """One row an optimizer: its own best setting, a column a hyperparameter, then accuracy,
        low, high: the accuracy there on seeds that did not choose it. NaN where there is none."""
        return best_table(self.summary)

    def __str__(self) -> str:
        return "\n".join([self.claim, *(f"- {reason}" for reason in self.because)])

    def _repr_html_(self) -> str:
        reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in self.because)
        table = self.comparisons.drop(columns="reason").to_html(
            index=False, float_format=lambda number: f"{number:.4g}"
        )
        return f"<p><b>{html.escape(self.claim)}</b></p><ul>{reasons}</ul>{table}"
