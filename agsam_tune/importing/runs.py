"""A run of this program as trials to be compared with others.

In: its study, manifest and trials. Out: `Checked`, with what the study says they were drawn from.
Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd

from agsam_tune.importing.ranges import Ends, drawn_from
from agsam_tune.importing.record import IMPORTED
from agsam_tune.importing.settings import LENGTH
from agsam_tune.importing.trials import Checked
from agsam_tune.study import Study

__all__ = ["OwnRun", "checked_run"]


class OwnRun(Protocol):
    """What is read of a run's folder."""

    @property
    def study(self) -> Study:
        """What was run."""

    @property
    def manifest(self) -> Mapping[str, Any]:
        """The manifest."""

    @property
    def trials(self) -> pd.DataFrame:
        """The trials table."""


def checked_run(run: OwnRun, *, chance: float | None) -> Checked:
    """The run's trials.

    Args:
        run: the run.
        chance: accuracy of guessing; None for what the manifest says.
    """
    study, trials = run.study, run.trials
    names = {name: space.names for name, space in study.search_spaces.items()}
    columns = dict.fromkeys([*study.hyperparameters, LENGTH])
    nothing = np.full(len(trials), np.nan)
    values = {
        name: trials[name].to_numpy(float, na_value=np.nan) if name in trials else nothing
        for name in columns
    }
    known = run.manifest["data"]["chance"] if chance is None else chance
    imported = run.manifest.get(IMPORTED) or {}
    return Checked(
        trials=trials,
        study=study.name,
        task=study.task,
        optimizers=study.optimizers,
        spaces=study.search_spaces,
        drawn=drawn_from(trials, names, values) | _known(study, run.manifest),
        constants=imported.get("constants", {}),
        chance=float(known),
        notes=tuple(imported.get("notes", ())),
        factor=study.factor if study.phase("off") else None,
        data=study.data,
    )


def _known(study: Study, manifest: Mapping[str, Any]) -> dict[tuple[str, str, str], Ends]:
    """(optimizer, phase, hyperparameter) → ends of what was drawn, as the run itself knows them."""
    found: dict[tuple[str, str, str], Ends] = {}
    said = (manifest.get(IMPORTED) or {}).get("ranges")
    for phase in ("key", "off"):
        for optimizer in study.optimizers_of(phase):
            if study.key is None or study.key_box is None:
                continue
            low, high = study.key_box
            ends = (low / study.factor, high * study.factor)
            if said is not None:  # drawn by another program
                ends = said.get(phase, ends)
            found[optimizer, phase, study.key] = (float(ends[0]), float(ends[1]))
    lengths = manifest.get("radius_range")
    radius = study.phase("radius")
    if radius is not None and radius.low is not None and radius.high is not None:
        lengths = (radius.low, radius.high)
    if lengths is not None:
        for optimizer in study.optimizers_of("radius"):
            found[optimizer, "radius", LENGTH] = (float(lengths[0]), float(lengths[1]))
    return found
