"""Which replicate each trial belongs to: as the source labels them, or every point its own.

In: the rows of trials. Out: replicates as whole numbers, and points numbered through them. Must
not import torch, Ray or Optuna.

Shapes: N rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agsam_tune.importing.cells import is_missing, raw_numbers
from agsam_tune.importing.source import Findings, Source

__all__ = ["filled_replicates", "labelled_replicates"]

_INDEPENDENT = (
    "Points are taken as independent of one another: there is no column replicate, which says what "
    "was made from data and draws of its own."
)
_FIRST_DESIGN = (
    "The column replicate is of this program's first design, whose replicates are parts of one "
    "design: points are taken as independent of one another."
)


def labelled_replicates(
    source: Source, frame: pd.DataFrame, findings: Findings
) -> tuple[pd.DataFrame, list[str]]:
    """The rows with the replicates that the source has, as numbers, NaN where it has none.

    Labels may be anything; whole numbers stay what they are. Points that are numbered anew in each
    replicate are numbered through them.

    Args:
        source: the trials.
        frame: optimizer, phase, point and seed of each row.
        findings: where to add what is wrong.

    Returns:
        the rows, and notes.
    """
    labels = _numbers(source)
    has = ~np.isnan(labels)
    is_fixed = (frame["phase"] == "fixed").to_numpy()
    is_map = (frame["phase"] == "map").to_numpy()
    # Its map alone had blocks; a table of this program has a replicate everywhere since.
    outside = ~is_map if source.is_own else ~is_map & ~is_fixed
    if has.any() and outside.any() and not has[outside].any():
        return frame.assign(replicate=np.nan), [_FIRST_DESIGN]
    gaps = ~has & ~is_fixed
    if has[~is_fixed].any() and gaps.any():
        message = f"{source.rows(gaps)}: empty, though other rows have a value"
        findings.add("column 'replicate'", message)
    return _through(source, frame.assign(replicate=labels), findings)


def filled_replicates(
    frame: pd.DataFrame, names: Mapping[str, Sequence[str]]
) -> tuple[pd.DataFrame, list[str]]:
    """The rows with a replicate each: its point where none is known, and in `fixed` its seed.

    An optimizer without hyperparameters has one point, whose seeds are then taken as points.

    Args:
        frame: the rows, with `replicate` of `labelled_replicates`.
        names: optimizer → its hyperparameters.

    Returns:
        the rows, and notes.
    """
    unknown = frame["replicate"].isna()
    is_fixed = frame["phase"] == "fixed"
    is_bare = frame["optimizer"].map(lambda optimizer: not names[optimizer])
    # As in a study, where such an optimizer has a point in each replicate, and one seed there.
    moved = unknown & is_bare & ~is_fixed
    point, seed = frame["point"].mask(moved, frame["seed"]), frame["seed"].mask(moved, 0)
    own = seed.where(is_fixed, point)
    filled = frame.assign(replicate=frame["replicate"].where(~unknown, own), point=point, seed=seed)
    assumed = bool(unknown[~is_fixed].any())
    return filled, [_INDEPENDENT] if assumed else []


def _numbers(source: Source) -> NDArray[np.float64]:
    """A number for each label, NaN where there is none."""
    if "replicate" not in source.table:
        return np.full(len(source.table), np.nan)
    missing = is_missing(source, "replicate")
    values, _ = raw_numbers(source, "replicate")
    known = values[~missing]
    if known.size and (np.isfinite(known) & (known >= 0) & (known == np.round(known))).all():
        return np.where(missing, np.nan, values)
    words = source.table["replicate"].map(lambda cell: str(cell).strip())
    labels = list(dict.fromkeys(words[~missing]))
    place = {label: float(number) for number, label in enumerate(labels)}
    return np.array([np.nan if m else place[w] for w, m in zip(words, missing, strict=True)])


def _through(
    source: Source, frame: pd.DataFrame, findings: Findings
) -> tuple[pd.DataFrame, list[str]]:
    """Points numbered through the replicates, where every replicate counts from 0."""
    point = frame["point"].to_numpy(dtype=float, copy=True)
    renumbered = []
    for phase, rows in frame[frame["phase"] != "fixed"].groupby("phase", sort=False):
        if rows["replicate"].isna().all():
            continue
        several = rows.groupby(["optimizer", "point"])["replicate"].nunique() > 1
        if several.mean() > 0.5:
            size = rows["point"].max() + 1
            order = rows["replicate"].rank(method="dense") - 1
            point[rows.index] = order * size + rows["point"]
            renumbered.append(str(phase))
            continue
        first = rows.groupby("point")["replicate"].transform("first")
        differs = np.zeros(len(frame), dtype=bool)
        differs[rows.index] = (rows["replicate"] != first) & rows["replicate"].notna()
        if differs.any():
            message = f"{source.rows(differs)}: another replicate than in other rows of that point"
            findings.add("column 'replicate'", message)
    notes = []
    if renumbered:
        notes.append(f"Numbered here: points through the replicates, in {', '.join(renumbered)}.")
    return frame.assign(point=point), notes
