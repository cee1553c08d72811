"""The estimates of a run as an object for notebooks.

In: the record that `summary.json` holds. Out: sentences and tables. Must not import torch, Ray or
Optuna.
"""

from __future__ import annotations

import html
from dataclasses import dataclass

import pandas as pd

from agsam_tune.analysis.record import Summary
from agsam_tune.export import comparisons_table, estimates_table


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What a study found.

    Attributes:
        summary: everything, as in `summary.json`, by attributes (docs/design.md).

    >>> found = analyse(folder)
    >>> found.summary.design.replicates
    4
    >>> found.summary.comparison("same_setting", "score").candidate
    'adaptive_gsam'
    """

    summary: Summary

    @property
    def claim(self) -> str:
        """The verdict on the claim in a sentence."""
        return self.summary.claim.text

    @property
    def verdict(self) -> str:
        """`supported`, `contradicted`, `mixed`, `no_difference`, `not_applicable`, `undecided`."""
        return self.summary.claim.verdict

    @property
    def because(self) -> tuple[str, ...]:
        """What the verdict rests on, a sentence each."""
        return self.summary.claim.because

    @property
    def estimates(self) -> pd.DataFrame:
        """One row a number: optimizer, lens, metric, value, low, high, replicates, trainings,
        reason; of a fixed setting `point`, of a tuning curve `trials`. Scores are fractions;
        `reason` says why there is no value."""
        return estimates_table(self.summary)

    @property
    def comparisons(self) -> pd.DataFrame:
        """One row a comparison: lens, metric, candidate, baseline, estimate, low, high,
        verdict_low, verdict_high, verdict, margin, reason, replicates. The estimate is
        candidate − baseline; of a loss, how much less is lost."""
        return comparisons_table(self.summary)

    def __str__(self) -> str:
        return "\n".join([self.claim, *(f"- {reason}" for reason in self.because)])

    def _repr_html_(self) -> str:
        reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in self.because)
        table = self.comparisons.drop(columns="reason").to_html(
            index=False, float_format=lambda number: f"{number:.4g}"
        )
        return f"<p><b>{html.escape(self.claim)}</b></p><ul>{reasons}</ul>{table}"
