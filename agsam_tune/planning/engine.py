"""How the packs of a run are computed: what its manifest says, and what its study may not change.

In: a manifest and a study. Out: the way and the rows. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agsam_tune.errors import UsageError
from agsam_tune.executors.checks import device_of
from agsam_tune.folder import RunFolder
from agsam_tune.manifest import recorded_engine
from agsam_tune.packs import AUTO_ROWS
from agsam_tune.study import Study


def engine_of(folder: RunFolder, manifest: Mapping[str, Any], study: Study) -> dict[str, Any]:
    """How the run's packs are computed; raises UsageError where the study now says otherwise.

    Ways and devices round differently, so trials of two would differ by that as well.
    """
    engine = recorded_engine(manifest)
    began = {"packs.way": engine["way"], "resources.gpus": manifest["device"].split()[0]}
    asked = {"packs.way": study.packs.way, "resources.gpus": device_of(study)}
    for key, found in asked.items():
        if found not in ("auto", began[key]):
            msg = (
                f"{folder.path}: its trials were computed with {began[key]!r}, and {key} now asks "
                f"for {found!r}. Choose another folder with --out, or restore {key} to carry on"
            )
            raise UsageError(msg)
    return engine


def rows_of(study: Study, engine: Mapping[str, Any] | None) -> int:
    """Trials of a whole pack: what the study says, else what was found for its model."""
    if study.packs.rows != "auto":
        return int(study.packs.rows)
    return int(engine["rows"]) if engine else AUTO_ROWS
