"""Where things are in the dashboard: the studies' names and numbers, and links to pages.

In: the study. Out: names, numbers and paths. Must not import Optuna or pandas.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agsam_tune.study import Study

REPORT_PATH = "/report"
"""Where the run's `report.html` is served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The dashboard's Optuna studies, numbered from 0.

    Attributes:
        names: all, in the order of their numbers.
        trials: optimizer → the number of the study of its trials, as the storage has it.
        maps: optimizer → the number of the study of its map alone.
    """

    names: tuple[str, ...]
    trials: dict[str, int]
    maps: dict[str, int]


def places(study: Study) -> Places:
    """Trials first, in the study's order; of a map where there are hyperparameters."""
    tuned = [name for name in study.optimizers if study.search_spaces[name].names]
    mapped = tuned if study.phase("map") is not None else []
    names = [f"{study.name}/{name}" for name in study.optimizers]
    names += [f"{study.name}/{name}/map" for name in mapped]
    first = len(study.optimizers)
    return Places(
        names=tuple(names),
        trials={name: number for number, name in enumerate(study.optimizers)},
        maps={name: first + number for number, name in enumerate(mapped)},
    )


def study_path(number: int) -> str:
    """A study's page."""
    return f"/dashboard/studies/{number}"


def trials_path(number: int, trials: Sequence[int] = ()) -> str:
    """A study's list of trials, with those of these numbers opened."""
    chosen = f"?numbers={','.join(map(str, trials))}" if trials else ""
    return f"{study_path(number)}/trials{chosen}"


def compare_path(numbers: Sequence[int]) -> str:
    """The comparison of studies."""
    return f"/dashboard/compare-studies?ids={','.join(map(str, numbers))}"
