"""The manifest: what a run was, so that its numbers can be made again.

In: a study, its data and how it is run. Out: the dictionary that `manifest.json` holds.
Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from agsam_tune.errors import UsageError
from agsam_tune.folder import RunFolder, now
from agsam_tune.passwords import without_password
from agsam_tune.provenance import commit, processor, versions
from agsam_tune.study import Study, changed_keys

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
        data: `Task.facts()`.
        device: where trials are trained, as PyTorch names it.
        engine: how packs are computed there.
        storage: where results lie; None for the journal in the run's folder.
        command: the command line.
        import_path: folders in which modules of one's own are looked for, kept where there are any.
    """
    found = {name: number or "not installed" for name, number in versions(_PACKAGES).items()}
    return {
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
        "command": list(command),
        "started": now(),
        "finished": None,
    }


def command_line() -> tuple[str, ...]:
    """The command line as it was given, without the passwords of storages."""
    return ("agsam-tune", *map(without_password, sys.argv[1:]))


def manifest_of(folder: RunFolder, study: Study) -> dict[str, Any] | None:
    """The manifest in the folder, or None; raises UsageError where it is another study's."""
    other = another_study(folder, study)
    if other is not None:
        raise UsageError(f"{other}, or restore these keys to carry on")
    return folder.read_manifest()


def another_study(folder: RunFolder, study: Study) -> str | None:
    """What is to be said where the folder holds a run of another study; None where it does not."""
    manifest = folder.read_manifest()
    if manifest is None or manifest.get("study_hash") == study.hash:
        return None
    stored: dict[str, Any] = manifest.get("study", {})
    changed = changed_keys(stored, study.resolved())
    return (
        f"{folder.path}: holds a run of another study, {stored.get('name', 'without a name')}; "
        "what was changed: " + "; ".join(changed) + ". Choose another folder with --out, where "
        f"--reuse {folder.path} takes over the trials that stay the same"
    )


def recorded_engine(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """How a run's packs are computed: its way, and how many trials a pack has."""
    engine: dict[str, Any] = manifest.get("engine", _ONLY_ENGINE)
    return engine
