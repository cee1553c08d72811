"""What a report is made from, read once: the run's tables, its summary, and the styles.

In: the arguments of `write_report`. Out: one frozen record that figures and pages read. Must not
import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from agsam_tune.analysis.context import Context, make_context
from agsam_tune.analysis.surfaces import Surfaces
from agsam_tune.report import text
from agsam_tune.report.style import OptimizerStyle, optimizer_styles
from agsam_tune.study import Study

CURVE_COLUMNS = ("optimizer", "phase", "point", "seed", "epoch", "test_accuracy")


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The run, as figures and pages need it. `chance` is a fraction or None."""

    summary: Mapping[str, Any]
    trials: pd.DataFrame
    curves: pd.DataFrame
    manifest: Mapping[str, Any]
    study: Study
    styles: Mapping[str, OptimizerStyle]
    chance: float | None
    context: Context
    surfaces: Surfaces | None

    @property
    def optimizers(self) -> tuple[str, ...]:
        """In the report's order: candidate, baseline, control, the others, sgd, sgd_2x."""
        return tuple(self.styles)

    @property
    def main_phases(self) -> tuple[str, ...]:
        """Where typical trials are: the map, else whatever phases have trials."""
        have = set(self.trials["phase"].unique())
        return ("map",) if "map" in have else tuple(sorted(have))

    @property
    def bare(self) -> frozenset[str]:
        """The optimizers without hyperparameters."""
        spaces = self.study.search_spaces
        return frozenset(name for name in self.study.optimizers if not spaces[name].names)

    @property
    def has_rho(self) -> bool:
        """Whether rho is a hyperparameter at all: trials made elsewhere may have others alone."""
        return "rho" in self.study.hyperparameters

    @property
    def imported(self) -> Mapping[str, Any]:
        """What the manifest says of trials that were made elsewhere; empty for a run's own."""
        return self.manifest.get("imported") or {}

    @property
    def planned(self) -> bool:
        """Whether a study file says which trials there are to be, whoever trains them."""
        return not self.imported or "study_file" in self.imported

    @property
    def fixed_only(self) -> bool:
        """Whether the study has no other phase than `fixed`."""
        return all(phase.name == "fixed" for phase in self.study.phases)


def gather(
    *,
    summary: Mapping[str, Any],
    trials: pd.DataFrame,
    curves: pd.DataFrame,
    manifest: Mapping[str, Any],
    study: Study,
    surfaces: Surfaces | None = None,
    context: Context | None = None,
) -> Material:
    """The record; an empty curves table may lack its columns.

    Without a known chance nothing counts as failed.
    """
    data = manifest.get("data") or {}
    chance = summary.get("chance", data.get("chance"))
    if curves.empty:
        curves = pd.DataFrame(columns=list(CURVE_COLUMNS))
    known = float(chance) if text.is_number(chance) else None
    if context is None:
        context = make_context(trials, study, chance=known or 0.0)
    return Material(
        summary=summary,
        trials=trials,
        curves=curves,
        manifest=manifest,
        study=study,
        styles=optimizer_styles(
            study.optimizers,
            candidate=study.candidate,
            baseline=study.baseline,
            control=study.control,
        ),
        chance=known,
        context=context,
        surfaces=surfaces,
    )
