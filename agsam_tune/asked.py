"""What a command or a call names as its study: a study file, a study's name, or a run's folder.

In: a path or a name, and overrides. Out: the study, the folder it runs in, and where modules of
one's own are looked for. Must not import torch, Ray, Optuna or pandas.

A run's folder is all that it takes to carry the run on, or to repeat it in another folder: the
manifest has the study as it was resolved when the run began, `--set` and all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agsam_tune.errors import UsageError
from agsam_tune.folder import RunFolder
from agsam_tune.paths import command_word
from agsam_tune.study import Study, StudyError, changed_study, find_study, load_study
from agsam_tune.study.first_design import FIRST_DESIGN, NOT_CARRIED_ON


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedStudy:
    """A study that was asked for.

    Attributes:
        study: the study.
        origin: its file, or the folder of the run that it is from.
        out: the folder that it runs in.
        import_path: folders in which modules of one's own are looked for.
    """

    study: Study
    origin: Path
    out: Path
    import_path: tuple[str, ...]


def asked_study(
    named: Path, *, out: Path | None = None, overrides: Sequence[str] = ()
) -> AskedStudy:
    """The study that is named by its file, by its name, or by the folder of a run.

    A bare name is a study's if there is one of that name, and else a folder's.

    Args:
        named: the path or name.
        out: the folder to run it in; None for `runs/NAME`, and for the run's own folder.
        overrides: texts "KEY=VALUE" as `--set` takes them.

    Raises:
        StudyError: the study's file is wrong, or an override.
        UsageError: the folder is that of no run.
    """
    try:
        file = find_study(named)
    except StudyError as error:
        there = Path("runs") / named
        if not RunFolder(path=there).manifest.is_file():
            raise
        raise UsageError(f"{error}; did you mean {there}, where a run is?") from error
    here = str(Path.cwd())
    if file.is_dir() and RunFolder(path=file).manifest.is_file():
        study, folders = _recorded(file, overrides)
        return AskedStudy(study=study, origin=file, out=out or file, import_path=(*folders, here))
    study = load_study(file, overrides=overrides)
    beside = str(file.resolve().parent)
    return AskedStudy(
        study=study,
        origin=file,
        out=out or Path("runs") / study.name,
        import_path=(beside, here),
    )


def _recorded(folder: Path, overrides: Sequence[str]) -> tuple[Study, tuple[str, ...]]:
    """The study of a run, and where its own modules were."""
    from agsam_tune.recorded import recorded_run  # imports pandas

    run = recorded_run(folder)
    if run.location is None:
        msg = (
            f"{folder}: its trials were made elsewhere and imported, so there is nothing to run; "
            f"agsam-tune report {command_word(folder)} rebuilds the report"
        )
        raise UsageError(msg)
    if run.study.format == FIRST_DESIGN:
        raise UsageError(f"{folder}: {NOT_CARRIED_ON}")
    study = changed_study(run.study, overrides, origin=f"the study of {folder}")
    return study, _import_path(run.manifest, folder)


def _import_path(manifest: Mapping[str, Any], folder: Path) -> tuple[str, ...]:
    """As it was when the run began; a manifest from before it was kept has none."""
    found = manifest.get("import_path", [])
    if not isinstance(found, list) or not all(isinstance(entry, str) for entry in found):
        msg = f"{RunFolder(path=folder).manifest}: import_path: found {found!r}, allowed: folders"
        raise UsageError(msg)
    return tuple(found)
