"""The trials table of an import: every rule that its rows must keep, every break of one at once.

In: a `Source` and what was asked for. Out: `Checked`: the table with the columns of
`trials.parquet`, the search spaces, and what was assumed. Must not import torch, Ray or Optuna.

Shapes: N rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agsam_tune.columns import AFTER_HYPERPARAMETERS, BEFORE_HYPERPARAMETERS, SHARPNESS
from agsam_tune.importing import cells
from agsam_tune.importing.foreign import (
    MERGED,
    finished_rows,
    loss_message,
    note_own_measures,
    one_spelling,
    own_names,
)
from agsam_tune.importing.options import ImportOptions
from agsam_tune.importing.points import numbered
from agsam_tune.importing.ranges import Ends, drawn_from, given_spaces, search_spaces
from agsam_tune.importing.replicates import filled_replicates, labelled_replicates
from agsam_tune.importing.roles import check_roles
from agsam_tune.importing.settings import KNOWN, Array, own_settings, setting_columns
from agsam_tune.importing.source import Findings, Source, readable
from agsam_tune.importing.vocabulary import is_loss
from agsam_tune.study import SearchSpace
from agsam_tune.study.errors import nearest
from agsam_tune.study.model import PHASE_NAMES

__all__ = [
    "Checked",
    "check_columns",
    "check_keys",
    "check_trials",
    "divergence_notes",
    "only_named",
    "ordered_table",
    "taken_as_chance",
    "trial_rows",
    "unused_columns",
]

KEY = ["optimizer", "phase", "point", "seed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Trials that can be analysed.

    Attributes:
        trials: one row a trial, with the columns and the order of `trials.parquet`.
        study, task: their names.
        optimizers: in the order of the source.
        spaces: optimizer → its search space.
        drawn: (optimizer, phase, hyperparameter) → ends of what it was drawn from, of what decides
            a comparison: any that may be a key in `key` and `off`, the length of steps in `radius`.
        constants: optimizer → what has one value in all its trials.
        chance: accuracy of guessing, a fraction.
        factor: by how much everything is off in `off`, where the source says it.
        data: `per_replicate` where replicates are labelled, which then have data of their own.
        notes: what was assumed or left out, a sentence each.
    """

    trials: pd.DataFrame
    study: str
    task: str
    optimizers: tuple[str, ...]
    spaces: Mapping[str, SearchSpace]
    drawn: Mapping[tuple[str, str, str], Ends]
    constants: Mapping[str, Mapping[str, float | str]]
    chance: float
    notes: tuple[str, ...]
    factor: float | None = None
    data: Literal["per_replicate", "fixed"] = "fixed"


def check_trials(source: Source, options: ImportOptions) -> Checked:
    """The source as a trials table.

    Raises:
        UsageError: with everything that is wrong with it.
    """
    findings = Findings(origin=source.origin)
    if source.kind != "optuna":
        source = own_names(source, options.metric, findings)
    if is_loss(source.metric):
        findings.add("--metric", loss_message(source.metric))
    source, study = only_named(source, "study", options.name, "--name", findings)
    source, task = only_named(source, "task", options.task, "--task", findings)
    source = one_spelling(note_own_measures(finished_rows(source, findings)))
    if source.table.empty:
        findings.add("rows", "; ".join(("found none that is a training", *source.notes)))
    findings.raise_if_any()
    way = "; a column of another name is named with --metric"
    check_columns(source, ["optimizer"], "", findings)
    check_columns(source, ["test_accuracy"], way, findings)
    columns = setting_columns(source, options.hyperparameters, findings)
    # They may tell rows apart that seem to be the same trial.
    unused = () if "point" in source.table else tuple(chain.from_iterable(columns.unused.values()))
    source = numbered(source, columns.codes)
    frame, numbering = labelled_replicates(source, trial_rows(source, findings), findings)
    # What follows compares rows, and would only repeat what is wrong with their cells.
    findings.raise_if_any()
    optimizers = tuple(dict.fromkeys(frame["optimizer"]))
    given = given_spaces(options.search_spaces, optimizers, findings)
    ranged = {(o, name) for o, space in given.items() for name in space.ranges} | {*source.boxes}
    ranged |= {(optimizer, name) for optimizer in optimizers for name in options.ranges}
    settings = own_settings(source, columns, frame, ranged, findings)
    check_keys(source, frame, findings, unused)
    if options.other is None:
        check_roles(options, optimizers, findings)
    chance, assumed = taken_as_chance(
        source, frame["diverged"].to_numpy(), options.chance, findings
    )
    # Points that are not one setting each have no ranges.
    findings.raise_if_any()
    spaces, inferred = search_spaces(source, frame, settings, given, options, findings)
    findings.raise_if_any()
    frame, independent = filled_replicates(frame, settings.names)
    more = [*numbering, *independent, *divergence_notes(source, frame)]
    said = (*source.notes, *columns.notes(), *settings.notes(), *inferred, *more, *assumed)
    name = study or options.name or source.stem
    return Checked(
        trials=ordered_table(frame, settings.values, name, task or options.task or name, chance),
        study=name,
        task=task or options.task or name,
        optimizers=optimizers,
        spaces=spaces,
        drawn=drawn_from(frame, settings.names, settings.values),
        constants=settings.constants,
        chance=chance,
        notes=tuple(map(readable, said)),
        data="fixed" if independent else "per_replicate",
    )


def only_named(
    source: Source, column: str, wanted: str | None, option: str, findings: Findings
) -> tuple[Source, str | None]:
    """The rows of one study or task, and the name that the source has for it, if any.

    Args:
        source: the trials.
        column: `study` or `task`.
        wanted: the name that was asked for, or None.
        option: what says which of several it is to be.
        findings: where to add that nothing says so.
    """
    missing = cells.is_missing(source, column)
    if missing.all():
        return source, None
    words = source.table[column].map(str).to_numpy(dtype=object)
    names = list(dict.fromkeys(words[~missing]))
    if wanted in names:
        return source.only(~missing & (words == wanted)), wanted
    if len(names) == 1 and not missing.any():
        return source, wanted or names[0]
    listed = ", ".join([*names, *(["rows without one"] if missing.any() else [])])
    hint = nearest(wanted, names) if wanted else ""
    findings.add(f"column {column!r}", f"found {listed}; say which with {option}{hint}")
    return source, None


def check_columns(source: Source, names: Sequence[str], way: str, findings: Findings) -> None:
    """Adds the columns of these names that are not there; `way` says how else to name one."""
    found = list(source.table.columns)
    unknown = [name for name in found if name not in KNOWN]
    for name in names:
        if name in found:
            continue
        losses = [column for column in found if is_loss(column)]
        if name == "test_accuracy" and losses:
            findings.add(f"column {name!r}", f"missing; {loss_message(losses[0])}")
        else:
            message = f"missing, found: {', '.join(found)}{nearest(name, unknown)}{way}"
            findings.add(f"column {name!r}", message)


def trial_rows(source: Source, findings: Findings) -> pd.DataFrame:
    """All known columns but those of the study and the replicate, in their own types; N rows."""
    state = cells.texts(source, "state", findings, default="COMPLETE", allowed=("COMPLETE", "FAIL"))
    accuracy = cells.accuracies(source, "test_accuracy", findings)
    validation = cells.accuracies(source, "val_accuracy", findings)
    finished = state == "COMPLETE"
    diverged = cells.booleans(source, "diverged", finished & np.isnan(accuracy), findings)
    has_validation = "val_accuracy" in source.table and bool(np.isfinite(validation).any())
    lost = finished & ~diverged & np.isnan(accuracy)
    if lost.any():
        message = f"{source.rows(lost)}: no accuracy, though diverged is false there"
        findings.add("column 'test_accuracy'", message)
    gaps = finished & ~diverged & np.isnan(validation)
    if has_validation and gaps.any():
        findings.add("column 'val_accuracy'", f"{source.rows(gaps)}: empty, needed: a value")
    rows = np.arange(len(source.table), dtype=float)
    number = cells.whole_numbers(source, "trial_number", findings, needed=False)
    phase = cells.texts(source, "phase", findings, default="map", allowed=PHASE_NAMES)
    columns = {
        "optimizer": cells.texts(source, "optimizer", findings),
        "phase": phase,
        "point": cells.whole_numbers(source, "point", findings, needed=True),
        "seed": cells.whole_numbers(source, "seed", findings, needed=True),
        "val_accuracy": validation if has_validation else accuracy,
        "test_accuracy": accuracy,
        "test_loss": cells.numbers(source, "test_loss", findings),
        "train_loss": cells.numbers(source, "train_loss", findings),
        "radius": cells.lengths(source, "radius", findings),
        "surrogate_gap": cells.numbers(source, "surrogate_gap", findings),
        "diverged": diverged & finished,
        "diverged_step": cells.whole_numbers(source, "diverged_step", findings, needed=False),
        "state": state,
        "seconds": cells.numbers(source, "seconds", findings),
        "trial_number": np.where(np.isnan(number), rows, number),
        "error": np.where(finished, "", cells.texts(source, "error", findings, default="")),
    }
    measured = [name for name in SHARPNESS if name in source.table]
    columns |= {name: cells.numbers(source, name, findings) for name in measured}
    return pd.DataFrame(columns)


def check_keys(
    source: Source, frame: pd.DataFrame, findings: Findings, unused: Sequence[str] = ()
) -> None:
    """A key is there once; else `unused` columns are named, which may tell the rows apart."""
    twice = frame.duplicated(KEY, keep=False).to_numpy()
    if twice.any():
        first = frame[twice].iloc[0]
        same = np.logical_and.reduce([(frame[name] == first[name]).to_numpy() for name in KEY])
        message = (
            f"{source.rows(same)}: the same trial more than once (optimizer {first['optimizer']}, "
            f"phase {first['phase']}, point {first['point']:g}, seed {first['seed']:g})"
        )
        merged = [note for note in source.notes if note.startswith(MERGED)]
        message += f". {merged[0]} Give them other names if they are two" if merged else ""
        if unused:
            message += f"; --hyperparameter names what is one of: {', '.join(unused)}"
        others = int(frame[twice].duplicated(KEY).sum()) - int(same.sum()) + 1
        findings.add("key", message + (f", and {others} more like it" if others else ""))


def divergence_notes(source: Source, frame: pd.DataFrame) -> list[str]:
    """How many trials are taken as diverged though nothing says so."""
    unsaid = (
        frame["diverged"].to_numpy()
        & frame["test_accuracy"].isna().to_numpy()
        & cells.is_missing(source, "diverged")
    )
    if not unsaid.any():
        return []
    return [f"Taken as diverged, without an accuracy: {_trials(unsaid.sum())}."]


def taken_as_chance(
    source: Source, diverged: NDArray[np.bool_], chance: float | None, findings: Findings
) -> tuple[float, list[str]]:
    """The accuracy of guessing, and a note where it was not said.

    Args:
        source: the trials.
        diverged: those that need it, (N,).
        chance: what was said, or None.
        findings: where to add that it is needed.
    """
    if chance is not None:
        return chance, []
    if diverged.any():
        message = (
            f"needed, since {_trials(diverged.sum())} diverged ({source.rows(diverged)}): that "
            "counts with the accuracy of guessing, the largest class's share of the test split"
        )
        findings.add("--chance", message)
    return 0.0, [
        "Without --chance it is taken as 0: no trial counts as collapsed, and normalised "
        "scores start at 0."
    ]


def _trials(n: int) -> str:
    return "1 trial" if n == 1 else f"{n} trials"


def unused_columns(columns: Sequence[str]) -> list[str]:
    """A note on what is there and not read."""
    return [f"Columns that are not used: {', '.join(columns)}."] if columns else []


def ordered_table(
    frame: pd.DataFrame, values: Mapping[str, Array], study: str, task: str, chance: float
) -> pd.DataFrame:
    """The columns, types and order of `trials.parquet`; diverged trials at chance.

    Args:
        frame: all known columns, N rows.
        values: hyperparameter → its value in each row, (N,).
        study, task: their names.
        chance: accuracy of guessing.
    """
    after = list(AFTER_HYPERPARAMETERS)
    place = after.index("diverged")
    after[place:place] = [name for name in SHARPNESS if name in frame]
    whole = frame.assign(study=study, task=task, **values)
    for name in ("test_accuracy", "val_accuracy"):
        lost = whole["diverged"] & whole[name].isna()
        whole[name] = whole[name].mask(lost, chance)
    columns = [*BEFORE_HYPERPARAMETERS, *values, *after]
    kinds = dict.fromkeys(columns, "float64")
    kinds |= dict.fromkeys(["study", "task", "optimizer", "phase", "state", "error"], "str")
    whole_numbers = ["replicate", "point", "seed", "trial_number"]
    kinds |= dict.fromkeys(whole_numbers, "int64")
    kinds |= {"diverged_step": "Int64", "diverged": "bool"}
    return whole[columns].astype(kinds).sort_values(KEY, kind="stable", ignore_index=True)
