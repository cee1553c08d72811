"""The estimates of a run as an object for notebooks.

In: the record that `summary.json` holds. Out: sentences and tables. Must not import torch, Ray or
Optuna.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from pydantic import BaseModel

from agsam_tune.analysis.record import Comparison, Curve, Metric, Summary


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
    def comparisons(self) -> pd.DataFrame:
        """One row a comparison: lens, metric, candidate, baseline, estimate, low, high,
        verdict_low, verdict_high, verdict, reason, replicates; the estimate is
        candidate − baseline, of a loss how much less is lost."""
        return _table(Comparison, (({}, row) for row in self.summary.comparisons))

    @property
    def metrics(self) -> pd.DataFrame:
        """One row a number: optimizer, lens, metric, value, low, high, replicates, trainings,
        reason. Scores are fractions; `reason` says why there is no value."""
        return _table(Metric, self._rows("metrics"), "optimizer")

    @property
    def curves(self) -> pd.DataFrame:
        """One row a position: optimizer, kind, hyperparameter, x, mean, low, high."""
        axes = ["x", "mean", "low", "high"]
        table = _table(Curve, self._rows("curves"), "optimizer").drop(columns="window")
        return table.explode(axes, ignore_index=True).astype(dict.fromkeys(axes, float))

    def _rows(self, name: str) -> Iterable[tuple[Mapping[str, str], BaseModel]]:
        for optimizer, own in self.summary.optimizers.items():
            for row in getattr(own, name):
                yield {"optimizer": optimizer}, row

    def __str__(self) -> str:
        return "\n".join([self.claim, *(f"- {reason}" for reason in self.because)])

    def _repr_html_(self) -> str:
        reasons = "".join(f"<li>{html.escape(reason)}</li>" for reason in self.because)
        table = self.comparisons.drop(columns="reason").to_html(
            index=False, float_format=lambda number: f"{number:.4g}"
        )
        return f"<p><b>{html.escape(self.claim)}</b></p><ul>{reasons}</ul>{table}"


def _table(
    kind: type[BaseModel], rows: Iterable[tuple[Mapping[str, str], BaseModel]], *before: str
) -> pd.DataFrame:
    """Records of a kind as a table, whose columns are there without any, too."""
    made: list[Mapping[str, Any]] = [{**named, **row.model_dump()} for named, row in rows]
    table = pd.DataFrame(made, columns=[*before, *kind.model_fields])
    numbers = [
        name for name, field in kind.model_fields.items() if field.annotation == float | None
    ]
    return table.astype(dict.fromkeys(numbers, float))
