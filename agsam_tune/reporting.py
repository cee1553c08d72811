"""From a run's folder to its tables, estimates and report.

In: a run's folder. Out: `trials.parquet`, `summary.json`, `report.html` and `figures/` in
it. Must not import torch or Ray.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from agsam_tune.analysis import (
    AnalysisFacts,
    Data,
    Summary,
    analyse_data,
    best_settings,
    read_data,
)
from agsam_tune.analysis.record import Changed
from agsam_tune.analysis.surfaces import Surfaces, fit_surfaces
from agsam_tune.atomic import replace_file
from agsam_tune.errors import UsageError
from agsam_tune.folder import RunFolder
from agsam_tune.importing import read_imported_trials
from agsam_tune.recorded import RecordedRun, check_apart, recorded_run
from agsam_tune.report import write_report
from agsam_tune.store import ResultStore, StorageError
from agsam_tune.store.tables import curves_table, trials_table
from agsam_tune.study import Study, analysis_changes, planned_trials, with_analysis

if TYPE_CHECKING:
    from agsam_tune.analysis.record_across import TaskComparison


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run as it lies in its folder.

    Attributes:
        study: the study, as it is analysed.
        manifest: the manifest.
        trials: the trials table.
        curves: the curves table.
        changed: what is analysed otherwise than the run's study says: key, run, here.
    """

    study: Study
    manifest: Mapping[str, Any]
    trials: pd.DataFrame
    curves: pd.DataFrame
    changed: Sequence[Changed] = ()


def read_run(path: Path, *, curves: bool = True, overrides: Sequence[str] = ()) -> StoredRun:
    """Everything that is stored of a run.

    Args:
        path: its folder.
        curves: whether the learning curves are wanted; else that table is empty.
        overrides: texts "KEY=VALUE" of how it is analysed (`study.with_analysis`).

    Raises:
        UsageError: the folder holds no run, or its results are gone.
        StudyError: an override cannot be.
    """
    run = recorded_run(path)
    here = with_analysis(run.study, overrides)
    trials, learning = _tables(path, run, curves)
    return StoredRun(
        study=here,
        manifest=run.manifest,
        trials=trials,
        curves=learning,
        changed=[Changed.model_validate(change) for change in analysis_changes(run.study, here)],
    )


def _tables(path: Path, run: RecordedRun, curves: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The trials table, and the curves table, which is empty where it is not wanted."""
    study = run.study
    if run.location is None:
        return read_imported_trials(RunFolder(path=path).trials), curves_table([])
    try:
        store = ResultStore.read(study, run.location, curves=curves)
        numbered = store.numbered_outcomes()
        trained = list(numbered) if curves else []
        trials = trials_table(study, trained or numbered)
    except StorageError as error:
        raise UsageError(f"{path}: {error}") from error
    return trials, curves_table([outcome for outcome, _ in trained])


def write_trials(path: Path) -> None:
    """Write `trials.parquet` of a run and nothing else."""
    _write_table(RunFolder(path=path), read_run(path, curves=False).trials)


def facts_of(manifest: Mapping[str, Any], study: Study, trials: pd.DataFrame) -> AnalysisFacts:
    """What the analysis must know besides: the looks, whether this one is whole, the lengths.

    A look at a size is whole when all trials that its study plans are there, those that raised an
    error included: they are in no estimate, and the report says so. That it was whole once, as the
    manifest says, is not enough: trials may have been set aside since, to be run again.
    Of a run of the first design, and of a table that came without a design, all that there is is
    one look, which cannot grow.

    Args:
        manifest: the contents of `manifest.json`.
        study: the study, as it is analysed.
        trials: the trials table.
    """
    imported = manifest.get("imported") or {}
    grows = study.format != 1 and (not imported or "study_file" in imported)
    size = study.replicates if grows else _replicates(trials)
    made = [look for look in manifest.get("looks") or () if look < size] if grows else []
    lengths = manifest.get("radius_range") or _given_range(study)
    return AnalysisFacts(
        trivial=float(manifest["data"]["chance"]),
        looks=(*made, size),
        complete=not grows or _is_whole(study, trials, lengths is not None),
        radius_range=None if lengths is None else (float(lengths[0]), float(lengths[1])),
        paired=bool(imported.get("paired", True)),
        ranges={
            str(phase): (float(low), float(high))
            for phase, (low, high) in (imported.get("ranges") or {}).items()
        },
        can_grow=grows,
    )


def _replicates(trials: pd.DataFrame) -> int:
    """The most of an optimizer; of `fixed`, where they are seeds, only if there is nothing else."""
    own = trials[trials["phase"] != "fixed"]
    counted = (own if len(own) else trials).groupby("optimizer")["replicate"].nunique()
    return max(int(counted.max()), 1) if len(counted) else 1


def _given_range(study: Study) -> tuple[float, float] | None:
    phase = study.phase("radius")
    if phase is None or phase.low is None or phase.high is None:
        return None
    return phase.low, phase.high


def _is_whole(study: Study, trials: pd.DataFrame, has_lengths: bool) -> bool:
    """Whether all planned trials are there.

    None of `radius` is planned without lengths, and none of `misset` in a replicate in which
    nothing ran that it could be around.
    """
    stored = trials.groupby(["optimizer", "phase"]).size()
    around = study.phase("misset")

    def planned(optimizer: str, phase: str, n: int) -> int:
        if phase == "radius" and not has_lengths:
            return 0
        if phase == "misset" and around is not None:
            return len(best_settings(trials, optimizer)) * (around.points or 0)
        return n

    return all(
        int(stored.get((optimizer, phase), 0)) >= planned(optimizer, phase, n or 0)
        for (optimizer, phase), n in planned_trials(study).items()
    )


def analysed(run: StoredRun) -> Summary:
    """The record of every estimate of a run, made anew from what is stored."""
    return _analysed(run, _data(run))


def _data(run: StoredRun) -> Data:
    return read_data(run.trials, run.study, facts_of(run.manifest, run.study, run.trials))


def _analysed(run: StoredRun, data: Data, surfaces: Surfaces | None = None) -> Summary:
    return analyse_data(data, surfaces).model_copy(update={"changed": tuple(run.changed)})


def report_run(path: Path, *, out: Path | None = None, overrides: Sequence[str] = ()) -> Summary:
    """Write the tables, the estimates and the report of a run; returns the record.

    Args:
        path: the run's folder.
        out: where to write them; the run's folder itself if None.
        overrides: see `read_run`; with them `out` must be no run's folder, whose own report says
            what its study file asks.

    Raises:
        UsageError: the folder holds no run, or `out` cannot be used; nothing was written.
        StudyError: an override cannot be.
    """
    if overrides:
        check_apart(path, out)
    return _report(read_run(path, overrides=overrides), out or path)[1]


def report_runs(
    paths: Sequence[Path], *, out: Path | None, said: Callable[[Path, Summary], None]
) -> tuple[Path, TaskComparison]:
    """Write the report of each run, and one that compares them across tasks.

    Args:
        paths: the runs' folders, two or more.
        out: where to write the comparison; None for `comparison` beside the first run's folder.
        said: called with each folder and its record as soon as it is written.

    Returns:
        the comparison's folder, and its record.

    Raises:
        UsageError: a folder holds no run or comes twice, or `out` holds something else; nothing
            was written.
    """
    # Here, since a single run's report needs neither.
    from agsam_tune.analysis.across import TaskRun, compare_tasks
    from agsam_tune.report.across import write_comparison

    folder = _comparison_folder(paths, out)
    runs = [read_run(path) for path in paths]
    names = _names(runs, paths)
    found = []
    for path, run, name in zip(paths, runs, names, strict=True):
        data, summary = _report(run, path)
        said(path, summary)
        found.append(TaskRun(name=name, data=data, summary=summary))
    comparison = compare_tasks(found)
    RunFolder(path=folder).create()
    _write_record(folder / "summary.json", comparison)
    write_comparison(folder, comparison)
    return folder, comparison


def _report(run: StoredRun, out: Path) -> tuple[Data, Summary]:
    folder = RunFolder(path=out)
    folder.create()
    _write_table(folder, run.trials)
    data = _data(run)
    surfaces = fit_surfaces(data)
    summary = _analysed(run, data, surfaces)
    _write_record(folder.summary, summary)
    write_report(
        folder.path,
        summary=summary,
        trials=run.trials,
        curves=run.curves,
        manifest=run.manifest,
        study=run.study,
        surfaces=surfaces,
    )
    return data, summary


def _write_record(path: Path, record: Summary | TaskComparison) -> None:
    replace_file(path, f"{record.model_dump_json(indent=1)}\n".encode())


def _write_table(folder: RunFolder, trials: pd.DataFrame) -> None:
    buffer = io.BytesIO()
    trials.to_parquet(buffer, index=False)
    replace_file(folder.trials, buffer.getvalue())


def _comparison_folder(paths: Sequence[Path], out: Path | None) -> Path:
    """Where the comparison goes: a new folder, an empty one, or that of an earlier comparison."""
    if len({path.resolve() for path in paths}) < len(paths):
        raise UsageError("a folder is named twice; name each run once")
    first = paths[0] if paths[0].name not in ("", "..") else paths[0].resolve()
    folder = out or first.parent / "comparison"
    if not folder.exists():
        return folder
    try:
        others = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        raise UsageError(f"{folder}: cannot be used for a comparison: {error}") from error
    if not others or _holds_comparison(folder / "summary.json"):
        return folder
    msg = (
        f"{folder}: holds {', '.join(others[:3])} and is no comparison's folder; choose an empty "
        "or a new one with --out"
    )
    raise UsageError(msg)


def _holds_comparison(summary: Path) -> bool:
    try:
        return "comparison_of" in json.loads(summary.read_text("utf-8"))
    except FileNotFoundError:
        return False
    except ValueError:  # not JSON: somebody else's file
        return False
    except OSError as error:
        raise UsageError(f"{summary}: cannot be read: {error}") from error


def _names(runs: Sequence[StoredRun], paths: Sequence[Path]) -> list[str]:
    """The studies' names, or the folders where two studies have the same."""
    names = [run.study.name for run in runs]
    if len(set(names)) == len(names):
        return names
    return [str(path) for path in paths]
