"""What a run's manifest records: its study, and where its results lie.

In: a run's folder. Out: one frozen record. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agsam_tune.errors import UsageError
from agsam_tune.folder import RunFolder
from agsam_tune.importing import imported_study, is_imported
from agsam_tune.manifest import check_format
from agsam_tune.study import Study, StudyError


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """A run by its manifest.

    Attributes:
        study: the study.
        manifest: the manifest.
        location: the storage of its results; None where the trials were made elsewhere, and
            `trials.parquet` has them.
    """

    study: Study
    manifest: Mapping[str, Any]
    location: str | None

    @property
    def chance(self) -> float | None:
        """The largest class's share of the test split, if it is known."""
        chance = (self.manifest.get("data") or {}).get("chance")
        return None if chance is None else float(chance)


def recorded_run(path: Path) -> RecordedRun:
    """The run in a folder, whose results are not read.

    Raises:
        UsageError: the folder holds no run, its manifest is none, or a later version's.
    """
    folder = RunFolder(path=path)
    manifest = folder.run_manifest()
    check_format(folder, manifest)
    try:
        if is_imported(manifest):
            return RecordedRun(study=imported_study(manifest), manifest=manifest, location=None)
        return RecordedRun(
            study=Study.from_resolved(manifest["study"]),
            manifest=manifest,
            location=manifest["storage"] or str(folder.journal),
        )
    except (KeyError, TypeError, ValueError, AttributeError, StudyError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"{folder.manifest}: not the manifest of a run: {reason}") from error


def check_apart(path: Path, out: Path | None) -> None:
    """Raise UsageError unless a report with other settings than the run's has its own place."""
    what = "a report with --set needs a folder of its own"
    if out is None:
        raise UsageError(f"{path}: {what}; name one with --out")
    if out.resolve() == path.resolve() or RunFolder(path=out).manifest.exists():
        raise UsageError(f"{out}: holds a run with its own report, and {what}; name another --out")
