"""From trials made elsewhere to a run's folder.

In: what was asked for. Out: `trials.parquet` and `manifest.json` in the folder; the report is made
from them as from any run's. Must not import torch or Ray.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from agsam_tune.atomic import replace_file, write_json
from agsam_tune.errors import UsageError
from agsam_tune.folder import RunFolder, now
from agsam_tune.importing.files import FileKind, file_kind
from agsam_tune.importing.options import ImportOptions
from agsam_tune.importing.pair import common_lengths, common_range, drawn_apart, joined, labels_of
from agsam_tune.importing.record import IMPORTED, is_imported, stored_study
from agsam_tune.importing.roles import Roles, check_roles
from agsam_tune.importing.runs import OwnRun, checked_run
from agsam_tune.importing.source import Findings, Source
from agsam_tune.importing.tables import read_table_file, read_tables
from agsam_tune.importing.told import Told, checked_told
from agsam_tune.importing.trials import Checked, check_trials
from agsam_tune.manifest import new_manifest
from agsam_tune.paths import SQLiteFile, is_url, named_path
from agsam_tune.study import UNKNOWN_TRAINING, AnalysisSettings, FixedPoint, Phase, Study
from agsam_tune.study.model import PHASE_NAMES
from agsam_tune.trials import Trial

__all__ = ["ImportOptions", "Imported", "import_told", "import_trials"]

_NO_RUNS: Mapping[str, OwnRun] = MappingProxyType({})


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Origin:
    """Where trials are from, as the manifest says it; no digest of what is no file."""

    source: str
    kind: str
    digest: str | None

    @classmethod
    def of(cls, source: Source) -> _Origin:
        """That of a table or a storage, whatever the working folder."""
        place = source.origin if is_url(source.origin) else str(Path(source.origin).resolve())
        return cls(source=place, kind=source.kind, digest=source.digest)

    def said(self) -> dict[str, Any]:
        """As JSON."""
        return {"source": self.source, "kind": self.kind, "digest": self.digest}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """What candidate and baseline were drawn from, and by how many replicates.

    Attributes:
        paired: whether their replicates are the same.
        ranges: phase → ends of what the key was drawn from, where the study does not say it.
        radius_range: ends of the lengths of steps in `radius`, if they are known.
        looks: replicates at each look so far.
    """

    paired: bool
    ranges: Mapping[str, tuple[float, float]]
    radius_range: tuple[float, float] | None
    looks: Sequence[int]


def import_trials(options: ImportOptions, runs: Mapping[str, OwnRun] = _NO_RUNS) -> Imported:
    """Read and check trials of one source or of two, and lay them down in a run's folder.

    Args:
        options: what was asked for.
        runs: those of the sources that are folders of runs, with what is stored there.

    Raises:
        UsageError: they cannot be read, break a rule, or the folder holds another run; nothing
            was written.
    """
    folder = RunFolder(path=options.out)
    old = folder.read_manifest()
    named = [name for name in (options.source, options.other) if name is not None]
    tables = {name: read_source(name, options) for name in named if name not in runs}
    origins = [
        _Origin.of(tables[name])
        if name in tables
        else _Origin(source=str(Path(name).resolve()), kind="run", digest=None)
        for name in named
    ]
    _check_folder(folder, old, origins)
    if len({origin.source for origin in origins}) < len(origins):
        raise UsageError(f"{options.source}: is named twice; name two sources, or it alone")
    chance = options.chance
    own = {name: checked_run(runs[name], chance=chance) for name in named if name in runs}
    if own and chance is None:  # what is beside a run is of its task
        options = replace(options, chance=next(iter(own.values())).chance)
    sides = [own[name] if name in own else check_trials(tables[name], options) for name in named]
    checked, roles = _with_roles(sides, origins, options)
    checked, lengths = common_lengths(checked, roles)
    apart = drawn_apart(checked, roles) if len(sides) == 1 else ()
    if apart:
        note = (
            f"{roles.candidate} and {roles.baseline} share no point in {', '.join(apart)}: they "
            "are compared as independent samples."
        )
        checked = replace(checked, notes=(*checked.notes, note))
    study = study_of(checked, roles, options)
    found = {phase: common_range(checked, roles, phase, study.key) for phase in ("key", "off")}
    compared = _Compared(
        paired=len(sides) == 1 and not apart,
        ranges={phase: ends for phase, ends in found.items() if ends is not None},
        radius_range=lengths,
        looks=[study.replicates],
    )
    _lay_down(folder, checked, study, origins, options, compared)
    return Imported(study=study, trials=len(checked.trials), notes=checked.notes)


def _with_roles(
    sides: Sequence[Checked], origins: Sequence[_Origin], options: ImportOptions
) -> tuple[Checked, Roles]:
    """All trials as one table, and who is compared in it."""
    if len(sides) > 1:
        labels = labels_of([origin.source for origin in origins])
        return joined((sides[0], sides[1]), labels, options)
    (only,) = sides
    findings = Findings(origin=options.source)
    roles = check_roles(options, only.optimizers, findings)
    findings.raise_if_any()
    if roles.candidate is None:
        note = "Without --candidate and --baseline nothing is compared."
        only = replace(only, notes=(*only.notes, note))
    return only, roles


def import_told(
    told: Told,
    trials: Sequence[Trial],
    study: Study,
    options: ImportOptions,
    *,
    complete: bool,
    radius_range: tuple[float, float] | None,
) -> Imported:
    """Lay down the results of a study's own design in a run's folder.

    Args:
        told: the results.
        trials: the design's trial of each row.
        study: the study.
        options: what was asked for; names, roles and ranges are the study's.
        complete: whether these are all trials of its replicates, so that they are looked at.
        radius_range: ends of the lengths of steps in the phase `radius`, if they are known.

    Raises:
        UsageError: the folder holds another run; nothing was written.
    """
    folder = RunFolder(path=options.out)
    origin = _Origin.of(told.source)
    old = folder.read_manifest()
    _check_folder(folder, old, [origin])
    checked = checked_told(told, trials, study)
    before = (old or {}).get("looks") or []
    compared = _Compared(
        paired=True,
        ranges={},
        radius_range=radius_range,
        looks=sorted({*before, study.replicates}) if complete else before,
    )
    _lay_down(folder, checked, study, [origin], options, compared)
    return Imported(study=study, trials=len(checked.trials), notes=checked.notes)


def read_source(location: str, options: ImportOptions) -> Source:
    """The trials as they are found, whatever holds them.

    Raises:
        UsageError: they cannot be read.
    """
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


def study_of(checked: Checked, roles: Roles, options: ImportOptions) -> Study:
    """The study that the trials are of, as far as they say.

    No phase has a number of points: nothing was planned here.
    """
    replicates = int(_replicates(checked.trials).max())
    names = [name for name in PHASE_NAMES if (checked.trials["phase"] == name).any()]
    return Study(
        name=checked.study,
        task=checked.task,
        optimizers=checked.optimizers,
        candidate=roles.candidate,
        baseline=roles.baseline,
        control=roles.control,
        replicates=replicates,
        data=checked.data,
        training=UNKNOWN_TRAINING,
        search_spaces=dict(checked.spaces),
        phases=tuple(_phase(checked, name, options) for name in names),
        analysis=AnalysisSettings(
            margin=options.margin, key=options.key, max_replicates=replicates
        ),
    )


def _replicates(trials: pd.DataFrame) -> pd.Series:
    """How many replicates each optimizer has; in `fixed` seeds are, and count for themselves."""
    own = trials[trials["phase"] != "fixed"]
    counts = own.groupby("optimizer")["replicate"].nunique()
    return counts if len(counts) else pd.Series([1])


def _phase(checked: Checked, name: str, options: ImportOptions) -> Phase:
    rows = checked.trials[checked.trials["phase"] == name]
    seeds = int(rows.groupby(["optimizer", "replicate", "point"]).size().max())
    if name == "fixed":
        seeds = int(rows.groupby(["optimizer", "point"]).size().max())
        return Phase(name="fixed", seeds=seeds, fixed=_fixed_points(checked, rows))
    return Phase.model_validate(
        {
            "name": name,
            "seeds": seeds if name == "default" else 1,
            "optimizers": tuple(dict.fromkeys(rows["optimizer"])),
            "factor": (checked.factor or options.factor) if name == "off" else None,
        }
    )


def _fixed_points(checked: Checked, rows: pd.DataFrame) -> tuple[FixedPoint, ...]:
    return tuple(
        FixedPoint(
            optimizer=row["optimizer"],
            hyperparameters={n: float(row[n]) for n in checked.spaces[row["optimizer"]].names},
        )
        for _, row in rows.drop_duplicates(["optimizer", "point"]).iterrows()
    )


def _check_folder(
    folder: RunFolder, old: Mapping[str, Any] | None, origins: Sequence[_Origin]
) -> None:
    """An import may be made again into its own folder, and into no other."""
    if old is None:
        return
    found = old.get(IMPORTED)
    if is_imported(old) and isinstance(found, Mapping):
        other = found.get("other") or {}
        there = [found.get("source"), *([other.get("source")] if other else [])]
        if there == [origin.source for origin in origins]:
            return
    name = (old.get("study") or {}).get("name", "without a name")
    msg = f"{folder.path}: holds another run, of the study {name}; choose another folder with --out"
    raise UsageError(msg)


def _lay_down(
    folder: RunFolder,
    checked: Checked,
    study: Study,
    origins: Sequence[_Origin],
    options: ImportOptions,
    compared: _Compared,
) -> None:
    buffer = io.BytesIO()
    checked.trials.to_parquet(buffer, index=False)
    with folder.driver():
        # First the manifest: if this stops between the two, the same command mends it.
        write_json(folder.manifest, _manifest(study, checked, origins, options, compared))
        replace_file(folder.trials, buffer.getvalue())


def _manifest(
    study: Study,
    checked: Checked,
    origins: Sequence[_Origin],
    options: ImportOptions,
    compared: _Compared,
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
        "format": study.format,
        "study": stored_study(study, designed=designed),
        "looks": list(compared.looks),
        "radius_range": compared.radius_range,
        IMPORTED: {
            **origins[0].said(),
            **({"study_file": str(options.study_file)} if designed else {}),
            **({"other": origins[1].said()} if len(origins) > 1 else {}),
            "paired": compared.paired,
            "ranges": dict(compared.ranges),
            "at": now(),
            "constants": {name: dict(own) for name, own in checked.constants.items()},
            "notes": list(checked.notes),
        },
    }
