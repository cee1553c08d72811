"""From a run's folder to its tables, estimates and report.

In: a run's folder. Out: `trials.parquet`, `summary.json`, `report.html` and `figures/` in
it. Must not import torch or Ray.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from agsam_tune.analysis import analyse
from agsam_tune.atomic import replace_file, write_json
from agsam_tune.errors import UsageError
from agsam_tune.folder import RunFolder
from agsam_tune.report import write_report
from agsam_tune.store import ResultStore, StorageError
from agsam_tune.store.tables import curves_table, trials_table
from agsam_tune.study import Study, StudyError


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRun:
    """A run as it lies in its folder.

    Attributes:
        study: the study.
        manifest: the manifest.
        trials: the trials table.
        curves: the curves table.
    """

    study: Study
    manifest: Mapping[str, Any]
    trials: pd.DataFrame
    curves: pd.DataFrame


def read_run(path: Path) -> StoredRun:
    """Everything that is stored of a run.

    Raises:
        UsageError: the folder holds no run, or its results are gone.
    """
    folder = RunFolder(path=path)
    manifest = folder.read_manifest() if path.is_dir() else None
    if manifest is None:
        raise UsageError(f"{path}: no run is here (there is no manifest.json)")
    try:
        study = Study.from_resolved(manifest["study"])
        location = manifest["storage"] or str(folder.journal)
    except (KeyError, StudyError) as error:
        raise UsageError(f"{folder.manifest}: not the manifest of a run: {error}") from error
    try:
        numbered = ResultStore.read(study, location).numbered_outcomes()
    except StorageError as error:
        raise UsageError(f"{path}: {error}") from error
    return StoredRun(
        study=study,
        manifest=manifest,
        trials=trials_table(study, numbered),
        curves=curves_table([outcome for outcome, _ in numbered]),
    )


def report_run(path: Path, *, out: Path | None = None) -> dict[str, Any]:
    """Write the tables, the estimates and the report of a run; returns the summary.

    Args:
        path: the run's folder.
        out: where to write them; the run's folder itself if None.
    """
    run = read_run(path)
    folder = RunFolder(path=out or path)
    folder.create()
    buffer = io.BytesIO()
    run.trials.to_parquet(buffer, index=False)
    replace_file(folder.trials, buffer.getvalue())
    data = run.manifest["data"]
    summary = analyse(run.trials, run.study, chance=data["chance"], test_size=data["test"])
    write_json(folder.summary, summary)
    write_report(
        folder.path,
        summary=summary,
        trials=run.trials,
        curves=run.curves,
        manifest=run.manifest,
        study=run.study,
    )
    return summary
