"""The data of a study: the task of each of its replicates.

In: a study. Out: `Tasks`. Must not import torch, Ray or Optuna.
"""

from __future__ import annotations

from collections.abc import Sequence

from agsam_tune.study import Study
from agsam_tune.tasks.tasks import Tasks, load_replicates


def load_tasks(study: Study, import_path: Sequence[str] = ()) -> Tasks:
    """The tasks of the study's replicates; in the phase `fixed` each seed is a replicate.

    A study that has grown is loaded anew: the replicates it had get the same data again.

    Args:
        study: the study.
        import_path: folders in which a user's module is looked for as well.

    Raises:
        UsageError: the task cannot be loaded, or replicates differ in more than their data.
    """
    fixed = study.phase("fixed")
    count = max(0 if study.is_fixed else study.replicates, fixed.seeds if fixed else 1)
    return load_replicates(
        study.task,
        study.task_options,
        study_seed=study.seed,
        replicates=None if study.data == "fixed" else count,
        import_path=import_path,
    )
