"""Earlier runs whose trials a study would make again: they are taken over, not trained anew.

In: folders of runs, a study. Out: a function from a trial to what was made of it. Must not
import torch, Ray or Optuna.

What comes of a trial follows from its optimizer and hyperparameters, from what its random streams
and its data are of (phase, replicate, index, seed), and from what all trials of a run share: the
task and its data, the recipe, the study's seed, the device, the way of computing, the versions.
On a CPU no row depends on its pack. So the shared part must be the same for a run to be of use, and
an outcome is found by the rest: also where its point has another number, since replicates have more
points in the new design.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agsam_tune.errors import UsageError
from agsam_tune.executors.checks import device_of
from agsam_tune.folder import RunFolder
from agsam_tune.manifest import DECIDING, FORMAT, differing_data, recorded_engine
from agsam_tune.provenance import versions
from agsam_tune.recorded import RecordedRun, recorded_run
from agsam_tune.store import ResultStore, StorageError
from agsam_tune.study import Study, changed_keys
from agsam_tune.trials import Outcome, State, Trial

# What trains; another version may round differently, or draw other weights.
_VERSIONS = ("agsam-tune", "torch", "numpy")


@dataclass(frozen=True, slots=True)
class _Content:
    """What decides a trial's numbers within a run; values as texts, which keep every bit."""

    optimizer: str
    phase: str
    replicate: int
    index: int
    seed: int
    hyperparameters: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierRuns:
    """Runs that a new one may take trials from, as far as that can be told without the data.

    Attributes:
        study: the new run's study, in their way of computing.
        runs: by the path they were given with.
    """

    study: Study
    runs: Mapping[str, RecordedRun]

    def read(self, facts: Mapping[str, Any]) -> Made:
        """What is stored of them.

        Args:
            facts: `Tasks.facts()` of the new run.

        Raises:
            UsageError: their data are not the new run's, or they cannot be read.
        """
        for path, run in self.runs.items():
            different = differing_data(run.manifest["data"], facts)
            _refuse(path, [different] if different else [])
        outcomes: dict[_Content, Outcome] = {}
        for path, run in self.runs.items():
            for outcome in _stored(path, run, self.study):
                outcomes.setdefault(_content(outcome.trial), replace(outcome, taken_from=path))
        return Made(runs=self.runs, outcomes=outcomes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What earlier runs made; called with a trial, it gives its outcome or None.

    Attributes:
        runs: the runs, by path.
        outcomes: theirs, with learning curves.
    """

    runs: Mapping[str, RecordedRun]
    outcomes: Mapping[_Content, Outcome]

    def __call__(self, trial: Trial) -> Outcome | None:
        found = self.outcomes.get(_content(trial))
        return found and replace(found, trial=trial)

    def counted(
        self, before: Sequence[Mapping[str, Any]], stored: Iterable[Outcome]
    ) -> list[dict[str, Any]]:
        """What a manifest says of the runs: how many of the stored trials were taken from where.

        Args:
            before: what it has said so far.
            stored: the new run's trials.
        """
        taken = Counter(outcome.taken_from for outcome in stored)
        known = {run["path"]: dict(run) for run in before}
        given = {
            path: {
                "path": path,
                "study": run.study.name,
                "study_hash": run.study.hash,
                "device": run.manifest.get("device"),
            }
            for path, run in self.runs.items()
        }
        return [{**run, "trials": taken[path]} for path, run in {**known, **given}.items()]

    def told(self, stored: Sequence[Outcome], total: int) -> str:
        """One line: how many trials the new run has from here."""
        taken = sum(outcome.taken_from in self.runs for outcome in stored)
        left = total - len(stored)
        there = " and ".join(self.runs)
        return f"{taken:,} of {total:,} trials taken over from {there}; {left:,} left"


def earlier_runs(paths: Sequence[Path], study: Study, folder: RunFolder | None) -> EarlierRuns:
    """The runs in these folders, checked against a study.

    Where the study leaves the way of computing open, theirs is taken, since ways round
    differently.

    Args:
        paths: folders of runs.
        study: what is to be run.
        folder: where, None for a folder that is not there yet; what it holds already was
            computed in one way too.

    Raises:
        UsageError: a folder holds no run, the new run itself, or one whose trials' numbers
            would not be those of this study's.
    """
    runs: dict[str, RecordedRun] = {}
    begun = folder.read_manifest() if folder is not None and paths else None
    if begun is not None and study.packs.way == "auto":
        study = _in_way(study, recorded_engine(begun)["way"])
    for path in paths:
        if folder is not None and path.resolve() == folder.path.resolve():
            raise UsageError(
                f"{path}: is the folder of this run, which carries on by itself; --reuse takes "
                "trials from others, and --out names another"
            )
        run = recorded_run(path)
        if run.location is None:
            raise UsageError(f"{path}: its trials were imported; only those of a run are reused")
        if run.study.format != FORMAT or run.manifest.get("format", 1) != FORMAT:
            raise UsageError(
                f"{path}: is of the first design, whose trainings had other random numbers; leave "
                f"out --reuse {path}"
            )
        _refuse(str(path), _differences(run, study))
        study = _in_way(study, recorded_engine(run.manifest)["way"])
        runs[str(path)] = run
    return EarlierRuns(study=study, runs=runs)


def _in_way(study: Study, way: str) -> Study:
    return study.model_copy(update={"packs": study.packs.model_copy(update={"way": way})})


def _refuse(path: str, differences: Sequence[str]) -> None:
    if differences:
        raise UsageError(
            f"{path}: none of its trials is one of this study, since what decides their numbers is "
            f"not the same there and here: {'; '.join(differences)}. Make it the same, or leave "
            f"out --reuse {path}"
        )


def _differences(run: RecordedRun, study: Study) -> list[str]:
    """What decides all trials' numbers and is not the same: "key: there → here"."""
    there, here = ({key: s.resolved()[key] for key in DECIDING} for s in (run.study, study))
    pairs = {
        "resources.gpus": (str(run.manifest.get("device")).split()[0], device_of(study)),
        "packs.way": (recorded_engine(run.manifest)["way"], study.packs.way),
    }
    known = run.manifest.get("versions") or {}
    for package, version in versions(_VERSIONS).items():
        pairs[f"versions.{package}"] = (str(known.get(package)), str(version))
    return changed_keys(there, here) + [
        f"{key}: {old} → {new}" for key, (old, new) in pairs.items() if new not in ("auto", old)
    ]


def _stored(path: str, run: RecordedRun, study: Study) -> Iterable[Outcome]:
    """The run's trials that trained to their end, of optimizers that mean the same in both."""
    theirs, ours = run.study.search_spaces, study.search_spaces
    same = {name for name in theirs if name in ours and theirs[name].rule == ours[name].rule}
    try:
        for outcome in ResultStore.read(run.study, str(run.location)).outcomes():
            if outcome.state is State.COMPLETE and outcome.trial.optimizer in same:
                yield outcome
    except StorageError as error:
        raise UsageError(f"{path}: {error}") from error


def _content(trial: Trial) -> _Content:
    values = tuple(sorted((name, value.hex()) for name, value in trial.hyperparameters))
    return _Content(trial.optimizer, trial.phase, trial.replicate, trial.index, trial.seed, values)
