"""From trials made elsewhere to a run's folder.

In: what was asked for. Out: `trials.parquet` and `manifest.json` in the folder; the report is made
from them as from any run's. Must not import torch or Ray.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from agsam_tune.atomic import replace_file, write_json
from agsam_tune.errors import UsageError
from agsam_tune.folder import RunFolder, now
from agsam_tune.importing.files import FileKind, file_kind
from agsam_tune.importing.options import ImportOptions
from agsam_tune.importing.record import IMPORTED, is_imported, stored_study
from agsam_tune.importing.source import Source
from agsam_tune.importing.tables import read_table_file, read_tables
from agsam_tune.importing.told import Told, checked_told
from agsam_tune.importing.trials import Checked, check_trials
from agsam_tune.manifest import new_manifest
from agsam_tune.paths import SQLiteFile, is_url, named_path
from agsam_tune.study import UNKNOWN_TRAINING, AnalysisSettings, FixedPoint, Phase, Study
from agsam_tune.trials import Trial

__all__ = ["ImportOptions", "Imported", "import_told", "import_trials"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What came of an import.

    Attributes:
        study: the study.
        trials: how many trials there are.
        notes: what was assumed or left out, a sentence each.
    """

    study: Study
    trials: int
    notes: tuple[str, ...]


def import_trials(options: ImportOptions) -> Imported:
    """Read and check trials, and lay them down in a run's folder.

    Raises:
        UsageError: they cannot be read, break a rule, or the folder holds another run; nothing
            was written.
    """
    folder = RunFolder(path=options.out)
    old = folder.read_manifest()
    source = read_source(options)
    _check_folder(folder, old, source)
    checked = check_trials(source, options)
    study = study_of(checked, options)
    _lay_down(folder, checked, study, source, options)
    return Imported(study=study, trials=len(checked.trials), notes=checked.notes)


def import_told(
    told: Told, trials: Sequence[Trial], study: Study, options: ImportOptions
) -> Imported:
    """Lay down the results of a study's own design in a run's folder.

    Args:
        told: the results.
        trials: the design's trial of each row.
        study: the study.
        options: what was asked for; names, roles and ranges are the study's.

    Raises:
        UsageError: the folder holds another run; nothing was written.
    """
    folder = RunFolder(path=options.out)
    _check_folder(folder, folder.read_manifest(), told.source)
    checked = checked_told(told, trials, study)
    _lay_down(folder, checked, study, told.source, options)
    return Imported(study=study, trials=len(checked.trials), notes=checked.notes)


def read_source(options: ImportOptions) -> Source:
    """The trials as they are found, whatever holds them.

    Raises:
        UsageError: they cannot be read.
    """
    location = options.source
    if not is_url(location):
        path = named_path(location)
        if path.is_dir():
            return read_tables(path)
        kind = file_kind(path)
        if (source := read_table_file(path, kind)) is not None:
            return source
        is_database = kind is FileKind.SQLITE
        location = SQLiteFile(path=path.resolve()).url if is_database else str(path)
    from agsam_tune.importing.storages import read_storage

    return read_storage(location, name=options.name, metric=options.metric)


def study_of(checked: Checked, options: ImportOptions) -> Study:
    """The study that the trials are of, as far as they say.

    A phase has the number of its points only where every optimizer has all of them: nothing
    else was planned here.
    """
    names = [name for name in ("map", "tune", "iid", "misset", "fixed") if _has(checked, name)]
    return Study(
        name=checked.study,
        task=checked.task,
        optimizers=checked.optimizers,
        candidate=options.candidate,
        baseline=options.baseline,
        control=options.control,
        training=UNKNOWN_TRAINING,
        search_spaces=dict(checked.spaces),
        phases=tuple(_phase(checked, name) for name in names),
        analysis=AnalysisSettings(margin=options.margin),
    )


def _has(checked: Checked, phase: str) -> bool:
    return bool((checked.trials["phase"] == phase).any())


def _phase(checked: Checked, name: str) -> Phase:
    rows = checked.trials[checked.trials["phase"] == name]
    if name == "fixed":
        return Phase(name="fixed", seeds=_most_seeds(rows), fixed=_fixed_points(checked, rows))
    seeds = 1 if name == "iid" else _most_seeds(rows)
    tuned = rows[[bool(checked.spaces[optimizer].names) for optimizer in rows["optimizer"]]]
    sizes = tuned.groupby("optimizer").size()
    points = int(tuned["point"].nunique())
    is_whole = name != "misset" and points > 0 and bool((sizes == points * seeds).all())
    return Phase.model_validate(
        {
            "name": name,
            "points": points if is_whole else None,
            "replicates": max(1, int(tuned["replicate"].nunique())),
            "seeds": seeds,
        }
    )


def _most_seeds(rows: pd.DataFrame) -> int:
    return int(rows.groupby(["optimizer", "point"]).size().max())


def _fixed_points(checked: Checked, rows: pd.DataFrame) -> tuple[FixedPoint, ...]:
    return tuple(
        FixedPoint(
            optimizer=row["optimizer"],
            hyperparameters={n: float(row[n]) for n in checked.spaces[row["optimizer"]].names},
        )
        for _, row in rows.drop_duplicates(["optimizer", "point"]).iterrows()
    )


def _check_folder(folder: RunFolder, old: Mapping[str, Any] | None, source: Source) -> None:
    """An import may be made again into its own folder, and into no other."""
    if old is None:
        return
    found = old.get(IMPORTED)
    if is_imported(old) and isinstance(found, Mapping) and found.get("source") == _place(source):
        return
    name = (old.get("study") or {}).get("name", "without a name")
    msg = f"{folder.path}: holds another run, of the study {name}; choose another folder with --out"
    raise UsageError(msg)


def _place(source: Source) -> str:
    """Where the trials are, whatever the working folder."""
    return source.origin if is_url(source.origin) else str(Path(source.origin).resolve())


def _lay_down(
    folder: RunFolder, checked: Checked, study: Study, source: Source, options: ImportOptions
) -> None:
    buffer = io.BytesIO()
    checked.trials.to_parquet(buffer, index=False)
    with folder.driver():
        # First the manifest: if this stops between the two, the same command mends it.
        write_json(folder.manifest, _manifest(study, checked, source, options))
        replace_file(folder.trials, buffer.getvalue())


def _manifest(
    study: Study, checked: Checked, source: Source, options: ImportOptions
) -> dict[str, Any]:
    """A run's manifest, null or absent where something is not known of trials made elsewhere."""
    designed = options.study_file is not None
    data = {"chance": checked.chance, "test": options.test_size}
    made = new_manifest(
        study, data=data, device="", engine={}, storage=None, command=options.command
    )
    unknown = dict.fromkeys(("device", "started", "finished", "foreign_code"))
    return {
        **made,
        **unknown,
        "study": stored_study(study, designed=designed),
        IMPORTED: {
            "source": _place(source),
            **({"study_file": str(options.study_file)} if designed else {}),
            "kind": source.kind,
            "digest": source.digest,
            "at": now(),
            "constants": {name: dict(own) for name, own in checked.constants.items()},
            "notes": list(checked.notes),
        },
    }
