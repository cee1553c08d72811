"""What `agsam-tune import` was asked for.

In: the command line's values. Out: one frozen record. Imports the standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["ImportOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """Where trials are, what is known of them, and where the run's folder is to be.

    Attributes:
        source: a file's path, a storage's URL, or a run's folder.
        other: what `source` is compared with, or None: the two are independent of each other.
        out: the run's folder.
        candidate, baseline, control: optimizers of the claim, or None.
        chance: accuracy of guessing, a fraction; None where it is not said.
        name: the study's name, or which study of the source; None for the source's own.
        task: the task's name, or which task of the source; None for the source's own.
        metric: the column, or of Optuna trials the user attribute, that is the test accuracy, or
            None.
        hyperparameters: the columns that are hyperparameters; () for all that are numbers.
        search_spaces: a folder of search-space files, or None for ranges from the data.
        ranges: hyperparameter → low and high of every optimizer that has it, where they are said.
        key: the hyperparameter that sets the scale of a comparison; None for rho, else lr.
        factor: by how much everything is off in the phase `off`.
        margin: half width of the differences that count as none, a fraction; half in own_scale.
        test_size: examples in the test split, or None where it is not said.
        study_file: the study whose design the trials are of, or None.
        command: the command line, for the manifest.
    """

    source: str
    out: Path
    other: str | None = None
    candidate: str | None = None
    baseline: str | None = None
    control: str | None = None
    chance: float | None = None
    name: str | None = None
    task: str | None = None
    metric: str | None = None
    hyperparameters: tuple[str, ...] = ()
    search_spaces: Path | None = None
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    key: str | None = None
    factor: float = 10.0
    margin: float = 0.02
    test_size: int | None = None
    study_file: Path | None = None
    command: tuple[str, ...] = ()
