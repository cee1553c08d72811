"""Results of trials that a study's design asked another program for.

In: a `Source` and the study. Out: `Told`: cells checked, rows not yet matched with the design, and
later the same as a `Checked`. Must not import torch, Ray or Optuna.

Shapes: N rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agsam_tune.importing import cells
from agsam_tune.importing.foreign import finished_rows, own_names
from agsam_tune.importing.settings import KNOWN, LENGTH
from agsam_tune.importing.source import Findings, Source
from agsam_tune.importing.trials import (
    Checked,
    check_columns,
    check_keys,
    divergence_notes,
    only_named,
    ordered_table,
    taken_as_chance,
    trial_rows,
    unused_columns,
)
from agsam_tune.study import Study
from agsam_tune.study.errors import nearest
from agsam_tune.trials import Key, Outcome, State, Trial

__all__ = ["Told", "checked_told", "read_told"]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What another program says of a study's trials.

    Attributes:
        source: where it is from.
        rows: keys and outcomes, with the columns of `trials.parquet`, (N).
        settings: hyperparameter → what each row says, (N,); NaN where it says nothing.
        chance: accuracy of guessing, which a diverged trial without an accuracy has.
        notes: what was left out or taken as diverged, a sentence each.
        assumed: what only the report has to say, likewise.
    """

    source: Source
    rows: pd.DataFrame
    settings: Mapping[str, Array]
    chance: float
    notes: tuple[str, ...]
    assumed: tuple[str, ...]

    @property
    def keys(self) -> list[Key]:
        """The key of each row."""
        columns = (self.rows[name].tolist() for name in Key._fields)
        return [Key(o, p, int(n), int(s)) for o, p, n, s in zip(*columns, strict=True)]

    def outcomes(self, trials: Mapping[Key, Trial]) -> dict[Key, Outcome]:
        """What the rows of these trials say, as far as the design goes by it."""
        names = ["state", "val_accuracy", "test_accuracy", "radius", "diverged"]
        values = self.rows[names].to_dict("records")
        return {
            key: Outcome(trial=trials[key], **{**row, "state": State(row["state"])})
            for key, row in zip(self.keys, values, strict=True)
            if key in trials
        }


def read_told(
    source: Source, study: Study, *, chance: float | None, for_report: bool = False
) -> Told:
    """The source's cells under the rules of `agsam-tune import`, for a study that is known.

    Args:
        source: the table.
        study: whose trials they are.
        chance: accuracy of guessing; None where it is not said.
        for_report: whether chance is needed wherever a trial diverged, since a report counts the
            trials at chance as failed; else only where such a trial has no accuracy.

    Raises:
        UsageError: with everything that is wrong with cells, columns and names.
    """
    findings = Findings(origin=source.origin, verdict=f"does not fit the study {study.name}")
    source = own_names(source, None, findings)
    source, _ = only_named(source, "study", study.name, "a study file of that name", findings)
    source, _ = only_named(source, "task", study.task, "the study's task", findings)
    source = finished_rows(source, findings)
    check_columns(source, ("optimizer", "point", "seed", "test_accuracy"), "", findings)
    rows = trial_rows(source, findings)
    settings = _settings(source, study, findings)
    findings.raise_if_any()
    for name, allowed in _names(study).items():
        _refuse_others(source, rows[name].to_numpy(dtype=object), name, allowed, findings)
    check_keys(source, rows, findings)
    diverged = rows["diverged"].to_numpy()
    needed = diverged if for_report else diverged & rows["test_accuracy"].isna().to_numpy()
    if chance is None and _finds_lengths(study):
        message = "needed, since the lengths of steps in the phase radius are found by it"
        findings.add("--chance", f"{message}; else give low and high of the phase")
    value, assumed = taken_as_chance(source, needed, chance, findings)
    findings.raise_if_any()
    for name in ("test_accuracy", "val_accuracy"):
        lost = rows["diverged"] & rows[name].isna()
        rows[name] = rows[name].mask(lost, value)
    others = [c for c in source.table if c not in KNOWN and c not in settings]
    return Told(
        source=source,
        rows=rows,
        settings=settings,
        chance=value,
        notes=(*source.notes, *unused_columns(others), *divergence_notes(source, rows)),
        assumed=tuple(assumed),
    )


def checked_told(told: Told, trials: Sequence[Trial], study: Study) -> Checked:
    """The rows with the design's own settings, for the folder of a run.

    Args:
        told: the rows.
        trials: the design's trial of each of them, (N).
        study: the study.
    """
    own = [dict(trial.hyperparameters) for trial in trials]
    values = {name: np.array([row.get(name, np.nan) for row in own]) for name in told.settings}
    rows = told.rows.assign(replicate=[trial.replicate for trial in trials])
    return Checked(
        trials=ordered_table(rows, values, study.name, study.task, told.chance),
        study=study.name,
        task=study.task,
        optimizers=study.optimizers,
        spaces=study.search_spaces,
        drawn={},
        constants={},
        chance=told.chance,
        notes=(*told.notes, *told.assumed),
    )


def _finds_lengths(study: Study) -> bool:
    """Whether the lengths of steps in `radius` follow from results."""
    phase = study.phase("radius")
    given = phase is not None and phase.low is not None and phase.high is not None
    return bool(study.optimizers_of("radius")) and not given


def _settings(source: Source, study: Study, findings: Findings) -> dict[str, Array]:
    found = {}
    lengths = [LENGTH] if study.optimizers_of("radius") else []
    for name in dict.fromkeys([*study.hyperparameters, *lengths]):
        if name in source.table:
            found[name] = cells.numbers(source, name, findings)
            continue
        others = [column for column in source.table.columns if column not in KNOWN]
        listed = ", ".join(source.table.columns)
        hint = nearest(name, [other for other in others if other not in study.hyperparameters])
        findings.add(f"column {name!r}", f"missing, found: {listed}{hint}")
    return found


def _names(study: Study) -> dict[str, tuple[str, ...]]:
    phases = tuple(str(phase.name) for phase in study.phases)
    return {"optimizer": study.optimizers, "phase": phases}


def _refuse_others(
    source: Source,
    words: NDArray[np.object_],
    column: str,
    allowed: Sequence[str],
    findings: Findings,
) -> None:
    """One problem for each word that the study does not have."""
    for word in dict.fromkeys(words):
        if word not in allowed:
            listed = f"found {word!r}, allowed: {', '.join(allowed)}{nearest(word, allowed)}"
            findings.add(f"column {column!r}", f"{source.rows(words == word)}: {listed}")
