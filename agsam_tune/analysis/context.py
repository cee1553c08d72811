"""What every estimate of one study is computed from: its arrays, its best settings, its box.

In: the trials table and the study. Out: one `Context`. Must not import torch, Ray or Optuna.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from agsam_tune.analysis.best import NO_CHOICE, Best, BestPoint, best_accuracy, best_points
from agsam_tune.analysis.leaf import Unknown
from agsam_tune.analysis.selection import Choices, imagine_choices
from agsam_tune.analysis.table import Cells, Table, read_table
from agsam_tune.study import MissetPoint, Study, misset_layout

__all__ = ["Context", "held", "make_context"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What all metrics of one study are computed from.

    Attributes:
        best_points: optimizer -> its own best setting, where there is one.
        best: optimizer -> a*, or why there is none.
        shared_box: hyperparameter -> (low, high) common to all optimizers that have it, where
            their ranges differ; empty where they are the same.
        layout: the points of `misset`.
        choices: optimizer -> the best settings of imagined studies.
        results: what `held` functions have given, by function and optimizers.
    """

    study: Study
    table: Table
    chance: float
    best_points: Mapping[str, BestPoint]
    best: Mapping[str, Best | Unknown]
    shared_box: Mapping[str, tuple[float, float]]
    layout: tuple[MissetPoint, ...]
    choices: Mapping[str, Choices]
    results: dict[tuple[str, str, str], Any] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def map_cells(self, optimizer: str) -> Cells | None:
        """The map's cells inside the box that all optimizers share."""
        cells = self.table.get(optimizer, "map")
        if cells is None:
            return None
        inside_P = np.ones(len(cells.points), dtype=bool)
        for name, (low, high) in self.shared_box.items():
            if name in cells.settings:
                inside_P &= (cells.settings[name] >= low) & (cells.settings[name] <= high)
        return cells.only(np.repeat(inside_P[:, None], len(cells.seeds), axis=1))

    def is_bare(self, optimizer: str) -> bool:
        return not self.study.search_spaces[optimizer].names

    @property
    def common_best(self) -> Best | Unknown:
        """The largest a* of all optimizers."""
        known = [best for best in self.best.values() if isinstance(best, Best)]
        if not known:
            return Unknown(reason="no optimizer has a best accuracy")
        return max(known, key=lambda best: best.value)


def held(function: Callable[[Context, str, str], T]) -> Callable[[Context, str, str], T]:
    """A function of a context and a pair of optimizers, computed once for each context and pair.

    For what the comparisons, the range curve, the power and the figures all start from. It must
    return what nobody changes.
    """

    @wraps(function)
    def computed_once(context: Context, one: str, other: str) -> T:
        key = (function.__name__, one, other)
        if key not in context.results:
            context.results[key] = function(context, one, other)
        found: T = context.results[key]
        return found

    return computed_once


def make_context(trials: pd.DataFrame, study: Study, *, chance: float) -> Context:
    """Validate the table and gather what all metrics need.

    Raises:
        ValueError: if a column is missing or a trial's key comes twice.
    """
    table = read_table(trials, study, chance=chance)
    points = best_points(trials, study.optimizers)
    choices = imagine_choices(table, study)
    imagined = {name: own.best_B for name, own in choices.items()}
    return Context(
        study=study,
        table=table,
        chance=chance,
        best_points=points,
        best={
            name: best_accuracy(
                table,
                name,
                points.get(name),
                study.search_spaces[name],
                imagined.get(name, NO_CHOICE),
            )
            for name in study.optimizers
        },
        shared_box=_shared_box(study),
        layout=misset_layout(study.hyperparameters),
        choices=choices,
    )


def _shared_box(study: Study) -> dict[str, tuple[float, float]]:
    """The intersection of the ranges of each hyperparameter that optimizers disagree on."""
    box = {}
    for name in study.hyperparameters:
        spaces = study.search_spaces
        ranges = [spaces[o].ranges[name] for o in study.optimizers if name in spaces[o].ranges]
        if len({(r.low, r.high) for r in ranges}) > 1:
            box[name] = (max(r.low for r in ranges), min(r.high for r in ranges))
    return box
