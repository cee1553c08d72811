"""What a report is made from, read once: the record, the run's tables, and the styles.

In: the arguments of `write_report`. Out: one frozen record that figures and pages read. Must not
import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from agsam_tune.analysis.data import COLLAPSED
from agsam_tune.analysis.record import Comparison, Summary
from agsam_tune.report import text
from agsam_tune.report.style import OptimizerStyle, optimizer_styles
from agsam_tune.report.text import Unit
from agsam_tune.study import Study

if TYPE_CHECKING:
    from agsam_tune.analysis.surfaces import Surfaces

__all__ = ["Material", "gather"]

_CURVE_COLUMNS = ("optimizer", "phase", "point", "seed", "epoch", "test_accuracy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The run, as figures and pages need it.

    `threshold` is the test score at or below which a training has collapsed; `styles` are in the
    report's order: candidate, baseline, control, the others, sgd, sgd_2x.
    """

    summary: Summary
    trials: pd.DataFrame
    curves: pd.DataFrame
    manifest: Mapping[str, Any]
    study: Study
    surfaces: Surfaces | None
    styles: Mapping[str, OptimizerStyle]
    threshold: float

    @property
    def optimizers(self) -> tuple[str, ...]:
        """In the report's order."""
        return tuple(self.styles)

    @property
    def phases(self) -> frozenset[str]:
        """The phases that have trials."""
        return frozenset(str(name) for name in self.trials["phase"].unique())

    @property
    def pair(self) -> tuple[str, str] | None:
        """Candidate and baseline, where there are both."""
        candidate, baseline = self.summary.candidate, self.summary.baseline
        return None if candidate is None or baseline is None else (candidate, baseline)

    @property
    def pair_words(self) -> str:
        """The pair as differences are called: `adaptive_gsam − gsam`."""
        return " − ".join(self.pair or ())

    @property
    def imported(self) -> Mapping[str, Any]:
        """What the manifest says of trials that were made elsewhere; empty for a run's own."""
        return self.manifest.get("imported") or {}

    @property
    def metric(self) -> str:
        """The study's metric."""
        return self.summary.design.metric

    @property
    def scores(self) -> Unit:
        """What scores are written in."""
        return text.score_unit(self.metric)

    def unit(self, key: str) -> Unit:
        """What a number of the record's metric `key` is written in."""
        return text.unit_of(key, self.metric)

    def label(self, key: str) -> str:
        """What the record's metric `key` is called."""
        return text.label(key, self.metric)

    def is_of_pair(self, row: Comparison) -> bool:
        """Whether a comparison is that of the candidate with the baseline."""
        return (row.candidate, row.baseline) == self.pair


def gather(
    *,
    summary: Summary,
    trials: pd.DataFrame,
    curves: pd.DataFrame,
    manifest: Mapping[str, Any],
    study: Study,
    surfaces: Surfaces | None = None,
) -> Material:
    """The record; an empty curves table may lack its columns."""
    if curves.empty:
        curves = pd.DataFrame(columns=list(_CURVE_COLUMNS))
    trivial = summary.design.trivial
    seen = trials["test_accuracy"].max() if len(trials) else trivial
    best = max(float(seen), trivial) if text.is_number(seen) else trivial
    return Material(
        summary=summary,
        trials=trials,
        curves=curves,
        manifest=manifest,
        study=study,
        surfaces=surfaces,
        styles=optimizer_styles(
            tuple(summary.optimizers),
            candidate=summary.candidate,
            baseline=summary.baseline,
            control=summary.control,
        ),
        threshold=trivial + COLLAPSED * (best - trivial),
    )
