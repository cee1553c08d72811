"""Runs in folders, with storages of their own, made without training."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from agsam_tune.columns import AFTER_HYPERPARAMETERS
from agsam_tune.dashboard.source import trials_of_table
from agsam_tune.store import ResultStore
from agsam_tune.study import Study
from agsam_tune.trials import Curve, Outcome, State
from tests.report.runs import manifest_of, study_of, trials_of

EPOCHS = 5


def small_study(**changes: Any) -> Study:
    """quick.toml, by its own name."""
    return study_of("quick", **changes)


def outcomes_of(study: Study, table: pd.DataFrame | None = None) -> list[Outcome]:
    """A simulated run's outcomes with learning curves, as they come: phase by phase."""
    table = trials_of(study) if table is None else table
    assert set(AFTER_HYPERPARAMETERS) <= set(table.columns)
    outcomes = [_with_curve(stored.outcome) for stored in trials_of_table(study, table)]
    order = [phase.name for phase in study.phases]
    return sorted(outcomes, key=lambda one: order.index(one.trial.phase))


def _with_curve(outcome: Outcome) -> Outcome:
    if outcome.state is not State.COMPLETE:
        return outcome
    val = tuple(outcome.val_accuracy * (1 - 0.5**n) for n in range(1, EPOCHS + 1))
    test = tuple(outcome.test_accuracy * (1 - 0.5**n) for n in range(1, EPOCHS + 1))
    others = dict.fromkeys(("f", "f_p", "surrogate_gap", "radius"), val)
    curve = Curve(val_accuracy=val, test_accuracy=test, **others)
    return replace(outcome, curve=curve)


def write_manifest(folder: Path, study: Study, **changes: Any) -> Mapping[str, Any]:
    """The manifest of a run of that study, in its folder."""
    manifest = manifest_of(study, **{"storage": None, **changes})
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return manifest


def write_run(folder: Path, study: Study, outcomes: list[Outcome] | None = None) -> list[Outcome]:
    """A run's folder with its manifest and journal; returns what is stored."""
    write_manifest(folder, study)
    stored = outcomes_of(study) if outcomes is None else outcomes
    with closing(ResultStore.open(study, str(folder / "study.journal"))) as store:
        store.add(stored)
    return stored


def batches(outcomes: list[Outcome], size: int) -> Iterator[list[Outcome]]:
    """The outcomes in their order, so many at a time."""
    rest = iter(outcomes)
    while batch := list(itertools.islice(rest, size)):
        yield batch
