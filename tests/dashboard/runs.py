"""Runs in folders, with storages of their own, made without training."""

from __future__ import annotations

import itertools
import json
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from agsam_tune.agenda import Agenda
from agsam_tune.quiet import quietened
from agsam_tune.store import ResultStore, Stored
from agsam_tune.store.tables import curves_table, trials_table
from agsam_tune.study import Study, load_study
from agsam_tune.trials import Curve, Outcome, State, Trial

STUDIES = Path(__file__).parents[2] / "studies"
CHANCE = 0.5
EPOCHS = 5
Item = TypeVar("Item")
RADII = (0.03, 0.3)


def study_of(name: str, **changes: Any) -> Study:
    """A study file of this repository, with changed keys of its resolved form."""
    return Study.from_resolved(load_study(STUDIES / f"{name}.toml").resolved() | changes)


def small_study(**changes: Any) -> Study:
    """quick.toml, by its own name."""
    return study_of("quick", **changes)


@cache
def outcomes_of(study: Study) -> tuple[Outcome, ...]:
    """What a run of a study could have given, with learning curves, as it comes."""
    found: list[Outcome] = []
    with quietened():
        agenda = Agenda(study, [], radius_range=RADII)
        while (pack := agenda.next_pack()) is not None:
            made = [_outcome(trial) for trial in pack.trials]
            agenda.record(made)
            found += made
    return tuple(found)


def _outcome(trial: Trial) -> Outcome:
    """It breaks down at large rho, gsam earlier than the others, which diverges there besides."""
    settings = dict(trial.hyperparameters)
    knee = 0.2 if trial.optimizer == "gsam" else 0.6
    over = max(0.0, math.log10(settings.get("rho", 0.01) / knee))
    noise = zlib.crc32(repr(trial.key).encode()) / 2**32
    diverged = trial.optimizer == "gsam" and over > 1.2
    accuracy = CHANCE if diverged else max(0.9 - 0.2 * over**2 - 0.01 * noise, 0.4)
    reached = (*(accuracy * (1 - 0.5**n) for n in range(1, EPOCHS)), accuracy)
    others = dict.fromkeys(("f", "f_p", "surrogate_gap", "radius"), reached)
    return Outcome(
        trial=trial,
        state=State.COMPLETE,
        val_accuracy=accuracy,
        test_accuracy=accuracy,
        test_loss=math.nan if diverged else 1 - accuracy,
        train_loss=math.nan if diverged else 1 - accuracy,
        radius=0.5 * settings.get("rho", math.nan),
        surrogate_gap=0.01,
        diverged=diverged,
        diverged_step=17 if diverged else None,
        seconds=0.5,
        curve=Curve(val_accuracy=reached, test_accuracy=reached, **others),
    )


def numbered(outcomes: Sequence[Outcome]) -> list[Stored]:
    """The same with the numbers that a store gives them."""
    counts: dict[str, Iterator[int]] = {}
    return [
        Stored(one, next(counts.setdefault(one.trial.optimizer, itertools.count())), None)
        for one in outcomes
    ]


def table_of(study: Study, outcomes: Sequence[Outcome] | None = None) -> pd.DataFrame:
    """Their trials table."""
    some = numbered(outcomes_of(study) if outcomes is None else outcomes)
    return trials_table(study, [(one.outcome, one.number) for one in some])


def curves_of(study: Study) -> pd.DataFrame:
    """Their learning curves."""
    return curves_table(outcomes_of(study))


def manifest_of(study: Study, **changes: Any) -> dict[str, Any]:
    """The contents of `manifest.json` of a run that has been looked at once."""
    facts = {"train": 400, "validation": 400, "test": 400, "parameters": 2241}
    own = {"digest": "ab" * 32, "chance": CHANCE}
    return {
        "format": 2,
        "study": study.resolved(),
        "study_hash": study.hash,
        "versions": {"python": "3.11.9", "torch": "2.13.0"},
        "commit": "0123abc",
        "device": "cpu",
        "data": {**facts, "chance": CHANCE, "replicates": [own] * study.replicates},
        "storage": None,
        "looks": [study.replicates],
        "radius_range": list(RADII),
        "started": "2026-01-02T03:04:05+00:00",
        "finished": "2026-01-02T03:14:05+00:00",
        "command": ["agsam-tune", "run", "studies/quick.toml"],
        "foreign_code": False,
    } | changes


def write_manifest(folder: Path, study: Study, **changes: Any) -> Mapping[str, Any]:
    """The manifest of a run of that study, in its folder."""
    manifest = manifest_of(study, **changes)
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return manifest


def write_run(
    folder: Path, study: Study, outcomes: Sequence[Outcome] | None = None
) -> Sequence[Outcome]:
    """A run's folder with its manifest and journal; returns what is stored."""
    write_manifest(folder, study)
    stored = outcomes_of(study) if outcomes is None else outcomes
    with closing(ResultStore.open(study, str(folder / "study.journal"))) as store:
        store.add(stored)
    return stored


def batches(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    """The items in their order, so many at a time."""
    rest = iter(items)
    while batch := list(itertools.islice(rest, size)):
        yield batch
