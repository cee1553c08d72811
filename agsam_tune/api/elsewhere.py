"""The trials of a study that another program is to train now, as a frame.

In: a study, and a table of what was trained. Out: a table. Must not import torch or Ray; what is
heavy is imported where it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from agsam_tune.study import Study, find_study, load_study

if TYPE_CHECKING:
    import pandas as pd


def next_trials(
    study: Study | Path | str,
    results: pd.DataFrame | Path | str | None = None,
    *,
    chance: float | None = None,
) -> pd.DataFrame:
    """The trials to train now with a training script of one's own (docs/own_training.md).

    Args:
        study: a study, or its file, whose task may have any name: nothing of it is loaded.
        results: what was trained so far: rows of earlier tables with `test_accuracy` and, where
            there is a validation split, `val_accuracy`; a frame, a file, or a folder of files.
            None for nothing.
        chance: accuracy of guessing, which a diverged trial without an accuracy counts with.

    Returns:
        one row a trial, in the order in which they are best trained: optimizer, phase, replicate,
        index, point, seed and every hyperparameter, NaN where the optimizer has none; in the phase
        radius rho is the length that each ascent step is to have. Empty when nothing is left to
        train.

    Raises:
        StudyError: the study's file is wrong.
        UsageError: the results cannot be read, or are not those of the study's trials.

    >>> table = next_trials("quick")
    >>> table["phase"].value_counts().to_dict()
    {'map': 96, 'tune': 48, 'iid': 48}
    """
    from agsam_tune import elsewhere
    from agsam_tune.importing import read_frame, read_results, read_told
    from agsam_tune.quiet import quietened

    if not isinstance(study, Study):
        study = load_study(find_study(Path(study)), trained_elsewhere=True)
    if isinstance(results, Path | str):
        source = read_results(Path(results))
    else:
        source = None if results is None or results.empty else read_frame(results)
    told = None if source is None else read_told(source, study, chance=chance)
    with quietened():
        return elsewhere.asked_table(study, elsewhere.next_trials(study, told).trials)
