"""Tables as other programs write them, turned into the columns and rows that are read here.

In: a `Source` as it lies in its file. Out: one whose columns have this project's names and whose
rows are trainings that came to their end; what was taken for what, and what was left out and why,
is in its notes. Must not import torch, Ray or Optuna.

Shapes: N rows.
"""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from agsam_tune.columns import AFTER_HYPERPARAMETERS, BEFORE_HYPERPARAMETERS, SHARPNESS
from agsam_tune.importing.cells import is_missing, raw_numbers
from agsam_tune.importing.source import Box, Findings, Source
from agsam_tune.importing.states import ended
from agsam_tune.importing.vocabulary import (
    ACCURACIES,
    OPTIMIZERS,
    SEEDS,
    SYNE,
    TEST_ACCURACIES,
    VAL_ACCURACIES,
    fold,
    split_prefix,
)
from agsam_tune.study.errors import nearest

__all__ = [
    "COLUMNS",
    "MERGED",
    "finished_rows",
    "loss_message",
    "note_own_measures",
    "one_spelling",
    "own_names",
]

#: This project's own columns, none of which is a hyperparameter.
COLUMNS = frozenset({*BEFORE_HYPERPARAMETERS, *AFTER_HYPERPARAMETERS, *SHARPNESS})

# Of these, what another program may call a setting, or something else that it measured.
_MISTAKABLE = frozenset({*SHARPNESS, "radius", "surrogate_gap", "diverged_step", "error"})

#: How the note on spellings of one optimizer begins.
MERGED = "Taken as one optimizer"

# Columns whose cells may be tables as texts: W&B's own example of an export writes them.
_TABLES = ("config", "summary")


def own_names(source: Source, metric: str | None, findings: Findings) -> Source:
    """The source with its columns called as they are here: prefixes off, other names replaced.

    Args:
        source: the trials.
        metric: the column that is the test accuracy, or None.
        findings: where to add that it is not there, or is none.
    """
    source = _without_prefixes(_flat(source))
    source = _one_optimizer(_taken(source, "optimizer", OPTIMIZERS))
    source = _taken(source, "seed", SEEDS)
    said = "" if metric else "; --metric names another"
    if metric is None:
        metric = _accuracy_column(source)
    elif metric not in source.table:
        stripped = split_prefix(metric, by_line=True)[1]
        if stripped not in source.table:
            listed = ", ".join(source.table)
            message = f"the source has no column {metric!r}, found: {listed}"
            findings.add("--metric", message + nearest(metric, source.table))
            return source
        metric = stripped
    if metric in (None, "test_accuracy"):
        return source
    table = source.table.assign(test_accuracy=source.table[metric])
    table = table if metric in COLUMNS else table.drop(columns=metric)
    note = f"Taken as test_accuracy: the column {metric}{said}."
    return replace(source, table=table, metric=metric).noted(note)


def loss_message(column: str) -> str:
    """What is said of a column that is no accuracy but a loss."""
    return (
        f"{column} is a loss, of which lower is better; what is analysed is an accuracy, a "
        "fraction from 0 to 1: name its column with --metric"
    )


def finished_rows(source: Source, findings: Findings) -> Source:
    """The rows that are the end of a training, each training once; N rows or fewer."""
    source = _with_validation(ended(source, findings))
    ids = [name for name in ("run_id", "trial_id") if name in source.table]
    parents = next((name for name in source.table if fold(name).endswith("parentrunid")), None)
    if ids and parents is not None:
        is_parent = source.table[ids[0]].isin(source.table[parents].dropna()).to_numpy(dtype=bool)
        source = source.without(is_parent, "parents of other runs")
    if not source.settings:
        return source
    needed = ["optimizer", "test_accuracy", *source.settings]
    nothing = np.logical_and.reduce([is_missing(source, name) for name in needed])
    return source.without(nothing, "without a setting or an accuracy")


def one_spelling(source: Source) -> Source:
    """The source with one name for each optimizer, whatever the capitals, and a note of it."""
    if "optimizer" not in source.table:
        return source
    missing = is_missing(source, "optimizer")
    words = source.table["optimizer"].map(lambda cell: str(cell).strip())
    counts = Counter(words[~missing])
    groups: dict[str, list[str]] = {}
    for word in counts:
        groups.setdefault(fold(word), []).append(word)
    several = {key: own for key, own in groups.items() if len(own) > 1}
    if not several:
        return source
    names = {
        word: key if key in own else max(own, key=lambda one: counts[one])
        for key, own in several.items()
        for word in own
    }
    merged = [
        f"{' and '.join(f'{word} ({counts[word]})' for word in own)} as {names[own[0]]}"
        for own in several.values()
    ]
    boxes: dict[tuple[str, str], Box] = {}
    for (optimizer, name), box in source.boxes.items():
        key = (names.get(optimizer, optimizer), name)
        boxes[key] = box.widened(boxes.get(key, box))
    cells = source.table["optimizer"].where(missing, words.map(lambda word: names.get(word, word)))
    taken = replace(source, table=source.table.assign(optimizer=cells), boxes=boxes)
    return taken.noted(f"{MERGED}: {'; '.join(merged)}.")


def _flat(source: Source) -> Source:
    """Every column whose cells are tables as one column a key: `config` → `config/rho`."""
    parts = []
    for name in source.table:
        cells = source.table[name].map(_listed)
        if name in _TABLES or any(isinstance(cell, Mapping) for cell in cells):
            rows = [_as_table(cell) for cell in cells]
            if any(rows) and all(row is not None for row in rows):
                wide = pd.DataFrame([_flattened(row or {}, f"{name}/") for row in rows])
                wide = wide[[part for part in wide if part not in source.table]]
                parts.append(wide.astype(object).where(wide.notna(), None))
                continue
        parts.append(cells.to_frame())
    return replace(source, table=pd.concat(parts, axis=1)) if len(parts) else source


def _listed(cell: object) -> object:
    """An array, which Parquet makes of a list, as the text of one: cells are compared."""
    return str(cell.tolist()) if isinstance(cell, np.ndarray) else cell


def _as_table(cell: object) -> Mapping[str, object] | None:
    """A mapping, or the text of one as Python and JSON write it; None for anything else."""
    if cell is None or cell != cell:
        return {}
    if not isinstance(cell, str):
        return cell if isinstance(cell, Mapping) else None
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return found if isinstance(found, Mapping) else None
    return None


def _flattened(row: Mapping[str, object], prefix: str) -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in row.items():
        if isinstance(value, Mapping) and value:
            flat |= _flattened(value, f"{prefix}{key}/")
        elif isinstance(value, list | tuple | Mapping):
            flat[f"{prefix}{key}"] = json.dumps(value, default=str)
        else:
            flat[f"{prefix}{key}"] = _listed(value)
    return flat


def _without_prefixes(source: Source) -> Source:
    """`params.rho` is rho, and `metrics.test_accuracy` is test_accuracy.

    Where two columns come to the same name, what was set is kept, of results what was measured.
    """
    plain = set(source.table)
    by_line = {"number", "state"} <= plain or ("trial_id" in plain and not plain.isdisjoint(SYNE))
    found = {name: split_prefix(name, by_line=by_line) for name in source.table}
    ranks = {"set": 0, "": 1, "measured": 2}
    order = sorted(found, key=lambda name: _rank(*found[name], ranks))
    names: dict[str, str] = {}
    settings = set(source.settings)
    for name in order:
        part, bare = found[name]
        if bare not in names.values():
            names[name] = bare
            if part == "set" and bare not in COLUMNS:
                settings.add(bare)
    kept = [name for name in source.table if name in names]
    table = source.table[kept].rename(columns=names)
    taken = replace(source, table=table, settings=frozenset(settings))
    others = [name for name in source.table if name not in names]
    note = f"Columns that are not used, since another has that name: {', '.join(others)}."
    return taken.noted(note) if others else taken


def _rank(part: str, bare: str, ranks: Mapping[str, int]) -> int:
    return -ranks[part] if bare in AFTER_HYPERPARAMETERS else ranks[part]


def _taken(source: Source, wanted: str, names: Collection[str]) -> Source:
    """The column `wanted`, if it is there under exactly one of these names."""
    if wanted in source.table:
        return source
    found = [name for name in source.table if fold(name) in names]
    if len(found) != 1:
        return source
    renamed = source.table.rename(columns={found[0]: wanted})
    note = f"Taken as {wanted}: the column {found[0]}."
    settings = source.settings - {found[0]}
    return replace(source, table=renamed, settings=settings).noted(note)


def _with_validation(source: Source) -> Source:
    """`val_acc` taken as val_accuracy, if it is a fraction wherever there is a test accuracy."""
    if "test_accuracy" not in source.table:
        return source
    taken = _taken(source, "val_accuracy", VAL_ACCURACIES)
    if "val_accuracy" not in taken.table:
        return source
    test, found = (raw_numbers(taken, name)[0] for name in ("test_accuracy", "val_accuracy"))
    is_whole = ((found >= 0) & (found <= 1))[np.isfinite(test)].all()
    return taken if is_whole else source


def note_own_measures(source: Source) -> Source:
    """The source, with a note on columns that are called as what is measured here."""
    found = [name for name in source.table if name in _MISTAKABLE]
    found = [name for name in found if not is_missing(source, name).all()]
    if source.is_own or not found:
        return source
    return source.noted(
        f"Taken as the columns of trials.parquet of these names, and as no settings: "
        f"{', '.join(found)}; rename what is something else."
    )


def _one_optimizer(source: Source) -> Source:
    """Where another program's table says what was set, and no optimizer, all are one's trials."""
    if "optimizer" in source.table or not source.settings or nearest("optimizer", source.table):
        return source
    note = f"No column says the optimizer: all rows are taken as those of one, {source.stem}."
    return replace(source, table=source.table.assign(optimizer=source.stem)).noted(note)


def _accuracy_column(source: Source) -> str | None:
    """The one column that can only be the test accuracy, or None."""
    if "test_accuracy" in source.table:
        return None
    for names in (TEST_ACCURACIES, ACCURACIES):
        found = [name for name in source.table if fold(name) in names]
        if found:
            return found[0] if len(found) == 1 else None
    is_optuna = {"number", "value", "state"} <= set(source.table)
    return "value" if is_optuna else None
