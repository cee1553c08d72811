"""How an import lies in its folder, and how it is read again.

In: a run's manifest. Out: its study and its trials. The trials table is the only truth about the
results of an imported run: there is no storage. How the trials were trained is not known, so the
manifest's study has no `training`; the `Study` in memory has one that nothing reads. Must not
import torch, Ray or Optuna.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agsam_tune.errors import UsageError
from agsam_tune.study import UNKNOWN_TRAINING, Study

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["IMPORTED", "imported_study", "is_imported", "read_imported_trials"]

#: The manifest's entry that says what was imported; runs that were made here have none.
IMPORTED = "imported"

#: What says how trials are trained and placed: not known of trials that were made elsewhere.
_UNKNOWN = ("training", "packs", "resources")


def is_imported(manifest: Mapping[str, Any]) -> bool:
    """Whether the folder's trials were made elsewhere."""
    return isinstance(manifest.get(IMPORTED), Mapping)


def stored_study(study: Study, *, designed: bool) -> dict[str, Any]:
    """What the manifest says of the study: what is known of it.

    Args:
        study: the study.
        designed: whether its points are from a study file, and so from the seed there.
    """
    unknown = _UNKNOWN if designed else (*_UNKNOWN, "seed")
    return {key: value for key, value in study.resolved().items() if key not in unknown}


def imported_study(manifest: Mapping[str, Any]) -> Study:
    """The study of an imported run.

    Raises:
        StudyError: if the manifest's entry is none.
        KeyError: if it has none.
    """
    training = UNKNOWN_TRAINING.model_dump(mode="json")
    return Study.from_resolved({**manifest["study"], "training": training})


def read_imported_trials(path: Path) -> pd.DataFrame:
    """The trials of an imported run; of the first design, points are taken as independent.

    Args:
        path: `trials.parquet` in the run's folder.

    Raises:
        UsageError: they are gone or cannot be read.
    """
    if not path.is_file():
        raise UsageError(f"the results are gone: there is no {path}; import them again")
    import pandas as pd  # here, since who looks at a manifest does not need it

    try:
        trials = pd.read_parquet(path)
        manifest = json.loads(path.with_name("manifest.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        line = (str(error).splitlines() or [""])[0]
        raise UsageError(f"{path}: cannot be read: {line}; import the trials again") from error
    if "format" in manifest:
        return trials
    seed_counts = trials["phase"] == "fixed"
    return trials.assign(replicate=trials["seed"].where(seed_counts, trials["point"]))
