"""The manifest: what a run was, so that its numbers can be made again.

In: a study, its data and how it is run. Out: the dictionary that `manifest.json` holds.
Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from agsam_tune.atomic import write_json
from agsam_tune.errors import UsageError
from agsam_tune.folder import RunFolder, now
from agsam_tune.passwords import without_password
from agsam_tune.provenance import commit, processor, versions
from agsam_tune.study import Study, changed_keys
from agsam_tune.study.first_design import NOT_CARRIED_ON

#: The version of the form of `manifest.json`. Manifests of 1, of seeds crossed with points, do not
#: say it.
FORMAT = 2
#: Tables and keys of a study that decide the numbers of every trial.
DECIDING = ("task", "task_options", "seed", "data", "training", "sharpness")

# How every run was computed before there was a choice; the manifests of then do not say it.
_ONLY_ENGINE = {"way": "stacked", "rows": 64, "seconds": {}}
_PACKAGES = ("agsam-tune", "torch", "ray", "optuna", "numpy", "scipy", "pandas", "scikit-learn")


def new_manifest(
    study: Study,
    *,
    data: Mapping[str, Any],
    device: str,
    engine: Mapping[str, Any],
    storage: str | None,
    command: Sequence[str],
    import_path: Sequence[str] = (),
) -> dict[str, Any]:
    """The manifest of a run that starts now.

    Args:
        study: the study.
        data: `Tasks.facts()`.
        device: where trials are trained, as PyTorch names it.
        engine: how packs are computed there.
        storage: where results lie; None for the journal in the run's folder.
        command: the command line.
        import_path: folders in which modules of one's own are looked for, kept where there are any.
    """
    found = {name: number or "not installed" for name, number in versions(_PACKAGES).items()}
    return {
        "format": FORMAT,
        "study": study.resolved(),
        "study_hash": study.hash,
        "versions": {"python": platform.python_version(), **found},
        "commit": commit(),
        "device": f"{device} ({processor()})",
        "engine": dict(engine),
        "platform": platform.platform(),
        "data": dict(data),
        "storage": storage,
        "foreign_code": study.foreign_code,
        "import_path": list(import_path) if study.foreign_code else [],
        "looks": [],
        "radius_range": None,
        "command": list(command),
        "started": now(),
        "finished": None,
    }


def command_line() -> tuple[str, ...]:
    """The command line as it was given, without the passwords of storages."""
    return ("agsam-tune", *map(without_password, sys.argv[1:]))


class RunManifest:
    """The manifest of a run that goes on; what is changed of it is written at once.

    Args:
        folder: the run's folder.
        values: what it says, which is in the file already or is written with the first change.
    """

    def __init__(self, folder: RunFolder, values: Mapping[str, Any]) -> None:
        self._folder = folder
        self._values = dict(values)

    @property
    def values(self) -> Mapping[str, Any]:
        """All that it says."""
        return self._values

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def update(self, **changes: Any) -> None:
        """Say this from now on."""
        changed = {**self._values, **changes}
        if changed != self._values or not self._folder.manifest.exists():
            self._values = changed
            write_json(self._folder.manifest, changed)

    def complete(self, replicates: int) -> None:
        """All trainings of this many replicates are there, so that they are looked at, once."""
        self.update(looks=sorted({*self["looks"], replicates}), finished=self["finished"] or now())


def radius_range_of(manifest: Mapping[str, Any]) -> tuple[float, float] | None:
    """The ends of what the phase `radius` draws from, if they are known."""
    ends = manifest.get("radius_range")
    return None if ends is None else (float(ends[0]), float(ends[1]))


def check_format(folder: RunFolder, manifest: Mapping[str, Any]) -> None:
    """Raise UsageError where a later version than this one wrote the manifest."""
    found = manifest.get("format", 1)
    if found not in (1, FORMAT):
        msg = (
            f"{folder.manifest}: found format {found!r}, allowed: 1 to {FORMAT}; a later version "
            "of agsam-tune wrote it, and reads it"
        )
        raise UsageError(msg)


def manifest_of(folder: RunFolder, study: Study) -> dict[str, Any] | None:
    """The manifest in the folder, or None; raises UsageError where it cannot be carried on."""
    other = another_study(folder, study)
    if other is not None:
        raise UsageError(f"{other}, or restore these keys to carry on")
    return folder.read_manifest()


def another_study(folder: RunFolder, study: Study) -> str | None:
    """What is to be said where the folder holds a run of another study; None where it does not.

    Raises:
        UsageError: the run, or the study, is of the first design, which is not run any more.
    """
    manifest = folder.read_manifest()
    if manifest is not None:
        check_format(folder, manifest)
    if study.format != FORMAT or (manifest is not None and manifest.get("format", 1) != FORMAT):
        first = study.name if manifest is None else folder.path
        raise UsageError(f"{first}: {NOT_CARRIED_ON}")
    if manifest is None or manifest.get("study_hash") == study.hash:
        return None
    stored: dict[str, Any] = manifest.get("study", {})
    changed = changed_keys(stored, study.resolved())
    reused = f", where --reuse {folder.path} takes over the trials that stay the same"
    if any(key.partition(":")[0].partition(".")[0] in DECIDING for key in changed):
        reused = ""  # no trial would stay the same
    return (
        f"{folder.path}: holds a run of another study, {stored.get('name', 'without a name')}; "
        "what was changed: " + "; ".join(changed) + ". Choose another folder with --out" + reused
    )


def begun_with(folder: RunFolder, manifest: Mapping[str, Any] | None, study: Study) -> Study:
    """The study with as many replicates as it asks for, but never fewer than the run has begun.

    Raises:
        UsageError: they are more than may be looked at, now that the run was looked at: a look
            costs the less certainty the more there may be.
    """
    if manifest is None:
        return study
    begun = Study.from_resolved(manifest["study"])
    if manifest["looks"] and study.replicates > begun.max_replicates:
        msg = (
            f"{folder.path}: found replicates {study.replicates}, allowed: up to "
            f"{begun.max_replicates}, which were planned for when the run was first looked at; "
            "choose another folder with --out, where --reuse takes over what is there"
        )
        raise UsageError(msg)
    return study.model_copy(update={"replicates": max(study.replicates, begun.replicates)})


def check_data(folder: RunFolder, manifest: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
    """Raise UsageError where the data of a replicate are no longer those the run began with."""
    different = differing_data(manifest["data"], facts)
    if different is not None:
        msg = f"{folder.path}: the task's data are no longer those the run began with: {different}"
        raise UsageError(msg)


def differing_data(there: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    """What differs first in the facts of two runs' tasks, as "key: there → here"; None if nothing.

    Of the data, those of the replicates that both have.
    """
    if there["parameters"] != here["parameters"]:
        return f"data.parameters: {there['parameters']} → {here['parameters']}"
    pairs = zip(there["replicates"], here["replicates"], strict=False)
    return next(
        (
            f"data of replicate {number}: {old['digest'][:12]} → {new['digest'][:12]}"
            for number, (old, new) in enumerate(pairs)
            if old["digest"] != new["digest"]
        ),
        None,
    )


def recorded_engine(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """How a run's packs are computed: its way, and how many trials a pack has."""
    engine: dict[str, Any] = manifest.get("engine", _ONLY_ENGINE)
    return engine
